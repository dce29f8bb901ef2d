"""In a Redis that belongs to somebody else: what Kakitome does there, may do there, and does without it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trustme

from kakitome.bells import queue_of
from kakitome.config import Config, QueueTable
from kakitome.ports.queue import MOST_TICKETS, Queue
from redis_server import Server, redis_server

LONG = 30.0
RULES = "~kakitome:bell:* -@all +lpush +ltrim +pexpire +blpop +multi +exec +select"
DOCUMENT = Path(__file__).parents[2] / "docs" / "operate" / "queues.md"
BELLS = ["kakitome:bell:bulk", "kakitome:bell:transactional"]


def play(body: Callable[[Queue], Awaitable[None]], **table: str) -> None:
    async def run() -> None:
        queue = queue_of(Config(queue=QueueTable(**table)))
        try:
            async with asyncio.timeout(60):
                await body(queue)
        finally:
            await queue.close()

    asyncio.run(run())


def until(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)  # between two looks at a condition


async def heard(queue: Queue) -> None:
    await queue.ring("bulk")
    assert await queue.wait("bulk", LONG)


async def both(queue: Queue) -> None:
    await queue.ring("bulk")
    await queue.ring("transactional")


def test_it_is_a_guest(tmp_path: Path) -> None:
    """Two keys with its prefix, both with an end, and six commands: none that looks at, changes or stops what is the
    host's."""
    with redis_server(tmp_path) as server:
        server.ask("SET", "session:1", "somebody")
        with server.watched() as seen:
            play(heard, url=server.url)
            play(both, url=server.url)
        said = [line.replace('"', "").split() for line in seen]
        assert {words[0].upper() for words in said} == {"MULTI", "LPUSH", "LTRIM", "PEXPIRE", "EXEC", "BLPOP"}
        assert {words[1] for words in said if len(words) > 1} == set(BELLS)
        assert server.keys() == [*BELLS, "session:1"]
        assert all(0 < server.ask("PTTL", key) <= 60_000 for key in BELLS)
        assert {ticket for key in BELLS for ticket in server.ask("LRANGE", key, 0, -1)} == {b"1"}


def test_tickets_nobody_takes_stay_few(tmp_path: Path) -> None:
    """However many processes ring, and nobody listens."""
    with redis_server(tmp_path) as server:
        for _ in range(MOST_TICKETS + 4):
            play(both, url=server.url)
        assert [server.ask("LLEN", key) for key in BELLS] == [MOST_TICKETS, MOST_TICKETS]


def test_two_instances_share_a_redis(tmp_path: Path) -> None:
    """Each with its own prefix, and its own bells."""
    with redis_server(tmp_path) as server:
        play(both, url=f"{server.url}?prefix=hotel")
        assert server.keys() == ["hotel:bell:bulk", "hotel:bell:transactional"]


def test_a_full_redis_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`maxmemory` reached and `noeviction`: nothing is left half done, and ringing goes on when there is room."""

    async def body(queue: Queue) -> None:
        waiting = asyncio.create_task(queue.wait("bulk", LONG))
        await queue.ring("bulk")
        await asyncio.to_thread(until, lambda: len(caplog.records) == 1)
        assert server.keys() == []
        server.ask("CONFIG", "SET", "maxmemory", "0")
        assert await waiting

    with redis_server(tmp_path, "--maxmemory", "1", "--maxmemory-policy", "noeviction") as server:
        play(body, url=server.url, look="50ms")
    assert "maxmemory" in caplog.records[0].getMessage()
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_the_user_of_the_document_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The password comes from where the configuration says that it is."""
    assert RULES in DOCUMENT.read_text("utf-8")
    monkeypatch.setenv("REDIS_PASSWORD", "right")
    with redis_server(tmp_path) as server:
        server.ask("ACL", "SETUSER", "kakitome", "on", ">right", "resetkeys", *RULES.split())
        server.ask("ACL", "SETUSER", "default", "off")
        play(heard, url=server.url.replace("redis://", "redis://kakitome@"), password="env:REDIS_PASSWORD")


@pytest.mark.parametrize(("rules", "word"), [("on >other", "queue.password"), ("on >right -@all", "lpush")])
def test_a_refusal_says_what_to_do(
    rules: str, word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And never the password."""

    async def body(queue: Queue) -> None:
        await queue.ring("bulk")
        await asyncio.to_thread(until, lambda: caplog.records)

    monkeypatch.setenv("REDIS_PASSWORD", "right")
    with redis_server(tmp_path) as server:
        server.ask("ACL", "SETUSER", "kakitome", *rules.split())
        play(body, url=server.url.replace("redis://", "redis://kakitome@"), password="env:REDIS_PASSWORD")
    assert word in caplog.text and "right" not in caplog.text


def test_it_is_spoken_to_over_tls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With an authority of one's own; a server that nobody vouches for hears nothing."""
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    with redis_server(tmp_path / "plain") as plain:
        port = plain.port
    files = ("--tls-cert-file", str(tmp_path / "cert.pem"), "--tls-key-file", str(tmp_path / "key.pem"))
    with redis_server(tmp_path / "tls", "--tls-port", str(port), "--tls-auth-clients", "no", *files):
        url = f"rediss://localhost:{port}"
        play(heard, url=url, ca=str(tmp_path / "ca.pem"))
        assert caplog.records == []

        async def unknown(queue: Queue) -> None:
            await queue.ring("bulk")
            await asyncio.to_thread(until, lambda: caplog.records)

        play(unknown, url=url)
        assert "CERTIFICATE_VERIFY_FAILED" in caplog.text


def test_a_redis_that_was_killed_is_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Said once, and once when it works again; the ring of meanwhile is told then."""

    async def body(queue: Queue) -> None:
        await heard(queue)
        server.kill()
        waiting = asyncio.create_task(queue.wait("bulk", LONG))
        await asyncio.to_thread(until, lambda: len(caplog.records) == 1)
        await queue.ring("bulk")
        server.start()
        assert await waiting
        await asyncio.to_thread(until, lambda: len(caplog.records) == 2)

    with redis_server(tmp_path) as server:
        play(body, url=server.url, look="50ms")
    assert [record.levelno for record in caplog.records] == [logging.ERROR, logging.WARNING]


def test_a_server_is_what_it_says(tmp_path: Path) -> None:
    """The test's own connection reads what Redis answers: else the checks above could not fail."""
    with redis_server(tmp_path) as server, server.watched() as seen:
        server.ask("SET", "a", "b")
        assert isinstance(server, Server) and server.keys() == ["a"]
    assert seen[0] == '"SET" "a" "b"'
