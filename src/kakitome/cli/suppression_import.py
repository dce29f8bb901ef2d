"""`suppression import`: a file of addresses, ours or another provider's, into the list."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import msgspec

from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import Out, number, plural
from kakitome.cli.suppression import added, scope
from kakitome.core.address import address_hash, canonical
from kakitome.core.suppression import ALL, is_scope
from kakitome.core.suppression_formats import milliseconds
from kakitome.lists import BadRow, RejectsFile, Row, open_list
from kakitome.lists.suppressed import Listed, Passed, read
from kakitome.ports.records import Suppression
from kakitome.suppress import PAGE, take

SHOWN = 10


class Counts(msgspec.Struct):
    """What became of the rows. `valid` are those that are or would be suppressed, new or not."""

    fresh: int = 0
    valid: int = 0
    passed: int = 0
    bad: int = 0
    shown: list[BadRow] = []


async def run(args: Namespace, out: Out) -> int:
    """Exit code 1 where no row could be used. Bad rows go into a file beside the ledger, with line and reason."""
    path = Path(args.file)
    async with session.instance(args, out) as instance:
        rejects = instance.folder / "rejects" / f"suppressions-{path.stem}.csv"
        rejects.parent.mkdir(parents=True, exist_ok=True)
        counts = await _taken(args, path, instance, rejects)
    if not counts.bad:
        rejects.unlink(missing_ok=True)
    _tell(counts, rejects if counts.bad else None, args.dry_run, out)
    return 0 if counts.valid or not counts.bad else 1


async def _taken(args: Namespace, path: Path, instance: Instance, rejects: Path) -> Counts:
    key = await instance.ledger.reads.hash_key()
    reads = _own if args.format == "csv" else _foreign
    rows, counts = reads(args, path, key, instance.clock.now()), Counts()
    with RejectsFile(rejects) as file:
        while batch := list(islice(rows, PAGE)):
            bad = [row for row in batch if isinstance(row, BadRow)]
            wanted = [row for row in batch if isinstance(row, Suppression)]
            file.write(bad)
            counts.bad += len(bad)
            counts.shown += bad[: SHOWN - len(counts.shown)]
            counts.passed += sum(isinstance(row, Passed) for row in batch)
            counts.valid += len(wanted)
            counts.fresh += await take(wanted, instance.ledger, instance.clock, args.dry_run)
    return counts


_Rows = Iterator[Suppression | Passed | BadRow]


def _own(args: Namespace, path: Path, key: bytes, now: int) -> _Rows:
    """CSV as people have it, and as `suppression export` writes it: reason, note, at and scope are read if there."""
    for row in open_list(path, address_column=args.address_column, allow_local_domain=True).rows():
        if isinstance(row, BadRow):
            yield row
            continue
        own = {name.casefold(): value.strip() for name, value in row.variables.items()}
        where = scope(args) if args.stream else own.get("scope") or ALL
        at = milliseconds(own["at"]) if own.get("at") else 0
        if at is None or at > now:
            yield BadRow(row.line, f"“{own['at']}” is no time that has been.", row.address.given)
        elif not is_scope(where):
            yield BadRow(row.line, f"“{where}” is no scope: it is all, or stream:NAME.", row.address.given)
        else:
            reason, note = own.get("reason") or args.reason, own.get("note") or args.note
            yield _suppression(args, path, key, row, reason, note, at, where)


def _foreign(args: Namespace, path: Path, key: bytes, now: int) -> _Rows:
    for row in read(path, args.format, now):
        if isinstance(row, Listed):
            at = row.told.at if row.told.at is not None and row.told.at <= now else 0
            yield _suppression(args, path, key, row, row.told.reason, row.told.note or args.note, at, scope(args))
        else:
            yield row


def _suppression(
    args: Namespace, path: Path, key: bytes, row: Row | Listed, reason: str, note: str, at: int, where: str
) -> Suppression:
    return Suppression(
        hash=address_hash(key, canonical(row.address)),
        address=row.address.given,
        reason=reason,
        scope=where,
        source=f"{path.name}:{row.line}",
        who=session.who(args),
        note=note,
        at=at,
    )


def _tell(counts: Counts, rejects: Path | None, dry_run: bool, out: Out) -> None:
    if out.json:
        lines = [{"line": b.line, "reason": b.reason} for b in counts.shown]
        known = counts.valid - counts.fresh
        told = {"added": counts.fresh, "known": known, "passed_over": counts.passed, "bad": counts.bad}
        out.document({**told, "invalid": lines, "rejects": rejects and str(rejects), "dry_run": dry_run})
    out.line(("Nothing was changed. It would be: " if dry_run else "") + added(counts.fresh, counts.valid))
    if counts.passed:
        out.line(f"{number(counts.passed)} passed over, which the provider itself would write to again.")
    if rejects is not None:
        out.line(f"{plural(counts.bad, 'row')} could not be read; all of them are in {rejects}.")
        out.table(("line", "why"), [(str(b.line), b.reason) for b in counts.shown], right=(0,))
