"""What a worker works with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from kakitome.blame import Blame
from kakitome.core.policy import Kind
from kakitome.health import Health
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.renderer import Renderer
from kakitome.ports.workers import Marks
from kakitome.tempo import Tempo

Step = Callable[[str], None]
"""Hears each named step of the protocol; a test may pull the plug there."""


@dataclass(frozen=True, slots=True)
class Hands:
    """One worker's, shared by its loops."""

    worker: str
    ledger: Ledger
    renderer: Renderer
    marks: Marks
    clock: Clock
    random: Random
    step: Step
    stopping: Callable[[], bool]
    health: Health = field(default_factory=Health)
    blame: Blame = field(default_factory=Blame)
    tempo: Tempo = field(default_factory=Tempo)
    claiming: Mapping[Kind, asyncio.Lock] = field(default_factory=lambda: {kind: asyncio.Lock() for kind in Kind})
    """One batch at a time is looked for and claimed: of two at once, both would want the same mail."""
