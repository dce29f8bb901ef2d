"""What SendGrid's answer to `POST /v3/mail/send` means: from a status and its `errors` to an outcome.

The rules are those of `core.classify`: unknown means temporary, a lane's illness costs no mail its attempt, words go
before numbers, and a 5xx proves nothing. Sources: SendGrid's pages "Errors" of the v3 Mail Send endpoint, "4XX API
Errors and Troubleshooting Suggestions", "Rate Limits", and what its clients' issues show of the texts.

Only a 202 with an `X-Message-Id` is a yes. 200 means "valid, but not queued" (sandbox mode), which we never ask for;
so it stays a doubt like every other answer that no page explains.
"""

from __future__ import annotations

import re
from typing import Final, Literal, TypeAlias

from kakitome.core.outcome import STOPS, Accepted, Deferred, Outcome, Rejected, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply, printable

_U: Final = Unavailability

Verdict: TypeAlias = Unavailability | Literal["rejected"]

LONGEST_PAUSE: Final = 60 * 60 * 1_000
"""Milliseconds. A reset time that lies further off is a clock's mistake, and the account is asked again before it."""

# The first row that fits decides, whatever the 4xx.
TEXTS: Final[tuple[tuple[re.Pattern[str], Verdict], ...]] = tuple(
    (re.compile(pattern, re.IGNORECASE), verdict)
    for pattern, verdict in (
        (r"maximum credits exceeded|exceeded your (messaging|sending) limits?", _U.QUOTA),
        (r"does not match a verified sender identity|sender identity", _U.IDENTITY),
        (r"(account|user) .{0,40}(suspended|deactivated|banned|disabled|under review|frozen)", _U.SUSPENDED),
        (r"authorization grant is invalid|not authorized|permission denied|access forbidden", _U.CREDENTIALS),
        (r"too many requests|rate limit", _U.THROTTLED),
    )
)

CODES: Final[dict[int, Verdict]] = {
    400: "rejected",  # a parameter of this mail: address, subject, content, attachment
    401: _U.CREDENTIALS,
    403: _U.CREDENTIALS,
    404: _U.CONFIGURATION,  # not this API's address
    405: _U.CONFIGURATION,
    413: "rejected",  # "The JSON payload you have included in your request is too large": it will not shrink
    429: _U.THROTTLED,
}


def sendgrid_outcome(status: int, words: str, reply: Reply, *, now: int) -> Outcome:
    """`words` are the messages of the answer's `errors`, `reply` the whole answer; `now` in milliseconds."""
    if status == 202:
        id = reply.headers.get("x-message-id", "")
        return Accepted(id, reply) if id else Uncertain("no_message_id", reply)
    if not 400 <= status < 500:
        return Uncertain(f"http_{status}", reply)
    text = printable(words)
    verdict = next((verdict for pattern, verdict in TEXTS if pattern.search(text)), None) or CODES.get(status)
    match verdict:
        case None:
            return Deferred(reply)
        case "rejected":
            return Rejected(reply)
        case Unavailability.THROTTLED:
            return Unavailable(verdict, reply, until=reset_at(reply.headers, now))
        case Unavailability.QUOTA:
            return Unavailable(verdict, reply, until=now + STOPS[verdict].pause_ms)
        case _:
            return Unavailable(verdict, reply)


def reset_at(headers: dict[str, str], now: int) -> int | None:
    """When the window of the rate limit ends (`X-RateLimit-Reset`, Unix seconds), in milliseconds; at most an hour
    from `now`. `None` where the answer does not say, or names a time that is over."""
    seconds = _number(headers.get("x-ratelimit-reset"))
    if seconds is None or seconds * 1000 <= now:
        return None
    return min(seconds * 1000, now + LONGEST_PAUSE)


def used_up(headers: dict[str, str], now: int) -> int | None:
    """Until when the next request would be refused, because this answer used up the window; `None`: it would not."""
    return reset_at(headers, now) if _number(headers.get("x-ratelimit-remaining")) == 0 else None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and re.fullmatch(r"[0-9]{1,15}", text, re.ASCII) else None
