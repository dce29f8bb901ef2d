"""The HTTP API, behind a function URL or an API Gateway of payload format 2.0."""

from __future__ import annotations

from typing import Any

from kakitome.aws.asgi import answered
from kakitome.aws.composition import Here, run


def handler(event: dict[str, Any], _: object) -> dict[str, Any]:
    return run(lambda here: _answer(here, event))


async def _answer(here: Here, event: dict[str, Any]) -> dict[str, Any]:
    return await answered(here.api, event)
