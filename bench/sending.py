"""How many mails a second go out, from the ledger to the provider's yes and back into the ledger?

The provider is the simulator, itself a Python process on the same cores: these figures say as much about it. Beside
them, to the same simulator: what one writes without thinking about it.
"""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import ExitStack
from pathlib import Path

import control
from figure import Figure
from kakitome.app import opened
from kakitome.config import Config
from kakitome_simulator.remote import Remote
from processes import process, sending
from stage import campaign, configuration, simulator

ROWS = 4_000
WAYS = {"smtp": "SMTP", "ses": "the SES API"}


def measure(folder: Path) -> list[Figure]:
    os.environ.update(AWS_ACCESS_KEY_ID="bench", AWS_SECRET_ACCESS_KEY="bench")
    figures = []
    for provider, way in WAYS.items():
        for processes in (1, 2):
            with simulator() as remote:
                config = configuration(folder / f"{provider}-{processes}", remote, provider)
                rate = ROWS / _campaign(config, processes)
                _check(remote)
            many = "1 process" if processes == 1 else f"{processes} processes"
            figures.append(Figure(what=f"mails over {way}, {many}", measured=rate, unit="/s"))
    return [*figures, _naive(folder / "naive.db")]


def _campaign(config: Config, processes: int) -> float:
    """Seconds from the first look to the last settlement."""
    asyncio.run(_take_in(config))
    with ExitStack() as stack:
        workers = [stack.enter_context(process(sending, config, True)) for _ in range(processes)]
        for worker in workers:
            worker.recv()
        began = time.perf_counter()
        for worker in workers:
            worker.send("go")
        for worker in workers:
            worker.recv()
        return time.perf_counter() - began


async def _take_in(config: Config) -> None:
    async with opened(config) as instance:
        await campaign(instance, ROWS)


def _naive(path: Path) -> Figure:
    control.prepare(path, ROWS)
    with simulator() as remote:
        rate = ROWS / control.send(path, remote.smtp or "")
        _check(remote)
    return Figure(what="naive control: smtplib, a commit a mail", measured=rate, unit="/s", note="1 connection")


def _check(remote: Remote) -> None:
    if (arrived := remote.state()["recipients"]) != ROWS:
        raise RuntimeError(f"{arrived} mails arrived of {ROWS}")
