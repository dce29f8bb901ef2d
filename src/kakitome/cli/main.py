"""From arguments to an exit code: 0 done, 1 refused or failed, 2 wrong usage or configuration, 3 done, but something
needs a person."""

from __future__ import annotations

import importlib
import os
import sys
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kakitome.cli.grammar import grammar

if TYPE_CHECKING:
    from kakitome.cli.out import Out
    from kakitome.core.errors import KakitomeError

DONE, FAILED, USAGE, NEEDS_A_PERSON = 0, 1, 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Raises `SystemExit` only as argparse does: 0 behind --help, 2 for wrong usage."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] == ["simulator"]:  # its options are its own
        return _simulator(words[1:])
    args = grammar().parse_args(words)
    args.words = words
    try:
        return _run(args)
    except BrokenPipeError:  # the reader (`| head`) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _run(args: Namespace) -> int:
    debug = args.debug or bool(os.environ.get("KAKITOME_DEBUG"))
    try:
        from kakitome.cli.out import Out
        from kakitome.core.errors import KakitomeError
    except ModuleNotFoundError as error:
        return _lacking(error)
    out = Out(json=args.json)
    try:
        return _call(args, out)
    except KakitomeError as error:
        return _refused(error, out)
    except KeyboardInterrupt:
        out.note("Stopped.")
        return FAILED
    except ModuleNotFoundError as error:
        return _lacking(error)
    except BrokenPipeError:
        raise
    except Exception as error:
        if debug:
            raise
        out.note(f"Something unforeseen happened ({type(error).__name__}: {error}). --debug shows where.")
        return FAILED


def _call(args: Namespace, out: Out) -> int:
    import asyncio

    module, _, name = args.run.partition(":")
    command = getattr(importlib.import_module(f"kakitome.cli.{module}"), name)
    return int(asyncio.run(command(args, out)))


def _refused(error: KakitomeError, out: Out) -> int:
    from kakitome.core.errors import ConfigurationError

    out.note(error.what)
    if error.remedy:
        out.note(error.remedy)
    if out.json:
        out.document({"error": error.slug, "what": error.what, "remedy": error.remedy, **error.data})
    return USAGE if isinstance(error, ConfigurationError) else FAILED


def _lacking(error: ModuleNotFoundError) -> int:
    if error.name is None or error.name.partition(".")[0] in ("kakitome", "kakitome_simulator"):
        raise error
    print(f"This command needs {error.name}: pip install 'kakitome[server]'", file=sys.stderr)
    return USAGE


def _simulator(words: list[str]) -> int:
    try:
        from kakitome_simulator.cli import main as simulator
    except ModuleNotFoundError as error:
        return _lacking(error)
    return simulator(words)


async def misplaced(args: Namespace, out: Out) -> int:
    """`kakitome --json simulator`: what stands before its name is not the simulator's."""
    out.note("The simulator has options of its own, all behind its name: kakitome simulator --help")
    return USAGE
