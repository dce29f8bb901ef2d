"""What runs: the server, a worker, the simulator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kakitome.cli.grammar.words import command

if TYPE_CHECKING:
    from kakitome.cli.grammar.words import Family


def running(commands: Family) -> None:
    serve = command(commands, "serve", "serve:serve", "API, pages and worker in one process")
    serve.add_argument("--address", metavar="HOST:PORT", help="default: [http] address, 127.0.0.1:8700")
    worker = command(commands, "worker", "serve:worker", "send what is due, until told to stop")
    worker.add_argument(
        "--http", metavar="HOST:PORT", help="be woken by posts (Elastic Beanstalk's worker environments)"
    )
    command(commands, "simulator", "main:misplaced", "a mail provider on this machine, to try and to test against")
