"""What the routes share, made once for an instance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from kakitome.accept import Desk
from kakitome.app import Instance
from kakitome.http.keys import Keys
from kakitome.sources.sns import SnsSource
from kakitome.sources.sns_confirmation import Confirm

Asked: TypeAlias = Request[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Edge:
    instance: Instance
    desk: Desk
    keys: Keys
    source: SnsSource
    confirm: Confirm | None


def edge(request: Asked) -> Edge:
    found = request.app.state["edge"]
    assert isinstance(found, Edge)
    return found


async def with_key(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """A guard: it runs before the body is read. `request.auth` is the caller's idempotency scope.

    Awaits nothing: a plain function would be run in a thread, which costs more than all that it does.
    """
    connection.scope["auth"] = connection.app.state["edge"].keys.scope(connection.headers)
