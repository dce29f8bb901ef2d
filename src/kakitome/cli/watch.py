"""What somebody sees who waits for a campaign: how far it is, and why it is not further."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import local, number
from kakitome.cli.progress import Pace, shown
from kakitome.core.message import Run
from kakitome.start import all_messages, open_messages
from kakitome.worker import Worker

FAILURES = ("failed", "dead", "unresolved")


class Watch:
    """Looks at the counters and the gates, and says each reason to wait once."""

    def __init__(self, instance: Instance, worker: Worker, run: Run, args: Namespace) -> None:
        self._instance = instance
        self._worker = worker
        self._args = args
        self._shown = shown(f"Sending {run.name}")
        self.say = self._shown.say
        self._pace = Pace()
        self._said = ""
        lanes = [instance.lanes[name] for name in instance.route(run.stream)]
        self._gates = {gate for lane in lanes for gate in (f"lane:{lane.name}", f"account:{lane.account}")}

    async def look(self, run: Run) -> int:
        """Show how far it is; answers how many are open."""
        rows = await self._instance.ledger.reads.rows(run.id)
        left, total = open_messages(rows), all_messages(rows)
        failures = {name: rows[name] for name in FAILURES}
        self._shown.show(total - left, total, self._pace.facts(total - left, left, failures))
        why = await self._why(run, rows) if left else ""
        if why and why != self._said:
            self.say(why)
        self._said = why or self._said
        return left

    async def _why(self, run: Run, rows: Mapping[str, int]) -> str:
        """Why nothing goes out at this moment, "" while something does."""
        if run.state == "paused":
            return f"Paused. Go on with: {session.command(self._args, 'campaign', 'resume', run.name)}"
        now = self._instance.clock.now()
        for gate in await self._instance.ledger.accounts.stopped(now):
            if gate.gate in self._gates:
                until = f"until {local(gate.until)}" if gate.until else "until somebody resumes it"
                answer = f" The answer was: {gate.detail}" if gate.detail else ""
                return f"The {gate.gate.replace(':', ' ')} is stopped {until}: {gate.reason}.{answer}"
        if self._worker.waiting == "quota":
            return f"The quota of the day is used up; sending goes on at {local(self._worker.waiting_until)}."
        if rows["queued"] or rows["sending"]:
            return await self._later(rows, now)
        return f"{number(rows['in_doubt'])} in doubt: waiting for an event, or for the deadline."

    async def _later(self, rows: Mapping[str, int], now: int) -> str:
        due = None if rows["sending"] else await self._instance.ledger.runnable.next_due(now)
        return "" if due is None or due <= now else f"{number(rows['queued'])} wait until {local(due)}."

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._shown.close()
