"""A ledger file of the first form, in use: opened by today's code it says what it said before, and goes on."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.config import load
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted
from kakitome.core.submission import MessageRequest
from kakitome.ledgers.sqlite.schema import FIRST, MIGRATIONS
from kakitome.ports.reads import Search
from kakitome.ports.records import NamedEvent
from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote

SAMPLE = Path(__file__).parents[1] / "samples" / "ledger-form-1.sql"
WAITING = ["queued@example.com", "reader2@example.com", "reader3@example.com", "retried@example.com"]
STATES = {
    "queued@example.com": State.QUEUED,
    "retried@example.com": State.QUEUED,
    "sending@example.com": State.SENDING,
    "delivered@example.com": State.SENT,
    "bounced@example.com": State.SENT,
    "doubtful@example.com": State.IN_DOUBT,
    "failed@example.com": State.FAILED,
    "dead@example.com": State.DEAD,
    "unresolved@example.com": State.UNRESOLVED,
    "suppressed@example.com": State.SUPPRESSED,
    "cancelled@example.com": State.CANCELLED,
    "expired@example.com": State.EXPIRED,
    "closed@example.com": State.CLOSED,
    "reader0@example.com": State.SENT,
    "reader1@example.com": State.SENT,
    "reader2@example.com": State.QUEUED,
    "reader3@example.com": State.QUEUED,
}


@pytest.fixture
def provider() -> Iterator[Remote]:
    with running("--no-authentication") as remote:
        yield remote


def old(folder: Path, provider: Remote) -> Path:
    """The file, and a configuration that is about it."""
    with closing(sqlite3.connect(folder / "ledger.db")) as db:
        db.executescript(f"pragma journal_mode = wal; begin; {FIRST} {SAMPLE.read_text('utf-8')} commit;")
        db.execute("pragma user_version = 1")
    file = folder / "kakitome.toml"
    host, _, port = (provider.smtp or "").partition(":")
    lane = f'provider = "ses-smtp"\nhost = "{host}"\nport = {port}\ntls = "none"'
    file.write_text(f'[ledger]\nurl = "sqlite:///{folder}/ledger.db"\n[lanes.ses]\n{lane}\n')
    return file


async def states(it: Instance) -> dict[str, State]:
    runs = await it.ledger.runs.list()
    found = [view for run in runs for view in await it.ledger.reads.search(Search(run=run.id, n=100))]
    return {view.address or "": view.state for view in found}


async def work(it: Instance, *wanted: tuple[str, State]) -> None:
    """A worker, until these are so."""
    worker = it.worker()
    task = asyncio.create_task(worker.run())
    async with asyncio.timeout(60):
        while not set(wanted) <= set((await states(it)).items()):  # noqa: ASYNC110 - a worker rings nobody
            await asyncio.sleep(0.05)
    worker.stop()
    await task


def test_an_old_file_says_what_it_said(tmp_path: Path, provider: Remote) -> None:
    """Each message is where it was, the books agree, and the form is today's; to open it again changes nothing."""
    file = old(tmp_path, provider)

    async def look() -> None:
        async with opened(load(file, {})) as it:
            assert await states(it) == STATES
            assert await it.ledger.reads.verify() == []

    asyncio.run(look())
    with closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        assert db.execute("pragma user_version").fetchone() == (len(MIGRATIONS),)
    asyncio.run(look())


def test_its_mail_goes_out(tmp_path: Path, provider: Remote) -> None:
    """What waited goes, once; the doubt whose deadline is over and the claim of a worker that is gone wait for a person
    or for events; the campaign is done."""

    async def run() -> None:
        async with opened(load(old(tmp_path, provider), {})) as it:
            later = dict.fromkeys(WAITING, State.SENT) | {
                "doubtful@example.com": State.UNRESOLVED,
                "sending@example.com": State.IN_DOUBT,
            }
            await work(it, *later.items())
            assert await states(it) == STATES | later
            assert await it.ledger.reads.verify() == []

    asyncio.run(run())
    assert sorted(line.recipient for line in provider.accepted()) == WAITING


def test_its_keys_suppressions_and_events_still_count(tmp_path: Path, provider: Remote) -> None:
    """The same key is the same mail, whoever bounced is not written to, and an event finds its message of before."""

    async def run() -> None:
        async with opened(load(old(tmp_path, provider), {})) as it:

            async def hand_in(name: str, key: str | None) -> Admitted:
                mail = MessageRequest(
                    sender="Inn <inn@example.com>",
                    to=[f"{name}@example.com"],
                    subject=f"ご予約 {name}",
                    text=f"Dear {name}.\n",
                )
                [answer] = await accept([Handed(mail, key)], it.desk())
                assert isinstance(answer, Admitted), answer
                return answer

            [delivered] = (await hand_in("delivered", "key/delivered")).messages
            [view] = await it.ledger.reads.messages([delivered])
            assert view.state is State.SENT
            await hand_in("bounced", None)
            await work(it, ("bounced@example.com", State.SUPPRESSED))
            complaint = Event(
                key="late",
                kind=EventKind.COMPLAINED,
                at=it.clock.now(),
                provider="ses",
                provider_message_id="ses-1",
                recipient="delivered@example.com",
                message=message_text(delivered),
                attempt="1",
            )
            folded = await it.ledger.events.fold([NamedEvent(complaint, None)], it.clock.now())
            assert (folded.unmatched, await it.ledger.reads.verify()) == (0, [])

    asyncio.run(run())
    assert "bounced@example.com" not in [line.recipient for line in provider.accepted()]
