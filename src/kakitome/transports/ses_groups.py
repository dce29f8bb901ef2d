"""The mails of one batch that go in groups: who is still to go, and what became of whom."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from kakitome.core.ids import MessageId
from kakitome.core.outcome import Deferred, Outcome, Unavailable
from kakitome.ports.transport import Parcel
from kakitome.transports.ses_bulk import GROUP, REQUEST_LIMIT, Common, Entry, entry

REMEMBERED = 10_000
HEAD = 16_384  # bytes that a request has beside its entries, generously


class Alone:
    """Messages whose group was refused, so that they go alone next time; the last ten thousand, of this process."""

    def __init__(self) -> None:
        self._known: dict[MessageId, None] = {}
        self.everybody = False  # the keys may not send groups; until this process ends

    def add(self, message: MessageId) -> None:
        self._known[message] = None
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def __contains__(self, message: MessageId) -> bool:
        return self.everybody or message in self._known


class Groups:
    """Made of a batch's parcels; those that cannot share a request are no part of it (`index in groups`)."""

    def __init__(self, parcels: Sequence[Parcel], alone: Alone) -> None:
        self._parcels = parcels
        self._alone = alone
        self._entries: dict[int, Entry] = {}
        self._waiting: dict[Common, deque[int]] = {}
        self._told: list[tuple[int, Outcome]] = []
        self._stopped = False
        self._under_way = 0
        self._changed = asyncio.Event()
        self.ready: set[int] = set()  # the wire was asked, and said yes
        for index, parcel in enumerate(parcels):
            made = entry(parcel) if parcel.message not in alone else None
            if made is not None:
                self._entries[index] = made
                self._waiting.setdefault(made.common, deque()).append(index)

    def __contains__(self, index: int) -> bool:
        return index in self._entries

    @asynccontextmanager
    async def next(self) -> AsyncIterator[list[int]]:
        """`take`, and while others are under way, of whom some may be given back, wait for them."""
        while not (taken := self.take()) and self._under_way:
            await self._changed.wait()
        self._under_way += 1
        try:
            yield taken
        finally:
            self._under_way -= 1
            self._wake()

    def take(self) -> list[int]:
        """The next that may go together, at most fifty and a megabyte; empty when all have gone, or the lane is ill."""
        for waiting in () if self._stopped else self._waiting.values():
            taken: list[int] = []
            room = REQUEST_LIMIT - HEAD
            while waiting and len(taken) < GROUP:
                room -= len(self._entries[waiting[0]].data) + 1
                if taken and room < 0:
                    break
                taken.append(waiting.popleft())
            if taken:
                return taken
        return []

    def give_back(self, indices: Iterable[int]) -> None:
        """Who has to wait longer than the others goes with the next."""
        for index in reversed(list(indices)):
            self._waiting[self._entries[index].common].appendleft(index)
        self._wake()

    def stop(self) -> None:
        """The lane is ill: nobody is taken any more."""
        self._stopped = True

    def give_up(self) -> None:
        """Nobody goes in a group any more; who waits for one goes back."""
        self._alone.everybody = self._stopped = True

    def rest(self) -> list[int]:
        """Who was never taken: the lane stopped before."""
        return [index for waiting in self._waiting.values() for index in waiting]

    def entries(self, indices: Iterable[int]) -> list[Entry]:
        return [self._entries[index] for index in indices]

    def parcels(self, indices: Iterable[int]) -> dict[int, Parcel]:
        return {index: self._parcels[index] for index in indices}

    def tell(self, outcomes: Mapping[int, Outcome]) -> None:
        for index, outcome in outcomes.items():
            if isinstance(outcome, Deferred):
                self._alone.add(self._parcels[index].message)
            self._stopped = self._stopped or isinstance(outcome, Unavailable)
            self._told.append((index, outcome))

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def told(self) -> list[tuple[int, Outcome]]:
        """What was told since the last time."""
        told, self._told = self._told, []
        return told


class Share(Parcel, frozen=True, kw_only=True):
    """Stands in the place of a parcel that goes in a group: whose turn it is takes the next group, whoever is in it.

    Each group settles one mail at least, so there are as many of these as are ever needed.
    """

    groups: Groups


def share(parcel: Parcel, groups: Groups) -> Share:
    return Share(**{name: getattr(parcel, name) for name in Parcel.__struct_fields__}, groups=groups)
