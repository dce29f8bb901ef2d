"""What an answer means: from a reply to an outcome.

Rule 1. Unknown means temporary. Only an answer that says so in words or numbers that we know loses a mail.
Rule 2. An SMTP reply of any code, even after the final dot, is certain; an HTTP 5xx is not.
Rule 3. A lane's or account's illness never costs a message its attempt.
Rule 4. Words go before vague numbers and names: SES says "daily quota" and "too fast" with the same 454.

Everything provider-made is in tables; the functions only look things up. Sources: SES API v2 reference (SendEmail,
SendBulkEmail), SES developer guide (SMTP response codes, sending errors), RFC 5321 §4.2, RFC 4954 §6, RFC 3207 §4.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from typing import Final, Literal, TypeAlias

from kakitome.core.outcome import (
    STOPS,
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.reply import Reply, printable

_U: Final = Unavailability
_DEFERRED: Final = "deferred"
_REJECTED: Final = "rejected"
_UNVERIFIED: Final = "unverified"  # sandbox or identity: who is named in the text decides

Verdict: TypeAlias = Unavailability | Literal["deferred", "rejected", "unverified"]
_Texts: TypeAlias = tuple[tuple[re.Pattern[str], Verdict], ...]


def _texts(*rows: tuple[str, Verdict]) -> _Texts:
    return tuple((re.compile(pattern, re.IGNORECASE), verdict) for pattern, verdict in rows)


# ── What SES says in words, by API and by SMTP alike; the first row that fits decides ───────────────────────────────

_SES_TEXTS: Final = _texts(
    (r"maximum sending rate exceeded", _U.THROTTLED),
    (r"daily (message|sending) quota exceeded", _U.QUOTA),
    (r"mail from domain (is )?not verified", _U.IDENTITY),
    (r"(address|domain|identity) is not verified|identities failed the check", _UNVERIFIED),
    (r"sending suspended|account (is |has been )?suspended", _U.SUSPENDED),
    (r"sending (is )?paused|account (is |has been )?paused", _U.PAUSED),
    (r"configuration ?set .{0,200}(does not|doesn't) exist", _U.CONFIGURATION),
    (r"temporary authentication failure|access denied|not authorized to perform|not subscribed to ses", _U.CREDENTIALS),
)

# ── SMTP ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Stage(StrEnum):
    """Which step the reply answers. `body` is the final dot: only there can a mail be accepted."""

    CONNECT = "connect"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"


# Before MAIL no message has been spoken of, so none can be to blame. What 4yz and 5yz mean there:
_SMTP_STAGES: Final[dict[Stage, tuple[Unavailability, Unavailability]]] = {
    Stage.CONNECT: (_U.REFUSED_CONNECTION, _U.REFUSED_CONNECTION),
    Stage.EHLO: (_U.REFUSED_CONNECTION, _U.CONFIGURATION),
    Stage.STARTTLS: (_U.TLS, _U.TLS),
    Stage.AUTH: (_U.REFUSED_CONNECTION, _U.CREDENTIALS),
}

_SMTP_TEXTS: Final = _texts(
    (r"must issue a starttls|starttls (is )?required|encryption required", _U.TLS),
    (r"authentication failure", _U.CREDENTIALS),
    # A server that delays its checks says at RCPT what it holds against our greeting or our address.
    (r"(helo|ehlo) command rejected|client host .{0,200}(rejected|blocked)", _U.CONFIGURATION),
    # RFC 5321 §4.5.3.1.10: 552 of old servers for a full transaction is a 452.
    (r"too many recipients", _DEFERRED),
)

_SMTP_CODES: Final[dict[int, Unavailability]] = {
    421: _U.TOO_MANY_CONNECTIONS,
    432: _U.CREDENTIALS,
    530: _U.CREDENTIALS,
    534: _U.CREDENTIALS,
    535: _U.CREDENTIALS,
    538: _U.TLS,
}

# SES names the mail after "Ok"; of other servers only those that say "queued as" or "id=" name one.
_SMTP_IDS: Final = {
    "ses": re.compile(r"^Ok\s+([!-~]{1,256})", re.IGNORECASE),
    "smtp": re.compile(r"\b(?:queued as\s+|id=)([A-Za-z0-9._+/@-]{1,256})", re.IGNORECASE),
}


def smtp_outcome(
    stage: Stage,
    reply: Reply,
    provider: Literal["smtp", "ses"] = "smtp",
    *,
    now: int,
    recipients: Sequence[str] = (),
) -> Outcome:
    """What a reply at `stage` means for the message.

    `now` is in milliseconds; a quota's end is counted from it. `recipients` are those of the attempt: with them, SES's
    "not verified" can be read (`_unverified`). Call it for replies that end the attempt: a 2yz before the body is none,
    and comes out as `Deferred`.
    """
    if not 200 <= reply.code <= 599:
        # Not a reply at all (RFC 5321 §4.2.1): libraries put -1 or 0 where the line was garbage.
        return Uncertain("unreadable_reply", reply) if stage is Stage.BODY else Deferred(reply)
    if reply.code < 300 and stage is Stage.BODY:
        named = _SMTP_IDS[provider].search(reply.text)
        return Accepted(named[1].rstrip(".,;") if named else "", reply)
    return _outcome(_smtp_verdict(stage, reply, provider), reply, reply.text, now, recipients)


def _smtp_verdict(stage: Stage, reply: Reply, provider: str) -> Verdict:
    texts = _SES_TEXTS + _SMTP_TEXTS if provider == "ses" else _SMTP_TEXTS
    if reply.code < 400:
        return _DEFERRED
    for_good = reply.code >= 500
    at_stage = _SMTP_STAGES[stage][for_good] if stage in _SMTP_STAGES else None
    known = _in_words(texts, reply.text) or _SMTP_CODES.get(reply.code) or at_stage
    return known or (_REJECTED if for_good else _DEFERRED)


# ── SES API v2 ──────────────────────────────────────────────────────────────────────────────────────────────────────

_SES_ERRORS: Final[dict[str, Verdict]] = {
    # SendEmail and SendBulkEmail, the call itself
    "TooManyRequestsException": _U.THROTTLED,
    "Throttling": _U.THROTTLED,
    "ThrottlingException": _U.THROTTLED,
    "LimitExceededException": _U.QUOTA,
    "AccountSuspendedException": _U.SUSPENDED,
    "SendingPausedException": _U.PAUSED,
    "MailFromDomainNotVerifiedException": _U.IDENTITY,
    "MessageRejected": _REJECTED,
    "NotFoundException": _U.CONFIGURATION,
    "BadRequestException": _REJECTED,
    # Common errors of AWS's front door that come with a 400; 401 and 403 need no names
    "ExpiredTokenException": _U.CREDENTIALS,
    "IncompleteSignature": _U.CREDENTIALS,
    "InvalidSignatureException": _U.CREDENTIALS,
    "RequestExpired": _U.CREDENTIALS,
    "UnrecognizedClientException": _U.CREDENTIALS,
    # SendBulkEmail, an entry's status
    "MESSAGE_REJECTED": _REJECTED,
    "MAIL_FROM_DOMAIN_NOT_VERIFIED": _U.IDENTITY,
    "CONFIGURATION_SET_NOT_FOUND": _U.CONFIGURATION,
    "TEMPLATE_NOT_FOUND": _U.CONFIGURATION,
    "ACCOUNT_SUSPENDED": _U.SUSPENDED,
    "ACCOUNT_THROTTLED": _U.THROTTLED,
    "ACCOUNT_DAILY_QUOTA_EXCEEDED": _U.QUOTA,
    "INVALID_SENDING_POOL_NAME": _U.CONFIGURATION,
    "ACCOUNT_SENDING_PAUSED": _U.PAUSED,
    "CONFIGURATION_SET_SENDING_PAUSED": _U.PAUSED,
    "INVALID_PARAMETER": _REJECTED,
    "TRANSIENT_FAILURE": _DEFERRED,
    "FAILED": _DEFERRED,
}

# What the names of these leave open, the words say; the others are precise ("Sending paused" comes with a suspension).
_VAGUE: Final = frozenset({None, _DEFERRED, _REJECTED, _U.THROTTLED, _U.QUOTA})

_HTTP_CODES: Final[dict[int, Unavailability]] = {401: _U.CREDENTIALS, 403: _U.CREDENTIALS, 429: _U.THROTTLED}


def ses_outcome(
    status: int,
    error_type: str | None,
    message: str,
    *,
    now: int,
    message_id: str | None = None,
    recipients: Sequence[str] = (),
    reply: Reply | None = None,
) -> Outcome:
    """What SES's answer to SendEmail means, or the status of one entry of SendBulkEmail (`error_type`, with 200).

    AWS writes that a failed call "does not send the email"; that is about errors which it returns knowingly, so every
    5xx stays uncertain. `reply` is kept as the evidence; without it one is made of the arguments.
    """
    error = _bare(error_type)
    kept = reply or Reply(code=status, text=message, protocol="http", error=error)
    text = printable(message)
    verdict = _SES_ERRORS.get(error) if error else None
    if 200 <= status < 300 and error in (None, "SUCCESS"):
        return Accepted(message_id, kept) if message_id else Uncertain("no_message_id", kept)
    if not (400 <= status < 500 or (200 <= status < 300 and verdict)):
        return Uncertain(f"http_{status}", kept)
    words = _in_words(_SES_TEXTS, text) if verdict in _VAGUE else None
    known = words or verdict or _HTTP_CODES.get(status) or _DEFERRED
    return _outcome(known, kept, text, now, recipients)


def _bare(error_type: str | None) -> str | None:
    """`com.amazonaws.ses#MessageRejected:https://…` as the protocol's headers and bodies have it, without its dress."""
    return error_type.split(":", 1)[0].rsplit("#", 1)[-1].strip() or None if error_type else None


# ── Both ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _in_words(texts: _Texts, text: str) -> Verdict | None:
    return next((verdict for pattern, verdict in texts if pattern.search(text)), None)


def _outcome(verdict: Verdict, reply: Reply, text: str, now: int, recipients: Sequence[str]) -> Outcome:
    match verdict:
        case "rejected":
            return Rejected(reply)
        case "deferred":
            return Deferred(reply)
        case "unverified":
            return Unavailable(_unverified(text, recipients), reply)
        case Unavailability.QUOTA:
            return Unavailable(verdict, reply, until=now + STOPS[verdict].pause_ms)
        case _:
            return Unavailable(verdict, reply)


def _unverified(text: str, recipients: Sequence[str]) -> Unavailability:
    """SES lists who failed: only recipients means the sandbox, anybody else is our own unverified sender.

    In the sandbox an unverified sender is listed beside the recipients; the sender has to be put right first.
    """
    _, _, listed = text.partition(" in region ")
    failed = {a.lower() for a in re.findall(r"[^\s,;:<>\"@]{1,128}@[^\s,;<>\"]{1,255}", listed)}
    ours = {r.lower() for r in recipients}
    return _U.SANDBOX if failed and failed <= ours else _U.IDENTITY
