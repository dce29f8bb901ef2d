"""What SendGrid's answers mean, row by row."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.classify_sendgrid import CODES, LONGEST_PAUSE, TEXTS, reset_at, sendgrid_outcome, used_up
from kakitome.core.outcome import STOPS, Accepted, Deferred, Rejected, Unavailability, Unavailable, Uncertain
from kakitome.core.reply import Reply

NOW = 1_700_000_000_000
_U = Unavailability


def outcome(status: int, words: str = "", **headers: str) -> object:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return sendgrid_outcome(status, words, Reply(code=status, protocol="http", headers=named), now=NOW)


def test_accepted_needs_its_id() -> None:
    """202 and an id are a yes; 202 without, and 200 ("valid, but not queued"), prove nothing."""
    found = outcome(202, x_message_id="14c5d75ce93")
    assert isinstance(found, Accepted)
    assert found.provider_message_id == "14c5d75ce93"
    for doubtful in (outcome(202), outcome(200, x_message_id="14c5d75ce93")):
        assert isinstance(doubtful, Uncertain)


SAID = {
    "Maximum credits exceeded": (401, _U.QUOTA),
    "You have exceeded your messaging limits": (403, _U.QUOTA),
    "The from address does not match a verified Sender Identity. Mail cannot be sent until …": (403, _U.IDENTITY),
    "Your account has been suspended": (403, _U.SUSPENDED),
    "account under review": (401, _U.SUSPENDED),
    "The provided authorization grant is invalid, expired, or revoked": (401, _U.CREDENTIALS),
    "authenticated user is not authorized to send mail": (400, _U.CREDENTIALS),
    "Permission denied, wrong credentials": (400, _U.CREDENTIALS),
    "access forbidden": (403, _U.CREDENTIALS),
    "too many requests": (400, _U.THROTTLED),
    "rate limit exceeded": (403, _U.THROTTLED),
}


@pytest.mark.parametrize("words", SAID)
def test_words_go_before_numbers(words: str) -> None:
    """A lane's or account's illness costs no mail its attempt, whatever the status beside the words."""
    status, reason = SAID[words]
    found = outcome(status, words)
    assert isinstance(found, Unavailable)
    assert found.reason is reason


def test_every_row_of_words_is_shown() -> None:
    """Each pattern is the first to fit one of the texts above."""
    first = {next(pattern for pattern, _ in TEXTS if pattern.search(words)) for words in SAID}
    assert first == {pattern for pattern, _ in TEXTS}


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, Rejected),
        (401, _U.CREDENTIALS),
        (403, _U.CREDENTIALS),
        (404, _U.CONFIGURATION),
        (405, _U.CONFIGURATION),
        (413, Rejected),
        (429, _U.THROTTLED),
    ],
)
def test_statuses(status: int, expected: object) -> None:
    """400 and 413 are this mail's fault; the others are not."""
    found = outcome(status, "Does not contain a valid address.")
    assert (found.reason if isinstance(found, Unavailable) else type(found)) == expected
    assert status in CODES


def test_no_status_of_the_table_is_untested() -> None:
    """The rows above are all that there are."""
    assert sorted(CODES) == [400, 401, 403, 404, 405, 413, 429]


@pytest.mark.parametrize("status", [402, 406, 408, 409, 415, 418, 422, 451, 499])
def test_unknown_is_temporary(status: int) -> None:
    """No mail is lost to an answer that no page explains."""
    assert isinstance(outcome(status, "Something new"), Deferred)


@pytest.mark.parametrize("status", [100, 201, 204, 301, 307, 500, 502, 503, 504, 599])
def test_what_proves_nothing_is_a_doubt(status: int) -> None:
    """Whatever its words say: an error page may stand in front of a mail that was taken."""
    assert isinstance(outcome(status, "Maximum credits exceeded"), Uncertain)


def test_a_throttle_ends_when_the_window_does() -> None:
    """`until` is X-RateLimit-Reset; without it, or with one that is over, the breaker decides; at most an hour."""
    soon, late = NOW // 1000 + 20, NOW // 1000 + 86_400
    until = {
        text: found.until
        for text in (str(soon), str(late), str(NOW // 1000), "soon", "-1", "٣٣", "9" * 30)
        if isinstance(found := outcome(429, "", x_ratelimit_reset=text), Unavailable)
    }
    assert until.pop(str(soon)) == soon * 1000
    assert until.pop(str(late)) == NOW + LONGEST_PAUSE
    assert set(until.values()) == {None}
    assert len(until) == 5


def test_the_quota_is_asked_again() -> None:
    """Credits come back on a day that SendGrid does not tell."""
    found = outcome(401, "Maximum credits exceeded")
    assert isinstance(found, Unavailable)
    assert found.until == NOW + STOPS[_U.QUOTA].pause_ms


def test_a_window_that_is_used_up() -> None:
    """Remaining 0 with a reset that is to come, and nothing else."""
    reset = str(NOW // 1000 + 20)
    assert used_up({"x-ratelimit-remaining": "0", "x-ratelimit-reset": reset}, NOW) == NOW + 20_000
    assert used_up({"x-ratelimit-remaining": "1", "x-ratelimit-reset": reset}, NOW) is None
    assert used_up({"x-ratelimit-remaining": "0"}, NOW) is None
    assert used_up({"x-ratelimit-reset": reset}, NOW) is None


@given(st.integers(100, 599), st.text(max_size=200), st.text(max_size=30))
def test_any_answer_has_a_meaning(status: int, words: str, reset: str) -> None:
    """Never an error of ours; only a 202 is a yes, only a 4xx a no."""
    headers = {"x-ratelimit-reset": reset, "x-ratelimit-remaining": reset, "x-message-id": reset}
    found = sendgrid_outcome(status, words, Reply(code=status, headers=headers), now=NOW)
    assert isinstance(found, Accepted) <= (status == 202)
    assert isinstance(found, Rejected | Deferred | Unavailable) == (400 <= status < 500)
    assert (reset_at(headers, NOW) or NOW) <= NOW + LONGEST_PAUSE
    assert re.fullmatch(r"http_\d+|no_message_id", found.reason) if isinstance(found, Uncertain) else True
