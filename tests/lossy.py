"""A bad way to an AWS service: chosen requests are done and their answers lost, or are not done at all."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from contextlib import suppress
from enum import Enum
from typing import Self
from urllib.parse import urlsplit


class Loss(Enum):
    REQUEST = "the connection ends before the request arrives: nothing is done"
    REPLY = "it is done, and the connection ends without an answer"
    SILENCE = "it is done, and no answer ever comes"
    ERROR = "it is done, and the answer is HTTP 500"
    CHANGED = "it is done, and the answer's bytes are others"
    THROTTLED = "it is refused for there being too many: nothing is done"


class Lossy:
    """`async with Lossy(url) as way:` then ask `way.url`. One request a connection, forwarded as it is."""

    def __init__(self, behind: str) -> None:
        there = urlsplit(behind)
        self._there = (there.hostname, there.port)
        self._plans: dict[tuple[str, int], Loss] = {}
        self.seen: Counter[str] = Counter()
        """Requests that came, by operation."""
        self.lost: list[tuple[str, Loss]] = []
        """What was done to which: a test of a loss shows that there was one."""
        self.url = ""

    def lose(self, operation: str, loss: Loss, *nth: int) -> None:
        """`loss` happens to the `nth` requests (by default the first) of an operation that come from now on."""
        for n in nth or (1,):
            self._plans[operation, self.seen[operation] + n] = loss

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._served, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._under_way: set[asyncio.Task[None]] = set()
        return self

    async def __aexit__(self, *error: object) -> None:
        self._server.close()
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)
        await self._server.wait_closed()

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                writer.write(await self._answered(reader))
                await writer.drain()
        finally:
            writer.close()

    async def _answered(self, reader: asyncio.StreamReader) -> bytes:
        """Empty: the connection ends without an answer."""
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
        body = await reader.readexactly(int(fields[b"content-length"]))
        operation = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"x-amz-target"))
        name = operation.decode().rpartition(".")[2]
        self.seen[name] += 1
        loss = self._plans.get((name, self.seen[name]))
        if loss is not None:
            self.lost.append((name, loss))
        if loss is Loss.REQUEST:
            return b""
        if loss is Loss.THROTTLED:
            return _refusal(400, "ProvisionedThroughputExceededException")
        answer = await self._forwarded(head, body)
        match loss:
            case Loss.REPLY:
                return b""
            case Loss.ERROR:
                return _refusal(500, "InternalServerError")
            case Loss.CHANGED:  # still JSON
                return answer.replace(b'": ', b'":\n')
            case Loss.SILENCE:
                await asyncio.Event().wait()
        return answer

    async def _forwarded(self, head: bytes, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(*self._there)
        try:
            writer.write(head[:-2] + b"Connection: close\r\n\r\n" + body)
            return await reader.read()
        finally:
            writer.close()


def _refusal(status: int, code: str) -> bytes:
    body = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "as planned"}).encode()
    head = f"HTTP/1.1 {status} -\r\nContent-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body
