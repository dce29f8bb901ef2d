"""What does a mail use of DynamoDB, and what does a million cost on AWS?

A list by a Distributed Map's way, one that is taken in first (also for an account that takes 14 a second), rows that a
Map leaves to workers, and single mails, on an emulator; the provider is the simulator. The units are AWS's
(`ledgers.dynamodb.sizes`), refused conditions, reads in batches and what is written once for many mails among them.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from figure import Figure
from kakitome.core.aws_forms import Setting, Units, ours, per_million, published
from kakitome.core.aws_prices import AS_OF, REGIONS

sys.path.append(str(Path(__file__).parents[1] / "tests"))  # its emulator and its scale

ROWS, SINGLE = 1_000, 100
SLOW, SLOW_ROWS = 14.0, 560
"""What a new account takes in a second, and forty seconds of it."""

RATE = 50.0
"""Mails a second that the provider takes, where functions wait for it."""


def measure(folder: Path) -> list[Figure]:
    from dynamo_costs import Used, left, mapped, single, started

    def of(name: str, used: dict[str, Used], limit: float | None, mails: int) -> list[Figure]:
        steps = ", ".join(f"{step} {one.units:.2f}" for step, one in used.items())
        places = sorted({place for one in used.values() for place in one.written})
        whole = sum(one.units for one in used.values())
        note = f"{steps}; {mails:,} mails, refused included"
        figures = [Figure(what=f"write units, {name}", measured=whole, limit=limit, note=note)]
        for place in places:
            units = sum(one.written.get(place, 0.0) for one in used.values())
            figures.append(Figure(what=f"  of the {place if place == 'table' else place + ' index'}", measured=units))
        refused, read = (sum(getattr(one, part) for one in used.values()) for part in ("refused", "read"))
        figures.append(Figure(what="  refused", measured=refused))
        return [*figures, Figure(what="  read units", measured=read)]

    def in_a_folder(name: str) -> Path:
        (made := folder / f"{folder.name}-{name}").mkdir()
        return made

    by_map = asyncio.run(mapped(in_a_folder("mapped"), ROWS))
    without = asyncio.run(mapped(in_a_folder("without"), ROWS, provider_ids=False))
    by_start = asyncio.run(started(in_a_folder("started"), ROWS))
    start_without = asyncio.run(started(in_a_folder("start-without"), ROWS, provider_ids=False))
    slowly = asyncio.run(started(in_a_folder("slowly"), SLOW_ROWS, rate=SLOW))
    to_workers = asyncio.run(left(in_a_folder("left"), ROWS))
    alone = asyncio.run(single(in_a_folder("single"), SINGLE))
    figures = of("a row by a Map, to delivered", by_map, 6, ROWS)
    figures += of("the same without provider_ids", without, 5, ROWS)
    figures += of("a row by campaign start", by_start, 6, ROWS)
    figures += of("the same without provider_ids", start_without, 5, ROWS)
    figures += of(f"the same at {SLOW:.0f} a second", slowly, 6, SLOW_ROWS)
    figures += of("a row that a Map leaves to workers", to_workers, 6, ROWS)
    figures += of("a single mail, to delivered", alone, 14, SINGLE)
    units = Units(
        sent=by_map["sent"].units,
        feed=by_map["fed"].units,
        told=by_map["told"].units,
        reads=by_map["sent"].read + by_map["fed"].read,
        reads_told=by_map["told"].read,
    )
    return figures + [figure for region in REGIONS for figure in _dollars(units, region)]


def _dollars(units: Units, region: str) -> list[Figure]:
    form, other = per_million(ours(Setting(rate=RATE), units), region), per_million(published(), region)
    note = f"list prices of {AS_OF}, {RATE:.0f} mails a second; the published form {float(other['sending']):.2f}"
    sending = Figure(
        what=f"sending and state, a million, {region}",
        measured=float(form["sending"]),
        unit="USD",
        limit=float(other["sending"] / 20),
        note=note,
    )
    events = Figure(
        what=f"events, a million mails, {region}",
        measured=float(form["events"]),
        unit="USD",
        note=f"two events a mail; the published form {float(other['events']):.2f}",
    )
    return [sending, events]
