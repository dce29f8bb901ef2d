"""What came of one attempt, as a value.

Six outcomes, and each says what it means for the mail. The question behind all of them is whether the next hop may
have taken it:

    Accepted      it certainly did
    Uncertain     nobody knows; this is the only outcome that puts a message in doubt
    Deferred, Rejected, Unavailable, Released      it certainly did not
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from kakitome.core.reply import Reply

_SECOND: Final = 1_000
_MINUTE: Final = 60 * _SECOND


class Unavailability(StrEnum):
    """Why nothing can be sent now. What each one stops, and for how long, is in `STOPS`."""

    THROTTLED = "throttled"  # faster than the provider allows at this moment
    QUOTA = "quota"  # the rolling 24-hour quota, or another limit of the account, is used up
    SUSPENDED = "suspended"  # the provider has taken the right to send away; people have to talk
    PAUSED = "paused"  # sending is switched off for the account or the configuration set
    CREDENTIALS = "credentials"  # not who we say we are, or not allowed to do this
    SANDBOX = "sandbox"  # only verified recipients are allowed yet
    IDENTITY = "identity"  # the sender's address or domain is not verified
    CONFIGURATION = "configuration"  # something that we name does not exist there, or we greet in a wrong way
    DNS = "dns"  # the endpoint's name does not resolve
    REFUSED_CONNECTION = "refused_connection"  # nobody listens, or it turns us away at the door
    TLS = "tls"  # no safe channel: nothing is said in the clear
    TOO_MANY_CONNECTIONS = "too_many_connections"  # 421: fewer at once
    CIRCUIT_OPEN = "circuit_open"  # our own breaker; nobody was asked


class Breadth(StrEnum):
    """How far a stop reaches."""

    LANE = "lane"  # this way into the account; another lane of the route may go on
    ACCOUNT = "account"  # every lane of this account: they share the rate, the quota and the right to send


class Stop(msgspec.Struct, frozen=True):
    """Who stops, how long before one message tries again (milliseconds), and whether a person must be told.

    A stop of a provider's making always ends by itself with a trial: what was put right over there needs no button
    here. Where the same answer comes again, the breaker doubles the time.
    """

    breadth: Breadth
    pause_ms: int
    person: bool


STOPS: Final[dict[Unavailability, Stop]] = {
    Unavailability.THROTTLED: Stop(Breadth.ACCOUNT, _SECOND, person=False),
    # AWS: wait "an interval of up to 10 minutes" (developer guide, errors related to the sending quotas).
    Unavailability.QUOTA: Stop(Breadth.ACCOUNT, 10 * _MINUTE, person=True),
    Unavailability.SUSPENDED: Stop(Breadth.ACCOUNT, 10 * _MINUTE, person=True),
    # The set may be all that is paused, and another lane may use another set.
    Unavailability.PAUSED: Stop(Breadth.LANE, 10 * _MINUTE, person=True),
    Unavailability.CREDENTIALS: Stop(Breadth.LANE, 5 * _MINUTE, person=True),
    Unavailability.SANDBOX: Stop(Breadth.ACCOUNT, 10 * _MINUTE, person=True),
    Unavailability.IDENTITY: Stop(Breadth.LANE, 10 * _MINUTE, person=True),
    Unavailability.CONFIGURATION: Stop(Breadth.LANE, 10 * _MINUTE, person=True),
    Unavailability.DNS: Stop(Breadth.LANE, 5 * _SECOND, person=False),
    Unavailability.REFUSED_CONNECTION: Stop(Breadth.LANE, 5 * _SECOND, person=False),
    Unavailability.TLS: Stop(Breadth.LANE, 5 * _MINUTE, person=True),
    Unavailability.TOO_MANY_CONNECTIONS: Stop(Breadth.LANE, 5 * _SECOND, person=False),
    Unavailability.CIRCUIT_OPEN: Stop(Breadth.LANE, 30 * _SECOND, person=False),
}


class _Tagged(msgspec.Struct, frozen=True, tag_field="outcome", tag=str.lower, omit_defaults=True):
    """Stored as `{"outcome": "<name>", …}`; the names are part of the ledger's format."""


class Accepted(_Tagged, frozen=True):
    """The next hop took responsibility: the mail is `sent`.

    `provider_message_id` is "" where the next hop names none, as an SMTP server may.
    """

    provider_message_id: str
    reply: Reply | None = None


class Deferred(_Tagged, frozen=True):
    """Refused for now, certainly not accepted. The mail waits and is tried again; this cost an attempt."""

    reply: Reply


class Rejected(_Tagged, frozen=True):
    """Refused for good, certainly not accepted, and it is this mail that is at fault. It is `failed`."""

    reply: Reply


class Unavailable(_Tagged, frozen=True):
    """Certainly not accepted, and the mail is not to blame: it goes back to `queued` and no attempt is counted.

    The lane or account slows down or stops (`STOPS`). `until` is a time in milliseconds, set only where the provider
    names one; without it, the breaker decides.
    """

    reason: Unavailability
    reply: Reply | None = None
    until: int | None = None


class Uncertain(_Tagged, frozen=True):
    """No valid answer after the completing write began. It may have been accepted: the mail is `in_doubt`."""

    reason: str
    reply: Reply | None = None


class Released(_Tagged, frozen=True):
    """Given back before the write (suppressed, cancelled, paused, no slot left). There was no attempt."""

    reason: str


Outcome: TypeAlias = Accepted | Deferred | Rejected | Unavailable | Uncertain | Released

_decoder: msgspec.json.Decoder[Outcome] = msgspec.json.Decoder(Outcome)
_encoder = msgspec.json.Encoder()


def encode(outcome: Outcome) -> bytes:
    """Compact JSON; defaults are left out."""
    return _encoder.encode(outcome)


def decode(data: bytes | str) -> Outcome:
    """The outcome that `encode` wrote. Raises `msgspec.DecodeError`: it was not written by us."""
    return _decoder.decode(data)
