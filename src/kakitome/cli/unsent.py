"""`unsent, recover, doubt, lane`: what waits for a person, and what the person says."""

from __future__ import annotations

from argparse import Namespace

from kakitome import recover as verb
from kakitome.app import Instance
from kakitome.cli import session
from kakitome.cli.out import Out, iso, local, number, plural
from kakitome.core.errors import NotFound
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import State
from kakitome.core.message import MessageView
from kakitome.ports.accounts import GateState
from kakitome.start import campaign


async def unsent(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        groups = await verb.unsent(instance.ledger, await session.working(instance), instance.clock.now())
        held = await instance.ledger.held()
    if out.json:
        out.document({"groups": [_group(group, args) for group in groups], "held": held})
    elif groups:
        _show(groups, args, out)
    elif not held:
        out.line("Nothing waits for a person.")
    return 3 if held or any(group.kind != verb.PARKED for group in groups) else 0


def _group(group: verb.Group, args: Namespace) -> dict[str, object]:
    return {
        "kind": group.kind,
        "cause": group.cause,
        "sentence": group.sentence,
        "count": group.count,
        "since": iso(group.since),
        "campaigns": group.campaigns,
        "examples": group.examples,
        "command": session.command(args, *group.command),
    }


def _show(groups: list[verb.Group], args: Namespace, out: Out) -> None:
    rows = [
        (number(g.count) if g.count else "", g.kind, g.cause, local(g.since), ", ".join(g.campaigns) or "–", g.sentence)
        for g in groups
    ]
    out.table(("", "", "cause", "since", "campaign", "why"), rows, right=(0,))
    out.line("\nwhen the cause is mended\n")
    out.table(("", ""), [(f"{g.kind}, {g.cause}", session.command(args, *g.command)) for g in groups])


async def recover(args: Namespace, out: Out) -> int:
    choice = verb.Choice(args.id, args.cause, args.campaign, args.include_expired)
    async with session.instance(args, out) as instance:
        if args.campaign:
            await campaign(args.campaign, instance.ledger)
        chosen = await verb.choose(choice, instance.ledger, instance.clock.now())
        views = chosen.views
        if not args.dry_run:
            moved = await verb.decide(views, args.close, session.who(args), args.note, instance.ledger, instance.clock)
            views = [view for view in views if view.id in set(moved)]
        _recovered(views, chosen, args, out)
        if views and not args.dry_run and not args.close:
            await session.say_if_idle(instance, args, out)
    return 3 if chosen.unresolved else 0


def _recovered(views: list[MessageView], chosen: verb.Chosen, args: Namespace, out: Out) -> None:
    done = "closed" if args.close else "queued"
    if out.json:
        out.document(
            {
                "dry_run": args.dry_run,
                done: [{"id": message_text(v.id), "recipient": v.address} for v in views],
                "unresolved": [message_text(v.id) for v in chosen.unresolved],
                "expired": [message_text(v.id) for v in chosen.expired],
            }
        )
    would = "would be" if args.dry_run else "is" if len(views) == 1 else "are"
    after = "closed" if args.close else "queued again"
    out.line(f"{plural(len(views), 'mail')} {would} {after}." if views else "There was nothing to recover.")
    out.table(("", ""), [(message_text(v.id), v.address or "–") for v in views[:10]])
    if len(views) > 10:
        out.line(f"  and {number(len(views) - 10)} more")
    if chosen.expired:
        out.note(f"{plural(len(chosen.expired), 'mail')} expired and left out; --include-expired takes them in.")
    if chosen.unresolved:
        out.note(f"{plural(len(chosen.unresolved), 'mail')} may have gone out, so left out. Decide one by one:")
        out.note(f"  {session.command(args, 'doubt', 'list')}")


async def doubts(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        found = await verb.doubts(instance.ledger, instance.lanes)
    unresolved = [one for one in found if one.view.state is State.UNRESOLVED]
    if out.json:
        out.document({"doubts": [_doubt(one) for one in found]})
        return 3 if unresolved else 0
    if not found:
        out.line("Nothing is in doubt.")
    for one in found:
        out.line(f"{message_text(one.view.id)}  {one.view.address or '–'}  {one.view.state.word.replace('_', ' ')}")
        of = one.view.run_name if one.view.campaign else f"stream {one.view.stream}"
        out.table(("", ""), [("what", of), ("since", local(one.begun)), ("lane", one.lane)])
        out.table(("", ""), [("why", one.reason.sentence), ("known", one.known)])
        out.line()
    if unresolved:
        out.line("Ask its recipient, then for each")
        out.line(f"  {session.command(args, 'doubt', 'resolve', 'ID', '--who', 'YOU')} --as sent|resend|closed")
    return 3 if unresolved else 0


def _doubt(one: verb.DoubtView) -> dict[str, object]:
    return {
        "id": message_text(one.view.id),
        "recipient": one.view.address,
        "state": one.view.state.word,
        "campaign": one.view.run_name if one.view.campaign else None,
        "stream": one.view.stream,
        "lane": one.lane,
        "since": iso(one.begun),
        "cause": one.reason.key,
        "reason": one.reason.sentence,
        "known": one.known,
    }


_AFTER = {"sent": "counts as sent", "resend": "is queued again", "closed": "is closed"}


async def resolve(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        moved = await verb.settle(args.id, args.decision, args.who, args.note, instance.ledger, instance.clock)
        if out.json:
            out.document({"decision": args.decision, "who": args.who, "ids": [message_text(id) for id in moved]})
        for id in moved:
            out.line(f"{message_text(id)} {_AFTER[args.decision]}.")
        if args.decision == "resend" and moved:
            await session.say_if_idle(instance, args, out)
    return 0


async def lanes(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        stopped = await instance.ledger.accounts.stopped(instance.clock.now())
    if out.json:
        out.document({"stopped": [_gate(gate) for gate in stopped]})
    elif stopped:
        rows = [(g.gate, g.reason, local(g.since), local(g.until), g.detail) for g in stopped]
        out.table(("", "reason", "since", "until", "answer"), rows)
    else:
        out.line("Nothing is stopped.")
    return 3 if stopped else 0


def _gate(gate: GateState) -> dict[str, object]:
    return {
        "gate": gate.gate,
        "reason": gate.reason,
        "since": iso(gate.since),
        "until": iso(gate.until),
        "detail": gate.detail,
    }


async def resume(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        await _resume(instance, args)
        await session.say_if_idle(instance, args, out)
    if out.json:
        out.document({"gate": args.gate, "resumed": True})
    out.line(f"The {args.gate.replace(':', ' ')} goes on.")
    return 0


async def _resume(instance: Instance, args: Namespace) -> None:
    if not await instance.ledger.accounts.resume(args.gate, session.who(args), instance.clock.now()):
        raise NotFound(f"{args.gate!r} is not stopped.", "kakitome lane list shows what is.")
