"""`campaign start`: plan, take the list in, and work until the campaign is done."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

from kakitome import start as verb
from kakitome.app import Instance
from kakitome.campaign import open_run, take_in
from kakitome.cli import session
from kakitome.cli.account import account, rejects_path, show
from kakitome.cli.footer import checked
from kakitome.cli.interrupt import Interruption, interruptible
from kakitome.cli.out import Out, number, plural
from kakitome.cli.plan import Rejects, listed, planned
from kakitome.cli.progress import Reading
from kakitome.cli.template import template
from kakitome.cli.trouble import told
from kakitome.cli.watch import Watch
from kakitome.core.message import Run
from kakitome.lists import ListFile

LOOK = 0.1  # seconds between two looks at the counters


class _Interrupted(Exception):
    """Somebody pressed Ctrl-C while the list was read."""


async def start(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        with interruptible() as interruption, told(out.note):
            try:
                run = await _prepared(instance, args, out, interruption)
            except _Interrupted:
                return _interrupted(args, out)
            if args.detach:
                await session.say_if_idle(instance, args, out)
            else:
                run = await _work(instance, run, args, out, interruption)
        return await _end(instance, run, args, out)


def _interrupted(args: Namespace, out: Out) -> int:
    if out.json:
        out.document({"error": "interrupted", "command": session.same_command(args)})
    out.note("Stopped while the list was read; this start has sent nothing. Go on with the same command:")
    out.note(f"  {session.same_command(args)}")
    return 1


async def _prepared(instance: Instance, args: Namespace, out: Out, interruption: Interruption) -> Run:
    """The campaign, running, with the whole list in the ledger."""
    ledger, now = instance.ledger, instance.clock.now()
    name = verb.check_name(args.name or args.template)
    policy = instance.policy(args.stream)
    verb.check_bulk(args.stream, policy)
    instance.mailing.check_reachable(args.stream)
    version = await template(instance, args.template)
    run = await verb.find(name, ledger)
    rows = await ledger.reads.rows(run.id) if run else {}
    if run is not None:
        pinned = await ledger.templates.pinned(run.template) if run.template is not None else None
        verb.check_guard(await ledger.guards.watched(run.id))
        verb.check_again(run, args.stream, version, pinned, rows, now)

    def heard() -> None:
        if interruption.asked:
            raise _Interrupted

    reader = listed(args)
    path = rejects_path(instance, name, args.rejects)
    with Rejects(path) as rejects:
        plan = await planned(instance, reader, version, run, rejects, heard, args.stream)
    verb.check_left(run, plan, rows, args.template, now)
    checked(instance, reader, version, args.stream, out)
    facts = f"{plural(plan.rows, 'row')}: {number(plan.to_send)} to send, {number(plan.already)} already have it, "
    out.note(f"{facts}{number(plan.duplicate)} duplicate, {number(plan.invalid)} invalid.")
    heard()
    run = run or await open_run(name, args.stream, policy, version, _pinned(reader, path), instance.office())
    run = await _imported(instance, reader, run, args, plan.rows, heard)
    run = await ledger.runs.move(run.id, "running", session.who(args), instance.clock.now())
    await instance.queue.ring(policy.kind.value)
    return run


def _pinned(reader: ListFile, rejects: Path) -> dict[str, str]:
    version = {"version": reader.version} if reader.version else {}
    return {"list": reader.path, "digest": reader.digest, "rejects": str(rejects), **version}


async def _imported(
    instance: Instance, reader: ListFile, run: Run, args: Namespace, about: int, heard: Callable[[], None]
) -> Run:
    due = round(args.send_at.timestamp() * 1000) if args.send_at else instance.clock.now()
    with Reading("Taking the list in") as reading:

        def progress(rows: int) -> None:
            reading.rows(rows)
            heard()

        return await take_in(reader, run, due, instance.office(progress), about)


async def _work(instance: Instance, run: Run, args: Namespace, out: Out, interruption: Interruption) -> Run:
    """With a worker of our own, for this campaign only, until nothing of it is open or somebody stops it."""
    worker = instance.worker(only=run.id)
    interruption.call(worker.stop)
    working = asyncio.create_task(worker.run())
    with Watch(instance, run, args) as watch, told(watch.say):
        while not working.done():
            await asyncio.wait({working}, timeout=LOOK)
            run = await verb.campaign(run.name, instance.ledger)
            if not await watch.look(run) or run.state in ("cancelled", "done"):
                worker.stop()
    await working
    return run


async def _end(instance: Instance, run: Run, args: Namespace, out: Out) -> int:
    rows = await instance.ledger.reads.rows(run.id)
    left = verb.open_messages(rows)
    if not left and not rows["missing"] and run.state == "running":
        run = await instance.ledger.runs.move(run.id, "done", session.who(args), instance.clock.now())
    told = await account(instance, run)
    show(told, args, out)
    if run.state == "cancelled":
        out.note("The campaign was cancelled.")
        return 1
    if left and not args.detach:
        out.note(f"Stopped: {plural(left, 'mail')} not sent yet, and none is lost. Go on with")
        if run.state == "paused":
            out.note(f"  {session.command(args, 'campaign', 'resume', run.name)}")
        out.note(f"  {session.same_command(args)}")
        return 1
    return told.exit_code
