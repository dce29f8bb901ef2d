"""Whose fault it is when a lane refuses: its own, or after all that of the one mail which asked.

A sender who is not verified, or a mail at which a server cuts the connection each time, looks like an ill lane. If each
of them stopped it, a few such mails would stop everybody's. So two things are remembered, by each process for itself:

- a lane that took another sender's mail does not know this sender: the lane is well;
- a lane that refused this very mail before, and took others since, is well, too.

Such a mail waits alone, and may go another way; no attempt is counted. A campaign has one sender: where that is not
known, one mail has asked for all. A mail that tries a stopped lane is never judged so: what is stopped opens only by a
mail that goes through.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from kakitome.core.ids import MessageId, RunId
from kakitome.core.outcome import STOPS, Accepted, Outcome, Unavailability, Unavailable

_U: Final = Unavailability

SENDERS: Final = frozenset({_U.IDENTITY})
"""Reasons that name the sender."""

DOUBTFUL: Final = frozenset(
    {*SENDERS, _U.SANDBOX, _U.CREDENTIALS, _U.CONFIGURATION, _U.REFUSED_CONNECTION, _U.TOO_MANY_CONNECTIONS}
)
"""Reasons that one mail may be to blame for. AWS's keys may be allowed to send for some addresses only."""

LONGEST: Final = 60 * 60.0
"""Seconds that a mail or campaign is kept off a lane at most. At first it is as long as the lane would have been
stopped, and twice as long each time."""

MOST: Final = 1_000
"""Mails that are kept off a lane at once; beyond them the first one may try again sooner."""

REMEMBERED: Final = 10_000


class Blame:
    """By the names of lanes. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._taken: dict[str, int] = {}
        self._senders: dict[str, list[str]] = {}  # the last two: enough to know of another one
        self._refused: OrderedDict[tuple[str, MessageId], tuple[int, int]] = OrderedDict()
        self._kept_off: dict[str, OrderedDict[MessageId, float]] = {}
        self._campaigns: dict[tuple[str, RunId], tuple[float, int]] = {}  # until when, for the how-manieth time

    def is_its_own(
        self,
        lane: str,
        message: MessageId,
        sender: str,
        outcome: Outcome,
        probing: bool,
        now: float,
        campaign: RunId | None = None,
    ) -> bool:
        """Take an outcome in; whether it says something of this mail alone, or of its `campaign`, which is then kept
        off the lane."""
        if isinstance(outcome, Accepted):
            self._taken[lane] = self._taken.get(lane, 0) + 1
            others = [known for known in self._senders.get(lane, []) if known != sender]
            self._senders[lane] = [*others[-1:], sender]
            self._refused.pop((lane, message), None)
            if campaign is not None:
                self._campaigns.pop((lane, campaign), None)
            return False
        if not isinstance(outcome, Unavailable) or outcome.reason not in DOUBTFUL:
            return False
        taken, times = self._refused.pop((lane, message), (None, 0))
        others_went = taken is not None and self._taken.get(lane, 0) > taken
        is_sender = outcome.reason in SENDERS and any(known != sender for known in self._senders.get(lane, []))
        is_own = not probing and (others_went or is_sender)
        self._remember(lane, message, times + is_own)
        if is_own and is_sender and campaign is not None:
            self._keep_campaign_off(lane, campaign, outcome.reason, now)
        elif is_own:
            self._keep_off(lane, message, now + _pause(outcome.reason, times))
        return is_own

    def _remember(self, lane: str, message: MessageId, times: int) -> None:
        self._refused[lane, message] = (self._taken.get(lane, 0), times)
        if len(self._refused) > REMEMBERED:
            self._refused.popitem(last=False)

    def _keep_off(self, lane: str, message: MessageId, until: float) -> None:
        kept = self._kept_off.setdefault(lane, OrderedDict())
        kept[message] = until
        if len(kept) > MOST:
            kept.popitem(last=False)

    def _keep_campaign_off(self, lane: str, campaign: RunId, reason: Unavailability, now: float) -> None:
        until, times = self._campaigns.get((lane, campaign), (now, 0))
        if until <= now:  # else it is the answer to what was on the wire beside the first
            self._campaigns[lane, campaign] = (now + _pause(reason, times), times + 1)

    def campaign_kept_off(self, lane: str, run: RunId, now: float) -> float | None:
        """Until when nothing of this run tries the lane; None where it may."""
        until, _ = self._campaigns.get((lane, run), (now, 0))
        return until if until > now else None

    def kept_off(self, lane: str, now: float) -> dict[MessageId, float]:
        """The mails that do not try this lane now, and until when."""
        kept = self._kept_off.get(lane)
        if not kept:
            return {}
        for message in [message for message, until in kept.items() if until <= now]:
            del kept[message]
        return dict(kept)


def _pause(reason: Unavailability, times: int) -> float:
    return min(LONGEST, STOPS[reason].pause_ms / 1000 * float(1 << min(times, 10)))
