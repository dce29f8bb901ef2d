"""The counter where every protocol hands in its mail: refuse it, or write it down and say yes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from enum import Enum
from pathlib import Path

import msgspec

from . import refusal
from .accepted import Accepted, AcceptedFile
from .account import Account
from .clock import Clock, iso, real
from .fate import Turn, fate
from .faults import DELAYS, LOST_REPLIES, REFUSALS, Fault, Faults, Occasion
from .letter import Letter, stamped
from .publisher import Publisher
from .refusal import Refusal
from .ses_event import Happening, Passage, feedback_id, passage
from .setup import Setup
from .statistics import Statistics
from .suppression import Reason, Suppressed

MAX_RECIPIENTS = 50
MAX_SIZE = 40 * 1024 * 1024  # bytes
REMEMBERED = 50_000  # mails that can still be played with
_LEARNED: dict[Turn, Reason] = {Turn.BOUNCE: "BOUNCE", Turn.COMPLAINT: "COMPLAINT"}


class Ending(Enum):
    """What happens to the connection after a decision."""

    REPLY = "reply"
    CLOSE = "close"
    RESET = "reset"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a mail, and what the client is to see of it.

    With a `message_id` the mail is accepted and written down, whatever the rest says. `status` is an HTTP status to
    answer with although it was accepted; where a protocol has no such thing, the connection ends.
    """

    message_id: str | None = None
    refusal: Refusal | None = None
    ending: Ending = Ending.REPLY
    status: int | None = None
    delay: float = 0.0  # seconds that the reply waits


