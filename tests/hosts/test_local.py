"""Who lives, who is certainly gone, and who might be."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kakitome.core.ids import Fence, MessageId
from kakitome.hosts.local import LocalHost
from kakitome.ports.workers import Mark, MarkKind, WorkerRecord

NOW = 1_800_000_000_000
CHILD = """
import sys, time
from pathlib import Path
from kakitome.core.ids import Fence, MessageId
from kakitome.hosts.local import LocalHost
host = LocalHost(Path(sys.argv[1]))
marks = host.begin("w1")
marks.mark(MessageId(7), Fence(3), 1)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process of this host, which holds w1's lock and has one mail on the wire."""
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()
    process.stdin.close()


def descriptors() -> int:
    """How many this process has open."""
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def record(host: LocalHost, worker: str = "w1") -> WorkerRecord:
    return host.record(worker, NOW)


def test_a_killed_worker_is_gone_and_a_stopped_one_is_not(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """The kernel frees the lock at any death and not before; the marks outlive it."""
    host = LocalHost(tmp_path)
    assert not host.certainly_gone(record(host))
    child.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
    assert not host.certainly_gone(record(host))
    child.kill()
    child.wait()
    assert host.certainly_gone(record(host))
    assert host.marks_of(record(host)) == [Mark(MessageId(7), Fence(3), MarkKind.ON_THE_WIRE)]


def test_to_ask_does_not_take_the_lock(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """A second reaper gets the same answer as the first."""
    child.kill()
    child.wait()
    first, second = LocalHost(tmp_path), LocalHost(tmp_path)
    assert first.certainly_gone(record(first))
    assert second.certainly_gone(record(second))
    assert first.certainly_gone(record(first))


@pytest.mark.parametrize("field", ["host", "boot"])
def test_another_host_or_boot_is_never_certain(child: subprocess.Popen[str], tmp_path: Path, field: str) -> None:
    """Its lock looks free from here, and says nothing."""
    child.kill()
    child.wait()
    host = LocalHost(tmp_path)
    assert not host.certainly_gone(msgspec.structs.replace(record(host), **{field: "another"}))


def test_a_missing_lock_is_not_certain(tmp_path: Path) -> None:
    """Another container may have the same host name and another folder."""
    host = LocalHost(tmp_path)
    assert not host.certainly_gone(record(host, "w-elsewhere"))


def test_one_is_never_gone_to_oneself(tmp_path: Path) -> None:
    """Workers of one process may share the host."""
    host = LocalHost(tmp_path)
    host.begin("w1")
    assert not host.certainly_gone(record(host))
    assert not LocalHost(tmp_path).certainly_gone(record(host))


def test_forgetting_leaves_nothing(tmp_path: Path) -> None:
    """Neither files nor descriptors, however often."""
    before = descriptors()
    host = LocalHost(tmp_path)
    host.begin("w1").close()
    host.forget(record(host))
    host.forget(record(host))
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before
    assert host.marks_of(record(host)) is None


def test_a_name_is_begun_once(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """Nobody takes the lock, or the marks, of one who lives."""
    with pytest.raises(OSError):
        LocalHost(tmp_path).begin("w1")
    assert not LocalHost(tmp_path).certainly_gone(record(LocalHost(tmp_path)))


def test_tidying_takes_the_unknown_dead_and_nobody_else(child: subprocess.Popen[str], tmp_path: Path) -> None:
    """A living worker that the ledger does not know yet, a dead one that it still knows: both keep their traces."""
    host = LocalHost(tmp_path)
    host.begin("w2")
    before = sorted(tmp_path.iterdir())
    host.tidy([])
    assert sorted(tmp_path.iterdir()) == before
    child.kill()
    child.wait()
    host.tidy(["w1"])
    assert sorted(tmp_path.iterdir()) == before
    host.tidy([])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["w2.lock", "w2.marks"]


def test_a_lock_is_held_before_its_name_can_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who tidies up, or asks, at that very moment must not take a worker that begins for one that is gone."""
    import fcntl

    seen: list[str] = []
    flock = fcntl.flock

    def watched(fd: int, how: int) -> None:
        seen.extend(path.name for path in tmp_path.glob("*.lock"))
        flock(fd, how)

    monkeypatch.setattr("kakitome.hosts.local.fcntl.flock", watched)
    host = LocalHost(tmp_path)
    host.begin("w1")
    assert seen == []
    assert [path.name for path in tmp_path.glob("*.lock")] == ["w1.lock"]
    assert not LocalHost(tmp_path).certainly_gone(record(host))


def test_a_worker_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    """The disk has no room for its marks: no lock is left, and none is held."""
    host = LocalHost(tmp_path)
    before = descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, hard))
    try:
        with pytest.raises(OSError):
            host.begin("w1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
    assert descriptors() == before
