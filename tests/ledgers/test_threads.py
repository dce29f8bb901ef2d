"""One thread writes for many callers: one commit, and each caller gets its own answer, after it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest

from kakitome.core.errors import ConfigurationError, LedgerUnavailable
from kakitome.core.message import Admitted
from kakitome.core.policy import Policy
from kakitome.ledgers.sqlite.connection import Db, connect, one
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.ledgers.sqlite.threads import Thread
from kakitome.ledgers.sqlite.turnstile import Turnstile
from kakitome.testing.ledger_world import START, World


@contextmanager
def writer(folder: Path) -> Iterator[Thread]:
    turnstile = Turnstile(folder / "ledger.db")
    thread = Thread(folder / "ledger.db", turnstile=turnstile)
    try:
        yield thread
    finally:
        thread.close()
        turnstile.close()


def note(text: str) -> Any:
    def piece(db: Db) -> str:
        db.execute("insert into journal (at, kind, data) values (0, ?, '{}')", (text,))
        return text

    return piece


def kinds(db: Db) -> list[str]:
    return [row[0] for row in db.execute("select kind from journal order by seq")]


class Gate:
    """A piece of work that keeps the writer busy until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: Db) -> None:
        self.entered.set()
        self.opened.wait()

    async def shut(self, thread: Thread) -> asyncio.Task[None]:
        task = asyncio.ensure_future(thread.run(self))
        await asyncio.to_thread(self.entered.wait)
        return task


def test_many_callers_share_a_commit(tmp_path: Path) -> None:
    """Whatever waits while the writer is busy is committed together, and everybody gets an own answer."""

    async def play(thread: Thread) -> None:
        gate = Gate()
        first = await gate.shut(thread)
        before = thread.commits
        waiting = [asyncio.ensure_future(thread.run(note(f"n{n}"))) for n in range(40)]
        await asyncio.sleep(0)  # let each of them stand in line
        gate.opened.set()
        assert await asyncio.gather(*waiting) == [f"n{n}" for n in range(40)]
        await first
        assert thread.commits - before == 2

    with writer(tmp_path) as thread:
        asyncio.run(play(thread))


def test_an_error_is_its_own_callers(tmp_path: Path) -> None:
    """A piece that raises is undone by itself; its neighbours in the same commit stay."""

    def wrong(db: Db) -> None:
        note("half")(db)
        raise KeyError("mine")

    async def play(thread: Thread) -> list[str]:
        gate = Gate()
        await gate.shut(thread)
        pieces = [asyncio.ensure_future(thread.run(p)) for p in (note("before"), wrong, note("after"))]
        await asyncio.sleep(0)
        gate.opened.set()
        before, error, after = await asyncio.gather(*pieces, return_exceptions=True)
        assert (before, after) == ("before", "after")
        assert isinstance(error, KeyError)
        return await thread.run(kinds)

    with writer(tmp_path) as thread:
        assert asyncio.run(play(thread)) == ["before", "after"]


def test_an_answer_comes_after_the_commit(tmp_path: Path) -> None:
    """Whoever has an answer finds what it says in the file, through another connection."""
    with writer(tmp_path) as thread:
        other = connect(tmp_path / "ledger.db", read_only=True)

        async def play() -> None:
            for n in range(20):
                await thread.run(note(f"n{n}"))
                assert one(other, "select count(*) from journal") == n + 1

        asyncio.run(play())
        other.close()


def test_a_commit_waits_for_the_disk(tmp_path: Path) -> None:
    """`synchronous=FULL`: with NORMAL a power cut takes back what was acknowledged. And no mmap, which tears."""
    with writer(tmp_path) as thread:
        pragmas = ("synchronous", "journal_mode", "mmap_size")
        assert [asyncio.run(thread.run(partial(one, sql=f"pragma {p}"))) for p in pragmas] == [2, "wal", 0]


