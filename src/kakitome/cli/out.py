"""What is printed: results on stdout, messages for people on stderr; with --json one document and nothing else.

Tables are rich's on a terminal and plain, aligned columns everywhere else: what is piped must not change with a width.
"""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

GAP = "  "


class Out:
    """Where a command speaks. `right` in a table are the indexes of columns that are set flush right."""

    def __init__(self, json: bool) -> None:
        self.json = json

    def document(self, value: object) -> None:
        print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode(), flush=True)

    def line(self, text: str = "") -> None:
        """A result for people; silent with --json."""
        if not self.json:
            print(text, flush=True)

    def note(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    def table(self, heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
        if self.json:
            return
        if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
            _rich(heads, rows, right)
        else:
            for line in plain_table(heads, rows, right):
                print(line)


def plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> list[str]:
    """Aligned by the width that characters have on a screen, where 髙 is as wide as two letters."""
    whole = [heads, *rows] if any(heads) else list(rows)
    widths = [max((width(row[k]) for row in whole), default=0) for k in range(len(heads))]
    lines = []
    for row in whole:
        cells = []
        for k, cell in enumerate(row):
            space = " " * (widths[k] - width(cell))
            cells.append(space + cell if k in right else cell + space)
        lines.append((GAP + GAP.join(cells)).rstrip())
    return lines


def width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _rich(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=any(heads), header_style="bold", padding=(0, 0, 0, 2))
    for k, head in enumerate(heads):
        table.add_column(head, justify="right" if k in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console(highlight=False).print(table)


def number(n: int) -> str:
    return f"{n:,}"


def iso(at: int | None) -> str | None:
    """A time for programs: RFC 3339, UTC, milliseconds."""
    if at is None:
        return None
    return datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def local(at: float | None) -> str:
    """A time (ms) for people at this machine: in its own time zone."""
    return "–" if at is None else f"{datetime.fromtimestamp(at / 1000).astimezone():%Y-%m-%d %H:%M}"


def exact(at: datetime) -> str:
    """A moment of a history: to the second, in this machine's time zone."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"


def plural(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def span(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes = divmod((whole + 59) // 60, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
