"""`suppression list, add, remove, import, export`: who is not written to."""

from __future__ import annotations

import csv
import sys
from argparse import Namespace
from collections.abc import AsyncIterator

from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import Out, iso, local, number, plural
from kakitome.core.address import Address, address_hash, canonical, parse_address
from kakitome.lists import BadRow, Row, open_list
from kakitome.lists.rejects import guarded
from kakitome.ports.records import Suppression

PAGE = 1_000
SHOWN = 10
COLUMNS = ("address", "reason", "scope", "source", "who", "note", "at")


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        found = [s async for s in _all(instance)]
    if out.json:
        out.document({"suppressions": [dict(zip(COLUMNS, _cells(s), strict=True)) for s in found]})
    elif found:
        rows = [(s.address, s.reason, _where(s.scope), local(s.at), s.who, s.note or s.source) for s in found]
        out.table(("address", "reason", "for", "since", "by", "note"), rows)
    else:
        out.line("Nobody is suppressed.")
    return 0


async def add(args: Namespace, out: Out) -> int:
    addresses = [parse_address(text, allow_local_domain=True) for text in args.address]
    async with session.instance(args, out) as instance:
        key = await instance.ledger.reads.hash_key()
        wanted = [_suppression(a, key, args, args.reason, args.note, "") for a in addresses]
        fresh = await instance.ledger.suppressions.add(wanted, instance.clock.now())
    _added(fresh, len(wanted), [], out)
    return 0


async def remove(args: Namespace, out: Out) -> int:
    """Exit code 1 where none of them was on the list: a slip of the pen should show."""
    addresses = [parse_address(text, allow_local_domain=True) for text in args.address]
    gone: list[str] = []
    async with session.instance(args, out) as instance:
        key = await instance.ledger.reads.hash_key()
        for address in addresses:
            hash = address_hash(key, canonical(address))
            if await instance.ledger.suppressions.remove(
                hash, _scope(args), session.who(args), args.note, instance.clock.now()
            ):
                gone.append(address.given)
    if out.json:
        out.document({"removed": gone})
    for address in addresses:
        known = address.given in gone
        out.line(f"{address.given} {'may be written to again' if known else 'was not suppressed here'}.")
    return 0 if gone else 1


async def take(args: Namespace, out: Out) -> int:
    reader = open_list(args.file, address_column=args.address_column, allow_local_domain=True)
    fresh = valid = 0
    bad: list[BadRow] = []
    async with session.instance(args, out) as instance:
        key = await instance.ledger.reads.hash_key()
        for batch in reader.batches(PAGE):
            bad += [row for row in batch if isinstance(row, BadRow)]
            wanted = [_of_row(row, key, args) for row in batch if isinstance(row, Row)]
            fresh += await instance.ledger.suppressions.add(wanted, instance.clock.now())
            valid += len(wanted)
    _added(fresh, valid, bad, out)
    return 0


async def export(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        if out.json:
            found = [dict(zip(COLUMNS, _cells(s), strict=True)) async for s in _all(instance)]
            out.document({"suppressions": found})
            return 0
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        async for s in _all(instance):
            writer.writerow([guarded(cell) for cell in _cells(s)])
    return 0


async def _all(instance: Instance) -> AsyncIterator[Suppression]:
    after = ""
    while page := await instance.ledger.suppressions.list(after, PAGE):
        for one in page:
            yield one
        after = page[-1].address


def _of_row(row: Row, key: bytes, args: Namespace) -> Suppression:
    own = {name.casefold(): value.strip() for name, value in row.variables.items()}
    reason, note = own.get("reason") or args.reason, own.get("note") or args.note
    return _suppression(row.address, key, args, reason, note, f"{args.file}:{row.line}")


def _suppression(address: Address, key: bytes, args: Namespace, reason: str, note: str, source: str) -> Suppression:
    return Suppression(
        hash=address_hash(key, canonical(address)),
        address=address.given,
        reason=reason,
        scope=_scope(args),
        source=source,
        who=session.who(args),
        note=note,
    )


def _scope(args: Namespace) -> str:
    return f"stream:{args.stream}" if args.stream else "all"


def _where(scope: str) -> str:
    return "everything" if scope == "all" else scope.replace(":", " ")


def _cells(s: Suppression) -> tuple[str, ...]:
    return (s.address, s.reason, s.scope, s.source, s.who, s.note, iso(s.at) or "")


def _added(fresh: int, valid: int, bad: list[BadRow], out: Out) -> None:
    if out.json:
        lines = [{"line": b.line, "reason": b.reason} for b in bad]
        out.document({"added": fresh, "known": valid - fresh, "invalid": lines})
    known = f"; {number(valid - fresh)} there already" if valid > fresh else ""
    out.line(f"{plural(fresh, 'address', 'addresses')} suppressed{known}.")
    if bad:
        out.line(f"{plural(len(bad), 'row')} could not be read.")
        out.table(("line", "why"), [(str(b.line), b.reason) for b in bad[:SHOWN]], right=(0,))
