"""A campaign: what it would do, and how its list comes into the ledger, to the last row or not at all."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from workshop import HOUR, START, VirtualClock

from kakitome.campaign import CHUNK, SHOWN, Office, open_run, plan, take_in
from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import ListError, StateError, TemplateError
from kakitome.core.ids import RunId
from kakitome.core.message import Run
from kakitome.core.plan import Plan
from kakitome.core.policy import Kind, Policy
from kakitome.core.template import TemplateSource
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.lists import BadRow, open_list
from kakitome.ports.lists import ListReader, Row
from kakitome.ports.records import Suppression, TemplateVersion
from kakitome.rendering.renderer import TemplateRenderer

POLICY = Policy(kind=Kind.BULK)


class Killed(BaseException):
    """The process is gone."""


class House:
    """A ledger, a template `letter` that reads `name`, and lists in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ledger = MemoryLedger()
        self.renderer = TemplateRenderer(self.ledger.templates, self.ledger.messages)
        self.steps: Callable[[str], None] = lambda _: None
        self.progress: list[int] = []
        self.office = Office(
            self.ledger, self.renderer, VirtualClock(), lambda name: self.steps(name), self.progress.append
        )

    def list(self, *rows: str, name: str = "list.csv") -> ListReader:
        path = self.folder / name
        path.write_text("\n".join(["email,name", *rows, ""]), "utf-8")
        return open_list(path)

    async def template(self, subject: str = "Dear {{ name }}") -> TemplateVersion:
        source = TemplateSource(name="letter", sender="a@example.com", subject=subject, text="x\n")
        return await self.ledger.templates.put("letter", subject, msgspec.json.encode(source), START)

    async def plan(self, reader: ListReader, run: Run | None = None, subject: str = "Dear {{ name }}") -> Plan:
        return await plan(reader, await self.template(subject), run, self.office)

    async def open(self, name: str = "spring", policy: Policy = POLICY) -> Run:
        return await open_run(name, "bulk", policy, await self.template(), {}, self.office)

    async def run(self, id: RunId) -> Run:
        return next(run for run in await self.ledger.runs.list() if run.id == id)

    async def rows(self, run: Run) -> dict[str, int]:
        return {word: n for word, n in (await self.ledger.reads.rows(run.id)).items() if n}


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four rows at a time, so that a list of a few has several."""
    monkeypatch.setattr("kakitome.campaign.CHUNK", 4)


def people(n: int, first: int = 1) -> list[str]:
    return [f"reader-{k}@example.com,R{k}" for k in range(first, first + n)]


# ── Plan ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_figures_of_a_plan_add_up(house: House) -> None:
    """Rows = valid + invalid; to send = valid − duplicate − already − suppressed; nothing is sent or stored."""

    async def run() -> None:
        first = await house.open()
        await take_in(house.list(*people(2)), first, START, house.office)
        key = await house.ledger.reads.hash_key()
        out = address_hash(key, canonical(parse_address("reader-4@example.com")))
        new = Suppression(hash=out, address="reader-4@example.com", reason="asked")
        await house.ledger.suppressions.add([new], START)
        before = len(await house.ledger.journal.read(0, 100))
        rows = [*people(5), "READER-5@EXAMPLE.COM,again", "nobody,x", "reader-2@example.com,again"]
        found = await house.plan(house.list(*rows, name="longer.csv"), first)
        assert (found.rows, found.valid, found.invalid) == (8, 7, 1)
        assert (found.duplicate, found.already, found.suppressed, found.to_send) == (2, 2, 1, 2)
        assert [bad.line for bad in found.bad_lines] == [8]
        assert (found.columns, found.address_column) == (("email", "name"), "email")
        assert len(await house.ledger.journal.read(0, 100)) == before
        assert house.progress[-1] == 8

    asyncio.run(run())


def test_a_suppression_of_the_stream_counts_for_its_campaigns(house: House) -> None:
    """One of another stream does not; without a campaign yet, only that of all."""

    async def run() -> None:
        campaign = await house.open()
        key = await house.ledger.reads.hash_key()
        for number, scope in ((1, "all"), (2, "stream:bulk"), (3, "stream:other")):
            address = f"reader-{number}@example.com"
            new = Suppression(
                hash=address_hash(key, canonical(parse_address(address))), address=address, reason="asked", scope=scope
            )
            await house.ledger.suppressions.add([new], START)
        assert (await house.plan(house.list(*people(4)), campaign)).suppressed == 2
        assert (await house.plan(house.list(*people(4)), None)).suppressed == 1

    asyncio.run(run())


def test_a_column_that_the_list_does_not_have_is_named(house: House) -> None:
    """Before any row is read."""
    with pytest.raises(TemplateError) as caught:
        asyncio.run(house.plan(house.list(*people(1)), subject="Dear {{ nom }}"))
    assert caught.value.data == {"missing": ["nom"], "columns": ["email", "name"]}
    assert house.progress == []


def test_every_row_is_rendered_once_before_the_first_mail(house: House) -> None:
    """A row that cannot be a mail is found in the plan, with its line; and no more than twenty are named."""

    async def run() -> None:
        rows = people(30)
        for at in (4, 7):
            rows[at] = f'reader-{at}@example.com,"two\nlines"'
        with pytest.raises(TemplateError) as caught:
            await house.plan(house.list(*rows))
        assert caught.value.data["lines"] == [6, 10]
        assert "6, 10" in str(caught.value)
        all_wrong = [f'r{n}@example.com,"two\nlines"' for n in range(25)]
        with pytest.raises(TemplateError) as caught:
            await house.plan(house.list(*all_wrong, name="all.csv"))
        assert "and 5 more" in str(caught.value)

    asyncio.run(run())


def test_bad_lines_are_shown_in_part_and_written_out_whole(house: House) -> None:
    """Twenty on the screen, all of them in the file for whoever made the list."""

    async def run() -> None:
        written: list[BadRow] = []

        class Rejects:
            def write(self, rows: Sequence[BadRow]) -> None:
                written.extend(rows)

        reader = house.list(*[f"nobody-{n},x" for n in range(50)], *people(1))
        found = await plan(reader, await house.template(), None, house.office, Rejects())
        assert (found.invalid, len(found.bad_lines), len(written)) == (50, SHOWN, 50)

    asyncio.run(run())


class Endless:
    """A list of `n` rows that is nowhere, for counting memory."""

    path, encoding, delimiter, columns, address_column = "x", "utf-8", ",", ("email", "name"), "email"
    version, digest = "", "sha256:0"

    def __init__(self, n: int) -> None:
        self._n = n

    def batches(self, n: int, start_line: int = 1) -> object:
        for at in range(start_line, self._n + 1, n):
            yield [
                Row(line, parse_address(f"reader-{line}@example.com"), {"email": "", "name": ""})
                for line in range(at, min(at + n, self._n + 1))
            ]


def test_a_plan_keeps_eight_bytes_a_row(house: House) -> None:
    """Twice the rows, nearly the same memory: no row, address or variable is kept."""

    async def peak(n: int) -> int:
        template = await house.template("Hello")
        house.renderer.preview = lambda *_: None  # type: ignore[method-assign, assignment]
        tracemalloc.start()
        found = await plan(Endless(n), template, None, house.office)  # type: ignore[arg-type]
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert found.to_send == n
        return peak

    def both() -> tuple[int, int]:
        return asyncio.run(peak(2 * CHUNK)), asyncio.run(peak(4 * CHUNK))

    less, more = both()
    assert more - less < 2 * CHUNK * 40, "eight bytes, and one part of 64 as a set at a time"


# ── Import ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_taken_in_whole_before_the_first_mail(house: House) -> None:
    """The campaign is `ready`, not running: nobody claims of it until somebody starts it."""

    async def run() -> None:
        campaign = await house.open()
        assert campaign.state == "importing"
        sealed = await take_in(house.list(*people(3), "nobody,x", people(1)[0]), campaign, START, house.office)
        assert sealed.state == "ready"
        assert await house.rows(campaign) == {"queued": 3, "invalid": 1, "duplicate": 1, "read": 5}
        assert await house.ledger.runnable.runnable(START + HOUR) == []

    asyncio.run(run())


def test_the_same_list_again_changes_nothing(house: House) -> None:
    """Its digest names the import."""

    async def run() -> None:
        campaign = await house.open()
        await take_in(house.list(*people(3)), campaign, START, house.office)
        before = await house.rows(campaign)
        await take_in(house.list(*people(3), name="copy.csv"), campaign, START, house.office)
        assert await house.rows(campaign) == before

    asyncio.run(run())


@pytest.mark.parametrize("step", ["before_append", "after_append", "before_seal", "after_seal"])
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.usefixtures("small_batches")
def test_an_import_that_was_killed_goes_on(house: House, step: str, times: int) -> None:
    """At whatever step: the second go counts nothing twice and leaves nothing out; until then nothing is claimable."""

    async def run() -> None:
        campaign = await house.open()
        reader = house.list(*people(10), "nobody,x", *people(2), *people(5, first=11))
        left = times

        def kill(name: str) -> None:
            nonlocal left
            left -= name == step
            if left == 0:
                raise Killed

        house.steps = kill
        try:
            await take_in(reader, campaign, START, house.office)
        except Killed:
            assert (await house.run(campaign.id)).state == ("ready" if step == "after_seal" else "importing")
        house.steps = lambda _: None
        assert (await take_in(reader, campaign, START, house.office)).state == "ready"
        assert await house.rows(campaign) == {"queued": 15, "invalid": 1, "duplicate": 2, "read": 18}

    asyncio.run(run())


def test_a_list_that_changes_meanwhile_starts_nothing(house: House) -> None:
    """The error is a `ListError`; the campaign stays `importing`, and not one of its mails can be claimed."""

    async def run() -> None:
        campaign = await house.open()
        reader = house.list(*people(3))
        house.list(*people(3, first=7))
        with pytest.raises(ListError):
            await take_in(reader, campaign, START, house.office)
        assert (await house.run(campaign.id)).state == "importing"
        assert await house.ledger.runnable.runnable(START + HOUR) == []
        with pytest.raises(StateError):
            await house.ledger.runs.move(campaign.id, "running", "aya", START)

    asyncio.run(run())


@pytest.mark.usefixtures("small_batches")
def test_a_list_that_changes_while_it_is_read_starts_nothing(house: House) -> None:
    """Its first rows were taken in; the end of the pass says that they were not of this list."""

    async def run() -> None:
        campaign = await house.open()
        reader = house.list(*people(10))

        def change(name: str) -> None:
            if name == "after_append":
                path = Path(reader.path)
                path.write_text(path.read_text().replace("reader-9@", "writer-9@"))

        house.steps = change
        with pytest.raises(ListError):
            await take_in(reader, campaign, START, house.office)
        assert (await house.run(campaign.id)).state == "importing"
        assert (await house.rows(campaign))["importing"] >= 4
        assert await house.ledger.runnable.runnable(START + HOUR) == []

    asyncio.run(run())


def test_a_longer_list_adds_only_what_is_new(house: House) -> None:
    """Who has the message from the first list does not get another."""

    async def run() -> None:
        campaign = await house.open()
        await take_in(house.list(*people(3)), campaign, START, house.office)
        await take_in(house.list(*people(5), name="longer.csv"), campaign, START, house.office)
        assert await house.rows(campaign) == {"queued": 5, "already": 3, "read": 8}

    asyncio.run(run())


def test_a_streams_expiry_is_the_campaigns(house: House) -> None:
    """Counted from its opening, for every row."""

    async def run() -> None:
        policy = Policy(kind=Kind.BULK, expires_after=HOUR)
        campaign = await house.open("short", policy)
        await take_in(house.list(*people(2)), campaign, START, house.office)
        await house.ledger.runs.move(campaign.id, "running", "aya", START)
        assert await house.ledger.sweeps.expire(10, START + HOUR - 1) == 0
        assert await house.ledger.sweeps.expire(10, START + HOUR) == 2

    asyncio.run(run())
