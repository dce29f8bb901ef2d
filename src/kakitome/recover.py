"""What was not sent and waits for a person, and a person's decision about it.

    unsent      dead, unresolved, late, stopped: grouped by cause
    choose      which messages a decision is about; nothing is changed
    decide      dead and expired ones back to queued, or closed
    doubts      what nobody knows, with what is known
    settle      a person's word on a doubt

Deciding twice is deciding once: what is queued again is dead no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from kakitome.core.errors import NotFound, StateError
from kakitome.core.evidence import NO_PROOF
from kakitome.core.ids import MessageId, SubmissionId, from_text, message_text
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import AttemptView, MessageView, Run
from kakitome.core.outcome import STOPS, Unavailability
from kakitome.core.policy import MINUTE
from kakitome.core.reason import Reason, reason
from kakitome.ports.clock import Clock
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search

LATE = 10 * MINUTE
"""Ten minutes of delay mean that something is wrong."""
PAGE = 1_000
EXAMPLES = 3
PARKED = "parked"
"""Goes on by itself: shown, but no person is needed."""

DECISIONS: Mapping[str, Cause] = {
    "sent": Cause.PERSON_SENT,
    "resend": Cause.PERSON_RESEND,
    "closed": Cause.PERSON_CLOSED,
}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Mail that waits for the same reason. `kind` is dead, unresolved, late, stopped or parked; `cause` the word that
    `recover` takes; `since` (ms) the oldest; `command` what to type, without the program's name."""

    kind: str
    cause: str
    sentence: str
    count: int
    since: int | None
    campaigns: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    command: tuple[str, ...] = ()


async def unsent(ledger: Ledger, working: bool, now: int) -> list[Group]:
    """Everything that waits for a person, grouped. `working`: whether a worker is known to live."""
    groups: dict[tuple[State, str], list[_Case]] = {}
    for case in await _cases(ledger, (State.DEAD, State.UNRESOLVED)):
        groups.setdefault((case.view.state, case.reason.key), []).append(case)
    found = [_group(state, key, cases, now) for (state, key), cases in groups.items()]
    return [*found, *await _late(ledger, working, now), *await _stopped(ledger, now), *await _parked(ledger, now)]


@dataclass(frozen=True, slots=True)
class _Case:
    view: MessageView
    attempt: AttemptView | None
    reason: Reason


async def _cases(ledger: Ledger, states: Sequence[State], name: str | None = None) -> list[_Case]:
    """The messages in these states, run by run: the counters say where there are any."""
    cases: list[_Case] = []
    for run in await ledger.runs.list():
        if name is not None and run.name != name:
            continue
        rows = await ledger.reads.rows(run.id)
        there = tuple(state for state in states if rows[state.word])
        if there:
            cases += await _of_run(run, there, ledger)
    return cases


async def _of_run(run: Run, states: tuple[State, ...], ledger: Ledger) -> list[_Case]:
    cases: list[_Case] = []
    after = 0
    while page := await ledger.reads.search(Search(run=run.id, states=states, after=after, n=PAGE)):
        cases += await _with_reasons(page, ledger)
        after = page[-1].id
    return cases


async def _with_reasons(views: Sequence[MessageView], ledger: Ledger) -> list[_Case]:
    last = {attempt.message: attempt for attempt in await ledger.reads.attempts([view.id for view in views])}
    return [_Case(view, last.get(view.id), _reason(view, last.get(view.id))) for view in views]


def _reason(view: MessageView, attempt: AttemptView | None) -> Reason:
    return Reason("expired", "Its time was over.") if view.state is State.EXPIRED else reason(attempt)


def _group(state: State, key: str, cases: Sequence[_Case], now: int) -> Group:
    stale = all(_is_stale(case.view, now) for case in cases)
    command = ("recover", "--cause", key, *(("--close", "--include-expired") if stale else ()))
    return Group(
        kind=state.word,
        cause=key,
        sentence=cases[0].reason.sentence + (" Its time is over." if stale else ""),
        count=len(cases),
        since=min((c.attempt.settled or c.attempt.begun for c in cases if c.attempt), default=None),
        campaigns=tuple(sorted({c.view.run_name for c in cases if c.view.campaign})),
        examples=tuple(message_text(c.view.id) for c in cases[:EXAMPLES]),
        command=("doubt", "list") if state is State.UNRESOLVED else command,
    )


async def _late(ledger: Ledger, working: bool, now: int) -> list[Group]:
    groups, late = [], now - LATE
    for run in await ledger.runnable.runnable(late):
        of_paces = [await ledger.messages.due(run.id, PAGE, late, p) for p in await ledger.runnable.paces(run.id, late)]
        first = await ledger.reads.messages([id for ids in of_paces for id in ids[:EXAMPLES]])
        if not first:
            continue
        first.sort(key=lambda view: (view.due, view.id))
        groups.append(
            Group(
                kind="late",
                cause="slow" if working else "no-worker",
                sentence="Workers run, and have not come to it." if working else "No worker is running.",
                count=sum(map(len, of_paces)),
                since=first[0].due,
                campaigns=(run.name,) if run.campaign else (),
                examples=tuple(message_text(view.id) for view in first[:EXAMPLES]),
                command=("worker",),
            )
        )
    return groups


