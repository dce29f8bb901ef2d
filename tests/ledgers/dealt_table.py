"""A table that is a dictionary, for several processes at once: what each of them asks waits as long as the dice say,
its replies may be lost, and it may die at any write. Seeds repeat what happened."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random
from typing import Any

from kakitome.core.errors import LedgerUnavailable
from kakitome.ledgers.dynamodb.marshal import Item, Key, Value, key_of
from kakitome.ledgers.dynamodb.table import Put, Unknown, all_of

WAITS = (0, 0, 0, 1, 1, 2, 5, 20, 120)
"""Turns that a request, or its reply, is on its way."""


class Killed(Exception):
    """The process is dead."""


class Things:
    """What is there, and the stream of its changes: old and new."""

    def __init__(self) -> None:
        self.items: dict[Key, Item] = {}
        self.stream: list[tuple[Item | None, Item | None]] = []

    def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        key = key_of(item)
        there = self.items.get(key)
        if (there["r"] if there else None) != expected:
            return None if there and there["k"] == token else there or {}
        revision = item.get("r", 1) if expected is None else expected + 1
        new = {name: value for name, value in item.items() if value is not None}
        self.items[key] = {**new, "r": revision, "k": token}
        self.stream.append((there, self.items[key]))
        return None

    def delete(self, key: Key, expected: int | None) -> bool:
        there = self.items.get(key)
        if there is not None and expected in (None, there["r"]):
            self.stream.append((self.items.pop(key), None))
        return key not in self.items


class DealtTable:
    """One process's way to it. With `trouble` 0 nothing goes wrong, and nothing waits."""

    def __init__(self, things: Things, random: Random, trouble: float) -> None:
        self.things, self.random, self.trouble = things, random, trouble
        self.is_dead = False

    async def _on_its_way(self) -> None:
        for _ in range(self.random.choice(WAITS) if self.trouble else 0):
            await asyncio.sleep(0)
        if self.is_dead:
            raise Killed

    def _dice(self) -> str:
        die = self.random.random()
        return "dies" if die < self.trouble / 4 else "lost" if die < self.trouble else ""

    async def _write(self, do: Any) -> Any:
        """`do` is done or not where the process dies or its reply is lost."""
        await self._on_its_way()
        fate = self._dice()
        answer = do() if not fate or self.random.random() < 0.5 else None
        await self._on_its_way()
        if fate == "dies":
            self.is_dead = True
            raise Killed
        if fate:
            raise LedgerUnavailable("Lost.", "Ask again.")
        return answer

    async def get(self, key: Key, strong: bool = True) -> Item | None:
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Iterable[Key], strong: bool = True) -> dict[Key, Item]:
        """Not one moment."""
        found = {}
        for key in sorted(set(keys)):
            await self._on_its_way()
            if key in self.things.items:
                found[key] = self.things.items[key]
        await self._on_its_way()
        return found

    async def query(
        self,
        pk: str,
        *,
        index: str | None = None,
        after: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        strong: bool = True,
        forward: bool = True,
    ) -> list[Item]:
        await self._on_its_way()
        part, sort = {None: ("pk", "sk"), "open": ("o", "w")}[index]
        there = sorted((i for i in self.things.items.values() if i.get(part) == pk), key=lambda i: str(i[sort]))
        if after is not None:
            there = [item for item in there if str(item[sort]) > after]
        found = [i for i in there if str(i[sort]) >= (since or "") and (until is None or str(i[sort]) <= until)]
        await self._on_its_way()
        return (found if forward else found[::-1])[:limit]

    async def put(self, item: Mapping[str, Value], expected: int | None, token: bytes) -> Item | None:
        answer: Item | None = await self._write(lambda: self.things.put(item, expected, token))
        return answer

    async def put_each(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | Unknown | None]:
        async def one(item: Mapping[str, Value], expected: int | None) -> Item | Unknown | None:
            try:
                return await self.put(item, expected, token)
            except LedgerUnavailable as error:
                return Unknown(error)

        return list(await asyncio.gather(*(one(*write) for write in writes)))

    async def put_many(
        self, writes: Sequence[tuple[Mapping[str, Value], int | None]], token: bytes
    ) -> list[Item | None]:
        return all_of(await self.put_each(writes, token))

    async def put_blindly(self, items: Iterable[Mapping[str, Value]]) -> None:
        for item in items:
            key = key_of(item)
            await self._write(lambda item=item, key=key: self.things.items.__setitem__(key, {"r": 1, **item}))

    async def delete(self, key: Key, expected: int | None, token: bytes) -> bool:
        answer = await self._write(lambda: self.things.delete(key, expected))
        return bool(answer)

    async def delete_many(self, asked: Sequence[tuple[Key, int]], token: bytes) -> None:
        for key, expected in asked:
            await self.delete(key, expected, token)

    async def transact(self, writes: Sequence[Put], token: bytes) -> None:
        """Of new items only."""
        await self._write(lambda: [self.things.put(write.item, write.expected, token) for write in writes])
