"""One small file over HTTP: no redirect, no size, no patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web

from kakitome.sources.certificate_fetch import SIZE_LIMIT, fetch
from kakitome.sources.certificates import CertificateUnavailable

Answer = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def fetched(answer: Answer, time_limit: float = 20.0) -> tuple[bytes, list[str]]:
    """What is fetched of a server that answers so, and the paths it was asked for."""
    return asyncio.run(_fetched(answer, time_limit))


async def _fetched(answer: Answer, time_limit: float) -> tuple[bytes, list[str]]:
    asked: list[str] = []

    async def remembered(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return await answer(request)

    runner = web.ServerRunner(web.Server(remembered), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return await fetch(f"http://127.0.0.1:{runner.addresses[0][1]}/certificate.pem", time_limit), asked
    except CertificateUnavailable as error:
        error.data["asked"] = asked
        raise
    finally:
        await runner.cleanup()


def test_the_file_comes_whole() -> None:
    """In pieces, as it may; up to the limit."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(SIZE_LIMIT // 1024):
            await response.write(b"x" * 1024)
        return response

    assert fetched(answer) == (b"x" * SIZE_LIMIT, ["/certificate.pem"])


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 403, 500, 204])
def test_another_answer_is_none(status: int) -> None:
    """A redirect least of all: nobody is asked at the place that it names."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    with pytest.raises(CertificateUnavailable) as caught:
        fetched(answer)
    assert caught.value.data["asked"] == ["/certificate.pem"]
    assert str(status) in caught.value.what


def test_a_flood_is_cut_off() -> None:
    """Bytes without end are not read to their end."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    with pytest.raises(CertificateUnavailable, match="size"):
        fetched(answer)


def test_silence_is_not_waited_for() -> None:
    """SNS itself waits for 15 seconds only."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(CertificateUnavailable, match="Timeout"):
        fetched(answer, time_limit=0.05)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x.pem", "https://127.0.0.1:9/x.pem", "nonsense", "file:///etc"])
def test_nobody_there(url: str) -> None:
    """No connection, or no address: unavailable, with what to do."""
    with pytest.raises(CertificateUnavailable, match="SQS"):
        asyncio.run(fetch(url))