def test_a_full_disk_acknowledges_nothing(tmp_path: Path) -> None:
    """Everybody in the commit hears that the ledger is unavailable; later it works again, and nothing half is left."""

    async def play(thread: Thread) -> list[str]:
        pages = await thread.run(lambda db: one(db, "pragma page_count"))
        await thread.run(lambda db: db.pragma("max_page_count", pages))
        gate = Gate()
        await gate.shut(thread)
        pieces = [asyncio.ensure_future(thread.run(p)) for p in (note("small"), note("x" * 100_000))]
        await asyncio.sleep(0)
        gate.opened.set()
        errors = await asyncio.gather(*pieces, return_exceptions=True)
        assert {type(e) for e in errors} == {LedgerUnavailable}
        await thread.run(lambda db: db.pragma("max_page_count", 2 * pages + 100))
        await thread.run(note("again"))
        return await thread.run(kinds)

    with writer(tmp_path) as thread:
        assert asyncio.run(play(thread)) == ["again"]


def test_who_gave_up_waiting_is_not_served(tmp_path: Path) -> None:
    """A caller that was cancelled while it stood in line changes nothing."""

    async def play(thread: Thread) -> list[str]:
        gate = Gate()
        await gate.shut(thread)
        gone = asyncio.ensure_future(thread.run(note("gone")))
        stays = asyncio.ensure_future(thread.run(note("stays")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.opened.set()
        await stays
        assert gone.cancelled()
        return await thread.run(kinds)

    with writer(tmp_path) as thread:
        assert asyncio.run(play(thread)) == ["stays"]


def test_the_reader_cannot_write(tmp_path: Path) -> None:
    """A read that would change something is a mistake of ours, and fails."""
    with writer(tmp_path):
        reader = Thread(tmp_path / "ledger.db", turnstile=None)
        with pytest.raises(apsw.ReadOnlyError):
            asyncio.run(reader.run(note("no")))
        reader.close()


def test_after_closing_nothing_hangs(tmp_path: Path) -> None:
    """A call to a closed ledger is refused at once; closing twice is closing once."""

    async def play() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        await ledger.close()
        await ledger.close()
        with pytest.raises(LedgerUnavailable):
            await ledger.runs.list()
        with pytest.raises(LedgerUnavailable):
            await ledger.runs.stream("booking", Policy(), START)

    asyncio.run(play())


def test_what_was_acknowledged_is_there_after_opening_again(tmp_path: Path) -> None:
    """Messages, claims and the hash key survive a close; ids go on behind the last one."""

    async def first() -> tuple[Any, bytes]:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        claimed = await World(ledger).one()
        key = await ledger.reads.hash_key()
        await ledger.close()
        return claimed, key

    async def second(claimed: Any, key: bytes) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        w = World(ledger)
        assert await w.check(claimed) == {}
        assert await ledger.reads.hash_key() == key
        assert (await w.admit())[0] > claimed.id
        await w.balance()
        await ledger.close()

    asyncio.run(second(*asyncio.run(first())))


def test_two_ledgers_of_one_file_share_it(tmp_path: Path) -> None:
    """As two processes would: what one admitted both may claim, each message is given once, keys hold for both."""

    async def play() -> None:
        one, two = (SqliteLedger(tmp_path / "ledger.db") for _ in range(2))
        w = World(one)
        run = await w.campaign(*(f"{n}@example.jp" for n in range(100)))
        ids = await two.messages.due(run, 100, w.now)
        claims = await asyncio.gather(
            *(
                ledger.messages.claim(ids[k : k + 40], "w", "ses", w.now + 1, w.now)
                for k in (0, 20, 40, 60)
                for ledger in (one, two)
            )
        )
        assert sorted(c.id for claimed in claims for c in claimed) == sorted(ids)
        asked = w.submission(run, key="k", body_hash="x", key_until=w.now + 1)
        [a], [b] = await asyncio.gather(*(ledger.messages.admit([asked], w.now) for ledger in (one, two)))
        assert isinstance(a, Admitted)
        assert isinstance(b, Admitted)
        assert a.messages == b.messages
        assert sorted((a.fresh, b.fresh)) == [False, True]
        await w.balance()
        await one.close()
        await two.close()

    asyncio.run(play())


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    """A file that a newer Kakitome wrote is not touched: it is a `ConfigurationError`."""
    with writer(tmp_path) as thread:
        asyncio.run(thread.run(lambda db: db.pragma("user_version", 99)))
    with pytest.raises(ConfigurationError):
        SqliteLedger(tmp_path / "ledger.db")
