"""A ledger whose ids are its own, asked and answering in the ids of another one.

What two ledgers admitted by the same call is the same; rows of a list are the same by their run and address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import msgspec

from kakitome.core.ids import RunId, message_text
from kakitome.core.message import Admitted, Run
from kakitome.ledgers.dynamodb import keys
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search

Names = dict[Any, Any]


class Ids:
    """Which id of the theirs is which of ours."""

    def __init__(self) -> None:
        self._theirs: Names = {}
        self._ours: Names = {}

    def learn(self, ours: Any, theirs: Any) -> None:
        """Of two answers to the same call, what they admitted or opened."""
        if isinstance(ours, Run) and isinstance(theirs, Run):
            self.pair(ours.id, theirs.id)
        elif isinstance(ours, Admitted) and isinstance(theirs, Admitted):
            self.pair(ours.submission, theirs.submission)
            for one, other in zip(ours.messages, theirs.messages, strict=True):
                self.pair(one, other)
        elif isinstance(ours, list) and isinstance(theirs, list):
            for one, other in zip(ours, theirs, strict=False):
                self.learn(one, other)

    def pair(self, ours: int, theirs: int) -> None:
        assert self._theirs.setdefault(ours, theirs) == theirs
        assert self._ours.setdefault(theirs, ours) == ours
        self._theirs[message_text(ours)] = message_text(theirs)

    def theirs(self, said: Any) -> Any:
        return replaced(said, self._theirs)

    def ours(self, said: Any) -> Any:
        return replaced(said, self._ours)

    def has_strange_rows(self, said: Any) -> bool:
        """Whether there is a row's id that nobody has paired."""
        return any(keys.is_row(n) and n not in self._ours for n in _numbers(said))

    async def learn_rows(self, ours: Ledger, theirs: Ledger, runs: Iterable[RunId]) -> None:
        for run in runs:
            views = {view.address: view.id for view in await theirs.reads.search(_all(self.theirs(run)))}
            for view in await ours.reads.search(_all(run)):
                if view.address in views and view.submission is None:
                    self.pair(view.id, views[view.address])


class Translated:
    """Stands for a ledger: what it is asked is in our ids, its answers are in its own (see `Ids.ours`)."""

    def __init__(self, there: Any, ids: Ids) -> None:
        self._there = there
        self._ids = ids

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._there, name)
        return self._asking(found) if callable(found) else Translated(found, self._ids)

    def _asking(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def ask(*said: Any) -> Any:
            return await method(*map(self._ids.theirs, said))

        return ask


def replaced(said: Any, names: Names) -> Any:
    """The same with every id, wherever it is, by its other name. No other number is as large as an id."""
    match said:
        case int() | str():
            return names.get(said, said)
        case list() | set() | frozenset():
            return type(said)(replaced(one, names) for one in said)
        case tuple():
            parts = [replaced(one, names) for one in said]
            return type(said)(*parts) if hasattr(said, "_fields") else tuple(parts)
        case dict():
            return type(said)({replaced(key, names): replaced(value, names) for key, value in said.items()})
        case msgspec.Struct():
            old = {name: getattr(said, name) for name in said.__struct_fields__}
            return msgspec.structs.replace(said, **{name: replaced(value, names) for name, value in old.items()})
    return said


def _numbers(said: Any) -> Iterable[int]:
    found: list[int] = []

    class Seen(dict[Any, Any]):
        def get(self, key: Any, default: Any = None) -> Any:
            if isinstance(key, int):
                found.append(key)
            return default

    replaced(said, Seen())
    return found


def _all(run: RunId) -> Search:
    return Search(run=run, n=1000)
