"""Events in. 200 says that what was posted is durable; everything else says that it was not taken."""

from __future__ import annotations

import logging
from pathlib import Path

import msgspec
from cryptography import x509
from litestar import post

from kakitome.app import Instance
from kakitome.config import milliseconds
from kakitome.core.errors import ConfigurationError, EventRefused
from kakitome.http.edge import Asked, edge
from kakitome.ingest import ingest
from kakitome.ports.records import Folded
from kakitome.sources import EventUnreadable
from kakitome.sources.certificates import CertificateUnavailable, is_aws_certificate
from kakitome.sources.sns import BODY_LIMIT, Certificates, Confirmation, Notification, SimulatorCertificates, SnsSource

log = logging.getLogger("kakitome.http.events")


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a post: events that were new, known, of no message of ours; or its way into quarantine."""

    fresh: int = 0
    known: int = 0
    unmatched: int = 0
    quarantined: bool = False


class AwsCertificates:
    """AWS's certificates, which this version cannot fetch yet: what they would prove is put off, never believed."""

    def permits(self, url: str, topic: str) -> bool:
        return is_aws_certificate(url, topic)

    async def get(self, url: str) -> x509.Certificate:
        raise CertificateUnavailable(
            "This version cannot fetch AWS's signing certificates, so the event was not taken.",
            "SNS tries again for an hour: give the subscription a dead-letter queue, and nothing is lost until the "
            "version that can.",
        )


def sns_source(instance: Instance) -> SnsSource:
    """What the configuration trusts. Raises `ConfigurationError` where the simulator's certificate is not there."""
    table = instance.config.events
    certificates: Certificates = AwsCertificates() if table.trust == "aws" else _simulator(table.simulator_certificate)
    oldest = milliseconds(table.oldest, "events.oldest")
    return SnsSource(certificates, table.topics, instance.clock.now, max_age_ms=oldest)


def _simulator(path: str | None) -> SimulatorCertificates:
    key = "events.simulator_certificate"
    if path is None:
        raise ConfigurationError(
            'events.trust is "simulator", and no certificate is named.',
            f"Start the simulator with --certificate FILE and set {key} to it.",
            key=key,
        )
    try:
        return SimulatorCertificates(Path(path).read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{key} = {path!r} cannot be read: {error}.", "Is the simulator up?", key=key
        ) from error


@post("/events/ses", status_code=200, request_max_body_size=BODY_LIMIT)
async def take_ses(request: Asked) -> Taken:
    """An SNS envelope. 403 for what proves nothing (raw, unsigned, foreign); 503 for what SNS shall bring again."""
    here = edge(request)
    try:
        proved = await here.source.verify(dict(request.headers), await request.body())
    except EventRefused as error:
        log.warning("An event was refused: its %s does not hold.", error.data.get("why"))
        raise
    if isinstance(proved, Confirmation):
        return await _asked_to_connect(proved, here.instance)
    try:
        events = here.source.parse(proved)
    except EventUnreadable as error:
        return await _quarantine(proved, error, here.instance)
    return _taken(await ingest(events, here.instance.ledger, here.instance.clock, here.instance.step))


def _taken(folded: Folded) -> Taken:
    return Taken(fresh=folded.fresh, known=folded.known, unmatched=folded.unmatched)


async def _quarantine(proved: Notification, error: EventUnreadable, instance: Instance) -> Taken:
    """It comes from where it should and cannot be read: to repeat it helps nobody, to lose it neither."""
    log.error("Event %s of %s is in quarantine: %s", proved.id, proved.topic, error)
    data: dict[str, object] = {"why": error.what, **msgspec.structs.asdict(proved)}
    await instance.ledger.journal.note("event_quarantined", data, instance.clock.now())
    return Taken(quarantined=True)


async def _asked_to_connect(asked: Confirmation, instance: Instance) -> Taken:
    """The topic is on our list and the request is AWS's; yet whoever subscribed us may be anybody, so a person says
    yes. Its SubscribeURL is never opened."""
    wants = "wants to connect with" if asked.wants == "subscribe" else "was disconnected from"
    agree = f"aws sns confirm-subscription --topic-arn {asked.topic} --token {asked.token}"
    log.warning("%s %s this endpoint. To connect it: %s", asked.topic, wants, agree)
    data: dict[str, object] = {"topic": asked.topic, "wants": asked.wants, "token": asked.token}
    await instance.ledger.journal.note("subscription_asked", data, instance.clock.now())
    return Taken()
