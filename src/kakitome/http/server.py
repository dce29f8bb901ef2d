"""The API and a worker in one process."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn
from litestar import Litestar, Router
from litestar.datastructures import MutableScopeHeaders, State
from litestar.exceptions import HTTPException
from litestar.types import Message, Scope

from kakitome.app import Instance
from kakitome.core.errors import KakitomeError
from kakitome.doors import confirm_of, sns_source
from kakitome.http.address import check_address, listening, name_of
from kakitome.http.alerts import list_alerts
from kakitome.http.edge import Edge, with_key
from kakitome.http.events import take_ses
from kakitome.http.events_sendgrid import sendgrid_signature, take_sendgrid
from kakitome.http.health import live, ready
from kakitome.http.keys import read_keys
from kakitome.http.messages import cancel, look_for, send, send_batch, tell
from kakitome.http.openapi import describe
from kakitome.http.problems import fail, refuse, refuse_request
from kakitome.http.suppressions import add_suppressions, list_suppressions, remove_suppression
from kakitome.http.unsubscribe import show_way_out, take_way_out

BODY_LIMIT = 40 * 1024 * 1024
"""Bytes: what Amazon SES takes as one mail."""

GRACE = 10
"""Seconds that a request under way has to end in, once the server is told to."""

_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}

Announce = Callable[[str], None]


def build(instance: Instance) -> Litestar:
    """The API of an instance. Raises `ConfigurationError` for keys or certificates that are not there."""
    config = instance.config
    source = sns_source(config, instance.clock)
    edge = Edge(instance, instance.desk(), read_keys(config.http.keys), source, confirm_of(config))
    return Litestar(
        route_handlers=[
            Router("/v1", guards=[with_key], route_handlers=[send, send_batch, look_for, tell, cancel, list_alerts]),
            Router("/v1", guards=[with_key], route_handlers=[list_suppressions, add_suppressions, remove_suppression]),
            take_ses,
            take_sendgrid,
            show_way_out,
            take_way_out,
            live,
            ready,
            describe,
        ],
        state=State({"edge": edge, "sendgrid_signature": sendgrid_signature(config, instance.clock)}),
        exception_handlers={KakitomeError: refuse, HTTPException: refuse_request, Exception: fail},
        before_send=[_secure],
        request_max_body_size=BODY_LIMIT,
        openapi_config=None,  # its pages load scripts from elsewhere; `describe` gives the document itself
        logging_config=None,
    )


async def _secure(message: Message, scope: Scope) -> None:
    """On every answer, refusals included."""
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in _HEADERS.items():
            headers.setdefault(name, value)


async def serve(
    instance: Instance,
    host: str,
    port: int,
    *,
    stop: asyncio.Event | None = None,
    announce: Announce = lambda _: None,
) -> None:
    """Serve and work until SIGTERM or SIGINT (or `stop`), then end in good order: no new request, no new claim, and
    what is on the wire is waited for. A second signal waits for nothing; the next start then settles what was left.

    `announce` hears `HOST:PORT` once requests are answered; port 0 lets the system choose. Raises
    `ConfigurationError` for an address that is taken, or that would be open to strangers.
    """
    app = build(instance)
    check_address(instance, host, app.state["edge"].keys)
    await serve_app(instance, app, host, port, stop=stop, announce=announce)


async def serve_app(
    instance: Instance,
    app: Litestar,
    host: str,
    port: int,
    *,
    stop: asyncio.Event | None = None,
    announce: Announce = lambda _: None,
) -> None:
    """The same with an app of any kind, at an address that was checked."""
    with listening(host, port) as listener:
        server = _Server(app, announce=lambda: announce(name_of(listener)))
        worker = instance.worker()
        ended = stop or asyncio.Event()
        serving = asyncio.create_task(server.serve([listener]))
        working = asyncio.create_task(worker.run())
        waiting = asyncio.create_task(ended.wait())

        def told() -> None:
            if ended.is_set():
                server.force_exit = True
                working.cancel()
            ended.set()

        with _signals(told):
            await asyncio.wait((serving, working, waiting), return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            server.should_exit = True
            worker.stop()
            await asyncio.wait((serving, working))
    for task in (serving, working):
        if not task.cancelled():
            task.result()


class _Server(uvicorn.Server):
    """uvicorn without its own ideas of signals and logs."""

    def __init__(self, app: Litestar, announce: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                lifespan="off",
                ws="none",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=GRACE,
            )
        )
        self._announce = announce

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()


@contextmanager
def _signals(told: Callable[[], None]) -> Iterator[None]:
    """Only the main thread hears signals; elsewhere `stop` is the way."""
    loop = asyncio.get_running_loop()
    heard = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
    for number in heard:
        loop.add_signal_handler(number, told)
    try:
        yield
    finally:
        for number in heard:
            loop.remove_signal_handler(number)
