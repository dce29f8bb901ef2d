"""How many children a list gets at once: a child that waits for its slots is paid for waiting."""

from __future__ import annotations

from pathlib import Path

import pytest
from container import container

from kakitome.aws import plan
from s3_store import PLAIN, Store

MAIL = {"subject": {"S": "Hi"}, "body": {"S": "Dear reader."}}


@pytest.mark.parametrize(
    ("rate", "children"), [("14", 1), ("80", 1), ("81", 2), ("500", 7), ("0.1", 1), ("unlimited", 10)]
)
def test_as_many_children_as_the_rate_keeps_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: Store, rate: str, children: int
) -> None:
    """One for each eighty mails a second of the account that the list begins with, and one at least."""
    held.put(b"email\na@example.com\n", bucket=PLAIN)
    words = {"KAKITOME_LANES__BOX__ACCOUNT": "own", "KAKITOME_ACCOUNTS__OWN__RATE": rate}
    with container(tmp_path, monkeypatch, **words):
        told = plan.handler({"file_name": "list.csv", "mail_id": "m", "mail": MAIL, "bucket": PLAIN}, None)
    assert told["children"] == children
