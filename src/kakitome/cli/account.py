"""The account of a campaign, as every command about campaigns prints it."""

from __future__ import annotations

from argparse import Namespace
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from kakitome.app import Instance
from kakitome.cli import session, standing
from kakitome.cli.out import Out, iso, local, number
from kakitome.core.guard import Level, Verdict, remedy, sentence
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import NEEDS_A_PERSON, State
from kakitome.core.message import MessageView, Run
from kakitome.core.reason import reason
from kakitome.ports.reads import DELIVERY, ROWS, Search
from kakitome.standing import Obstacle, blocked
from kakitome.start import needs_a_person, open_messages

NAMED = 10
"""Messages that wait for a person and are named."""

_WORDS = {"in_doubt": "in doubt", "already": "already had it"}
_ORDER = ("sent", *(name for name in ROWS if name not in ("read", "sent")))


@dataclass(frozen=True, slots=True)
class Account:
    run: Run
    template: str
    rows: dict[str, int]
    delivery: dict[str, int]
    rejects: str | None
    waiting: list[tuple[MessageView, str]]
    guard: Verdict | None = None
    whole: Verdict | None = None  # what the guard said last of its stream as a whole, where that is not `guard`
    standing: list[Obstacle] = field(default_factory=list)
    blocked: bool = False
    at: int = 0

    @property
    def exit_code(self) -> int:
        return 3 if needs_a_person(self.rows) else 0


async def account(instance: Instance, run: Run, alone: bool = False) -> Account:
    """`alone`: nobody sends in this process."""
    ledger = instance.ledger
    rows = await ledger.reads.rows(run.id)
    waiting: list[tuple[MessageView, str]] = []
    if needs_a_person(rows):
        views = await ledger.reads.search(Search(run=run.id, states=tuple(sorted(NEEDS_A_PERSON)), n=NAMED))
        last = {a.message: a for a in await ledger.reads.attempts([view.id for view in views])}
        waiting = [(view, reason(last.get(view.id)).sentence) for view in views]
    pinned = await ledger.templates.pinned(run.template) if run.template is not None else None
    waits = run.state in ("running", "paused") and open_messages(rows)
    guard = next((there.verdict for there in await ledger.guards.watched(run.id)), None)
    streams = await ledger.guards.streams() if run.state in ("running", "paused") else ()
    whole = next((stream.verdict for stream in streams if stream.stream == run.stream), None)
    found = await standing.in_the_way(instance, run, alone) if waits else []
    return Account(
        run=run,
        template=f"{pinned.name}, version {pinned.version}" if pinned else "–",
        rows=rows,
        delivery=await ledger.reads.delivery(run.id),
        rejects=_rejects(instance, run),
        waiting=waiting,
        guard=guard,
        whole=whole if whole != guard else None,
        standing=found,
        blocked=bool(waits) and blocked(standing.route_of(instance, run), found),
        at=instance.clock.now(),
    )


def rejects_path(instance: Instance, name: str, asked_for: str | None) -> Path:
    return Path(asked_for) if asked_for else instance.folder / "rejects" / f"{name}.csv"


def _rejects(instance: Instance, run: Run) -> str | None:
    pinned = msgspec.json.decode(run.pinned, type=dict[str, str]).get("rejects")
    places = [Path(pinned)] if pinned else []
    return next((str(p) for p in [*places, rejects_path(instance, run.name, None)] if p.exists()), None)


def document(told: Account) -> dict[str, object]:
    return {
        "name": told.run.name,
        "state": told.run.state,
        "stream": told.run.stream,
        "template": told.template,
        "created": iso(told.run.created),
        "rows": told.rows,
        "delivery": told.delivery,
        "rejects": told.rejects,
        "guard": None if told.guard is None else msgspec.to_builtins(told.guard),
        "guard_of_stream": None if told.whole is None else msgspec.to_builtins(told.whole),
        "blocked": told.blocked,
        "standing": standing.document(told.standing),
        "needs_a_person": [
            {"id": message_text(view.id), "recipient": view.address, "state": view.state.word, "reason": why}
            for view, why in told.waiting
        ],
    }


def show(told: Account, args: Namespace, out: Out) -> None:
    if out.json:
        out.document(document(told))
        return
    out.line(f"{told.run.name}: {told.run.state}  ({told.template}; since {local(told.run.created)})\n")
    rows = [("read", number(told.rows["read"]), "")]
    rows += [
        (_WORDS.get(name, name), number(told.rows[name]), _remark(name, told)) for name in _ORDER if told.rows[name]
    ]
    out.table(("", "", ""), rows, right=(1,))
    came = [(name, number(told.delivery[name])) for name in DELIVERY if told.delivery[name]]
    if came:
        out.line("\nof those that were sent, the provider says\n")
        out.table(("", ""), came, right=(1,))
    _show_standing(told, args, out)
    _show_guard(told, args, out)
    _show_waiting(told, args, out)


def _show_standing(told: Account, args: Namespace, out: Out) -> None:
    if not told.standing:
        return
    out.line("\nnothing goes out now\n" if told.blocked else "\nit goes out by another lane now\n")
    for one in told.standing:
        out.line(f"  {standing.sentence(one, told.run.name, args, told.at)}")


def _show_guard(told: Account, args: Namespace, out: Out) -> None:
    if told.whole is not None:
        did = "paused its whole stream" if told.whole.level is Level.PAUSED else "warned of its whole stream"
        out.line(f"\nThe guard {did}: {sentence(told.whole)}")
    if told.guard is None:
        return
    if told.guard.level is not Level.PAUSED or told.run.state != "paused":
        out.line(f"\nThe guard warned: {sentence(told.guard)}")
        return
    out.line(f"\nThe guard paused it{' with its whole stream' if told.guard.stream else ''}: {sentence(told.guard)}")
    out.line(f"{remedy(told.guard)} Then\n")
    out.line(f"  {session.command(args, 'campaign', 'resume', told.run.name)}")
    if told.guard.stream:
        out.line(f"\nWhat else was paused with it: {session.command(args, 'stream', 'list')}")


def _remark(name: str, told: Account) -> str:
    if name == "invalid" and told.rejects:
        return f"in {told.rejects}"
    if name == "missing":
        return "never came" if told.run.state == "cancelled" else "rows of the list that have not come yet"
    return ""


def _show_waiting(told: Account, args: Namespace, out: Out) -> None:
    if not told.waiting:
        return
    out.line("\nfor a person\n")
    rows = [(message_text(v.id), v.address or "–", v.state.word, why) for v, why in told.waiting]
    out.table(("", "", "", ""), rows)
    more = needs_a_person(told.rows) - len(told.waiting)
    if more:
        out.line(f"  and {number(more)} more")
    out.line("")
    for state, words in (
        (State.DEAD, ("recover", "--campaign", told.run.name)),
        (State.UNRESOLVED, ("doubt", "list")),
    ):
        if told.rows[state.word]:
            out.line(f"  {session.command(args, *words)}")
