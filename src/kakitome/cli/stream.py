"""`stream list, pause, resume`: the endless runs of single mails."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Sequence

import msgspec

from kakitome.app import ALWAYS, Instance
from kakitome.cli import session
from kakitome.cli.out import Out, number
from kakitome.core.guard import Level, remedy, sentence
from kakitome.core.message import Run
from kakitome.ports.guards import Watched, WatchedStream
from kakitome.start import open_messages


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        whole = {stream.stream: stream for stream in await instance.ledger.guards.streams() if stream.verdict}
        stopped = await _stopped(instance)
        names = sorted({*ALWAYS, *instance.config.streams})
        told = [await _told(instance, name, whole.get(name), stopped.get(name, [])) for name in names]
    if out.json:
        out.document({"streams": told})
        return 0
    rows = [
        (str(t["name"]), str(t["kind"]), str(t["state"]), number(int(str(t["open"]))), str(t["guard"])) for t in told
    ]
    out.table(("stream", "kind", "", "open", "the guard"), rows, right=(3,))
    for name in sorted({*whole, *stopped}):
        _show_whole(name, whole.get(name), stopped.get(name, []), args, out)
    return 0


async def _stopped(instance: Instance) -> dict[str, list[Watched]]:
    """By stream, what the guard paused with all of its stream and nobody has resumed, the oldest first."""
    stopped: dict[str, list[Watched]] = {}
    for run in reversed(await instance.ledger.runs.list()):
        if run.state == "paused":
            for there in await instance.ledger.guards.watched(run.id):
                if there.verdict and there.verdict.level is Level.PAUSED and there.verdict.stream:
                    stopped.setdefault(run.stream, []).append(there)
    return stopped


def _show_whole(name: str, whole: WatchedStream | None, stopped: Sequence[Watched], args: Namespace, out: Out) -> None:
    """A stream as a whole, if the guard had something to say of it, and how each run that it stopped goes on."""
    verdict = (whole and whole.verdict) or (stopped[-1].verdict if stopped else None)
    if verdict is None:
        return
    did = "paused all of it" if verdict.level is Level.PAUSED else "warned of all of it"
    out.line(f"\n{name}: the guard {did}. {sentence(verdict)}")
    if not stopped:
        return
    out.line(f"{remedy(verdict)} Then, each by its name,\n")
    for there in stopped:
        kind, word = ("campaign", there.run.name) if there.run.campaign else ("stream", there.run.stream)
        out.line(f"  {session.command(args, kind, 'resume', word)}")


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


async def _told(
    instance: Instance, name: str, whole: WatchedStream | None, stopped: Sequence[Watched]
) -> dict[str, object]:
    run = await instance.ledger.runs.find(f"stream:{name}")
    rows = await instance.ledger.reads.rows(run.id) if run else {}
    watched = await instance.ledger.guards.watched(run.id) if run else ()
    return {
        "name": name,
        "kind": instance.policy(name).kind.value,
        "state": run.state if run else "unused",
        "open": open_messages(rows) if rows else 0,
        "guard": _guard(run, watched),
        "whole": msgspec.to_builtins(whole.verdict) if whole and whole.verdict else None,
        "paused_together": [there.run.name for there in stopped],
    }


def _guard(run: Run | None, watched: Sequence[Watched]) -> str:
    verdict = watched[0].verdict if run and watched else None
    if run is None or verdict is None:
        return ""
    paused = verdict.level is Level.PAUSED and run.state == "paused"
    if verdict.stream:
        return "paused it with the whole stream" if paused else ""
    return f"{'paused it' if paused else 'warned'}: {sentence(verdict)}"
