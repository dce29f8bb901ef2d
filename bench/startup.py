"""How long until `kakitome --help` answers, in starts of Python itself?"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from figure import Figure

RUNS = 25


def measure(folder: Path) -> list[Figure]:
    help_ = [str(Path(sys.executable).with_name("kakitome")), "--help"]
    nothing = [sys.executable, "-c", "pass"]
    pairs = [(_seconds(help_), _seconds(nothing)) for _ in range(RUNS)]
    helps, nothings = (median(times) for times in zip(*pairs, strict=True))
    note = f"{helps * 1_000:.0f} ms; `python -c pass` {nothings * 1_000:.0f} ms; medians of {RUNS}, in turns"
    return [Figure(what="kakitome --help", measured=helps / nothings, unit="×", limit=12, note=note)]


def _seconds(command: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began
