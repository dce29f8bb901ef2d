"""Who is not written to; and whether the books agree."""

from __future__ import annotations

import csv
import io
import sqlite3
from pathlib import Path

from terminal import Terminal


def addresses(here: Terminal) -> dict[str, str]:
    return {s["address"]: s["reason"] for s in here.json("suppression", "list")["suppressions"]}


def test_added_and_removed_with_a_trace(here: Terminal) -> None:
    """Twice is once; removing what is not there is exit code 1."""
    assert here.json("suppression", "add", "a@example.com", "b@example.com", "--who", "Hanako")["added"] == 2
    assert here.json("suppression", "add", "A@example.com", "--reason", "complaint")["known"] == 1
    assert addresses(here) == {"a@example.com": "manual", "b@example.com": "manual"}
    assert "Hanako" in here.run("suppression", "list").out
    assert here.json("suppression", "remove", "a@example.com")["removed"] == ["a@example.com"]
    assert here.json("suppression", "remove", "a@example.com", code=1)["removed"] == []
    assert addresses(here) == {"b@example.com": "manual"}


def test_the_next_one_to_be_asked_sees_who_removed_it(here: Terminal) -> None:
    """Explain tells what there was, from where, who removed it and why."""
    here.run("suppression", "add", "a@example.com", "--reason", "bounce", "--note", "550 no", "--who", "Aya")
    here.run("suppression", "remove", "A@example.com", "--note", "by phone", "--who", "Hanako")
    told = here.json("explain", "a@example.com")
    assert told["suppressions"] == []
    assert [line["what"] for line in told["history"]] == [
        "suppressed by Aya (bounce): 550 no",
        "no longer suppressed, removed by Hanako: by phone",
    ]


def test_for_one_stream_only(here: Terminal) -> None:
    """A scope of its own: removed by its stream, not by the address alone."""
    here.run("suppression", "add", "a@example.com", "--stream", "bulk")
    assert here.run("suppression", "remove", "a@example.com").code == 1
    assert here.run("suppression", "remove", "a@example.com", "--stream", "bulk").code == 0


def test_import_and_export_are_one_round(here: Terminal, tmp_path: Path) -> None:
    """Reasons and notes come along; a row that is no address is named with its line."""
    path = tmp_path / "list.csv"
    path.write_text("email,reason,note\na@example.com,bounce,=HYPERLINK()\nno address,,\nb@example.com,,\n")
    told = here.json("suppression", "import", str(path), "--format", "csv", "--reason", "unsubscribe")
    assert (told["added"], told["known"], [b["line"] for b in told["invalid"]]) == (2, 0, [3])
    assert addresses(here) == {"a@example.com": "bounce", "b@example.com": "unsubscribe"}
    exported = here.run("suppression", "export").out
    rows = list(csv.DictReader(io.StringIO(exported)))
    assert [row["note"] for row in rows] == ["'=HYPERLINK()", ""]
    path.write_text(exported)
    assert here.json("suppression", "import", str(path))["known"] == 2


def test_a_book_that_was_tampered_with_is_found_out(here: Terminal) -> None:
    """Exit code 1, and what does not agree."""
    here.put()
    here.start(here.list(2))
    assert here.json("ledger", "verify") == {"discrepancies": []}
    with sqlite3.connect(here.folder / "data" / "ledger.db") as db:
        db.execute("update counter set n = n + 1 where name = 'sent'")
    db.close()
    found = here.json("ledger", "verify", code=1)["discrepancies"]
    assert any((d["what"], d["expected"], d["found"]) == ("news: sent", 2, 3) for d in found)
    assert "news: sent" in here.run("ledger", "verify").out
