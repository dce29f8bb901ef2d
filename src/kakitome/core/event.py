"""What a provider tells us later about a mail that it has.

An event never says where a message is in our hands; it says what became of it, and it proves that the attempt it
belongs to was accepted. Unknown kinds and fields are kept, never dropped.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class EventKind(StrEnum):
    SENT = "sent"  # SES Send, SendGrid processed: the provider took it
    DELIVERED = "delivered"  # the recipient's server took it; never "read"
    DELAYED = "delayed"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    REJECTED = "rejected"  # SES Reject, SendGrid dropped: taken, then refused by the provider
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    RESUBSCRIBED = "resubscribed"
    RENDERING_FAILED = "rendering_failed"
    UNKNOWN = "unknown"


class Permanence(StrEnum):
    """SES `bounceType`; for people "hard" and "soft" bounces."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    UNDETERMINED = "undetermined"


class BounceClass(StrEnum):
    """Why it came back (after KumoMTA's bounce classes and the sub-types of SES)."""

    INVALID_RECIPIENT = "invalid_recipient"
    MAILBOX_FULL = "mailbox_full"
    BAD_DOMAIN = "bad_domain"
    POLICY = "policy"
    SPAM_CONTENT = "spam_content"
    SPAM_BLOCK = "spam_block"
    AUTH_FAILED = "auth_failed"
    TOO_LARGE = "too_large"
    QUOTA = "quota"
    ROUTING = "routing"
    EXPIRED = "expired"
    SUPPRESSED = "suppressed"  # the provider's own list stopped it
    OTHER = "other"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One happening for one recipient. A notification about five bounced recipients is five events.

    `key` is the same for every copy of the same happening (providers repeat themselves) and differs between
    happenings. `at` is the provider's time in milliseconds. `message` and `attempt` are our own correlation values
    as they travelled with the mail (`kakitome_message`, `kakitome_attempt`), `None` where the provider lost them.
    """

    key: str
    kind: EventKind
    at: int
    provider: str
    provider_message_id: str
    recipient: str | None = None
    message: str | None = None
    attempt: str | None = None
    permanence: Permanence | None = None
    bounce_class: BounceClass | None = None
    complaint: str | None = None  # RFC 5965 feedback type: abuse, fraud, not-spam …
    diagnostic: str = ""
    link: str | None = None
    raw: msgspec.Raw = msgspec.Raw(b"null")  # the provider's JSON, as it came
