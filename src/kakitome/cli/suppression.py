"""`suppression list, add, remove, export`: who is not written to."""

from __future__ import annotations

import csv
import sys
from argparse import Namespace

from kakitome.cli import session
from kakitome.cli.out import Out, iso, local, number, plural
from kakitome.core.address import Address, address_hash, canonical, parse_address
from kakitome.core.suppression import ALL, stream_scope
from kakitome.lists.rejects import guarded
from kakitome.ports.records import Suppression
from kakitome.suppress import all_suppressions

COLUMNS = ("address", "reason", "scope", "source", "who", "note", "at")


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        found = [s async for s in all_suppressions(instance.ledger)]
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
    _added(fresh, len(wanted), out)
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
                hash, scope(args), session.who(args), args.note, instance.clock.now()
            ):
                gone.append(address.given)
    if out.json:
        out.document({"removed": gone})
    for address in addresses:
        known = address.given in gone
        out.line(f"{address.given} {'may be written to again' if known else 'was not suppressed here'}.")
    return 0 if gone else 1


async def export(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        if out.json:
            found = [dict(zip(COLUMNS, _cells(s), strict=True)) async for s in all_suppressions(instance.ledger)]
            out.document({"suppressions": found})
            return 0
        writer = csv.writer(sys.stdout)
        writer.writerow(COLUMNS)
        async for s in all_suppressions(instance.ledger):
            writer.writerow([guarded(cell) for cell in _cells(s)])
    return 0


def _suppression(address: Address, key: bytes, args: Namespace, reason: str, note: str, source: str) -> Suppression:
    return Suppression(
        hash=address_hash(key, canonical(address)),
        address=address.given,
        reason=reason,
        scope=scope(args),
        source=source,
        who=session.who(args),
        note=note,
    )


def scope(args: Namespace) -> str:
    return stream_scope(args.stream) if args.stream else ALL


def _where(scope: str) -> str:
    return "everything" if scope == ALL else scope.replace(":", " ")


def _cells(s: Suppression) -> tuple[str, ...]:
    return (s.address, s.reason, s.scope, s.source, s.who, s.note, iso(s.at) or "")


def _added(fresh: int, valid: int, out: Out) -> None:
    if out.json:
        out.document({"added": fresh, "known": valid - fresh, "invalid": []})
    out.line(added(fresh, valid))


def added(fresh: int, valid: int) -> str:
    known = f"; {number(valid - fresh)} there already" if valid > fresh else ""
    return f"{plural(fresh, 'address', 'addresses')} suppressed{known}."
