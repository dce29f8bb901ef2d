"""Whose fault it is when a lane refuses: its own, or after all that of the one mail which asked.

A sender who is not verified, or a mail at which a server cuts the connection each time, looks like an ill lane. If each
of them stopped it, a few such mails would stop everybody's. So two things are remembered, by each process for itself:

- a lane that took another sender's mail does not know this sender: the lane is well;
- a lane that refused this very mail before, and took others since, is well, too.

Such a mail waits alone, and may go another way; no attempt is counted. A mail that tries a stopped lane is never judged
so: what is stopped opens only by a mail that goes through.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from kakitome.core.ids import MessageId
from kakitome.core.outcome import STOPS, Accepted, Outcome, Unavailability, Unavailable

_U: Final = Unavailability

SENDERS: Final = frozenset({_U.IDENTITY})
"""Reasons that name the sender."""

DOUBTFUL: Final = frozenset(
    {*SENDERS, _U.SANDBOX, _U.CREDENTIALS, _U.CONFIGURATION, _U.REFUSED_CONNECTION, _U.TOO_MANY_CONNECTIONS}
)
"""Reasons that one mail may be to blame for. AWS's keys may be allowed to send for some addresses only."""

LONGEST: Final = 60 * 60.0
"""Seconds that a mail is kept off a lane at most. At first it is as long as the lane would have been stopped, and
twice as long each time."""

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

    def is_its_own(
        self, lane: str, message: MessageId, sender: str, outcome: Outcome, probing: bool, now: float
    ) -> bool:
        """Take an outcome in; whether it says something of this mail alone, which is then kept off the lane."""
        if isinstance(outcome, Accepted):
            self._taken[lane] = self._taken.get(lane, 0) + 1
            others = [known for known in self._senders.get(lane, []) if known != sender]
            self._senders[lane] = [*others[-1:], sender]
            self._refused.pop((lane, message), None)
            return False
        if not isinstance(outcome, Unavailable) or outcome.reason not in DOUBTFUL:
            return False
        taken, times = self._refused.pop((lane, message), (None, 0))
        others_went = taken is not None and self._taken.get(lane, 0) > taken
        is_sender = outcome.reason in SENDERS and any(known != sender for known in self._senders.get(lane, []))
        is_own = not probing and (others_went or is_sender)
        self._remember(lane, message, times + is_own)
        if is_own:
            self._keep_off(
                lane, message, now + min(LONGEST, STOPS[outcome.reason].pause_ms / 1000 * 2 ** min(times, 10))
            )
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

    def kept_off(self, lane: str, now: float) -> dict[MessageId, float]:
        """The mails that do not try this lane now, and until when."""
        kept = self._kept_off.get(lane)
        if not kept:
            return {}
        for message in [message for message, until in kept.items() if until <= now]:
            del kept[message]
        return dict(kept)
