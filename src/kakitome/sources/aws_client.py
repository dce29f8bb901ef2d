"""AWS's services that only events need, by the SDK: no retries beneath us, and errors in our own words."""

from __future__ import annotations

import asyncio
import importlib
from contextlib import AsyncExitStack
from typing import Any

_CONNECT_S = 5.0


async def connect(stack: AsyncExitStack, service: str, region: str, endpoint: str | None, answer_s: float) -> Any:
    """A client that lives as long as `stack`. Keys are those of the SDK's chain, looked for anew by each client."""
    # The SDK takes half a second to load: not in the loop that sends mail by the millisecond.
    session = await asyncio.to_thread(importlib.import_module, "aiobotocore.session")
    config = await asyncio.to_thread(importlib.import_module, "aiobotocore.config")
    settings = config.AioConfig(
        retries={"total_max_attempts": 1},  # its own repetition would hide from us that something is wrong
        connect_timeout=_CONNECT_S,
        read_timeout=answer_s,
    )
    creating = session.AioSession().create_client(service, region_name=region, endpoint_url=endpoint, config=settings)
    return await stack.enter_async_context(creating)


def errors() -> tuple[type[BaseException], ...]:
    """What a call may raise because of the network, the keys or AWS."""
    from aiohttp import ClientError as NetworkError
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError  # of neither family: a proxy's page where XML should be

    return (BotoCoreError, ClientError, ResponseParserError, NetworkError, OSError, TimeoutError)


def why(error: BaseException) -> tuple[str, str]:
    """AWS's code (empty where there was no answer) and its words."""
    told = getattr(error, "response", None)
    if isinstance(told, dict) and isinstance(told.get("Error"), dict):
        return str(told["Error"].get("Code", "")), str(told["Error"].get("Message", ""))[:500]
    return "", f"{type(error).__name__}: {error}"[:500]
