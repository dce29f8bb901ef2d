"""`make bench`: the shape of Kakitome's speed, as counts and ratios that hold on any machine.

    bench/run.py              every figure, each in a process and a folder of its own, one after the other
    bench/run.py NAME …       only these
    bench/run.py --json       for programs

Exit code 1 if a limit is broken. What is compared is measured side by side, in turns and by medians: a busy machine
makes every figure slower and leaves the ratios. Absolute times only inform.
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from figure import Figure, document, table

FIGURES = ("startup", "commits", "fairness", "paused", "growth", "memory", "pieces", "accepting", "sending", "units")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", nargs="*", metavar="NAME", help=", ".join(FIGURES))
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout")
    args = parser.parse_args()
    if unknown := set(args.name) - set(FIGURES):
        parser.error(f"there is no figure {', '.join(sorted(unknown))}; there are {', '.join(FIGURES)}")
    figures = _measured(args.name[0]) if len(args.name) == 1 else _each(args.name or FIGURES)
    sys.stdout.write(document(figures).decode() + "\n" if args.json else f"\n{table(figures)}\n")
    return int(any(figure.verdict == "NO" for figure in figures))


def _measured(name: str) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="kakitome-bench-") as folder:
        measured: list[Figure] = importlib.import_module(name).measure(Path(folder))
    return measured


def _each(names: list[str] | tuple[str, ...]) -> list[Figure]:
    """In processes of their own: none is warm, or fat, from the one before it."""
    figures: list[Figure] = []
    for name in names:
        began = time.monotonic()
        print(f"{name} …", end="", file=sys.stderr, flush=True)
        done = subprocess.run([sys.executable, __file__, name, "--json"], stdout=subprocess.PIPE)
        if not done.stdout:
            raise SystemExit(f"\n{name} failed; its traceback is above")
        figures += msgspec.json.decode(done.stdout, type=list[Figure])
        print(f" {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
    return figures


if __name__ == "__main__":
    sys.exit(main())
