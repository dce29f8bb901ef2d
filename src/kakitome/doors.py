"""The doors through which AWS's events come in, as the configuration has them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from kakitome.config import Config, milliseconds
from kakitome.core.errors import ConfigurationError
from kakitome.drain import Drain
from kakitome.ports.clock import Clock
from kakitome.ports.event_queue import EventQueue, Reading
from kakitome.ports.ledger import Ledger
from kakitome.sources.certificate_fetch import fetch
from kakitome.sources.certificates import Certificates, SimulatorCertificates
from kakitome.sources.sns import SnsSource
from kakitome.sources.sns_certificates import AwsCertificates
from kakitome.sources.sns_confirmation import Confirm, confirming
from kakitome.sources.sns_records import read
from kakitome.sources.sqs import SqsQueue, region_of_queue


def sns_source(config: Config, clock: Clock) -> SnsSource:
    """What is trusted over HTTPS. Raises `ConfigurationError` where the simulator's certificate is not there."""
    table = config.events
    certificates: Certificates
    if table.trust == "aws":
        certificates = AwsCertificates(fetch, clock.now, clock.monotonic)
    else:
        certificates = _simulator(table.simulator_certificate)
    oldest = milliseconds(table.oldest, "events.oldest")
    allow_sha1 = 1 in table.signature_versions
    return SnsSource(certificates, table.topics, clock.now, allow_sha1=allow_sha1, max_age_ms=oldest)


def _simulator(path: str | None) -> SimulatorCertificates:
    key = "events.simulator_certificate"
    if path is None:
        raise ConfigurationError(
            'events.trust is "simulator", and no certificate is named.',
            f"Start the simulator with --certificate FILE and set {key} to it.",
            key=key,
        )
    try:
        return SimulatorCertificates(Path(path).read_bytes(), Path(path).read_bytes)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{key} = {path!r} cannot be read: {error}.", "Is the simulator up?", key=key
        ) from error


def confirm_of(config: Config) -> Confirm | None:
    """How topics are told yes; `None` where a person does it."""
    return confirming(config.events.endpoint) if config.events.confirm else None


def drains_of(config: Config, ledger: Ledger, clock: Clock, step: Callable[[str], None]) -> list[Drain]:
    """One for each queue. Nothing is opened here."""
    endpoint = config.events.endpoint
    queues = [SqsQueue(url, region_of_queue(url) or "us-east-1", endpoint) for url in config.events.queues]
    return [drain_of(queue, config, ledger, clock, step) for queue in queues]  # an emulator has no regions


def drain_of(queue: EventQueue, config: Config, ledger: Ledger, clock: Clock, step: Callable[[str], None]) -> Drain:
    return Drain(queue, partial(_read, topics=frozenset(config.events.topics), clock=clock), ledger, clock, step)


def _read(body: str, topics: frozenset[str], clock: Clock) -> Reading:
    return read(body, topics, clock.now())
