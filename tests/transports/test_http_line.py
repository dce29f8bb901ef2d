"""One exchange over one connection: a whole answer, or none."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stages import Scripted, answer, serving

from kakitome.core.outcome import Unavailability
from kakitome.transports.http_line import ANSWER_LIMIT, Answer, Exchange, NoAnswer, connect
from kakitome.transports.opening import Unreached

_FIELDS = [("host", "localhost"), ("content-type", "application/json")]
_CHUNKED = (
    b"HTTP/1.1 100 Continue\r\n\r\n"
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Amzn-RequestId: r-1\r\n\r\n"
    b'9\r\n{"Message\r\n6;x=y\r\nId":"a\r\n2\r\n"}\r\n0\r\n\r\n'
)
_WHOLE = answer(b'{"MessageId":"a"}', "200 OK", "X-Amzn-RequestId: r-1")


def _exchange() -> Exchange:
    return Exchange("/v2", _FIELDS, b"{}")


def _feed(exchange: Exchange, pieces: list[bytes]) -> Answer | None:
    """The answer and nothing behind it; a piece that ends it is the last one to be taken."""
    for piece in pieces:
        if piece and (found := exchange.receive(piece)) is not None:
            return found
    return None


@given(words=st.sampled_from([_CHUNKED, _WHOLE]), cuts=st.lists(st.integers(0, 200), max_size=8))
def test_it_does_not_matter_how_an_answer_is_cut(words: bytes, cuts: list[int]) -> None:
    """However the network cuts it: the same answer, and the connection can be used again."""
    places = [0, *sorted(min(cut, len(words)) for cut in cuts), len(words)]
    exchange = _exchange()
    found = _feed(exchange, [words[a:b] for a, b in pairwise(places)])
    assert found is not None
    assert (found.status, found.body, found.headers["x-amzn-requestid"]) == (200, b'{"MessageId":"a"}', "r-1")
    assert exchange.reusable


@given(words=st.sampled_from([_CHUNKED, _WHOLE]), share=st.floats(0, 1, exclude_max=True))
def test_an_answer_that_ends_too_early_is_none(words: bytes, share: float) -> None:
    """Wherever it is cut off, at the head, in a chunk or between two: no answer."""
    exchange, piece = _exchange(), words[: int(len(words) * share)]
    assert _feed(exchange, [piece]) is None
    with pytest.raises(NoAnswer) as caught:
        exchange.receive(b"")
    assert caught.value.reason == ("truncated" if piece else "connection_lost")


@given(st.binary(min_size=1, max_size=200))
def test_rubbish_is_no_answer(words: bytes) -> None:
    """Bytes that are not HTTP become `NoAnswer` and nothing else, at the latest when they end."""
    exchange = _exchange()
    with pytest.raises(NoAnswer):
        assert exchange.receive(words) is None
        exchange.receive(b"")


@pytest.mark.parametrize("field", ["X-Long: ", "Content-Length: 999999999\r\n\r\n"])
def test_an_endless_answer_is_none(field: str) -> None:
    """Neither a head nor a body is read for ever."""
    exchange = _exchange()
    exchange.receive(f"HTTP/1.1 200 OK\r\n{field}".encode())
    with pytest.raises(NoAnswer):
        for _ in range(4):
            exchange.receive(b"x" * (ANSWER_LIMIT // 2))


def test_words_behind_the_answer_end_the_connection() -> None:
    """What nobody asked for must not become the next answer."""
    exchange = _exchange()
    assert exchange.receive(_WHOLE + b"HTTP/1.1 200 OK\r\n") is not None
    assert not exchange.reusable


def test_a_connection_that_is_spoken_to_while_idle_is_closed() -> None:
    """The same, when the words come later."""

    async def idle() -> bool:
        async def talker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(_WHOLE)
            await reader.read()
            heard.set()

        heard = asyncio.Event()
        async with serving(talker) as port:
            connection = await connect("127.0.0.1", port, None)
            await heard.wait()
            return connection.usable

    assert not asyncio.run(idle())


def test_a_name_that_does_not_resolve_is_dns() -> None:
    """Nothing was said to anybody; the reason says which part is at fault."""
    with pytest.raises(Unreached) as caught:
        asyncio.run(connect("a" * 64 + ".example", 443, None))  # a label too long for any resolver
    assert caught.value.outcome.reason is Unavailability.DNS


def test_a_request_is_one_write() -> None:
    """Head and body come in one piece, with their length, and nothing else."""

    async def heard() -> Scripted:
        server = Scripted(answer())
        async with serving(server) as port:
            connection = await connect("127.0.0.1", port, None)
            await connection.write(_exchange())
            await connection.close()
        return server

    server = asyncio.run(heard())
    assert server.heads == [
        b"POST /v2 HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n"
    ]
    assert server.bodies == [b"{}"]
