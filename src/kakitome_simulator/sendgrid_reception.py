"""SendGrid's side of the counter: refuse a request, or write each of its recipients down and say yes.

An account of its own beside SES's: a rate limit in requests (`--sendgrid-rate`) and the same faults, in SendGrid's
words. A request is taken for all of its recipients or for none.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import msgspec

from . import refusal
from .accepted import Accepted, AcceptedFile
from .clock import SECOND, Clock, iso
from .fate import Turn, fate
from .faults import DELAYS, LOST_REPLIES, REFUSALS, Fault, Faults, Occasion
from .reception import Ending
from .sendgrid_event import Passage, event
from .sendgrid_mail import compose_mail
from .sendgrid_publisher import VIA, SendGridPublisher
from .sendgrid_request import MailSend

REMEMBERED = 50_000  # mails that can still be played with


class Denial(msgspec.Struct, frozen=True):
    """An error answer: its status and the one entry of its `errors`."""

    status: int
    message: str
    field: str | None = None


THROTTLED = Denial(429, "too many requests")
DENIALS = {
    "throttle": THROTTLED,
    "daily_quota": Denial(401, "Maximum credits exceeded"),
    "suspend": Denial(403, "Your account has been suspended. Please contact support."),
    "sandbox": Denial(403, "The from address does not match a verified Sender Identity.", "from"),
}
UNAVAILABLE = Denial(503, "Service unavailable")  # what could not be written down is never taken


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the client is to see. With a `message_id` the mail is accepted and written down, whatever the rest says."""

    message_id: str | None = None
    denial: Denial | None = None
    ending: Ending = Ending.REPLY
    delay: float = 0.0  # seconds
    limits: dict[str, str] = {}  # X-RateLimit-…


class Window:
    """A rate limit as SendGrid's: so many requests in a window that begins with its first request."""

    def __init__(self, limit: int | None, seconds: float) -> None:
        self.limit = limit
        self._span = round(seconds * SECOND)
        self.reset()

    def reset(self) -> None:
        self._used, self._ends = 0, 0

    def takes(self, ticks: int) -> bool:
        """Count one more request, if there is room for it."""
        if self.limit is None:
            return True
        if ticks >= self._ends:
            self._used, self._ends = 0, ticks + self._span
        self._used += self._used < self.limit + 1
        return self._used <= self.limit

    def headers(self, ticks: int, now: int, denial: Denial | None) -> dict[str, str]:
        """The mail/send endpoint gives them where there is something to say: a limit, or a 429."""
        throttled = denial is not None and denial.status == 429
        if self.limit is None and not throttled:
            return {}
        rest = max(0, self._ends - ticks) if self.limit is not None else SECOND
        left = 0 if throttled or self.limit is None else max(0, self.limit - self._used)
        return {
            "X-RateLimit-Limit": str(self.limit or 0),
            "X-RateLimit-Remaining": str(left),
            "X-RateLimit-Reset": str(math.ceil(now / 1000 + rest / SECOND)),
        }


