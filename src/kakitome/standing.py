"""Why does nothing of a run go out at this moment? Read from the ledger, so that any process can answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.core.policy import Kind
from kakitome.ports.ledger import Ledger

PAUSED, QUOTA, NO_WORKER = "paused", "quota", "no_worker"
RUN, WORKER = "run", "worker"


class Obstacle(msgspec.Struct, frozen=True, kw_only=True):
    """`gate`: `run` (paused by `who`), `account:NAME` or `lane:NAME` (stopped; `detail` is the provider's last answer),
    `quota:ACCOUNT` (used up), `worker` (none lives). `until` in ms; None: until a person does something."""

    gate: str
    reason: str
    since: int | None = None
    until: int | None = None
    detail: str = ""
    who: str = ""

    @property
    def name(self) -> str:
        return self.gate.partition(":")[2]


async def obstacles(run: Run, route: Sequence[Lane], ledger: Ledger, now: int) -> list[Obstacle]:
    """What is in the way of this run's mail on its route, the gravest first. A lane that is free takes it all the same:
    see `blocked`."""
    found = []
    if run.state == "paused":
        entry = await ledger.journal.paused(run.id)
        guard = entry is not None and entry.kind == "guard_paused"
        who = "the guard" if guard else str(entry.data.get("who") or "") if entry else ""
        found.append(Obstacle(gate=RUN, reason=PAUSED, since=entry.at if entry else None, who=who))
    gates = {gate for lane in route for gate in (f"lane:{lane.name}", f"account:{lane.account}")}
    found += [
        Obstacle(gate=gate.gate, reason=gate.reason, since=gate.since, until=gate.until, detail=gate.detail)
        for gate in await ledger.accounts.stopped(now)
        if gate.gate in gates
    ]
    accounts = {lane.account for lane in route}
    parked = {
        one.account: Obstacle(gate=f"quota:{one.account}", reason=QUOTA, since=one.since, until=one.until)
        for one in reversed(await ledger.accounts.parked(now))
        if one.account in accounts and (run.policy.kind is Kind.BULK or not one.lists)
    }
    return [*found, *parked.values()]


def blocked(route: Sequence[Lane], found: Sequence[Obstacle]) -> bool:
    """Whether nothing can go: the run itself stands, or each lane of its route does."""
    gates = {obstacle.gate for obstacle in found}
    return bool(gates & {RUN, WORKER}) or all(
        gates & {f"lane:{lane.name}", f"account:{lane.account}", f"quota:{lane.account}"} for lane in route
    )


def told(obstacle: Obstacle, now: int, when: Callable[[int], str]) -> str:
    """What a stopped gate or a used-up quota means for the mail behind it. `when` writes a time (ms) as its reader has
    it."""
    if obstacle.gate.startswith("quota:"):
        at = f" at {when(obstacle.until)}, or" if obstacle.until is not None else ""
        used_up = f"The quota of the day of {obstacle.name} is used up"
        return f"{used_up}; sending goes on{at} as soon as the provider gives more."
    answer = f" The answer was: {obstacle.detail}" if obstacle.detail else ""
    if obstacle.until is None:
        until = "is stopped until somebody resumes it"
    elif obstacle.until <= now:
        until = "is tried again, one mail at a time"
    else:
        until = f"is stopped until {when(obstacle.until)}"
    return f"The {obstacle.gate.replace(':', ' ')} {until}: {obstacle.reason}.{answer}"
