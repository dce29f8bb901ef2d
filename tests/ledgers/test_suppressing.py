"""What is asked of an address's events looks at these events alone."""

from __future__ import annotations

from pathlib import Path

from kakitome.ledgers.sqlite.connection import connect, migrate
from kakitome.ledgers.sqlite.suppressing import EVENTS_OF_ADDRESSES


def test_events_of_an_address_are_found_by_their_index(tmp_path: Path) -> None:
    """However many events there are, none of another address is touched, and no large table is walked."""
    db = connect(tmp_path / "ledger.db")
    migrate(db)
    plan = [row[3] for row in db.execute(f"explain query plan {EVENTS_OF_ADDRESSES}", ("[1]",))]
    db.close()
    assert any("event_address (hash=?" in step for step in plan), plan
    assert not any(step.startswith(("SCAN e", "SCAN m", "SCAN r")) for step in plan), plan
