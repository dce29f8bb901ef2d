"""A worker that is woken by HTTP, as AWS Elastic Beanstalk's daemon does. (*AWS Elastic Beanstalk Developer Guide*,
"Elastic Beanstalk worker environments": it posts each message of its queue to a path of this machine, deletes it after
a 200, and comes again after anything else.)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from litestar import Litestar, post
from litestar.exceptions import HTTPException

from kakitome.app import Instance
from kakitome.config import is_loopback
from kakitome.core.errors import ConfigurationError, KakitomeError
from kakitome.http.health import live
from kakitome.http.problems import fail, refuse, refuse_request
from kakitome.http.server import serve_app
from kakitome.queues.woken import WokenQueue

MOST = 256 * 1024  # bytes: what SQS carries; none of it is looked at


def build(instance: Instance, queue: WokenQueue) -> Litestar:
    @post("/{_:path}", status_code=200)
    async def wake() -> None:
        """200: the worker is awake, and the ledger says what is due. The message told nothing else, so it may go."""
        await queue.wake()
        await instance.ledger.runnable.next_due(instance.clock.now())

    return Litestar(
        route_handlers=[wake, live],
        exception_handlers={KakitomeError: refuse, HTTPException: refuse_request, Exception: fail},
        request_max_body_size=MOST,
        openapi_config=None,
        logging_config=None,
    )


async def serve_worker(instance: Instance, host: str, port: int, announce: Callable[[str], None]) -> None:
    """Work until SIGTERM, and be woken. Raises `ConfigurationError` for an address that others can reach."""
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host} can be reached from other machines, and whoever wakes a worker shows no key.",
            "Give an address of this machine: the daemon, or nginx before it, runs here. 127.0.0.1:8000.",
        )
    queue = WokenQueue(instance.queue)
    woken = replace(instance, queue=queue)
    await serve_app(woken, build(woken, queue), host, port, announce=announce)
