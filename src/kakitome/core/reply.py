"""What the next hop answered, fit to be kept.

A reply is evidence: it is shown to people, logged, and decides what happens to a mail. So it is kept in full where
that helps (code, enhanced code, text, request id, headers, latency: a provider's fault and a worker's fault must be
told apart months later) and made harmless always. **However a `Reply` comes into being**, also by decoding one, it
holds no more than 4 KiB of text, no control characters, and no secrets; a mail's own content never enters it.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

TEXT_LIMIT: Final = 4096
"""Bytes of UTF-8. RFC 5321 §4.5.3.1.5 gives a reply line 512; a provider's error page knows no limit."""

_HEADER_LIMIT: Final = 512
_HEADERS_LIMIT: Final = 64

_BREAKS = re.compile(r"[\t\r\n\u2028\u2029]+")
# C0, DEL, C1 and the marks that turn the direction of writing: a log line must say what it shows.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# AWS answers a wrong signature with the whole canonical request, session token included, and some SMTP servers repeat
# the AUTH command that they did not like.
_SECRETS = re.compile(
    r"(?P<name>\b(?:authorization|x-amz-security-token|(?:set-)?cookie|api[-_]?key|password|secret|token)\b"
    r"[\"']?\s*[:=]\s*(?:(?:basic|bearer)\s+)?|\bbearer\s+|\bauth\s+(?:plain|login|cram-md5|xoauth2)\s+)"
    r"(?P<value>[^\s,;&]+)",
    re.IGNORECASE,
)
_SECRET_HEADERS = re.compile(r"authorization|cookie|token|secret|api-?key|password|credential", re.IGNORECASE)

# RFC 3463 §2. Not a piece of an IP address or of a version number.
_ENHANCED = re.compile(r"(?<![0-9.])([245])\.([0-9]{1,3})\.([0-9]{1,3})(?!\.?[0-9])")


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer. `code` is an SMTP reply code or an HTTP status, `enhanced` an RFC 3463 code (class.subject.detail).

    `error` is the provider's own name for what was wrong (SES: `MessageRejected`). `latency_ms` runs from the
    completing write to the answer.
    """

    code: int
    enhanced: str | None = None
    text: str = ""
    protocol: Literal["smtp", "http"] = "smtp"
    error: str | None = None
    request_id: str | None = None
    headers: dict[str, str] = {}
    latency_ms: int | None = None

    def __post_init__(self) -> None:
        keep = msgspec.structs.force_setattr
        keep(self, "text", harmless(self.text))
        for name in ("error", "request_id"):
            value = getattr(self, name)
            if value is not None:
                keep(self, name, harmless(value, _HEADER_LIMIT))
        if self.headers:
            keep(self, "headers", _harmless_headers(self.headers))


def parse_smtp_reply(code: int, text: str, latency_ms: int | None = None) -> Reply:
    """A reply out of what an SMTP library hands over; the lines of a multi-line reply become one.

    An enhanced code counts only when its class agrees with the reply code (RFC 2034 §4).
    """
    kept = harmless(text)
    agreeing = (m[0] for m in _ENHANCED.finditer(kept) if int(m[1]) == code // 100)
    return Reply(code=code, enhanced=next(agreeing, None), text=kept, latency_ms=latency_ms)


def printable(text: str, limit: int = TEXT_LIMIT) -> str:
    """`text` on one line, without controls, in at most `limit` bytes of valid UTF-8. Doing it twice changes nothing."""
    # Nothing below makes a character more than three times as long in bytes, so the cut before saves work only.
    line = _CONTROLS.sub("\ufffd", _BREAKS.sub(" ", text[: 4 * limit]))
    return line.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").strip()


def harmless(text: str, limit: int = TEXT_LIMIT) -> str:
    """`printable`, and secrets that the far side repeated to us are blacked out."""
    return printable(_SECRETS.sub(r"\g<name>[redacted]", text[: 4 * limit]), limit)


def _harmless_headers(headers: dict[str, str]) -> dict[str, str]:
    return {
        printable(name, _HEADER_LIMIT).lower(): "[redacted]"
        if _SECRET_HEADERS.search(name)
        else harmless(value, _HEADER_LIMIT)
        for name, value in list(headers.items())[:_HEADERS_LIMIT]
    }
