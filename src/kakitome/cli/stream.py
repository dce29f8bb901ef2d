"""`stream list, pause, resume`: the endless runs of single mails."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

from kakitome.app import ALWAYS, Instance
from kakitome.cli import session
from kakitome.cli.out import Out, number
from kakitome.core.guard import Level, sentence
from kakitome.core.message import Run
from kakitome.ports.guards import Watched
from kakitome.start import open_messages


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        told = [await _told(instance, name) for name in sorted({*ALWAYS, *instance.config.streams})]
    if out.json:
        out.document({"streams": told})
        return 0
    rows = [
        (str(t["name"]), str(t["kind"]), str(t["state"]), number(int(str(t["open"]))), str(t["guard"])) for t in told
    ]
    out.table(("stream", "kind", "", "open", "the guard"), rows, right=(3,))
    return 0


async def pause(args: Namespace, out: Out) -> int:
    return await _move(args, out, "paused", "Single mails of this stream wait; campaigns are paused each by its name.")


async def resume(args: Namespace, out: Out) -> int:
    return await _move(args, out, "running", "It goes on.")


async def _move(args: Namespace, out: Out, to: str, said: str) -> int:
    async with session.instance(args, out) as instance:
        ledger, now = instance.ledger, instance.clock.now()
        run = await ledger.runs.stream(args.name, instance.policy(args.name), now)
        run = await ledger.runs.move(run.id, to, session.who(args), now)
        left = open_messages(await ledger.reads.rows(run.id))
        if out.json:
            out.document({"name": args.name, "state": run.state, "open": left})
        else:
            out.line(f"{args.name}: {run.state}. {said} {number(left)} open.")
        if to == "running" and left:
            await session.say_if_idle(instance, args, out)
    return 0


async def _told(instance: Instance, name: str) -> dict[str, object]:
    run = await instance.ledger.runs.find(f"stream:{name}")
    rows = await instance.ledger.reads.rows(run.id) if run else {}
    watched = await instance.ledger.guards.watched(run.id) if run else ()
    return {
        "name": name,
        "kind": instance.policy(name).kind.value,
        "state": run.state if run else "unused",
        "open": open_messages(rows) if rows else 0,
        "guard": _guard(run, watched),
    }


def _guard(run: Run | None, watched: Sequence[Watched]) -> str:
    verdict = watched[0].verdict if run and watched else None
    if run is None or verdict is None:
        return ""
    paused = verdict.level is Level.PAUSED and run.state == "paused"
    return f"{'paused it' if paused else 'warned'}: {sentence(verdict)}"
