"""`campaign status, report, pause, resume, cancel`."""

from __future__ import annotations

from argparse import Namespace
from collections import Counter

from kakitome import start as verb
from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.account import account, document, show
from kakitome.cli.figures import cost_document, cost_of, details, rates_document, share, show_costs, show_rates
from kakitome.cli.out import Out, number
from kakitome.core.lifecycle import State
from kakitome.core.message import Run
from kakitome.core.reason import reason
from kakitome.ports.reads import Search
from kakitome.statistics import rates

PAGE = 1_000
REPORTED = (State.FAILED, State.DEAD, State.UNRESOLVED)


async def status(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        told = await account(instance, await verb.campaign(args.name, instance.ledger), alone=True)
        show(told, args, out)
    return told.exit_code


async def report(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        run = await verb.campaign(args.name, instance.ledger)
        told = await account(instance, run, alone=True)
        reasons = await _reasons(instance, run, told.rows)
        found, more = await rates(instance.ledger, [run]), await details(instance, [run.id], out)
        costs = await cost_of(instance, run)
    failures = [{"state": s, "reason": why, "count": n} for (s, why), n in reasons.most_common()]
    if out.json:
        figures = {"rates": {**rates_document(found.totals, found.sent), "failed": share(*found.failed)}}
        out.document({**document(told), "failures": failures, **figures, **more.document(), **cost_document(costs)})
        return told.exit_code
    show(told, args, out)
    out.line("\nrates\n")
    show_rates(found, out)
    more.show(out)
    if costs:
        out.line("\nwhat the provider accepted\n")
        show_costs(costs, out)
    if reasons:
        out.line("\nwhy what failed failed\n")
        out.table(("", "", ""), [(number(n), s, why) for (s, why), n in reasons.most_common()], right=(0,))
    return told.exit_code


async def _reasons(instance: Instance, run: Run, rows: dict[str, int]) -> Counter[tuple[str, str]]:
    reads, counted, after = instance.ledger.reads, Counter[tuple[str, str]](), 0
    states = tuple(state for state in REPORTED if rows[state.word])
    while states and (page := await reads.search(Search(run=run.id, states=states, after=after, n=PAGE))):
        last = {a.message: a for a in await reads.attempts([view.id for view in page])}
        counted.update((view.state.word, reason(last.get(view.id)).sentence) for view in page)
        after = page[-1].id
    return counted


async def pause(args: Namespace, out: Out) -> int:
    return await _move(args, out, "paused", "What is on the wire is finished; nothing more is sent.")


async def resume(args: Namespace, out: Out) -> int:
    return await _move(args, out, "running", "It goes on.")


async def cancel(args: Namespace, out: Out) -> int:
    return await _move(args, out, "cancelled", "What was not sent will not be sent.")


async def _move(args: Namespace, out: Out, to: str, said: str) -> int:
    async with session.instance(args, out) as instance:
        run = await verb.campaign(args.name, instance.ledger)
        run = await instance.ledger.runs.move(run.id, to, session.who(args), instance.clock.now())
        rows = await instance.ledger.reads.rows(run.id)
        if out.json:
            out.document({"name": run.name, "state": run.state, "rows": rows})
        else:
            out.line(f"{run.name}: {run.state}. {said} {number(rows['sent'])} sent, {_rest(rows)}.")
        if to == "running" and verb.open_messages(rows):
            await session.say_if_idle(instance, args, out)
    return 0


def _rest(rows: dict[str, int]) -> str:
    left = verb.open_messages(rows)
    said = f"{number(left)} open" if left or not rows["cancelled"] else f"{number(rows['cancelled'])} cancelled"
    return said + (f", {number(rows['missing'])} of the list missing" if rows["missing"] else "")
