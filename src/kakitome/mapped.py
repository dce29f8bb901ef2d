"""A campaign whose rows are handed out by somebody else, a few to each of many at once: a Distributed Map.

    version_of   the mail's text, pinned by what it says
    begin        reads the whole list once, counts and pins it; the campaign runs when this returns
    rows_of      what somebody was handed becomes rows as the ledger takes them
    account      what is missing, and what became of the rest

A row is named by its number in the list: `FIRST` is the first row's. Rows that cannot be sent to are told to the ledger
at the beginning, for only there the whole list is seen; those who are handed rows pass them over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from kakitome import start
from kakitome.campaign import CHUNK, Office, import_row, open_run, plan
from kakitome.core.errors import AddressError, StateError
from kakitome.core.message import Run
from kakitome.core.plan import Plan
from kakitome.core.policy import Policy
from kakitome.core.template import TemplateSource, digest
from kakitome.ports.ledger import Ledger
from kakitome.ports.lists import ListReader, Row
from kakitome.ports.records import TemplateVersion
from kakitome.ports.runs import ImportRow

FIRST = 2
"""As people count in a file without line ends in its fields: the header is line 1."""


class Numbered(ListReader, Protocol):
    """A list that was read to its end knows which rows were bad, by number."""

    @property
    def bad(self) -> Sequence[int]: ...


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """What goes with each row to whoever is handed it: the campaign, the list, its column of addresses, and those rows
    that look good alone and are not."""

    name: str
    digest: str
    address: str
    skip: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    run: Run
    plan: Plan
    missing: int


async def begin(stream: str, policy: Policy, version: TemplateVersion, reader: Numbered, office: Office) -> Begun:
    """The campaign has the template's name. Raises `StateError`, `Refused`, `TemplateError`, `ListError`: then nothing
    was sent. Said again it changes nothing; another list under the same name goes to those who are new."""
    ledger, now, name = office.ledger, office.clock.now, version.name
    start.check_bulk(stream, policy)
    run = await start.find(name, ledger)
    if run is not None:
        start.check_guard(await ledger.guards.watched(run.id))
        start.check_again(run, stream, version, None, await ledger.reads.rows(run.id), now())
    made = await plan(reader, version, run, office)
    pinned = {"list": reader.path, "digest": reader.digest, "version": reader.version}
    run = run or await open_run(name, stream, policy, version, pinned, office)
    run = await ledger.rows.expect(run.id, reader.digest, made.rows, now())
    missing = await ledger.rows.close(run.id, reader.digest, now())
    for at in range(0, len(reader.bad) if missing else 0, CHUNK):
        lines = [number + FIRST for number in reader.bad[at : at + CHUNK]]
        await ledger.rows.bad(run.id, reader.digest, lines, now())
    return Begun(run, made, missing)


async def version_of(source: TemplateSource, office: Office) -> TemplateVersion:
    """The version that says this, of the campaign of this name or a new one. Raises `StateError` where the
    campaign went out with another text."""
    ledger, said = office.ledger, digest(source)
    run = await start.find(start.check_name(source.name), ledger)
    if run is None or run.template is None:
        return await ledger.templates.put(source.name, said, msgspec.json.encode(source), office.clock.now())
    pinned = await ledger.templates.pinned(run.template)
    if pinned.digest != said:
        raise StateError(
            f"The mail {run.name!r} was sent before with another text ({start.day(run.created)}). Nothing was sent.",
            "Whoever has it gets no second one under this name: put the new text under another mail_id.",
        )
    return pinned


async def rows_of(
    handed: Handed, items: Iterable[tuple[int, Mapping[str, str]]], maker: Maker, office: Office
) -> list[ImportRow]:
    """Rows by their number from 0. Raises `KeyError` where one has no column of addresses."""
    key = await office.ledger.reads.hash_key()
    rows, skip = [], frozenset(handed.skip)
    for number, columns in items:
        try:
            row = maker(number + FIRST, handed.address, columns)
        except AddressError:
            continue  # told to the ledger at the beginning
        if number not in skip:
            rows.append(import_row(row, key, office.paces))
    return rows


class Maker(Protocol):
    def __call__(self, line: int, address_column: str, columns: Mapping[str, str]) -> Row:
        """Raises `AddressError`."""
        ...


async def account(name: str, digest: str, ledger: Ledger, now: int) -> dict[str, object]:
    """Closes the list if no row is missing. `done`: nothing is left that Kakitome itself moves on."""
    run = await start.campaign(name, ledger)
    missing = await ledger.rows.close(run.id, digest, now)
    rows = await ledger.reads.rows(run.id)
    done = run.state in ("done", "cancelled") or not (missing or start.open_messages(rows))
    return {"missing": missing, "done": done, "campaign": name, "state": run.state, "rows": dict(rows)}
