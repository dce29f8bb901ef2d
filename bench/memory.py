"""How much memory does a list of a million rows take, and how long are its plan and its import?

In a process of its own, through what `campaign start` calls. Peak resident memory is what the kernel counted.
"""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

from figure import Figure
from stage import configuration, letter, write_list

ROWS = 1_000_000


def measure(folder: Path) -> list[Figure]:
    list_ = write_list(folder / "list.csv", ROWS)
    command = [sys.executable, __file__, str(folder), str(list_)]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    note = f"{list_.stat().st_size / 1e6:.0f} MB of CSV, every row rendered"
    return [
        Figure(
            what="peak memory, plan of 1,000,000 rows", measured=told["planned_mb"], unit="MB", limit=120, note=note
        ),
        Figure(what="peak memory, plan and import", measured=told["taken_in_mb"], unit="MB", limit=120),
        Figure(what="plan of a million rows", measured=told["plan_s"], unit="s"),
        Figure(what="import of a million rows", measured=told["import_s"], unit="s"),
    ]


def peak_mb() -> float:
    """`VmHWM` belongs to this program; `ru_maxrss` may be that of whoever started it, since it survives exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1_024 / 1e6
    unit = 1 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


async def _alone(folder: Path, list_: Path) -> dict[str, float]:
    from kakitome.app import opened
    from kakitome.campaign import open_run, plan, take_in
    from kakitome.lists import open_list

    async with opened(configuration(folder)) as instance:
        office, version = instance.office(), await letter(instance)
        began = time.perf_counter()
        reader = open_list(list_)
        made = await plan(reader, version, None, office)
        planned, planned_mb = time.perf_counter(), peak_mb()
        run = await open_run("letter", "letters", instance.policy("letters"), version, {}, office)
        await take_in(reader, run, 0, office)
        ended = time.perf_counter()
        if made.to_send != ROWS or (await instance.ledger.reads.rows(run.id))["queued"] != ROWS:
            raise RuntimeError("not every row was taken in")
    return {
        "plan_s": planned - began,
        "import_s": ended - planned,
        "planned_mb": planned_mb,
        "taken_in_mb": peak_mb(),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_alone(Path(sys.argv[1]), Path(sys.argv[2])))))