class Reception:
    """Decides about mails one at a time; nothing here waits."""

    def __init__(
        self,
        *,
        account: Account,
        accepted: AcceptedFile,
        mailbox: Path | None,
        faults: Faults,
        publisher: Publisher,
        setup: Setup,
        statistics: Statistics,
        clock: Clock,
        new_id: Callable[[], str],
        play: frozenset[str],
    ) -> None:
        self._account = account
        self._accepted = accepted
        self._mailbox = mailbox
        self._faults = faults
        self._publisher = publisher
        self._setup = setup
        self._statistics = statistics
        self._clock = clock
        self._new_id = new_id
        self._play = play
        self.reset()

    def reset(self) -> None:
        self.mails = 0
        self.recipients = 0
        self.refused: dict[str, int] = {}
        self._passages: OrderedDict[str, Passage] = OrderedDict()
        self._last_to: OrderedDict[str, Passage] = OrderedDict()

    def hand_in(self, letter: Letter, via: str, source_ip: str) -> Decision:
        """Accept a mail for all its recipients, or refuse it; `via` is `smtp` or `http`."""
        ticks = self._clock.ticks()
        occasion = Occasion(ticks, via, letter.recipients)
        delay = self._delay(occasion)
        refusing = self._faults.first(REFUSALS, occasion)
        allowed = self._account.refuses(letter.recipients, ticks)
        if refusing is not None and refusing.name == "reset":
            return self._reset(delay)
        taken = self._taken((refusing and self._refusal(refusing, letter)) or allowed, letter, via, source_ip)
        if isinstance(taken, Refusal):
            return Decision(refusal=taken, delay=delay)
        return self._reply(taken, self._faults.first(LOST_REPLIES, occasion), delay)

    def hand_in_together(
        self, letters: Sequence[Letter], via: str, source_ip: str
    ) -> tuple[Decision, Sequence[Decision]]:
        """Several mails by one request, each accepted or refused by itself: what becomes of the request, and of them.

        Where the request is refused as a whole, nothing of it is accepted and there is nothing to say of its mails.
        """
        ticks = self._clock.ticks()
        occasion = Occasion(ticks, via, tuple(recipient for letter in letters for recipient in letter.recipients))
        delay = self._delay(occasion)
        refusing = self._faults.first(REFUSALS, occasion, _is_of_request)
        if refusing is not None and refusing.name == "reset":
            return self._reset(delay), ()
        if refusing is not None:
            refused = refusal.of(refusing.argument)
            self._count(refused.name)
            return Decision(refusal=refused, delay=delay), ()
        decisions = [self._entry(letter, via, source_ip, ticks) for letter in letters]
        return self._reply("", self._faults.first(LOST_REPLIES, occasion), delay), decisions

    def _entry(self, letter: Letter, via: str, source_ip: str, ticks: int) -> Decision:
        occasion = Occasion(ticks, via, letter.recipients)
        refusing = self._faults.first(REFUSALS, occasion, lambda fault: not _is_of_request(fault))
        allowed = self._account.refuses(letter.recipients, ticks)
        taken = self._taken((refusing and self._refusal(refusing, letter)) or allowed, letter, via, source_ip)
        return Decision(refusal=taken) if isinstance(taken, Refusal) else Decision(message_id=taken)

    def _delay(self, occasion: Occasion) -> float:
        return sum(real(float(fault.argument), self._clock) for fault in self._faults.all(DELAYS, occasion))

    def _reset(self, delay: float) -> Decision:
        self._count("reset")
        return Decision(ending=Ending.RESET, delay=delay)

    def _taken(self, refused: Refusal | None, letter: Letter, via: str, source_ip: str) -> str | Refusal:
        """The message id of a mail that is accepted, or why it is not."""
        refused = refused or self._setup.refuses(letter) or _too_much(letter)
        if refused is None:
            message_id = self._take(letter, via, source_ip, self._clock.ticks())
            if message_id is not None:
                return message_id
            refused = refusal.UNAVAILABLE
        self._count(refused.name)
        return refused

    def play(self, key: str, turn: Turn, link: str) -> int:
        """Let something more happen to a mail, named by its id (for each recipient) or by a recipient (the last one).

        Returns the number of events; 0 if the mail is not among the last that are remembered.
        """
        passage = self._passages.get(key) or self._last_to.get(key)
        if passage is None:
            return 0
        recipients = (key,) if key in passage.recipients else passage.recipients
        for recipient in recipients:
            self._happen(Happening(passage, turn, (recipient,), self._clock.now(), link))
        return len(recipients)

    def _take(self, letter: Letter, via: str, source_ip: str, ticks: int) -> str | None:
        """Write the mail down; `None` when that could not be done, and then nothing of it counts."""
        now = self._clock.now()
        message_id = f"0100{now:012x}-{self._new_id()}-000000"
        try:
            self._put_into_mailbox(letter, message_id, now)
            self._accepted.append(_records(letter, message_id, now))
        except OSError:
            return None
        self._account.take(letter.recipients, ticks)
        self.mails += 1
        self.recipients += len(letter.recipients)
        self._tell(passage(letter, message_id, now, via, source_ip))
        return message_id

    def _put_into_mailbox(self, letter: Letter, message_id: str, now: int) -> None:
        if self._mailbox is not None:
            Path(self._mailbox, f"{message_id}.eml").write_bytes(stamped(letter.data, message_id, now))

    def _tell(self, passage: Passage) -> None:
        """Publish what happens to the mail: one Send that names all recipients, then each one's fate."""
        self._remember(passage)
        if passage.letter.rendering_failure is not None:
            self._happen(Happening(passage, Turn.RENDERING_FAILURE, passage.recipients, passage.at))
            return
        self._happen(Happening(passage, Turn.SEND, passage.recipients, passage.at))
        for recipient in passage.recipients:
            listed = self._setup.suppresses(recipient, passage.letter)
            turns = (Turn.ON_LIST,) if listed else fate(recipient, self._play)
            for place, turn in enumerate(turns, 1):
                self._happen(Happening(passage, turn, (recipient,), passage.at + place))

    def _happen(self, happening: Happening) -> None:
        self._statistics.count(happening)
        self._publisher.publish(happening)
        reason = _LEARNED.get(happening.turn)
        if reason is not None:
            passage, feedback = happening.passage, feedback_id(happening)
            for recipient in happening.recipients:
                listed = Suppressed(recipient, reason, happening.at, passage.message_id, feedback)
                self._setup.learn(listed, passage.letter)

    def _remember(self, passage: Passage) -> None:
        self._passages[passage.message_id] = passage
        for recipient in passage.recipients:
            self._last_to[recipient] = passage
            self._last_to.move_to_end(recipient)
        while len(self._passages) > REMEMBERED:
            self._passages.popitem(last=False)
        while len(self._last_to) > REMEMBERED:
            self._last_to.popitem(last=False)

    def _refusal(self, fault: Fault, letter: Letter) -> Refusal | None:
        match fault.name:
            case "throttle":
                return refusal.THROTTLED
            case "daily_quota":
                return refusal.QUOTA
            case "suspend":
                return refusal.SUSPENDED
            case "sandbox":
                strangers = self._account.strangers(letter.recipients)
                return refusal.not_verified(strangers) if strangers else None
            case _:
                return refusal.of(fault.argument)

    def _reply(self, message_id: str, fault: Fault | None, delay: float) -> Decision:
        if fault is None:
            return Decision(message_id=message_id, delay=delay)
        if fault.name == "lose_reply":
            return Decision(message_id=message_id, ending=Ending.CLOSE, delay=delay)
        return Decision(message_id=message_id, status=int(fault.argument), delay=delay)

    def _count(self, name: str) -> None:
        self.refused[name] = self.refused.get(name, 0) + 1


def _is_of_request(fault: Fault) -> bool:
    """Whether the fault is about a whole request, where one carries several mails."""
    return fault.name == "reset" or (fault.name == "error" and refusal.is_of_request(fault.argument))


def _too_much(letter: Letter) -> Refusal | None:
    if len(letter.recipients) > MAX_RECIPIENTS:
        return refusal.TOO_MANY
    return refusal.TOO_LONG if len(letter.data) > MAX_SIZE else None


def _records(letter: Letter, message_id: str, now: int) -> list[Accepted]:
    sha256 = letter.sha256
    subject = letter.subject
    return [
        Accepted(
            at=iso(now),
            provider="ses",
            sender=letter.reverse_path,
            recipient=recipient,
            provider_message_id=message_id,
            header_message_id=letter.field("message-id"),
            message=letter.tags.get("kakitome_message"),
            attempt=letter.tags.get("kakitome_attempt"),
            subject=subject,
            size=len(letter.data),
            sha256=sha256,
        )
        for recipient in letter.recipients
    ]
