"""What a play starts on this machine, how it waits for that, and that none of it outlives the play."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO

_groups: list[subprocess.Popen[bytes]] = []


def ends_with_parent(by: signal.Signals) -> Callable[[], None]:
    """For a process that begins: it gets the signal when this one ends, even if this one is killed (on Linux)."""

    def begin() -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(1, by)  # PR_SET_PDEATHSIG
        if os.getpgrp() != os.getpid():
            os.setpgrp()  # a Ctrl-C is for the command in front; these end when it has ended

    return begin


@contextmanager
def group(
    command: Sequence[str], environment: Mapping[str, str], where: Path, said: IO[bytes] | int
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with all that it starts; all of it ends here."""
    process = subprocess.Popen(
        command,
        env=environment,
        cwd=where,
        stdout=said,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=ends_with_parent(signal.SIGKILL),
    )
    _groups.append(process)
    try:
        yield process
    finally:
        _kill(process)
        process.wait()
        _groups.remove(process)


def ends_whole() -> None:
    """SIGTERM ends this process at once, wherever it is, and its groups with it. (An exception would have to pass
    whatever it meets.)"""

    def end(*_: object) -> None:
        for process in _groups:
            _kill(process)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, end)


def wait_until(holds: Callable[[], bool], seconds: float, otherwise: str, look: float = 0.1) -> None:
    """`look`: seconds between two looks, at least. One that costs something is not taken as often: those who play need
    the machine, too."""
    until = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        if holds():
            return
        if began > until:
            raise SystemExit(f"{otherwise} (after {seconds:g} seconds).")
        time.sleep(max(look, min(1.0, time.monotonic() - began)))


def free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [s.getsockname()[1] for s in sockets]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
