"""Replies and outcomes: evidence that can be kept, shown and read again."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core import outcome
from kakitome.core.outcome import (
    STOPS,
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.core.reply import TEXT_LIMIT, Reply, parse_smtp_reply, printable


@pytest.mark.parametrize(
    ("code", "text", "enhanced"),
    [
        (250, "2.0.0 Ok: queued as 4XkQ1", "2.0.0"),
        (550, "5.1.1 <nobody@example.com>: user unknown", "5.1.1"),
        (550, "5.7.515 Access denied, sending domain does not meet the required authentication level.", "5.7.515"),
        (554, "Message rejected (5.7.1).", "5.7.1"),
        (452, "4.2.2 Mailbox full\r\n4.2.2 try later", "4.2.2"),
        (421, "Too many concurrent SMTP connections", None),
        (550, "4.7.1 class and code disagree", None),
        (550, "rejected: 5.1.1.7 is on a list", None),
        (550, "rejected by version 15.2.3", None),
        (550, "5.1.1111 is no code", None),
    ],
)
def test_the_enhanced_code_is_found(code: int, text: str, enhanced: str | None) -> None:
    """RFC 3463 codes are found where they stand, and nothing else is taken for one."""
    assert parse_smtp_reply(code, text).enhanced == enhanced


def test_a_reply_is_one_line_without_controls() -> None:
    """A server cannot write a second line, an escape sequence or mirrored text into our log."""
    reply = parse_smtp_reply(550, "5.1.1 no\r\n5.1.1 such\tuser\x1b[31m\x00\u202e")
    assert reply.text == "5.1.1 no 5.1.1 such user\ufffd[31m\ufffd\ufffd"


def test_a_reply_is_bounded_in_bytes_and_cut_between_characters() -> None:
    """4 KiB of UTF-8, also where the limit falls into a character; headers are bounded as well."""
    reply = Reply(code=500, text="書" * 10_000, headers={f"x-{n}": "y" * 10_000 for n in range(1_000)})
    assert reply.text == "書" * (TEXT_LIMIT // 3)
    assert len(reply.headers) <= 64
    assert max(map(len, reply.headers.values())) <= 512


@pytest.mark.parametrize(
    "text",
    [
        "The Canonical String should have been 'POST / host:x x-amz-security-token:S3CRET signed'",
        '{"token": "S3CRET"}',
        "Authorization: Bearer S3CRET",
        "unrecognised: AUTH PLAIN S3CRET",
        "set-cookie=S3CRET; path=/",
    ],
)
def test_a_reply_holds_no_secret(text: str) -> None:
    """What the far side repeats of our credentials is blacked out; the sentence around it stays."""
    reply = Reply(code=403, text=text, error=text, protocol="http")
    assert "S3CRET" not in f"{reply!r}"
    assert "[redacted]" in reply.text


def test_secret_headers_are_blacked_out() -> None:
    """The request id stays, cookies and tokens go."""
    reply = Reply(
        code=500, headers={"X-Amzn-RequestId": "r-1", "Set-Cookie": "S3CRET", "X-Amz-Security-Token": "S3CRET"}
    )
    assert reply.headers["x-amzn-requestid"] == "r-1"
    assert "S3CRET" not in f"{reply!r}"


def test_decoding_makes_harmless_too() -> None:
    """There is no way around it: a stored reply that was written by other means is cleaned when read."""
    read = msgspec.json.decode(b'{"code":550,"text":"a\\u0000b","headers":{"Cookie":"S3CRET"}}', type=Reply)
    assert read.text == "a\ufffdb"
    assert "S3CRET" not in f"{read!r}"


@given(st.text(max_size=300), st.integers(3, 100))
def test_printable_is_bounded_and_settled(text: str, limit: int) -> None:
    """Any text, lone surrogates too, comes out valid, in bounds and without controls; again changes nothing."""
    once = printable(text, limit)
    assert len(once.encode()) <= limit
    assert not any(ord(c) < 32 or 127 <= ord(c) < 160 for c in once)
    assert printable(once, limit) == once


_replies = st.builds(
    Reply,
    code=st.integers(-1, 999),
    text=st.text(max_size=80),
    protocol=st.sampled_from(["smtp", "http"]),
    error=st.none() | st.text(max_size=20),
    headers=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=3),
    latency_ms=st.none() | st.integers(0, 600_000),
)
_outcomes: st.SearchStrategy[Outcome] = st.one_of(
    st.builds(Accepted, st.text(alphabet="ab-0", max_size=60), st.none() | _replies),
    st.builds(Deferred, _replies),
    st.builds(Rejected, _replies),
    st.builds(Unavailable, st.sampled_from(Unavailability), st.none() | _replies, st.none() | st.integers(0, 2**53)),
    st.builds(Uncertain, st.sampled_from(["timeout", "reset"]), st.none() | _replies),
    st.builds(Released, st.just("suppressed")),
)


@given(_outcomes)
def test_an_outcome_survives_the_ledger(value: Outcome) -> None:
    """What is written is what is read, kind and evidence."""
    assert outcome.decode(outcome.encode(value)) == value


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Accepted("id"), "accepted"),
        (Deferred(Reply(450)), "deferred"),
        (Rejected(Reply(550)), "rejected"),
        (Unavailable(Unavailability.DNS), "unavailable"),
        (Uncertain("timeout"), "uncertain"),
        (Released("cancelled"), "released"),
    ],
)
def test_the_stored_names_are_a_format(value: Outcome, name: str) -> None:
    """Ledgers hold these names for years; a renamed class must not rename them."""
    assert msgspec.json.decode(outcome.encode(value))["outcome"] == name


def test_a_foreign_outcome_is_refused() -> None:
    """Whatever is not one of the six raises, and is not guessed."""
    with pytest.raises(msgspec.DecodeError):
        outcome.decode(b'{"outcome":"sent"}')


def test_every_unavailability_says_whom_it_stops() -> None:
    """Each reason has its breadth and a pause that ends, and none has been forgotten."""
    assert set(STOPS) == set(Unavailability)
    assert all(1_000 <= stop.pause_ms <= 3_600_000 for stop in STOPS.values())
    assert STOPS[Unavailability.QUOTA].pause_ms == 600_000
