"""What DynamoDB charges for: capacity units by operation and by table or index.

*Amazon DynamoDB API Reference*, "ConsumedCapacity". A write that fails its condition is charged like a write (by the
size of what is there), but its refusal does not say how much: those are counted in `refused`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

READS: Final = frozenset({"get_item", "batch_get_item", "query"})


@dataclass
class Meter:
    """Sums since it was made. Pass one in, read it, subtract two copies: nothing here resets itself."""

    calls: Counter[str] = field(default_factory=Counter)
    """Requests that were answered with a result, by operation."""

    refused: Counter[str] = field(default_factory=Counter)
    """Requests whose condition failed, by operation."""

    again: Counter[str] = field(default_factory=Counter)
    """Requests that were repeated: throttled, no answer, an error of the service's."""

    units: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    """Capacity units by operation and by place: the name of an index, or "table"."""

    @property
    def write_units(self) -> float:
        return sum(n for (operation, _), n in self.units.items() if operation not in READS)

    @property
    def read_units(self) -> float:
        return sum(n for (operation, _), n in self.units.items() if operation in READS)

    def by_place(self, *, written: bool = True) -> dict[str, float]:
        """Write units by table or index; read units with `written=False`."""
        found: defaultdict[str, float] = defaultdict(float)
        for (operation, place), units in self.units.items():
            if (operation not in READS) == written:
                found[place] += units
        return dict(found)

    def add(self, operation: str, answer: Mapping[str, Any]) -> None:
        """One answered request. `answer` is what the SDK gave."""
        self.calls[operation] += 1
        told = answer.get("ConsumedCapacity") or ()
        for consumed in [told] if isinstance(told, Mapping) else told:
            indexes = consumed.get("GlobalSecondaryIndexes") or {}
            apart = {name: part.get("CapacityUnits") or 0.0 for name, part in indexes.items()}
            for name, units in apart.items():
                self.units[operation, name] += units
            # A transaction's answer may have the sum without the table's part of it.
            rest = (consumed.get("CapacityUnits") or 0.0) - sum(apart.values())
            self.units[operation, "table"] += (consumed.get("Table") or {}).get("CapacityUnits", rest)
