"""The door for events, alone: what `serve` does at /events/ses, in a process of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from kakitome.app import Instance, opened
from kakitome.config import Config
from kakitome.ingest import ingest
from kakitome.sources.certificates import SimulatorCertificates
from kakitome.sources.sns import Notification, SnsSource

TOPICS = [f"arn:aws:sns:us-east-1:000000000000:kakitome-{kind}" for kind in ("bounces", "deliveries", "actions")]


def stand(config: Config, listener: socket.socket, certificate: Path, step: Callable[[str], None]) -> None:
    asyncio.run(_stand(config, listener, SimulatorCertificates(certificate.read_bytes()), step))


async def _stand(
    config: Config, listener: socket.socket, certificates: SimulatorCertificates, step: Callable[[str], None]
) -> None:
    async with opened(config, step=step) as instance:
        source = SnsSource(certificates, TOPICS, instance.clock.now)
        app = web.Application()
        app.router.add_post("/events/ses", lambda request: _event(request, instance, source))
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()


async def _event(request: web.Request, instance: Instance, source: SnsSource) -> web.Response:
    said = await source.verify(request.headers, await request.read())
    if isinstance(said, Notification):
        await ingest(source.parse(said), instance.ledger, instance.clock, instance.step)
    return web.Response(text="ok")
