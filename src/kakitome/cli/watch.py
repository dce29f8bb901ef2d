"""What somebody sees who waits for a campaign: how far it is, and why it is not further."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from types import TracebackType
from typing import Self

from kakitome.app import Instance
from kakitome.cli import standing
from kakitome.cli.out import local, number
from kakitome.cli.progress import Pace, shown
from kakitome.core.message import Run
from kakitome.start import all_messages, open_messages

FAILURES = ("failed", "dead", "unresolved")


class Watch:
    """Looks at the counters and the gates, and says each reason to wait once."""

    def __init__(self, instance: Instance, run: Run, args: Namespace) -> None:
        self._instance = instance
        self._args = args
        self._shown = shown(f"Sending {run.name}")
        self.say = self._shown.say
        self._pace = Pace()
        self._said = ""

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
        now = self._instance.clock.now()
        for obstacle in await standing.in_the_way(self._instance, run):
            if obstacle.until is None or obstacle.until > now:  # what is only tried again was told before
                return standing.sentence(obstacle, run.name, self._args, now)
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