async def _stopped(ledger: Ledger, now: int) -> list[Group]:
    return [
        Group(
            kind="stopped",
            cause=gate.reason,
            sentence=f"The {gate.gate.replace(':', ' ')}: {gate.detail or gate.reason}",
            count=0,
            since=gate.since,
            command=("lane", "resume", gate.gate),
        )
        for gate in await ledger.accounts.stopped(now)
        if gate.until is None or gate.reason not in STOPS or STOPS[Unavailability(gate.reason)].person
    ]


async def _parked(ledger: Ledger, now: int) -> list[Group]:
    return [
        Group(
            kind=PARKED,
            cause="quota",
            sentence=f"The quota of the day of {one.account} is used up; "
            + ("lists wait." if one.lists else "single mails wait, too."),
            count=0,
            since=one.since,
            command=("quota",),
        )
        for one in await ledger.accounts.parked(now)
    ]


@dataclass(frozen=True, slots=True)
class Choice:
    """Exactly one of `ids` (public, of messages or submissions), `cause` and `campaign` is set."""

    ids: Sequence[str] = ()
    cause: str | None = None
    campaign: str | None = None
    include_expired: bool = False


@dataclass(frozen=True, slots=True)
class Chosen:
    """`views` can be decided on; `unresolved` are left to `settle`, `expired` to a choice that includes them."""

    views: list[MessageView] = field(default_factory=list)
    unresolved: list[MessageView] = field(default_factory=list)
    expired: list[MessageView] = field(default_factory=list)


async def choose(choice: Choice, ledger: Ledger, now: int) -> Chosen:
    """What gave up and is past its date by `now` counts as expired: nobody wants it any more. Raises `NotFound` for an
    id or campaign that is not there."""
    states = (State.DEAD, State.UNRESOLVED, State.EXPIRED)
    if choice.ids:
        cases = await _with_reasons(await _named(choice.ids, ledger), ledger)
    else:
        cases = await _cases(ledger, states, choice.campaign)
    chosen = Chosen()
    for case in cases:
        if choice.cause not in (None, case.reason.key):
            continue
        if case.view.state is State.UNRESOLVED:
            chosen.unresolved.append(case.view)
        elif not choice.include_expired and _is_stale(case.view, now):
            chosen.expired.append(case.view)
        elif case.view.state in states:
            chosen.views.append(case.view)
    return chosen


def _is_stale(view: MessageView, now: int) -> bool:
    past = view.expires is not None and view.expires <= now
    return view.state is State.EXPIRED or (view.state is State.DEAD and past)


async def _named(ids: Sequence[str], ledger: Ledger) -> list[MessageView]:
    views: list[MessageView] = []
    for text in ids:
        if text.startswith("sub_"):
            found = await ledger.reads.submission(SubmissionId(from_text("sub", text)))
        else:
            found = await ledger.reads.messages([MessageId(from_text("msg", text))])
        if not found:
            raise NotFound(f"There is no message {text}.", "Copy the id whole.")
        views += found
    return views


async def decide(
    views: Sequence[MessageView], close: bool, who: str, note: str, ledger: Ledger, clock: Clock
) -> list[MessageId]:
    """Send again, or close. Answers those that moved."""
    cause = Cause.PERSON_CLOSED if close else Cause.PERSON_RESEND
    moved: list[MessageId] = []
    for at in range(0, len(views), PAGE):
        ids = [view.id for view in views[at : at + PAGE]]
        moved += await ledger.messages.resolve(ids, cause, who, note, clock.now())
    return moved


class DoubtView(msgspec.Struct, frozen=True, kw_only=True):
    """A message that may have gone out. `known` is what the events around it show, with the probability."""

    view: MessageView
    reason: Reason
    lane: str
    begun: int
    known: str


async def doubts(ledger: Ledger, lanes: Mapping[str, Lane]) -> list[DoubtView]:
    """Unresolved ones, and those that are still being found out. `lanes`: those that are configured, by name."""
    cases = await _cases(ledger, (State.UNRESOLVED, State.IN_DOUBT))
    return [
        DoubtView(
            view=case.view,
            reason=case.reason,
            lane=case.attempt.lane if case.attempt else "",
            begun=case.attempt.begun if case.attempt else 0,
            known=await _known(case, lanes, ledger),
        )
        for case in cases
    ]


async def _known(case: _Case, lanes: Mapping[str, Lane], ledger: Ledger) -> str:
    lane = lanes.get(case.attempt.lane) if case.attempt else None
    if lane is None or not lane.provable:  # one that is configured no more is looked at by nobody
        return NO_PROOF
    if case.view.state is not State.UNRESOLVED:
        return "Events are being waited for."
    notes = [e.data.get("note") for e in await ledger.journal.of(case.view.id) if e.kind == Cause.DEADLINE]
    return str(notes[-1]) if notes and notes[-1] else "Nothing that proves or disproves it."


async def settle(
    ids: Sequence[str], decision: str, who: str, note: str, ledger: Ledger, clock: Clock
) -> list[MessageId]:
    """A person's word: `sent`, `resend` or `closed`. Raises `StateError`, and changes nothing, if one of them is not
    unresolved."""
    views = await _named(ids, ledger)
    for view in views:
        if view.state is State.IN_DOUBT:
            raise StateError(
                f"{message_text(view.id)} is still being found out.", "Wait for its deadline: kakitome doubt list."
            )
        if view.state is not State.UNRESOLVED:
            raise StateError(f"{message_text(view.id)} is {view.state.word}; there is no doubt about it.")
    return await ledger.messages.resolve([v.id for v in views], DECISIONS[decision], who, note, clock.now())
