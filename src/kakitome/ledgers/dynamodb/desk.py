"""One change of messages: lay out what it concerns, apply the rules of the ledger, put back what is different.

The rules are those of the memory ledger, applied to a book that holds only what lies on the desk. An item is put back
only over the very revision that it was taken from; where somebody was faster, the rule is applied again to what is
there now. So each item changes atomically, with the journal entries of its change, and no rule is written twice.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, RunId, first_of
from kakitome.core.lifecycle import OPEN, State
from kakitome.core.message import Entry
from kakitome.core.suppression import TransientLimit
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.breath import in_breaths
from kakitome.ledgers.dynamodb.cases import Cases
from kakitome.ledgers.dynamodb.codec import Case, Shelved, pack_message, unpack_message
from kakitome.ledgers.dynamodb.home import Home
from kakitome.ledgers.dynamodb.items import Image, body_item, image_of, message_id, message_item, told_of
from kakitome.ledgers.dynamodb.marshal import Item, Key, key_of
from kakitome.ledgers.dynamodb.noted import Noted
from kakitome.ledgers.dynamodb.notes import Note
from kakitome.ledgers.dynamodb.table import Table, Unknown
from kakitome.ledgers.memory.book import Book

TRIES = 100
REMEMBERED = 20_000
BLOCK_BITS = 6
NOTED = 3 * 86_400
"""Seconds after which a note may go: a table's stream goes back one day."""

R = TypeVar("R")
Rule = Callable[[Book, MessageId], R]


def at_once(rule: Coroutine[Any, Any, R]) -> R:
    """What a method of the memory ledger answers: it awaits nothing."""
    try:
        rule.send(None)
    except StopIteration as end:
        answer: R = end.value
        return answer
    raise AssertionError("a rule of the ledger waits for nothing")


