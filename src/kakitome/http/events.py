"""Events in. 200 says that what was posted is durable; everything else says that it was not taken."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import msgspec
from litestar import post

from kakitome.app import Instance
from kakitome.core.errors import EventRefused
from kakitome.http.edge import Asked, Edge, edge
from kakitome.ingest import ingest, quarantine
from kakitome.ports.records import Folded
from kakitome.sources import EventUnreadable
from kakitome.sources.sns import BODY_LIMIT, Confirmation, Notification, Why
from kakitome.sources.sns_confirmation import by_hand

log = logging.getLogger("kakitome.http.events")


class Taken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What came of a post: events that were new, known, of no message of ours; or its way into quarantine."""

    fresh: int = 0
    known: int = 0
    unmatched: int = 0
    quarantined: bool = False


@post("/events/ses", status_code=200, request_max_body_size=BODY_LIMIT)
async def take_ses(request: Asked) -> Taken:
    """An SNS envelope. 403 for what proves nothing (raw, unsigned, foreign); 503 for what SNS shall bring again."""
    here = edge(request)
    headers = dict(request.headers)
    try:
        proved = await here.source.verify(headers, await request.body())
    except EventRefused as error:
        _tell(error, headers)
        raise
    if isinstance(proved, Confirmation):
        return await _asked_to_connect(proved, here)
    try:
        events = here.source.parse(proved)
    except EventUnreadable as error:
        return await _quarantine(proved, error, here.instance)
    if not events:
        data: dict[str, object] = {"topic": proved.topic}
        await here.instance.ledger.journal.note("topic_connected", data, here.instance.clock.now())
    return _taken(await ingest(events, here.instance.ledger, here.instance.clock, here.instance.step))


def _taken(folded: Folded) -> Taken:
    return Taken(fresh=folded.fresh, known=folded.known, unmatched=folded.unmatched)


async def _quarantine(proved: Notification, error: EventUnreadable, instance: Instance) -> Taken:
    await quarantine(error.what, msgspec.structs.asdict(proved), instance.ledger, instance.clock)
    return Taken(quarantined=True)


async def _asked_to_connect(asked: Confirmation, here: Edge) -> Taken:
    """The topic is on our list and the request is AWS's. Whoever subscribed us may still be anybody who may subscribe
    there, so it is a person's to say yes, unless the configuration says it beforehand. A goodbye is never answered:
    its token would connect the topic again. The SubscribeURL is never opened."""
    journal, clock = here.instance.ledger.journal, here.instance.clock
    data: dict[str, object] = {"topic": asked.topic, "wants": asked.wants, "token": asked.token}
    if asked.wants == "unsubscribe":
        log.warning("%s was disconnected from this endpoint. To connect it again: %s", asked.topic, _yes(asked))
    elif here.confirm is None:
        log.warning("%s wants to connect with this endpoint. To connect it: %s", asked.topic, _yes(asked))
    else:
        subscription = await here.confirm(asked.topic, asked.token)
        log.warning("%s is connected: %s", asked.topic, subscription)
        await journal.note("subscription_confirmed", data | {"subscription": subscription}, clock.now())
        return Taken()
    await journal.note("subscription_asked", data, clock.now())
    return Taken()


def _yes(asked: Confirmation) -> str:
    return by_hand(asked.topic, asked.token)


def _tell(refused: EventRefused, headers: Mapping[str, str]) -> None:
    """To the operator, what the caller is not told. What SNS does by default and we do not take has its remedy."""
    why = refused.data.get("why")
    if why is Why.VERSION and refused.data.get("old"):
        log.warning(
            "%s signs with SHA-1 (signature version 1), so its events are refused. Let it sign with SHA-256: aws sns "
            "set-topic-attributes --topic-arn %s --attribute-name SignatureVersion --attribute-value 2 (or take both: "
            "events.signature_versions = [1, 2]).",
            *(refused.data["topic"], refused.data["topic"]),
        )
    elif why is Why.FORM and headers.get("x-amz-sns-rawdelivery") == "true":
        log.warning(
            "A raw delivery was refused: it has no signature. Set RawMessageDelivery of the subscription to false, or "
            "deliver into an SQS queue."
        )
    else:
        detail = f" ({refused.data['detail']})" if "detail" in refused.data else ""
        log.warning("An event was refused: its %s does not hold%s.", why, detail)
