"""Time at a third of its speed, for the provider and for whoever sends: `python slowly.py BEGAN simulator --rate …`,
and any other command of kakitome's likewise.

A rate is kept to a fortieth of a second at either end of the way (`core.pacing`). A machine that has more to do than it
can lets a process wait for longer; by these clocks, it is a third of that.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from kakitome import app
from kakitome.cli import main as ours
from kakitome_simulator import simulator
from kakitome_simulator.clock import Accelerated
from kakitome_simulator.remote import Remote

SLOWNESS = 3.0


class SlowClock:
    """Shows the time that it is at `began`, Unix seconds; what several processes share has one `began`."""

    def __init__(self, began: float) -> None:
        self._began = began

    def now(self) -> int:
        return int(1000 * (self._began + (time.time() - self._began) / SLOWNESS))

    def monotonic(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME) / SLOWNESS

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(SLOWNESS * seconds)


def command(began: float, *words: str) -> list[str]:
    """How a process that runs `kakitome …` so slowly is started."""
    return [sys.executable, __file__, str(began), *words]


@contextmanager
def running(*words: str) -> Iterator[Remote]:
    """A simulator in a process of its own, by its slow clock."""
    with subprocess.Popen(command(time.time(), "simulator", *words), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the simulator did not start"
            yield Remote(**json.loads(line))
        finally:
            process.terminate()


def main(began: float, words: list[str]) -> int:
    vars(simulator)["SystemClock"] = partial(Accelerated, 1 / SLOWNESS)
    vars(app)["SystemClock"] = partial(SlowClock, began)
    return ours.main(words)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
