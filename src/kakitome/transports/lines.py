"""The lines of a transport: a few connections, and a batch that goes over them with as many tasks, not one per mail.

What `ports.transport` promises for every transport is kept here, once: an outcome per parcel exactly once, nothing
raised because of a parcel, nothing more started on a lane that is ill, no connection left behind by a cancelled batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, Generic, Protocol, TypeVar

from kakitome.core.address import parse_address
from kakitome.core.errors import AddressError
from kakitome.core.outcome import Deferred, Outcome, Released, Unavailable, Uncertain
from kakitome.core.reply import Reply
from kakitome.ports.transport import Parcel, Wire
from kakitome.transports.opening import Unreached

WITHDRAWN: Final = Released("withdrawn")
"""What a line answers when the wire says no; who asked the wire knows why."""

_STOPPED: Final = Released("lane stopped")


class Line(Protocol):
    """One connection of a transport, opened when it is needed and used for one parcel at a time."""

    async def hand_over(self, index: int, parcel: Parcel, wire: Wire) -> Outcome:
        """The parcel's whole way, with the wire asked in its order. Raises `Unreached` only before `wire.begin`."""
        ...

    def drop(self) -> None:
        """Cut the connection, at once and without a word. The line can be used again."""
        ...

    async def close(self) -> None:
        """Take leave as the protocol wants it, within a second. Never raises."""
        ...


_L = TypeVar("_L", bound=Line)


class Lines(Generic[_L]):
    """At most `places` lines a batch; they stay open from batch to batch."""

    def __init__(self, places: int, new: Callable[[], _L]) -> None:
        self._places = places
        self._new = new
        self._idle: list[_L] = []

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        """See `Transport.send`. Raises only what the wire raised: no mail is to blame that the ledger is away."""
        batch = _Batch(parcels, wire)
        tasks = [asyncio.create_task(self._work(batch)) for _ in range(min(self._places, len(parcels)))]
        try:
            for _ in parcels:
                answer = await batch.answers.get()
                if isinstance(answer, Exception):
                    raise answer
                yield answer
        finally:
            # A cancellation may get lost: `asyncio.wait_for` of Python 3.11 swallows one that comes with the reply.
            batch.wire.cut()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def close(self) -> None:
        lines, self._idle = self._idle, []
        await asyncio.gather(*(line.close() for line in lines))

    async def _work(self, batch: _Batch) -> None:
        """One line's work: parcel after parcel until none is left."""
        line = self._idle.pop() if self._idle else self._new()
        try:
            for index in batch.rest:
                batch.answers.put_nowait((index, await _outcome(line, index, batch)))
        except BaseException as stop:
            line.drop()
            if not isinstance(stop, Exception):
                raise
            batch.answers.put_nowait(stop)
        else:
            self._keep(line)

    def _keep(self, line: _L) -> None:
        if len(self._idle) < self._places:
            self._idle.append(line)
        else:  # two batches were under way at the same time
            line.drop()


class _Batch:
    def __init__(self, parcels: Sequence[Parcel], wire: Wire) -> None:
        self.parcels = parcels
        self.wire = _Remembering(wire)
        self.answers: asyncio.Queue[tuple[int, Outcome] | Exception] = asyncio.Queue()
        self.rest = iter(range(len(parcels)))
        self.ill = False


class _Remembering:
    """The wire, and what came of it: an error of ours is certain before `begin` and a doubt after, and an error of the
    wire's is neither."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._is_cut = False
        self.begun: set[int] = set()
        self.broken: Exception | None = None

    def cut(self) -> None:
        """From now on the answer is no."""
        self._is_cut = True

    async def ready(self, index: int) -> bool:
        return not self._is_cut and await self._asked(self._wire.ready(index))

    async def turn(self, index: int) -> bool:
        return not self._is_cut and await self._asked(self._wire.turn(index))

    def begin(self, index: int) -> bool:
        begun = not self._is_cut and self._wire.begin(index)
        if begun:
            self.begun.add(index)
        return begun

    async def _asked(self, answer: Awaitable[bool]) -> bool:
        try:
            return await answer
        except Exception as error:
            self.broken = error
            raise


async def _outcome(line: Line, index: int, batch: _Batch) -> Outcome:
    if batch.ill:
        return _STOPPED
    try:
        parcel = _addressed(batch.parcels[index])
        outcome = await line.hand_over(index, parcel, batch.wire)
    except Exception as error:
        if error is batch.wire.broken:
            raise
        line.drop()
        outcome = _failed(error, begun=index in batch.wire.begun)
    batch.ill = batch.ill or isinstance(outcome, Unavailable)
    return outcome


def _addressed(parcel: Parcel) -> Parcel:
    """The parcel, if it goes to one address and comes from one: no comma, line end or bracket makes more of them."""
    for address in (parcel.recipient, parcel.sender):
        if parse_address(address, allow_local_domain=True).envelope != address:
            raise AddressError(f"“{ascii(address)[1:-1]}” is not an address as the wire wants it.")
    return parcel


def _failed(error: Exception, *, begun: bool) -> Outcome:
    """A parcel that we trip over costs itself an attempt, so that it ends some day, and the others nothing."""
    name = type(error).__name__
    if begun:
        return Uncertain(f"error:{name}")
    if isinstance(error, Unreached):
        return error.outcome
    return Deferred(Reply(code=0, text=f"{name}: {error}"))
