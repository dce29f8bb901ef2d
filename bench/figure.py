"""What is a figure? Something measured, the limit it must keep, and whether it does."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """`measured` is None where the thing is not there yet. Without a `limit` a figure only informs."""

    what: str
    measured: float | None
    unit: str = ""
    limit: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.limit is None or self.measured is None:
            return "–"
        return "ok" if self.measured <= self.limit else "NO"


def table(figures: Iterable[Figure]) -> str:
    """Aligned columns: what, measured, limit, verdict, note."""
    rows = [("", "measured", "limit", "", "")]
    rows += [(f.what, _shown(f.measured, f.unit), _shown(f.limit, f.unit), f.verdict, f.note) for f in figures]
    widths = [max(_width(row[k]) for row in rows) for k in range(5)]
    return "\n".join(_line(row, widths) for row in rows)


def document(figures: Iterable[Figure]) -> bytes:
    """For programs: one JSON object a figure, with its verdict."""
    return msgspec.json.encode([{**msgspec.structs.asdict(f), "verdict": f.verdict} for f in figures])


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0] + " " * (widths[0] - _width(row[0]))]
    cells += [" " * (width - _width(cell)) + cell for cell, width in zip(row[1:4], widths[1:4], strict=True)]
    return "  ".join([*cells, row[4]]).rstrip()


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    number = f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
    return f"{number} {unit}".rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
