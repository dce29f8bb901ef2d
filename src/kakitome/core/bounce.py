"""Why a mail came back, and whether for ever.

Providers tell it three times: in a type of their own, in an enhanced status code, and in the words of the server that
refused. The most precise one decides: the provider's sub-type, a status that means one thing only, the words, and at
last the subject of the status. Sources: SES developer guide (bounce types), RFC 3463, RFC 7372, RFC 7505 and the IANA
registry of enhanced status codes.
"""

from __future__ import annotations

import re
from typing import Final

from kakitome.core.event import BounceClass, Permanence
from kakitome.core.reply import TEXT_LIMIT

_B: Final = BounceClass

SES_BOUNCE_TYPES: Final[dict[str, Permanence]] = {
    "Permanent": Permanence.PERMANENT,
    "Transient": Permanence.TRANSIENT,
    "Undetermined": Permanence.UNDETERMINED,
}

# "General" and "Undetermined" say nothing; the status and the text are asked.
SES_BOUNCE_SUB_TYPES: Final[dict[str, BounceClass]] = {
    "NoEmail": _B.INVALID_RECIPIENT,
    "Suppressed": _B.SUPPRESSED,
    "OnAccountSuppressionList": _B.SUPPRESSED,
    "UnsubscribedRecipient": _B.SUPPRESSED,
    "MailboxFull": _B.MAILBOX_FULL,
    "MessageTooLarge": _B.TOO_LARGE,
    "ContentRejected": _B.SPAM_CONTENT,
    "AttachmentRejected": _B.POLICY,
    "CustomTimeoutExceeded": _B.EXPIRED,
}

# subject.detail of codes that mean one thing only.
_STATUS: Final[dict[str, BounceClass]] = {
    "1.1": _B.INVALID_RECIPIENT,
    "1.2": _B.BAD_DOMAIN,
    "1.3": _B.INVALID_RECIPIENT,
    "1.6": _B.INVALID_RECIPIENT,
    "1.10": _B.BAD_DOMAIN,  # RFC 7505: null MX
    "2.1": _B.INVALID_RECIPIENT,
    "2.2": _B.MAILBOX_FULL,
    "2.3": _B.TOO_LARGE,
    "3.4": _B.TOO_LARGE,
    "4.3": _B.ROUTING,
    "4.6": _B.ROUTING,
    "4.7": _B.EXPIRED,
    "7.13": _B.INVALID_RECIPIENT,
    "7.17": _B.INVALID_RECIPIENT,  # RFC 7293: the mailbox has a new owner
    "7.18": _B.BAD_DOMAIN,
    **{f"7.{detail}": _B.AUTH_FAILED for detail in range(20, 28)},  # RFC 7372
    "7.28": _B.QUOTA,
    "7.515": _B.AUTH_FAILED,  # Microsoft, since 2025-05
}

# What servers write, in the order in which it convinces.
_WORDS: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), why)
    for pattern, why in (
        (r"mailbox (is )?full|over ?quota|quota exceeded|storage allocation|insufficient storage", _B.MAILBOX_FULL),
        (r"spamhaus|\brbl\b|dnsbl|blocklist|blacklist|block list|poor reputation|spamcop|barracuda", _B.SPAM_BLOCK),
        (r"\b(spf|dkim|dmarc)\b|unauthenticated|authentication checks", _B.AUTH_FAILED),
        (r"too (large|big)|size (limit )?exceed|exceeds? .{0,30}size", _B.TOO_LARGE),
        (r"rate limit|too many (messages|mails|emails|connections)|sending limit", _B.QUOTA),
        (r"(host|domain)( name)? (is )?(unknown|not found)|(unknown|no such) (host|domain)|nxdomain", _B.BAD_DOMAIN),
        (
            r"(unknown|no such|invalid|unrouteable|bad) (user|recipient|mailbox|address)|user (is )?unknown|"
            r"(does ?n[o']t|doesn.t) (exist|have)|recipient (address )?rejected|"
            r"(account|mailbox|user|address) (is |has been )?(disabled|inactive|not found|unavailable|suspended)",
            _B.INVALID_RECIPIENT,
        ),
        (r"\bspam\b|unsolicited|junk mail|content rejected|virus|malware", _B.SPAM_CONTENT),
        (r"expired|timed? ?out|could not be delivered (for|within)", _B.EXPIRED),
        (r"relay|loop|too many hops|routing|unrouteable", _B.ROUTING),
        (r"policy|access denied|not permitted|prohibited|blocked", _B.POLICY),
    )
)

# Where neither knows better: the subject of the code alone (RFC 3463 §3).
_SUBJECTS: Final[dict[str, BounceClass]] = {"4": _B.ROUTING, "7": _B.POLICY}

_OF_THE_ADDRESS: Final = frozenset({_B.INVALID_RECIPIENT, _B.BAD_DOMAIN, _B.SUPPRESSED})


def classify_bounce(
    bounce_type: str | None, sub_type: str | None, status: str | None, diagnostic: str
) -> tuple[Permanence, BounceClass]:
    """How final a bounce is, and why it came.

    The provider's own type decides about permanence; one that we do not know is undetermined, since a permanent bounce
    suppresses. Without any (`None`, a DSN) a 5.y.z is permanent only where it is about the address: a full mailbox
    or a policy is no reason never to write again, and SES itself calls those transient.
    """
    why = _bounce_class(sub_type, status, diagnostic)
    if bounce_type is not None:
        return SES_BOUNCE_TYPES.get(bounce_type, Permanence.UNDETERMINED), why
    if status is None or status[:2] not in ("4.", "5."):
        return Permanence.UNDETERMINED, why
    if status[0] == "4" or why not in _OF_THE_ADDRESS | {_B.OTHER}:
        return Permanence.TRANSIENT, why
    return (Permanence.PERMANENT if why in _OF_THE_ADDRESS else Permanence.UNDETERMINED), why


def _bounce_class(sub_type: str | None, status: str | None, diagnostic: str) -> BounceClass:
    _, _, detail = (status or "").strip().partition(".")
    return (
        SES_BOUNCE_SUB_TYPES.get(sub_type or "")
        or _STATUS.get(detail)
        or next((why for pattern, why in _WORDS if pattern.search(diagnostic[:TEXT_LIMIT])), None)
        or _SUBJECTS.get(detail.partition(".")[0])
        or _B.OTHER
    )