class SendGridReception:
    """Decides about requests one at a time; nothing here waits."""

    def __init__(
        self,
        *,
        window: Window,
        accepted: AcceptedFile,
        mailbox: Path | None,
        faults: Faults,
        publisher: SendGridPublisher,
        clock: Clock,
        new_id: Callable[[], str],
        play: frozenset[str],
    ) -> None:
        self._window = window
        self._accepted = accepted
        self._mailbox = mailbox
        self._faults = faults
        self._publisher = publisher
        self._clock = clock
        self._new_id = new_id
        self._play = play
        self.reset()

    def reset(self) -> None:
        self.requests = self.recipients = 0
        self.refused: dict[str, int] = {}
        self._played = 0
        self._passages: OrderedDict[str, list[Passage]] = OrderedDict()
        self._window.reset()

    def hand_in(self, mail: MailSend, body: bytes) -> Answer:
        """Accept the request for all of its recipients, or refuse it."""
        ticks = self._clock.ticks()
        occasion = Occasion(ticks, VIA, tuple(p.email for one in mail.personalizations for p in one.everyone))
        delay = sum(float(fault.argument) for fault in self._faults.all(DELAYS, occasion))
        refusing = self._faults.first(REFUSALS, occasion)
        if refusing is not None and refusing.name == "reset":
            self.count("reset")
            return Answer(ending=Ending.RESET, delay=delay)
        denial = _denied(refusing) if refusing else None if self._window.takes(ticks) else THROTTLED
        message_id = self._take(mail, body) if denial is None else None
        if message_id is None:
            denial = denial or UNAVAILABLE
            self.count(str(denial.status))
        limits = self._window.headers(ticks, self._clock.now(), denial)
        lost = self._faults.first(LOST_REPLIES, occasion) if denial is None else None
        if lost is not None and lost.name == "lose_reply":
            return Answer(message_id=message_id, ending=Ending.CLOSE, delay=delay)
        if lost is not None:
            denial = Denial(int(lost.argument), "Internal error")
        return Answer(message_id=message_id, denial=denial, delay=delay, limits=limits)

    def count(self, name: str) -> None:
        self.refused[name] = self.refused.get(name, 0) + 1

    def play(self, key: str, turn: Turn, link: str) -> int:
        """Let something more happen to a mail, named by its X-Message-Id or by a recipient (their last one). Returns
        the number of events; 0 if the mail is not among the last that are remembered."""
        self._played += 1
        told = 0
        for passage in self._passages.get(key, ()):
            for recipient in (key,) if key in passage.recipients else passage.recipients:
                told += self._tell(passage, turn, recipient, self._clock.now(), link)
        return told

    def _take(self, mail: MailSend, body: bytes) -> str | None:
        """Write the mail down; `None` when that could not be done, and then nothing of it counts."""
        now = self._clock.now()
        unique = hashlib.sha256(self._new_id().encode()).digest()[:16]
        message_id = base64.urlsafe_b64encode(unique).decode().rstrip("=")
        try:
            if self._mailbox is not None:
                for place, one in enumerate(mail.personalizations):
                    path = Path(self._mailbox, f"{message_id}.{place}.eml")
                    path.write_bytes(compose_mail(mail, one))
            self._accepted.append(_records(mail, body, message_id, now))
        except OSError:
            return None
        self.requests += 1
        for place, one in enumerate(mail.personalizations):
            recipients = tuple(person.email for person in one.everyone)
            self.recipients += len(recipients)
            args = mail.custom_args | one.custom_args
            self._begin(Passage(message_id, place, recipients, args, tuple(mail.categories)), now)
        return message_id

    def _begin(self, passage: Passage, now: int) -> None:
        self._passages.setdefault(passage.message_id, []).append(passage)
        for recipient in passage.recipients:
            self._passages[recipient] = [passage]
            self._passages.move_to_end(recipient)
            self._tell(passage, Turn.SEND, recipient, now)
            for turn in fate(recipient, self._play):
                self._tell(passage, turn, recipient, now)
        while len(self._passages) > REMEMBERED:
            self._passages.popitem(last=False)

    def _tell(self, passage: Passage, turn: Turn, recipient: str, at: int, link: str = "https://example.com/") -> int:
        told = event(passage, turn, recipient, at, self._played, link)
        if told is not None:
            self._publisher.publish(told)
        return told is not None


def _denied(fault: Fault) -> Denial:
    if fault.name != "error":
        return DENIALS[fault.name]
    asked = refusal.of(fault.argument)
    return Denial(asked.status, asked.message)


def _records(mail: MailSend, body: bytes, message_id: str, now: int) -> list[Accepted]:
    """`size` and `sha256` are of the request, which is what was handed in. Where the arguments name several messages,
    those of a recipient are not told apart: the line has them as they came."""
    sha256 = hashlib.sha256(body).hexdigest()
    return [
        Accepted(
            at=iso(now),
            provider="sendgrid",
            sender=mail.sender.email,
            recipient=person.email,
            provider_message_id=message_id,
            header_message_id=None,
            message=(mail.custom_args | one.custom_args).get("kakitome_message"),
            attempt=(mail.custom_args | one.custom_args).get("kakitome_attempt"),
            subject=one.subject or mail.subject,
            size=len(body),
            sha256=sha256,
        )
        for one in mail.personalizations
        for person in one.everyone
    ]
