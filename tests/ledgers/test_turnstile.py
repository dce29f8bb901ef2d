"""All writers of a file take turns, and a dead one holds nobody up."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from kakitome.ledgers.sqlite.turnstile import Turnstile

HOLD = """
import sys
from pathlib import Path
from kakitome.ledgers.sqlite.turnstile import Turnstile
with Turnstile(Path(sys.argv[1])).turn():
    print("mine", flush=True)
    sys.stdin.read()
"""


def is_held(path: Path, which: str) -> bool:
    """Whether somebody holds this lock now."""
    fd = os.open(f"{path}-{which}", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def test_a_turn_is_held_by_one(path: Path) -> None:
    """While a turn lasts the write lock is taken and `next` is free for who comes; afterwards both are free."""
    turnstile = Turnstile(path)
    with turnstile.turn():
        assert (is_held(path, "write"), is_held(path, "next")) == (True, False)
    assert (is_held(path, "write"), is_held(path, "next")) == (False, False)
    turnstile.close()


def test_a_turn_ends_with_an_error_too(path: Path) -> None:
    """What goes wrong in a turn does not keep the others out."""
    turnstile = Turnstile(path)
    with pytest.raises(RuntimeError), turnstile.turn():
        raise RuntimeError
    assert not is_held(path, "write")
    turnstile.close()


def test_who_waits_is_before_who_comes_back(path: Path) -> None:
    """A writer that wants the next turn at once cannot pass one that waits: nobody is starved."""
    first, second = Turnstile(path), Turnstile(path)
    order: list[str] = []

    def wait_and_write() -> None:
        with second.turn():
            order.append("second")

    with first.turn():
        order.append("first")
        waiting = threading.Thread(target=wait_and_write)
        waiting.start()
        deadline = time.monotonic() + 10
        while not is_held(path, "next"):  # until the other one stands in line
            assert time.monotonic() < deadline
            os.sched_yield()
    with first.turn():
        order.append("first")
    waiting.join()
    assert order == ["first", "second", "first"]
    first.close()
    second.close()


def test_a_killed_holders_turn_ends_with_it(path: Path) -> None:
    """kill -9 in the middle of a turn leaves no lock behind."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        assert is_held(path, "write")
        holder.kill()
    turnstile = Turnstile(path)
    with turnstile.turn():
        assert is_held(path, "write")
    turnstile.close()


def test_a_child_does_not_inherit_the_turn(path: Path) -> None:
    """A program started by the worker must not hold its locks after the worker is gone."""
    turnstile = Turnstile(path)
    assert not any(os.get_inheritable(fd) for fd in (turnstile._next, turnstile._write))
    turnstile.close()
