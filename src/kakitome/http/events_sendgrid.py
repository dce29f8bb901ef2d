"""SendGrid's events in: `POST /events/sendgrid`. 200 says that what was posted is durable."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from litestar import post

from kakitome.app import Instance
from kakitome.config import Config, milliseconds, secret
from kakitome.core.errors import EventRefused
from kakitome.http.edge import Asked, edge
from kakitome.http.events import Taken
from kakitome.ingest import ingest, quarantine
from kakitome.ports.clock import Clock
from kakitome.ports.records import Folded
from kakitome.sources import EventUnreadable
from kakitome.sources.sendgrid import Unreadable, read_sendgrid
from kakitome.sources.sendgrid_signature import BODY_LIMIT, USUAL_MS, SendGridSignature, Why, public_key

log = logging.getLogger("kakitome.http.events")

PATH = "/events/sendgrid"


def sendgrid_signature(config: Config, clock: Clock) -> SendGridSignature:
    """Whose signature the configuration trusts. Raises `ConfigurationError` for keys that are not there or none."""
    events, at = config.events, "events.sendgrid_keys"
    keys = [public_key(secret(reference, at), at) for reference in events.sendgrid_keys]
    return SendGridSignature(keys, clock.now, oldest_ms=milliseconds(events.sendgrid_oldest, "events.sendgrid_oldest"))


@post(PATH, status_code=200, request_max_body_size=BODY_LIMIT)
async def take_sendgrid(request: Asked) -> Taken:
    """A signed array of events. 403 for what proves nothing; 503 for what SendGrid shall bring again. What of it cannot
    be read goes into quarantine, and the rest is taken."""
    here, body = edge(request).instance, await request.body()
    signature = request.app.state["sendgrid_signature"]
    assert isinstance(signature, SendGridSignature)
    try:
        age = signature.verify(dict(request.headers), body)
    except EventRefused as error:
        _tell(error)
        raise
    if abs(age) > USUAL_MS:
        log.warning(
            "A post of SendGrid's was signed %d s ago: it is a repetition of one that was not taken, or a clock is "
            "wrong (`kakitome doctor`). Its events are taken; those that are known count once.",
            age // 1000,
        )
    try:
        events, poison = read_sendgrid(body, here.clock.now())
    except EventUnreadable as error:
        events, poison = [], [Unreadable(body, error)]
    folded = await ingest(events, here.ledger, here.clock, here.step) if events else Folded(0, 0, 0)
    # Behind it: should this fail, the post comes again, and its events are known.
    await _keep(poison, here)
    return Taken(fresh=folded.fresh, known=folded.known, unmatched=folded.unmatched, quarantined=bool(poison))


async def _keep(poison: Sequence[Unreadable], here: Instance) -> None:
    """One entry for all of a post: its reason is the first one's."""
    if poison:
        kept = b"\n".join(one.raw for one in poison).decode("utf-8", "backslashreplace")
        await quarantine(poison[0].error.what, {"topic": PATH, "message": kept}, here.ledger, here.clock)


def _tell(refused: EventRefused) -> None:
    """To the operator, what the caller is not told."""
    why = refused.data.get("why")
    if why is Why.KEYS:
        log.warning(
            "A post to %s was refused: no key is configured. Copy SendGrid's verification key (Settings, Mail "
            'Settings, Event Webhook) and set events.sendgrid_keys = ["env:SENDGRID_WEBHOOK_KEY"].',
            PATH,
        )
    else:
        log.warning("A post to %s was refused: its %s does not hold.", PATH, why)
