"""A table that the rows of one campaign have for themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

import msgspec

from kakitome.core.ids import RunId

LONGEST: Final = 255
"""Characters of a table's name."""

_OTHERS: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Own(msgspec.Struct, frozen=True):
    """`pruned`: when it was thrown away, in milliseconds."""

    table: str
    pruned: int | None = None


def own_name(table: str, campaign: str, run: RunId, now: int) -> str:
    """`TABLE-CAMPAIGN-YYYY-MM-DD-RUN`: the day is that of `now` (ms) in UTC; no two runs have one name."""
    behind = f"-{datetime.fromtimestamp(now / 1000, UTC):%Y-%m-%d}-{run}"
    return f"{table}-{_OTHERS.sub('_', campaign)}"[: LONGEST - len(behind)] + behind
