"""The instance that a command works on, and what every command says about it."""

from __future__ import annotations

import getpass
import os
import shlex
from argparse import Namespace
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from kakitome.app import Instance, opened
from kakitome.cli.out import Out
from kakitome.config import Config, load
from kakitome.ports.workers import HEARTBEAT_LIMIT


def configuration(args: Namespace) -> Config:
    named = args.config or os.environ.get("KAKITOME_CONFIG")
    return load(Path(named) if named else None, os.environ)


@asynccontextmanager
async def instance(args: Namespace, out: Out) -> AsyncIterator[Instance]:
    """Raises `ConfigurationError`, `LedgerUnavailable`."""
    async with opened(configuration(args)) as one:
        if one.nothing_leaves:
            out.note(f"No provider is configured: nothing leaves this machine. Mail goes into {_outbox(one)}.")
        if (why := await one.ledger.held()) is not None and args.run != "ledger:release":
            out.note(f"This ledger was restored from a backup ({why}).")
            out.note("What is queued in it may have gone out since, so nothing is sent before a person says so:")
            out.note(f"  {command(args, 'ledger', 'release', '--who', 'NAME')}")
        yield one


def _outbox(instance: Instance) -> str:
    folder = next((lane.folder for lane in instance.config.lanes.values() if lane.folder), None)
    return folder or str(instance.folder / "outbox")


def command(args: Namespace, *words: str) -> str:
    """A command to type, on the same configuration."""
    config = ["--config", args.config] if args.config else []
    return shlex.join(["kakitome", *words, *config])


def same_command(args: Namespace) -> str:
    return shlex.join(["kakitome", *args.words])


def who(args: Namespace) -> str:
    try:
        return getattr(args, "who", None) or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return f"uid {os.getuid()}"


async def working(instance: Instance) -> bool:
    """Whether a worker is known to live: its lock is held, or its heartbeat is young."""
    now = instance.clock.now()
    return any(
        not instance.host.certainly_gone(worker) and now - worker.heartbeat < HEARTBEAT_LIMIT
        for worker in await instance.ledger.workers.all()
    )


async def say_if_idle(instance: Instance, args: Namespace, out: Out) -> None:
    if not await working(instance):
        out.note(f"No worker is running, so it waits. Start one: {command(args, 'worker')}")
