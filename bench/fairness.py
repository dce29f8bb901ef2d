"""How long does an accept stand in line behind a list at full speed in another process?

A campaign whose transport costs nothing, so that the ledger is all it waits for; in another process `serve`, whose own
worker takes part in the campaign as it would in life. Mails are handed in over HTTP, one after the other. The wait is
counted in commits: whenever somebody commits to a file in WAL mode, SQLite raises a counter in the `-shm` file beside
it (`iChange`; sqlite.org/walformat.html, 2.1). Its advance between request and answer is everybody's commits, of both
processes, the accept's own among them.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import mmap
import struct
import time
from pathlib import Path
from statistics import median

from figure import Figure
from kakitome.app import opened
from kakitome.config import Config
from processes import process, sending, serving
from stage import ORDER, campaign, configuration

ROWS = 120_000
ACCEPTS = 300
CHANGES = 8
"""Offset of `iChange`, 32 bits in the machine's own order."""


def measure(folder: Path) -> list[Figure]:
    config = configuration(folder)
    asyncio.run(_take_in(config))
    with process(serving, config) as server, process(sending, config, False) as sender:
        address = server.recv()
        sender.recv()
        sender.send("go")
        commits, seconds = _accepts(address, folder / "ledger.db-shm")
        left = asyncio.run(_left(config))
    if not left:
        raise RuntimeError("the campaign was over before the accepts were")
    times = f"{median(seconds) * 1e3:.0f} ms, at most {max(seconds) * 1e3:.0f}"
    note = f"median {median(commits):.0f}; {times}; {ACCEPTS} accepts, {left:,} of {ROWS:,} mails still to go"
    return [Figure(what="commits that an accept waits beside a list", measured=max(commits), limit=10, note=note)]


async def _take_in(config: Config) -> None:
    async with opened(config) as instance:
        await campaign(instance, ROWS)


async def _left(config: Config) -> int:
    async with opened(config) as instance:
        run = await instance.ledger.runs.find("letter")
        assert run is not None
        return (await instance.ledger.reads.rows(run.id))["queued"]


def _accepts(address: str, shm: Path) -> tuple[list[int], list[float]]:
    """Commits and seconds between the request and the answer of each accept."""
    commits, seconds = [], []
    connection = http.client.HTTPConnection(address, timeout=30)
    with shm.open("rb") as file, mmap.mmap(file.fileno(), 32_768, prot=mmap.PROT_READ) as index:
        for _ in range(ACCEPTS):
            before, began = _changes(index), time.perf_counter()
            connection.request("POST", "/v1/messages", json.dumps(ORDER), {"content-type": "application/json"})
            answer = connection.getresponse()
            body = answer.read()
            seconds.append(time.perf_counter() - began)
            commits.append((_changes(index) - before) % 2**32)
            if answer.status != 202:
                raise RuntimeError(f"{answer.status}: {body!r}")
    connection.close()
    return commits, seconds


def _changes(index: mmap.mmap) -> int:
    return int(struct.unpack_from("=I", index, CHANGES)[0])
