"""The books, and a ledger that was restored from a backup."""

from __future__ import annotations

import shutil

from terminal import Terminal


def test_a_restored_ledger_says_so_and_waits_for_a_word(here: Terminal) -> None:
    """Every command names what happened, what it means for the mail and the command that ends it."""
    mail = ("send", "--from", "a@example.com", "--to", "b@example.com", "--subject", "x", "--text", "y")
    ledger = here.folder / "data" / "ledger.db"
    here.run(*mail)
    shutil.copy(ledger, ledger.with_name("backup.db"))
    here.run(*mail)
    shutil.copy(ledger.with_name("backup.db"), ledger)

    assert "ledger release --who" in here.run("unsent").err
    assert here.run("ledger", "release", "--who", "ada").code == 0
    assert "ledger release" not in here.run("unsent").err


def test_the_books_agree(here: Terminal) -> None:
    """A recount of a healthy ledger finds nothing."""
    here.run("send", "--from", "a@example.com", "--to", "b@example.com", "--subject", "x", "--text", "y")
    said = here.run("ledger", "verify")
    assert said.code == 0
    assert "agree" in said.out
