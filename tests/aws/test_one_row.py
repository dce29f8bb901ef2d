"""What a child with one row costs: the form of the account S2, and all that the emulator hands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from container import Context, Place, container
from test_mapped_run import items, planned

from dynamo_rig import REGION, asked, emulated
from emulator import KEYS
from kakitome.aws import child
from kakitome.aws.composition import Here
from kakitome.ledgers.dynamodb import schema
from kakitome.ledgers.dynamodb.ledger import DynamoLedger
from s3_store import Store

TABLE = "one-row"
LIST = "email,name\n" + "".join(f"r{n}@example.com,R{n}\n" for n in range(9))
EIGHT = {"batch_get_item": 4, "put_item": 3, "batch_write_item": 1}


@pytest.fixture
def at_dynamodb(tmp_path: Path, held: Store, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    asked("CreateTable", **schema.definition(TABLE))
    more = {"KAKITOME_LEDGER__URL": f"dynamodb://{TABLE}?region={REGION}&endpoint={emulated()}"}
    try:
        with container(tmp_path, monkeypatch, **more) as place:
            yield place
    finally:
        asked("DeleteTable", TableName=TABLE)


def calls(place: Place) -> Counter[str]:
    """Requests to DynamoDB so far."""

    async def told(here: Here) -> Counter[str]:
        ledger = here.instance.ledger
        assert isinstance(ledger, DynamoLedger)
        return Counter(ledger.runs._desk.table.meter.calls)

    found: Counter[str] = place.ask(told)
    return found


def hands(place: Place, row: dict[str, Any]) -> Counter[str]:
    before = calls(place)
    assert child.handler(row, Context()) == {"items": 1, "rows": 1, "waiting": 0}
    return calls(place) - before


def test_a_row_alone_takes_eight_requests(at_dynamodb: Place, held: Store) -> None:
    """In a warm container: what is stopped, the run, its note, the row, one last look, the outcome, whose id it is 2; a
    ninth where a rate holds. No record of a worker, no template, and no more of them for the rows that came before."""
    rows = items(planned(LIST, held=held), LIST)
    hands(at_dynamodb, rows[0])
    used = [hands(at_dynamodb, row) for row in rows[1:]]
    assert all(one == EIGHT for one in used), used
    assert len(at_dynamodb.sent()) == 9


def test_a_warm_child_has_the_same_hands(at_dynamodb: Place, held: Store) -> None:
    """One lock and one file of marks for the container; after an error others, and what was held is given up."""
    rows = items(planned(LIST, held=held), LIST)
    for row in rows[:3]:
        hands(at_dynamodb, row)
    workers = at_dynamodb.outbox.parent / "workers"
    before = {file.name for file in workers.iterdir()}
    assert len(before) == 2

    def broken() -> int:
        raise RuntimeError("of ours")

    context = Context()
    context.get_remaining_time_in_millis = broken  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        child.handler(rows[3], context)
    assert list(workers.iterdir()) == []
    hands(at_dynamodb, rows[3])
    assert before.isdisjoint(file.name for file in workers.iterdir())


def test_a_pause_is_heard_by_a_warm_child(at_dynamodb: Place, held: Store) -> None:
    """It remembers the run for a moment; what it takes in waits all the same."""
    rows = items(planned(LIST, held=held), LIST)
    hands(at_dynamodb, rows[0])

    async def pause(here: Here) -> None:
        ledger = here.instance.ledger
        run = await ledger.runs.find("hello")
        assert run is not None
        await ledger.runs.move(run.id, "paused", "aya", here.instance.clock.now())

    at_dynamodb.ask(pause)
    child.handler(rows[1], Context())
    assert len(at_dynamodb.sent()) == 1
    assert at_dynamodb.rows("hello") == {"read": 9, "queued": 1, "sent": 1, "missing": 7}
