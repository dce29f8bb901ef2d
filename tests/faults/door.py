"""The door for events, alone: what `serve` does at /events/ses and /events/sendgrid, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec

from kakitome.app import Instance, opened
from kakitome.config import Config
from kakitome.ingest import ingest
from kakitome.sources.certificates import SimulatorCertificates
from kakitome.sources.sendgrid import read_sendgrid
from kakitome.sources.sendgrid_signature import SendGridSignature, public_key
from kakitome.sources.sns import Notification, SnsSource

TOPICS = [f"arn:aws:sns:us-east-1:000000000000:kakitome-{kind}" for kind in ("bounces", "deliveries", "actions")]


def stand(config: Config, listener: socket.socket, certificate: Path, step: Callable[[str], None]) -> None:
    key = public_key((certificate.parent / "sendgrid.key").read_text(), "the simulator's key")
    asyncio.run(_stand(config, listener, SimulatorCertificates(certificate.read_bytes()), key, step))


async def _stand(
    config: Config,
    listener: socket.socket,
    certificates: SimulatorCertificates,
    key: ec.EllipticCurvePublicKey,
    step: Callable[[str], None],
) -> None:
    async with opened(config, step=step) as instance:
        source = SnsSource(certificates, TOPICS, instance.clock.now)
        app = web.Application()
        signature = SendGridSignature([key], instance.clock.now)
        app.router.add_post("/events/ses", lambda request: _event(request, instance, source))
        app.router.add_post("/events/sendgrid", lambda request: _array(request, instance, signature))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()


async def _event(request: web.Request, instance: Instance, source: SnsSource) -> web.Response:
    said = await source.verify(request.headers, await request.read())
    if isinstance(said, Notification):
        await ingest(source.parse(said), instance.ledger, instance.clock, instance.step)
    return web.Response(text="ok")


async def _array(request: web.Request, instance: Instance, signature: SendGridSignature) -> web.Response:
    body = await request.read()
    signature.verify(dict(request.headers), body)
    events, poison = read_sendgrid(body, instance.clock.now())
    assert not poison
    await ingest(events, instance.ledger, instance.clock, instance.step)
    return web.Response(text="ok")
