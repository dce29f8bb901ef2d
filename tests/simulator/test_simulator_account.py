"""Rate, quota, sandbox and suspension, on a clock that the test moves."""

from __future__ import annotations

import smtplib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from playground import READER, SENDER, HandClock, Stage, mail, stage

from kakitome_simulator.account import SlidingCount

RATE = b"Throttling failure: Maximum sending rate exceeded"
QUOTA = b"Throttling failure: Daily message quota exceeded"


def reply(simulator: Stage, *recipients: str) -> tuple[int, bytes]:
    with simulator.smtp() as client:
        client.mail(SENDER)
        for recipient in recipients or (READER,):
            client.rcpt(recipient)
        return client.data(mail())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 5)), max_size=40))
def test_a_sliding_count_is_a_recount(steps: list[tuple[int, int]]) -> None:
    """At every moment the count is the sum over the half-open window, and the peak its greatest value."""
    count, now, seen, peak = SlidingCount(10), 0, list[tuple[int, int]](), 0
    for wait, number in steps:
        now += wait
        count.add(now, number)
        seen.append((now, number))
        recount = sum(n for at, n in seen if now - 10 < at <= now)
        peak = max(peak, recount)
        assert (count.at(now), count.peak) == (recount, peak)


def test_the_rate_holds_in_every_second() -> None:
    """The third recipient within a second is throttled, exactly one second after the first it is not."""
    clock = HandClock()
    with stage(clock=clock, rate=2) as simulator:
        assert reply(simulator)[0] == 250
        clock.seconds = 0.6
        assert reply(simulator)[0] == 250
        clock.seconds = 0.999999
        assert reply(simulator) == (454, RATE)
        clock.seconds = 1.0
        assert reply(simulator)[0] == 250
        assert reply(simulator) == (454, RATE)
        state = simulator.remote.state()
        assert (state["max_accepted_per_second"], state["max_offered_per_second"]) == (2, 4)
        assert state["refused"] == {"454 TooManyRequestsException": 2}


def test_rate_and_quota_count_recipients() -> None:
    """A mail for three is three, and is taken for all or for none."""
    with stage(clock=HandClock(), rate=4, quota=5) as simulator:
        assert reply(simulator, "a@example.com", "b@example.com", "c@example.com")[0] == 250
        assert reply(simulator, "a@example.com", "b@example.com") == (454, RATE)
        assert len(simulator.simulator.accepted) == 3


def test_the_quota_is_over_twenty_four_hours() -> None:
    """What was sent a day ago is free again; mails to SES's mailbox simulator do not count."""
    clock = HandClock()
    with stage(clock=clock, quota=2) as simulator:
        for _ in range(2):
            assert reply(simulator)[0] == 250
        assert reply(simulator) == (454, QUOTA)
        assert reply(simulator, "success@simulator.amazonses.com")[0] == 250
        assert simulator.remote.state()["sent_last_24_hours"] == 2
        clock.seconds = 24 * 60 * 60 - 1
        assert reply(simulator) == (454, QUOTA)
        clock.seconds += 1
        assert reply(simulator)[0] == 250


def test_the_sandbox_knows_whom_it_may_write_to() -> None:
    """Verified addresses and domains and the mailbox simulator; one mail a second, 200 a day, unless said."""
    clock = HandClock()
    with stage(clock=clock, sandbox=True, verified=frozenset({"Me@example.com", "ours.example"})) as simulator:
        for moment, recipient in enumerate(("me@example.com", "any@ours.example", "bounce@simulator.amazonses.com")):
            clock.seconds = moment
            assert reply(simulator, recipient)[0] == 250
        code, text = reply(simulator, "stranger@example.com")
        assert (code, b"not verified" in text, b"stranger@example.com" in text) == (554, True, True)
        assert reply(simulator, "me@example.com") == (454, RATE)
        assert (simulator.remote.state()["rate"], simulator.remote.state()["quota"]) == (1, 200)


def test_limits_can_be_changed_while_it_runs() -> None:
    """As a provider does: suspended, paused, raised; what is not named stays."""
    with stage(clock=HandClock(), rate=1) as simulator:
        simulator.remote.limit(suspended=True)
        assert reply(simulator)[0] == 554
        simulator.remote.limit(suspended=False, quota=2)
        assert reply(simulator)[0] == 250
        assert reply(simulator) == (454, RATE)
        simulator.remote.limit(rate=None)
        assert reply(simulator)[0] == 250
        assert reply(simulator) == (454, QUOTA)


def test_what_cannot_be_written_down_is_not_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under the judge is a temporary failure, not a lie; nothing of the mail counts."""
    with stage(clock=HandClock()) as simulator:

        def full(records: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(simulator.simulator._accepted, "append", full)
        with pytest.raises(smtplib.SMTPDataError, match="451"):
            simulator.send()
        assert simulator.remote.state()["recipients"] == 0
        assert simulator.remote.state()["sent_last_24_hours"] == 0
