"""A campaign: plan, take the list in, run. The whole list is in the ledger before the first mail goes out."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from kakitome.core.address import address_hash, canonical
from kakitome.core.content import Mailbox
from kakitome.core.errors import KakitomeError, TemplateError
from kakitome.core.message import Run
from kakitome.core.pacing import Paces
from kakitome.core.plan import BadLine, Plan
from kakitome.core.policy import Policy
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.lists import BadRow, ListReader, Rejects, Row
from kakitome.ports.records import TemplateVersion
from kakitome.ports.renderer import Renderer
from kakitome.ports.runs import ImportBatch, ImportRow

CHUNK = 5_000
SHOWN = 20
"""Bad lines that a plan names; the rejects file has all."""
PARTS = 64

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Office:
    """What a campaign works with. `progress(rows)` hears how far a pass over the list is."""

    ledger: Ledger
    renderer: Renderer
    clock: Clock
    step: Callable[[str], None] = lambda _: None
    progress: Callable[[int], None] = lambda _: None
    paces: Paces = field(default_factory=Paces)


async def plan(
    reader: ListReader, template: TemplateVersion, run: Run | None, office: Office, rejects: Rejects | None = None
) -> Plan:
    """Read the whole list, render every row once, send nothing. Memory stays flat: eight bytes a row.

    Raises `ListError`; `TemplateError` if the template reads what the list does not have.
    """
    _check_columns(reader, template, office.renderer)
    key = await office.ledger.reads.hash_key()
    hashes: list[array[int]] = [array("q") for _ in range(PARTS)]
    bad: list[BadLine] = []
    invalid = valid = 0
    for batch in reader.batches(CHUNK):
        good, wrong = _apart(batch)
        for row in good:
            hash = address_hash(key, canonical(row.address))
            hashes[hash % PARTS].append(hash)
        bad += [BadLine(b.line, b.reason, b.text) for b in wrong[: SHOWN - len(bad)]]
        if rejects is not None and wrong:
            rejects.write(wrong)
        _render_all(good, template, office.renderer)
        valid, invalid = valid + len(good), invalid + len(wrong)
        office.progress(valid + invalid)
    unique, already, suppressed = await _compare(hashes, run, office.ledger)
    return Plan(
        path=reader.path,
        version=reader.version,
        digest=reader.digest,
        encoding=reader.encoding,
        delimiter=reader.delimiter,
        columns=reader.columns,
        address_column=reader.address_column,
        rows=valid + invalid,
        valid=valid,
        invalid=invalid,
        duplicate=valid - unique,
        already=already,
        suppressed=suppressed,
        to_send=unique - already - suppressed,
        bad_lines=tuple(bad),
    )


def _check_columns(reader: ListReader, template: TemplateVersion, renderer: Renderer) -> None:
    lacking = sorted(renderer.needs(template) - set(reader.columns))
    if lacking:
        raise TemplateError(
            f"The template {template.name!r} reads {_listed(lacking)}, which no row of the list has. Its columns are "
            f"{_listed(reader.columns)}. Nothing was sent.",
            "Correct the template or add the column.",
            missing=lacking,
            columns=list(reader.columns),
        )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"“{name}”" for name in names)


def _render_all(rows: Sequence[Row], template: TemplateVersion, renderer: Renderer) -> None:
    wrong: list[tuple[int, KakitomeError]] = []
    for row in rows:
        try:
            renderer.preview(template, row.variables, Mailbox(row.address.given))
        except KakitomeError as error:
            wrong.append((row.line, error))
    if wrong:
        lines = ", ".join(str(line) for line, _ in wrong[:SHOWN])
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise TemplateError(
            f"The template {template.name!r} cannot be rendered for line {lines}{more}: {wrong[0][1].what} "
            "Nothing was sent.",
            wrong[0][1].remedy or "Correct the template or these rows.",
            lines=[line for line, _ in wrong],
        )


def _apart(batch: Sequence[Row | BadRow]) -> tuple[list[Row], list[BadRow]]:
    return [r for r in batch if isinstance(r, Row)], [r for r in batch if isinstance(r, BadRow)]


async def _compare(hashes: Sequence[array[int]], run: Run | None, ledger: Ledger) -> tuple[int, int, int]:
    """Unique addresses; those of them that have their message; those of the rest that are suppressed."""
    unique = already = suppressed = 0
    for part in hashes:
        mine = set(part)
        unique += len(mine)
        for slice_ in _slices(sorted(mine)):
            there = await ledger.runnable.present(run.id, slice_) if run else set()
            listed = {s.hash for s in await ledger.suppressions.find(slice_) if _applies(s.scope, run)}
            already += len(there)
            suppressed += len(listed - there)
    return unique, already, suppressed


def _applies(scope: str, run: Run | None) -> bool:
    return scope == "all" or (run is not None and scope == f"stream:{run.stream}")


def _slices(items: Sequence[int]) -> Iterator[Sequence[int]]:
    for at in range(0, len(items), CHUNK):
        yield items[at : at + CHUNK]


async def open_run(
    name: str, stream: str, policy: Policy, template: TemplateVersion, pinned: Mapping[str, str], office: Office
) -> Run:
    now = office.clock.now()
    expires = now + policy.expires_after if policy.expires_after else None
    return await office.ledger.runs.open(name, stream, policy, template.id, _encode(dict(pinned)), expires, now)


def import_row(row: Row, key: bytes, paces: Paces) -> ImportRow:
    """The row as the ledger takes it."""
    to, variables = row.address, _encode(row.variables).decode()
    return ImportRow(row.line, to.given, address_hash(key, canonical(to)), variables, paces.of(to))


async def take_in(reader: ListReader, run: Run, due: int, office: Office, about: int = 0) -> Run:
    """Import the list, which has `about` so many rows. An interrupted import of the same list goes on where it stopped
    and counts nothing twice."""
    ledger, now = office.ledger, office.clock.now
    key = await ledger.reads.hash_key()
    known = await ledger.runs.begin_import(run.id, reader.digest, now(), about)
    if known.sealed:
        return next(r for r in await ledger.runs.list() if r.id == run.id)
    rows, first = 0, known.next_line
    for batch in reader.batches(CHUNK, start_line=first):
        good, wrong = _apart(batch)
        incoming = tuple(import_row(row, key, office.paces) for row in good)
        next_line = batch[-1].line + 1
        office.step("before_append")
        await ledger.runs.append(
            run.id,
            reader.digest,
            ImportBatch(first_line=first, next_line=next_line, rows=incoming, invalid=len(wrong)),
            due,
            now(),
        )
        office.step("after_append")
        rows, first = rows + len(batch), next_line
        office.progress(rows)
    office.step("before_seal")
    sealed = await ledger.runs.seal(run.id, reader.digest, now())
    office.step("after_seal")
    return sealed
