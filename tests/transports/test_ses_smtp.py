"""SES by SMTP, against the simulator: what only SES reads, whose id the reply names, and what its two 454 mean."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from kakitome.core.outcome import STOPS, Accepted, Breadth, Outcome, Unavailability, Unavailable
from kakitome.hosts.clock import SystemClock
from kakitome.testing.parcels import ScriptedWire, only_batch, parcels
from kakitome.transports.smtp import SmtpSettings, SmtpTransport
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


@pytest.fixture(scope="module")
def running_simulator() -> Iterator[Remote]:
    with running() as remote:
        yield remote


@pytest.fixture
def simulator(running_simulator: Remote) -> Remote:
    running_simulator.reset()
    return running_simulator


def send(remote: Remote, configuration_set: str | None = None) -> list[Outcome]:
    assert remote.smtp is not None
    settings = SmtpSettings(
        host="127.0.0.1",
        port=int(remote.smtp.rpartition(":")[2]),
        tls="none",
        username="user",
        password="password",
        provider="ses",
        configuration_set=configuration_set,
        connections=1,
        timeout=10.0,
    )
    return asyncio.run(only_batch(SmtpTransport(settings, SystemClock()), parcels(2), ScriptedWire()))


def test_the_reply_names_the_mail(simulator: Remote) -> None:
    """`250 Ok <id>`: the id that SES's events will carry, not the Message-ID that we wrote."""
    ids = [one.provider_message_id for one in send(simulator) if isinstance(one, Accepted)]
    lines = simulator.accepted()
    assert ids == [line.provider_message_id for line in lines]
    assert all(line.header_message_id and line.provider_message_id not in line.header_message_id for line in lines)
    assert [(line.message, line.attempt) for line in lines] == [("msg_1", "3"), ("msg_2", "3")]


def test_the_configuration_set_travels_in_the_header(simulator: Remote) -> None:
    """With a set that SES does not know nothing goes out, and the lane stops: no mail is to blame."""
    import boto3

    ses = boto3.Session("key", "secret", region_name="us-east-1").client("sesv2", endpoint_url=simulator.url)
    ses.create_configuration_set(ConfigurationSetName="Marketing")
    first, _ = send(simulator, "Marketing-typo")
    assert isinstance(first, Unavailable)
    assert first.reason is Unavailability.CONFIGURATION
    assert all(isinstance(one, Accepted) for one in send(simulator, "Marketing"))
    ses.close()


@pytest.mark.parametrize(
    ("fault", "reason", "breadth"),
    [
        ("throttle", Unavailability.THROTTLED, Breadth.ACCOUNT),
        ("daily_quota", Unavailability.QUOTA, Breadth.ACCOUNT),
    ],
)
def test_the_two_454_are_told_apart(simulator: Remote, fault: str, reason: Unavailability, breadth: Breadth) -> None:
    """Too fast is over in a second, the day's quota is not; the code is the same, the words decide."""
    simulator.faults([fault])
    first, _ = send(simulator)
    assert isinstance(first, Unavailable)
    assert first.reply is not None
    assert (first.reply.code, first.reason) == (454, reason)
    assert (first.until is not None) == (reason is Unavailability.QUOTA)
    assert STOPS[reason].breadth is breadth
