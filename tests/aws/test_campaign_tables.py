"""A campaign with a table of its own where functions run: the clock's pass of the feed reads its stream."""

from __future__ import annotations

from pathlib import Path

import pytest
from container import Context, container
from test_mapped_run import ended, items, planned

from dynamo_rig import REGION, asked, emulated
from kakitome.aws import child, feed
from kakitome.ledgers.dynamodb import schema
from s3_store import Store


def test_what_happens_in_a_campaigns_table_is_counted_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Store
) -> None:
    """With `feed = "elsewhere"` nobody counts who asks; the clock's event names no shard, and the function reads all
    streams. Twice is nothing new."""
    table = "functions"
    asked("CreateTable", **schema.definition(table))
    words = {"URL": f"dynamodb://{table}?region={REGION}&endpoint={emulated()}", "FEED": "elsewhere"}
    more = {f"KAKITOME_LEDGER__{name}": word for name, word in {**words, "CAMPAIGN_TABLES": "own"}.items()}
    with container(tmp_path, monkeypatch, **more) as place:
        told = planned(held=held)
        child.handler({"Items": items(told)}, Context())
        assert ended(told)["missing"] == 0 and len(place.sent()) == 7
        assert place.rows("hello") == {"read": 7, "missing": 7}
        for _ in range(2):
            assert feed.handler({}, None) == {"batchItemFailures": []}
            assert place.rows("hello") == {"read": 7, "sent": 7}
    [own] = [name for name in asked("ListTables")["TableNames"] if name.startswith(f"{table}-")]
    assert own.startswith(f"{table}-hello-20")
