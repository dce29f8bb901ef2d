"""Lines of any transport: what goes wrong with one parcel stays with it, and nothing begun is ever called certain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from kakitome.core.outcome import Accepted, Deferred, Outcome, Released, Unavailability, Unavailable, Uncertain
from kakitome.ports.transport import Parcel, Wire
from kakitome.testing.parcels import ScriptedWire, parcels
from kakitome.transports.lines import Lines
from kakitome.transports.opening import Unreached, unreached


class Stumbling:
    """A line that raises at the first parcel, before or after its `begin`."""

    def __init__(self, error: Exception, *, begun: bool, drops: list[int]) -> None:
        self._error = error
        self._begun = begun
        self._drops = drops

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        if index == 0 and not self._begun:
            raise self._error
        assert wire.begin(index)
        if index == 0:
            raise self._error
        return Accepted(str(index))

    def drop(self) -> None:
        self._drops.append(1)

    async def close(self) -> None:
        return None


def _send(error: Exception, *, begun: bool) -> tuple[Sequence[Outcome], int]:
    async def batch() -> dict[int, Outcome]:
        lines = Lines(1, lambda: Stumbling(error, begun=begun, drops=drops))
        return {index: outcome async for index, outcome in lines.send(parcels(2), ScriptedWire())}

    drops: list[int] = []
    found = asyncio.run(batch())
    return [found[0], found[1]], len(drops)


@pytest.mark.parametrize("error", [RuntimeError("ours"), unreached(OSError("gone"), "http")])
def test_an_error_behind_begin_is_a_doubt(error: Exception) -> None:
    """Whatever it is, also one that calls itself certain; the connection is cut, and the next mail goes on."""
    (first, second), drops = _send(error, begun=True)
    assert isinstance(first, Uncertain)
    assert isinstance(second, Accepted)
    assert drops == 1


def test_an_error_before_begin_costs_an_attempt() -> None:
    """So that a mail we always trip over ends some day; no other mail pays for it."""
    (first, second), drops = _send(RuntimeError("ours"), begun=False)
    assert isinstance(first, Deferred)
    assert first.reply.text == "RuntimeError: ours"
    assert isinstance(second, Accepted)
    assert drops == 1


class Deaf:
    """A line that goes on when it is cancelled, as libraries do by mistake."""

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(0)
        if not (await wire.ready(index) and await wire.turn(index) and wire.begin(index)):
            return Released("withdrawn")
        return Accepted(str(index))

    def drop(self) -> None:
        return None

    async def close(self) -> None:
        return None


def test_a_cancellation_that_is_swallowed_begins_nothing_more() -> None:
    """The wire behind a batch that was cut off says no, whoever did not hear that it was over."""

    async def cut() -> int:
        sending = Lines(1, Deaf).send(parcels(9), wire)
        await anext(sending)
        asked = len(wire.asked)
        await sending.aclose()
        return asked

    wire = ScriptedWire()
    assert asyncio.run(cut()) == len(wire.asked)


def test_what_cannot_be_reached_is_the_lanes_illness() -> None:
    """Before `begin`, with its reason kept."""
    error = unreached(UnicodeError("label too long"), "smtp")
    assert isinstance(error, Unreached)
    (first, _), _ = _send(error, begun=False)
    assert isinstance(first, Unavailable)
    assert first.reason is Unavailability.DNS
