"""Why nothing goes out, in words."""

from __future__ import annotations

from argparse import Namespace

from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import iso, local
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.standing import NO_WORKER, RUN, WORKER, Obstacle, obstacles, told


def route_of(instance: Instance, run: Run) -> list[Lane]:
    """A campaign of a stream that is configured no more has none."""
    return [instance.lanes[name] for name in instance.route(run.stream) if name in instance.lanes]


async def in_the_way(instance: Instance, run: Run, alone: bool = False) -> list[Obstacle]:
    """`alone`: nobody sends in this process, so it is looked whether another one does."""
    found = await obstacles(run, route_of(instance, run), instance.ledger, instance.clock.now())
    if alone and run.state == "running" and not await session.working(instance):
        found.insert(0, Obstacle(gate=WORKER, reason=NO_WORKER))
    return found


def sentence(obstacle: Obstacle, run: str, args: Namespace, now: int) -> str:
    """One, and what helps where it is a person's to help."""
    if obstacle.gate == RUN:
        by = f" by {obstacle.who}" if obstacle.who else ""
        at = f", {local(obstacle.since)}" if obstacle.since else ""
        return f"Paused{by}{at}. Go on with: {session.command(args, 'campaign', 'resume', run)}"
    if obstacle.gate == WORKER:
        return f"No worker is running. Start one: {session.command(args, 'worker')}"
    return told(obstacle, now, local)


def document(found: list[Obstacle]) -> list[dict[str, object]]:
    return [
        {
            "gate": one.gate,
            "reason": one.reason,
            "since": iso(one.since),
            "until": iso(one.until),
            "detail": one.detail,
            "who": one.who,
        }
        for one in found
    ]
