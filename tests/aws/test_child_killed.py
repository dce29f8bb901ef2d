"""A child that dies in the middle, as by a time-out, and runs again by Retry or redrive."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter

import pytest
from container import Context, Place
from test_mapped_run import ended, items, planned

from kakitome.aws import child
from kakitome.aws.composition import Here
from s3_store import Store

CHILD = """
import json, os, signal, sys
from functools import partial
from kakitome.app import opened
from kakitome.aws import child, composition

def step(name):
    if name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

class Context:
    def get_remaining_time_in_millis(self):
        return 90_000

composition.opened = partial(opened, step=step)
child.handler(json.load(sys.stdin), Context())
"""
LATER = 600_000
"""Milliseconds, behind every lease."""


def killed(place: Place, step: str, event: object) -> None:
    """A container of its own that takes the rows and dies by SIGKILL at the step."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, step],
        input=json.dumps(event),
        env=os.environ | place.words,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("step", "written"),
    [("before_claim", 0), ("after_claim", 0), ("after_render", 0), ("after_reply", 1), ("before_settle", 7)],
)
def test_who_dies_in_the_middle_doubles_nothing(place: Place, held: Store, step: str, written: int) -> None:
    """At each step: run again, it sends what was not claimed, and leaves alone what was. Behind the lease that is in
    doubt, whether the provider has it or not; no row is missing."""
    told = planned(held=held)
    killed(place, step, {"Items": items(told)})
    assert len(place.sent()) == written
    child.handler({"Items": items(told)}, Context())
    claimed = 0 if step == "before_claim" else 7
    assert len(place.sent()) == (written if claimed else 7)

    async def later(here: Here) -> int:
        clock, sweeps = here.instance.clock, here.instance.ledger.sweeps
        assert await sweeps.lease_over(99, clock.now()) == 0
        return await sweeps.lease_over(99, clock.now() + LATER)

    assert place.ask(later) == claimed
    child.handler({"Items": items(told)}, Context())
    assert max(Counter(place.to()).values(), default=1) == 1
    assert ended(told)["missing"] == 0
    assert place.rows("hello") == ({"read": 7, "in_doubt": 7} if claimed else {"read": 7, "sent": 7})
