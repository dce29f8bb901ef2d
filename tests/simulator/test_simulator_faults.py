"""Faults: their grammar, their conditions, and what a client sees of each."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from random import Random

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from playground import READER, SENDER, HandClock, Stage, mail, stage

from kakitome_simulator import OptionError
from kakitome_simulator.faults import REFUSALS, Faults, Occasion, parse

SECOND = 10**9
TALK = b"EHLO me\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"
API_MAIL = {"FromEmailAddress": SENDER, "Destination": {"ToAddresses": [READER]}, "Content": {"Raw": {"Data": mail()}}}


def mails(count: int, *, via: str = "smtp", every: float = 1.0, to: str = READER) -> list[Occasion]:
    return [Occasion(round(number * every * SECOND), via, (to,)) for number in range(count)]


def hits(spec: str, occasions: list[Occasion], seed: int | None = 1) -> list[int]:
    """Which of the occasions the fault meets."""
    faults = Faults(seed)
    faults.arm([spec], 0)
    return [place for place, occasion in enumerate(occasions) if faults.first(REFUSALS, occasion)]


def smtp_reply(simulator: Stage) -> tuple[int, bytes]:
    with simulator.smtp() as client:
        client.mail(SENDER)
        client.rcpt(READER)
        return client.data(mail())


@pytest.mark.parametrize(
    ("spec", "met"),
    [
        ("throttle", [0, 1, 2, 3, 4, 5]),
        ("throttle@count=2", [0, 1]),
        ("throttle@after=4", [4, 5]),
        ("throttle@after=1@count=2", [1, 2]),
        ("throttle@from=2-to=4", [2, 3]),
        ("throttle@from=4", [4, 5]),
        ("throttle@share=0", []),
        ("throttle@via=http", []),
        ("throttle@via=smtp@count=1", [0]),
        ("throttle@recipient=*@example.com@count=1", [0]),
        ("throttle@recipient=*@elsewhere.example", []),
    ],
)
def test_conditions_narrow_a_fault(spec: str, met: list[int]) -> None:
    """Count, after, window, share, way in and recipient; combined, all of them must hold."""
    assert hits(spec, mails(6)) == met


def test_a_seed_repeats_the_choice() -> None:
    """The same seed and spec hit the same mails, another seed others, and the share is about right."""
    first, again, other = (hits("throttle@share=0.3", mails(1000), seed) for seed in (7, 7, 8))
    assert first == again != other
    assert 200 < len(first) < 400


def test_the_fault_armed_first_wins_and_the_other_does_not_count_it() -> None:
    """Two refusals that could meet the same mail: `count` of the second is still whole afterwards."""
    faults = Faults(None)
    faults.arm(["throttle@count=1", "error:451@count=1"], 0)
    fired = [fault.name if (fault := faults.first(REFUSALS, mail)) else None for mail in mails(3)]
    assert fired == ["throttle", "error", None]


@pytest.mark.parametrize(
    "spec",
    [
        "",
        "unknown",
        "throttle:1",
        "error",
        "error:200",
        "error:Nonsense",
        "error_after_accept:MessageRejected",
        "slow",
        "slow:-1",
        "slow:nan",
        "slow:soon",
        "duplicate_events:-1",
        "throttle@share=2",
        "throttle@share=x",
        "throttle@count=-1",
        "throttle@from=a-to=b",
        "throttle@via=post",
        "throttle@recipient=",
        "throttle@sometimes",
        "throttle@",
    ],
)
def test_specs_that_say_nothing_are_refused(spec: str) -> None:
    """An `OptionError` that names the fault; no spec is taken half-way."""
    faults = Faults(None)
    with pytest.raises(OptionError):
        faults.arm(["throttle", spec], 0)
    assert faults.report() == []


@given(st.text(max_size=60))
def test_any_text_is_a_fault_or_an_option_error(text: str) -> None:
    """The grammar never ends in another exception."""
    with suppress(OptionError):
        assert parse(text, Random(0), 0).spec == text


@pytest.mark.parametrize(
    ("spec", "reply"),
    [
        ("throttle", (454, b"Throttling failure: Maximum sending rate exceeded")),
        ("daily_quota", (454, b"Throttling failure: Daily message quota exceeded")),
        ("suspend", (554, b"Message rejected: Sending paused for this account.")),
        ("error:451", (451, b"Temporary service failure")),
        ("error:554", (554, b"Transaction failed")),
        ("error:MessageRejected", (554, b"Message rejected: Bad content")),
    ],
)
def test_refusals_over_smtp(spec: str, reply: tuple[int, bytes]) -> None:
    """The reply comes after the data, nothing is accepted, and the session lives on."""
    with stage(faults=(f"{spec}@count=1",)) as simulator:
        assert smtp_reply(simulator) == reply
        assert simulator.simulator.accepted == []
        assert smtp_reply(simulator)[0] == 250
        assert sum(simulator.remote.state()["refused"].values()) == 1


@pytest.mark.parametrize(("spec", "accepted"), [("lose_reply", 1), ("error_after_accept", 1), ("reset", 0)])
def test_lost_replies_over_smtp(spec: str, accepted: int) -> None:
    """The connection ends after the data without a reply; only the judge knows whether the mail was accepted."""
    with stage(faults=(f"{spec}@count=1",)) as simulator:
        with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionResetError)):
            smtp_reply(simulator)
        assert len(simulator.simulator.accepted) == accepted
        assert smtp_reply(simulator)[0] == 250


def test_a_reset_is_a_reset() -> None:
    """On a bare socket the fault `reset` is ECONNRESET, `lose_reply` an orderly end."""
    with stage() as simulator:
        for spec in ("reset", "lose_reply"):
            simulator.remote.faults([spec])
            with simulator.socket() as connection:
                connection.sendall(TALK)
                while b"354" not in connection.recv(65536):
                    pass
                connection.sendall(b"x\r\n.\r\n")
                if spec == "reset":
                    with pytest.raises(ConnectionResetError):
                        connection.recv(100)
                else:
                    assert connection.recv(100) == b""


@pytest.mark.parametrize(
    ("spec", "accepted", "error"),
    [
        ("lose_reply", 1, ConnectionClosedError),
        ("reset", 0, ConnectionClosedError),
        ("error_after_accept:500", 1, ClientError),
        ("error:503", 0, ClientError),
    ],
)
def test_lost_replies_over_http(spec: str, accepted: int, error: type[Exception]) -> None:
    """The same over the API; an HTTP 500 says nothing about whether it was accepted."""
    with stage(faults=(f"{spec}@count=1@via=http",)) as simulator, simulator.sesv2() as ses:
        with pytest.raises(error) as caught:
            ses.send_email(**API_MAIL)
        assert len(simulator.simulator.accepted) == accepted
        if isinstance(caught.value, ClientError):
            assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] in {500, 503}
        assert ses.send_email(**API_MAIL)["MessageId"]


def test_a_slow_reply_was_decided_before() -> None:
    """A mail is accepted while its client still waits; other clients are not held up."""
    with stage(faults=("slow:3600",)) as simulator, simulator.socket() as first, simulator.socket() as second:
        for number, connection in enumerate((first, second), 1):
            connection.sendall(TALK)
            while b"354" not in connection.recv(65536):
                pass
            connection.sendall(b"x\r\n.\r\n")
            assert accepted_soon(simulator, number)
            connection.setblocking(False)
            with pytest.raises(BlockingIOError):
                connection.recv(1)


def test_what_follows_a_slow_reply_waits_for_it() -> None:
    """Replies keep their order: what a client pipelines behind the data is answered after it."""
    with stage(faults=("slow:0.01",)) as simulator, simulator.socket() as connection:
        connection.sendall(TALK + b"x\r\n.\r\nNOOP\r\nQUIT\r\n")
        heard = b""
        while chunk := connection.recv(65536):
            heard += chunk
        (line,) = simulator.simulator.accepted
    assert heard.decode().splitlines()[-3:] == [f"250 Ok {line.provider_message_id}", "250 Ok", "221 Bye"]


def test_a_slow_answer_over_http_was_decided_before() -> None:
    """The SDK's read timeout ends the call; the mail is accepted."""
    with stage(faults=("slow:3600@via=http",)) as simulator, simulator.sesv2(read_timeout=0.1) as ses:
        with pytest.raises(ReadTimeoutError):
            ses.send_email(**API_MAIL)
        assert accepted_soon(simulator, 1)


def accepted_soon(simulator: Stage, count: int) -> bool:
    """Whether the judge comes to show that many; every look is a request that the simulator answers meanwhile."""
    return any(len(simulator.remote.accepted()) == count for _ in range(10_000))


def test_faults_can_be_changed_while_it_runs() -> None:
    """Replaced, added to, shown with what they did, and refused when they say nothing."""
    with stage(clock=HandClock(), faults=("throttle",)) as simulator:
        simulator.remote.faults(["error:451@count=1"])
        simulator.remote.faults(["slow:0"], add=True)
        assert smtp_reply(simulator)[0] == 451
        assert simulator.remote.state()["faults"] == [
            {"spec": "error:451@count=1", "seen": 1, "fired": 1},
            {"spec": "slow:0", "seen": 1, "fired": 1},
        ]
        simulator.remote.faults([])
        assert smtp_reply(simulator)[0] == 250
