"""The list of the demonstration has the flaws that the demonstration is there to show."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from kakitome.core.address import canonical
from kakitome.lists import BadRow, Row, open_list

RECIPIENTS = Path(__file__).parents[2] / "examples" / "newsletter" / "recipients.csv"


def test_recipients() -> None:
    """2,000 rows: 1,979 good ones for 1,939 people: 60 bounce, 10 are deferred, one complains; 21 bad ones."""
    rows = list(open_list(RECIPIENTS).rows())
    people = Counter(canonical(row.address) for row in rows if isinstance(row, Row))
    assert (len(rows), people.total(), len(people)) == (2000, 1979, 1939)
    played = Counter(one.partition("+")[0] for one in people if one.endswith("@simulator.example"))
    assert played == {"bounce": 60, "soft": 10, "complaint": 1}
    assert len({row.reason for row in rows if isinstance(row, BadRow)}) >= 12


def test_nobody_real_is_in_it() -> None:
    """Every address is at a domain reserved for examples, but for three old carrier addresses, which nobody receives
    mail at as long as the demonstration speaks to the simulator only."""
    rows = [row.address for row in open_list(RECIPIENTS).rows() if isinstance(row, Row)]
    reserved = ("example.com", "example.org", "example.jp", ".example")
    others = [address.envelope for address in rows if not address.domain.endswith(reserved)]
    assert len(others) == 3
    assert all(one.startswith('"') and one.endswith('"@docomo.ne.jp') for one in others)
