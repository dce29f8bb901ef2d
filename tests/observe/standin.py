"""Somebody who is told: Slack, or a program behind a webhook, on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web


class StandIn:
    """`answers` are given one after the other, the last one for ever: a status, or "redirect", or "hang"."""

    def __init__(self) -> None:
        self.url = ""
        self.answers: list[int | str] = [200]
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.strays = 0
        self.heard = asyncio.Event()

    @property
    def titles(self) -> list[str]:
        return [self.json(n)["text"] for n in range(len(self.bodies))]

    def json(self, n: int) -> Any:
        return json.loads(self.bodies[n])

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        self.heard.set()
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer == "redirect":
            raise web.HTTPTemporaryRedirect("/stray")
        if answer == "flood":
            return web.Response(body=b"x" * 1_000_000)
        if answer == "lines":
            return web.Response(status=502, text="down\nERROR forged")
        assert isinstance(answer, int)
        return web.Response(status=answer, text="ok" if answer == 200 else "no_service")

    async def stray(self, request: web.Request) -> web.Response:
        self.strays += 1
        return web.Response(text="ok")


@asynccontextmanager
async def standing_in() -> AsyncIterator[StandIn]:
    it = StandIn()
    app = web.Application()
    app.router.add_post("/services/T/B/secret", it.take)
    app.router.add_route("*", "/stray", it.stray)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        it.url = f"http://127.0.0.1:{port}/services/T/B/secret"
        yield it
    finally:
        await runner.cleanup()