class Desk:
    """`token` gives eight new octets for each write: an own write whose reply was lost is known by them."""

    def __init__(
        self, table: Table, hash_key: bytes, token: Callable[[], bytes], transient: TransientLimit | None = None
    ) -> None:
        self.table = table
        self.token = token
        self.cases = Cases(table, self.book, token)
        self.home = Home(table, token)
        self.noted = Noted(table, self.book, token)
        self._hash_key = hash_key
        self._transient = transient
        self._last_id = 0
        self._salt = int.from_bytes(token()[:2], "big") >> 2
        self._seen: OrderedDict[MessageId, Image] = OrderedDict()

    @property
    def hash_key(self) -> bytes:
        return self._hash_key

    def book(self) -> Book:
        """An empty one."""
        return Book(self._hash_key, self._transient)

    def next_ids(self, n: int, now: int) -> int:
        """The first of `n` ids in a row, at most 64: of two rows that two processes are given, either all ids are the
        same (who comes second finds the first one taken, and asks again) or none."""
        earliest = max(self._last_id + 1, first_of(now) + (self._salt << BLOCK_BITS))
        first = -(-earliest >> BLOCK_BITS) << BLOCK_BITS
        self._last_id = first + n - 1
        return first

    async def note(self, *told: Entry) -> None:
        """Journal entries about nothing that lies in the table. The feed takes them over into the journal."""
        key = Key(f"j{self.token().hex()}", "j")
        last = max(entry.at for entry in told) // 1000
        await self.table.put_blindly([body_item(key, b"", told) | {"r": 1, "x": last + NOTED}])

    async def put_over(self, item: Item) -> None:
        """Whatever is there is replaced."""
        there = await self.table.get(key_of(item))
        while (there := await self._replaced(item, there)) is not None:
            pass

    async def _replaced(self, item: Item, there: Item | None) -> Item | None:
        return await self.table.put(item, image_of(there).revision if there else None, self.token())

    # ── Looking ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def looked(self, items: Iterable[Item], known: Mapping[Key, Note] | None = None) -> dict[MessageId, Image]:
        """Messages as they were just read, and as their notes say (`known`: those that were read before them). They are
        remembered so: a change then needs no look of its own."""
        by_id = {message_id(item): item for item in items}
        # What is claimed by its note stays so until it is written again.
        held = {id: self._seen[id] for id, item in by_id.items() if "p" in item and self.is_held(id)}
        there = held | await self.noted.images((item for id, item in by_id.items() if id not in held), known)
        for id in by_id:
            self.keep(id, there[id])
        return {id: there[id] for id in by_id}

    def is_held(self, id: MessageId) -> bool:
        """Whether it is remembered as claimed by its note."""
        return id in self._seen and self._seen[id].is_claimed

    def is_past(self, id: MessageId) -> bool:
        """Whether it is remembered as a row that speaks for itself."""
        return id in self._seen and self._seen[id].note == ""

    def keep(self, id: MessageId, image: Image) -> None:
        """Who has read it before another task of this process changed it, does not make that forgotten."""
        there = self._seen.get(id)
        if there is None or (image.revision, image.is_claimed) >= (there.revision, there.is_claimed):
            self._seen[id] = image
        self._seen.move_to_end(id)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def placed(self, item: Item) -> None:
        """A message was written where nothing was."""
        self.keep(message_id(item), replace(image_of(item | {"r": 1}), note=str(item.get("p", ""))))

    def seen(self, ids: Iterable[MessageId]) -> dict[MessageId, Image]:
        """Those that are remembered, as they are remembered."""
        return {id: self._seen[id] for id in ids if id in self._seen}

    async def images(self, ids: Sequence[MessageId], anew: Collection[MessageId] | None = ()) -> dict[MessageId, Image]:
        """Of those that exist: as they are remembered, but those in `anew` (None: all of them) as they are now."""
        there = {id: self._seen[id] for id in ids if id in self._seen and anew is not None and id not in anew}
        read = await self.table.get_many([keys.message(id) for id in ids if id not in there])
        return there | {id: replace(image, fresh=True) for id, image in (await self.looked(read.values())).items()}

    async def shelves(self, ids: Sequence[MessageId]) -> dict[MessageId, Shelved]:
        """The messages as they are now, in the order of `ids`."""
        images = await self.images(list(dict.fromkeys(ids)), None)
        return {id: unpack_message(images[id].body) async for id in in_breaths(ids) if id in images}

    # ── Changing ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def each(
        self,
        ids: Iterable[MessageId],
        rule: Rule[R],
        raws: Mapping[str, tuple[str, int]] | None = None,
        *,
        runs: bool = True,
        spare: list[LedgerUnavailable] | None = None,
    ) -> dict[MessageId, R]:
        """Apply the rule to each message by itself, on a book with it, its events and its run. Answers what the rule
        said of those that exist, in the order of `ids`; what it changed is durable then. `raws` is where the JSON of
        events lies that the rule may add, by their keys. Without `runs` the book has none: a rule that asks nothing
        of them spares the look. With `spare` those that could not be written, or of which it is not known, are left
        out of the answer, and the errors are put there; otherwise they are raised."""
        order = list(dict.fromkeys(ids))
        answers: dict[MessageId, R] = {}
        todo, anew = order, set[MessageId]()
        for _ in range(TRIES):
            images = await self.images(todo, anew)
            shelves = {id: unpack_message(images[id].body) async for id in in_breaths(todo) if id in images}
            cases = await self.cases.of({there.message.run for there in shelves.values()} if runs else ())
            for there in shelves.values():
                there.raws = {**(raws or {}), **there.raws}  # only those of its own events are written
            said, writes, reopened = await self._apply(shelves, cases, images, rule)
            # A run goes on before its messages are queued again: else they would wait in one that is done. So it does
            # behind them, for whoever found nothing open in between.
            for run, told in reopened.items():
                await self.cases.revive(run, told)
            failed, lost = await self._put_back(writes, images)
            for run, told in reopened.items():
                await self.cases.revive(run, told, anew=True)
            if spare is None and lost:
                raise next(iter(lost.values()))
            if spare is not None:
                spare += lost.values()
            # What changes nothing as it is remembered may do so as it is now.
            again = failed | {id for id in said if id not in writes and not images[id].fresh}
            answers |= {id: answer for id, answer in said.items() if id not in again and id not in lost}
            todo, anew = [id for id in todo if id in again], again
            if not todo:
                return {id: answers[id] for id in order if id in answers}
        raise LedgerUnavailable(
            "Too many others change the same messages at the same time.", "What was not written is tried again later."
        )

    async def _apply(
        self,
        shelves: Mapping[MessageId, Shelved],
        cases: Mapping[RunId, Case],
        images: Mapping[MessageId, Image],
        rule: Rule[R],
    ) -> tuple[dict[MessageId, R], dict[MessageId, Item], dict[RunId, Entry]]:
        """What the rule said, what is to be written, and the campaigns of which something is open again that was not,
        each with the entry that says so."""
        said: dict[MessageId, R] = {}
        writes: dict[MessageId, Item] = {}
        reopened: dict[RunId, Entry] = {}
        async for id, there in in_breaths(shelves.items()):
            book, was_open, image = self.book(), there.message.state in OPEN, images[id]
            first = None if image.is_listed or there.message.state is not State.SENDING else there.message.fence
            book.messages[id] = there.message
            book.runs = {run: case.book for run, case in cases.items()}
            book.events = {kept.event.key: kept for kept in there.events}
            said[id] = rule(book, id)
            there.events = [kept for kept in book.events.values() if kept.message == id]
            told = told_of(book.journal, id)
            run = there.message.run
            if there.message.state in OPEN and not was_open and run in cases and cases[run].book.run.campaign:
                reopened[run] = told[-1]
            if told or pack_message(there) != image.body:
                is_behind = there.message.state is State.SENDING and there.message.fence == first
                writes[id] = message_item(there, told, is_behind=is_behind) | ({"c": 1} if image.is_claimed else {})
        return said, writes, reopened

    async def _put_back(
        self, writes: Mapping[MessageId, Item], images: Mapping[MessageId, Image]
    ) -> tuple[set[MessageId], dict[MessageId, LedgerUnavailable]]:
        """Answers those where somebody was faster, and those of which nothing is known."""
        lost: dict[MessageId, LedgerUnavailable] = {}
        waiting = {id: images[id].note for id in writes if images[id].waits}
        try:
            failed = await self.noted.set_apart(waiting)
        except LedgerUnavailable as error:
            failed, lost = set(), dict.fromkeys(waiting, error)
        order = [id for id in writes if id not in failed and id not in lost]
        answers = await self.table.put_each([(writes[id], images[id].revision) for id in order], self.token())
        for id, answer in zip(order, answers, strict=True):
            if answer is None:
                self.keep(id, image_of(writes[id] | {"r": images[id].revision + 1}))
            elif isinstance(answer, Unknown):
                lost[id] = answer.error
            else:
                failed.add(id)
        for id in (*failed, *lost):
            self._seen.pop(id, None)
        return failed, lost
