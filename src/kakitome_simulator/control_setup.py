"""More strings to pull: how subscribers get their events, and what SES finds out about identities; see `control`."""

from __future__ import annotations

import msgspec
from aiohttp import web

from .identities import Status
from .options import events_url
from .setup import Setup
from .sns import Form, Signer
from .statistics import Statistics
from .subscriptions import Subscriptions


class Found(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    status: Status = "SUCCESS"


class Ask(msgspec.Struct, forbid_unknown_fields=True):
    url: str
    topic: str


class SetupControl:
    def __init__(self, *, setup: Setup, statistics: Statistics, subscriptions: Subscriptions, signer: Signer) -> None:
        self._setup = setup
        self._statistics = statistics
        self._subscriptions = subscriptions
        self._signer = signer

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/_simulator/events-form", self._show_form),
            web.post("/_simulator/events-form", self._set_form),
            web.get("/_simulator/subscriptions", self._show_subscriptions),
            web.post("/_simulator/subscriptions", self._ask_to_confirm),
            web.post("/_simulator/identities", self._find_identity),
        ]

    def state(self) -> dict[str, object]:
        return {"suppressed": len(self._setup.suppression.all()), "configuration_sets": self._setup.sets.names()}

    def reset(self) -> None:
        self._setup.reset()
        self._statistics.reset()
        self._subscriptions.all.clear()

    async def _show_form(self, request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._signer.form), content_type="application/json")

    async def _set_form(self, request: web.Request) -> web.Response:
        self._signer.form = msgspec.json.decode(await request.read(), type=Form)
        return await self._show_form(request)

    async def _show_subscriptions(self, request: web.Request) -> web.Response:
        told = {"subscriptions": self._subscriptions.all}
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _ask_to_confirm(self, request: web.Request) -> web.Response:
        ask = msgspec.json.decode(await request.read(), type=Ask)
        told = {"status": await self._subscriptions.ask(events_url(ask.url), ask.topic)}
        return web.Response(body=msgspec.json.encode(told), content_type="application/json")

    async def _find_identity(self, request: web.Request) -> web.Response:
        """Raises `ApiError` for one that nobody created."""
        found = msgspec.json.decode(await request.read(), type=Found)
        self._setup.identities.settle(found.name, found.status)
        return web.Response(body=msgspec.json.encode(found), content_type="application/json")
