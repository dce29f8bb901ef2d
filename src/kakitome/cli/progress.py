"""How far it is, on stderr: a bar on a terminal, elsewhere a line every few seconds."""

from __future__ import annotations

import os
import sys
from collections import deque
from collections.abc import Mapping
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from kakitome.cli.out import number, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

QUIET = 5.0  # seconds between two lines
WINDOW = 10.0  # seconds over which the rate is taken


def watched() -> bool:
    """Whether somebody looks at stderr on a terminal that can draw."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


class Shown(Protocol):
    def show(self, done: int, total: int, facts: str) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def shown(title: str) -> Shown:
    return _Bar(title) if watched() else _Lines(title)


class _Lines:
    def __init__(self, title: str) -> None:
        self._title = title
        self._next = monotonic() + QUIET

    def show(self, done: int, total: int, facts: str) -> None:
        if monotonic() < self._next:
            return
        self._next = monotonic() + QUIET
        count = f"{number(done)} of {number(total)}" if total else number(done)
        self.say(f"{self._title}: {count}{', ' if facts else ''}{facts}")

    def say(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        return None


class _Bar:
    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console: Console = Console(stderr=True, highlight=False)
        self._bar: Progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[count]}"),
            TextColumn("{task.fields[facts]}", style="dim"),
            console=self._console,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task(title, total=None, count="", facts="")
        self._bar.start()

    def show(self, done: int, total: int, facts: str) -> None:
        count = f"{number(done)}/{number(total)}" if total else number(done)
        self._bar.update(self._task, completed=done, total=total or None, count=count, facts=facts)

    def say(self, text: str) -> None:
        self._console.print(text, markup=False)

    def close(self) -> None:
        self._bar.stop()


class Reading:
    """A pass over a list; its length is not known before its end."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._shown: Shown | None = None

    def rows(self, n: int) -> None:
        if self._shown is None:  # a short list is read before anything could be drawn
            self._shown = shown(self._title)
        self._shown.show(n, 0, "rows")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown is not None:
            self._shown.close()


class Pace:
    """How fast `done` grows, over the last seconds."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def facts(self, done: int, left: int, failures: Mapping[str, int]) -> str:
        now = monotonic()
        self._seen.append((now, done))
        while self._seen[0][0] < now - WINDOW:
            self._seen.popleft()
        (then, before), told = self._seen[0], []
        rate = (done - before) / (now - then) if now > then else 0.0
        if rate >= 0.05:
            told.append(f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s")
            told.append(f"{span(left / rate)} left")
        told += [f"{number(n)} {name}" for name, n in failures.items() if n]
        return ", ".join(told)
