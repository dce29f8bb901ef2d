"""A request of Lambda's as one of ASGI, and the answer back. (*AWS Lambda Developer Guide*, "Invoking Lambda function
URLs", payload format 2.0.)"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

Message = MutableMapping[str, Any]
App = Callable[[Any, Any, Any], Awaitable[None]]


async def answered(app: App, event: dict[str, Any]) -> dict[str, Any]:
    """Whole requests and whole answers: there are no streams."""
    body = event.get("body") or ""
    request = {
        "type": "http.request",
        "body": base64.b64decode(body) if event.get("isBase64Encoded") else body.encode(),
    }
    status, headers, parts = 500, {"content-length": "0"}, bytearray()

    async def receive() -> Message:
        return request

    async def send(message: Message) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status = message["status"]
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in message["headers"]}
        elif message["type"] == "http.response.body":
            parts.extend(message.get("body", b""))

    await app(_scope(event), receive, send)
    return {
        "statusCode": status,
        "headers": headers,
        "body": base64.b64encode(parts).decode(),
        "isBase64Encoded": True,
    }


def _scope(event: dict[str, Any]) -> dict[str, Any]:
    asked = event["requestContext"]["http"]
    path = event.get("rawPath", asked["path"])
    headers = {name.lower(): value for name, value in event.get("headers", {}).items()}
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": asked["method"],
        "scheme": "https",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": event.get("rawQueryString", "").encode(),
        "root_path": "",
        "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()],
        "client": (asked.get("sourceIp", ""), 0),
        "server": (headers.get("host", ""), 443),
        "state": {},
    }
