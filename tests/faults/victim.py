"""The one that is killed: a worker, and a caller that hands mail in all the time.

Every acknowledged id is written to a file at once: what stands there must not be lost, whatever happens to this
process a microsecond later.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path
from random import Random

from kakitome.accept import Handed, accept
from kakitome.app import Instance, opened
from kakitome.campaign import open_run, take_in
from kakitome.config import Config
from kakitome.core.lifecycle import OPEN, State
from kakitome.core.message import Admitted
from kakitome.core.submission import MessageRequest
from kakitome.lists import ListFile
from kakitome.ports.reads import Search

BURST = 5


def crash_at(name: str, times: int) -> Callable[[str], None]:
    """A step that kills this process when `name` comes for the `times`th time."""
    left = times

    def step(at: str) -> None:
        nonlocal left
        if at == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return step


def stop_at(name: str, times: int) -> Callable[[str], None]:
    """A step that stops this process, as a debugger or a full freezer does, when `name` comes the `times`th time."""
    left = times

    def step(at: str) -> None:
        nonlocal left
        if at == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGSTOP)

    return step


def no_step(_: str) -> None:
    return None


def live(
    config: Config,
    acknowledged: Path,
    step: Callable[[str], None],
    seed: int,
    stream: str,
    feed: int,
    feed_first: bool = False,
) -> None:
    """Work, and hand in `feed` bursts meanwhile (or first), until killed."""
    asyncio.run(_live(config, acknowledged, step, seed, stream, feed, feed_first))


async def _live(
    config: Config,
    acknowledged: Path,
    step: Callable[[str], None],
    seed: int,
    stream: str,
    feed: int,
    feed_first: bool,
) -> None:
    async with opened(config, step=step) as instance:
        worker = instance.worker(random=Random(seed))
        if feed_first:
            await _feed(instance, acknowledged, seed, stream, feed)
            await worker.run()
        await asyncio.gather(worker.run(), _feed(instance, acknowledged, seed, stream, feed))


async def _feed(instance: Instance, acknowledged: Path, seed: int, stream: str, bursts: int) -> None:
    fd = os.open(acknowledged, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for burst in range(bursts):
        names = [f"{seed}-{burst}-{k}" for k in range(BURST)]
        for answer in await accept([_mail(name, stream) for name in names], instance.desk()):
            if not isinstance(answer, Admitted):
                raise answer
            os.write(fd, f"{answer.messages[0]}\n".encode())
        await asyncio.sleep(0.01)


def _mail(name: str, stream: str) -> Handed:
    request = MessageRequest(sender="a@example.com", to=[f"u{name}@example.com"], subject="Hi", text="x", stream=stream)
    return Handed(request, key=name)


def import_list(config: Config, reader: ListFile, template: bytes, step: Callable[[str], None]) -> None:
    """Take a list in, to its last row."""
    asyncio.run(_import_list(config, reader, template, step))


async def _import_list(config: Config, reader: ListFile, source: bytes, step: Callable[[str], None]) -> None:
    async with opened(config, step=step) as instance:
        now = instance.clock.now()
        template = await instance.ledger.templates.put("t", "t", source, now)
        run = await open_run("faults", "faults", instance.policy("faults"), template, {}, instance.office())
        await take_in(reader, run, now, instance.office())
        await instance.ledger.runs.move(run.id, "running", "test", now)


def finish(config: Config, stream: str, traffic: bool) -> None:
    """Work until nothing is open any more. While there is doubt, a little traffic goes on, as it would in real life:
    silence is evidence only beside mails that are heard of."""
    asyncio.run(_finish(config, stream, traffic))


async def _finish(config: Config, stream: str, traffic: bool) -> None:
    async with opened(config) as instance:
        worker = instance.worker()
        working = asyncio.create_task(worker.run())
        beat = 0
        while await _any(instance, *OPEN):
            if traffic and beat % 5 == 0 and await _any(instance, State.IN_DOUBT):
                await accept([_mail(f"beat-{instance.clock.now()}", stream)], instance.desk())
            beat += 1
            await asyncio.sleep(0.05)
        worker.stop()
        await working


async def _any(instance: Instance, *states: State) -> bool:
    return bool(await instance.ledger.reads.search(Search(states=states, n=1)))
