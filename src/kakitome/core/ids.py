"""Numbers inside, words outside.

Inside, a message, submission or run is a 63-bit integer that the ledger gives. Outside, it is a prefix and Crockford's
base32 (no i, l, o, u: it can be read out on the telephone): `msg_1v5w0k3m9q2ab`.
"""

from __future__ import annotations

from typing import NewType

from kakitome.core.errors import NotFound

MessageId = NewType("MessageId", int)
SubmissionId = NewType("SubmissionId", int)
RunId = NewType("RunId", int)
Fence = NewType("Fence", int)

TIME_BITS = 20
"""Where the ledger gives ids in a row they lead with the millisecond since 1970, before so many bits of their own."""

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUES = {d: n for n, d in enumerate(_DIGITS)}
_MOST = (1 << 63) - 1


def to_text(prefix: str, number: int) -> str:
    digits = []
    while number:
        number, rest = divmod(number, 32)
        digits.append(_DIGITS[rest])
    return f"{prefix}_{''.join(reversed(digits)) or '0'}"


def from_text(prefix: str, text: str) -> int:
    """The number behind `text`. Raises `NotFound`: what is no id of ours names nothing that we have."""
    head, _, tail = text.strip().partition("_")
    if head == prefix and 1 <= len(tail) <= 13:
        try:
            number = 0
            for digit in tail.lower():
                number = number * 32 + _VALUES[digit]
        except KeyError:
            pass
        else:
            if number <= _MOST:
                return number
    raise NotFound(f"{text!r} is not an id of the form {prefix}_….", "Copy it whole, as the answer to sending gave it.")


def first_of(now: int) -> int:
    """The first id of this millisecond."""
    return now << TIME_BITS


def given_at(id: int) -> int:
    """The millisecond in which an id was given that leads with it. On DynamoDB those of rows do not."""
    return id >> TIME_BITS


def message_text(message: int) -> str:
    return to_text("msg", message)


def submission_text(submission: int) -> str:
    return to_text("sub", submission)
