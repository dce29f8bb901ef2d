"""Why did this person get it, or not? A verdict in one sentence, the reason, the history, what to do.

Only reads. The newest message decides the verdict; what stands against the next one is said as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import msgspec

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.ids import message_text
from kakitome.core.lane import Lane
from kakitome.core.message import MessageView, Run
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search
from kakitome.ports.records import Released, Suppression
from kakitome.standing import blocked, obstacles
from kakitome.status import status
from kakitome.story import Story, story, words
from kakitome.verdict import Scene, in_history, released, suppressed, verdict

Route = Callable[[Run], Sequence[Lane]]
"""The lanes of a run's stream, in order."""

SHOWN = 10
"""The newest messages whose history is told."""
PAGE = 500


class Line(msgspec.Struct, frozen=True):
    """`message` is the public id of the message that it is about, None for the address."""

    at: datetime
    what: str
    message: str | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """`status` is the newest message's word, None where there is no message; `messages` is how many there are;
    `history` is in order of time."""

    address: str
    verdict: str
    reason: str
    status: str | None = None
    messages: int = 0
    history: tuple[Line, ...] = ()
    advice: tuple[str, ...] = ()
    suppressions: tuple[Suppression, ...] = ()


async def explain(address: str, ledger: Ledger, now: int, route: Route) -> Explanation:
    """Raises `AddressError` for what is no address."""
    parsed = parse_address(address, allow_local_domain=True)
    hash = address_hash(await ledger.reads.hash_key(), canonical(parsed))
    suppressions = tuple(await ledger.suppressions.find([hash]))
    count, views = await _messages(hash, ledger)
    stories = [await story(view, ledger) for view in views]
    word, (said, why, advice) = None, _of_nothing(parsed.given, suppressions)
    if stories:
        scene = await _scene(stories[-1], suppressions, ledger, now, route)
        word, (said, why, advice) = stories[-1].status, verdict(scene)
    return Explanation(
        address=parsed.given,
        verdict=said,
        reason=why,
        status=word,
        messages=count,
        history=await _history(views, suppressions, await ledger.suppressions.released_of([hash]), ledger),
        advice=(*advice, *map(_release, suppressions)),
        suppressions=suppressions,
    )


async def _messages(hash: int, ledger: Ledger) -> tuple[int, list[MessageView]]:
    """How many there are, and the newest, oldest first."""
    newest: list[MessageView] = []
    count = after = 0
    while page := await ledger.reads.search(Search(hash=hash, after=after, n=PAGE)):
        newest, count, after = [*newest, *page][-SHOWN:], count + len(page), page[-1].id
    return count, newest


async def _history(
    views: list[MessageView], held: tuple[Suppression, ...], gone: list[Released], ledger: Ledger
) -> tuple[Line, ...]:
    """What a person removed stays in it, with their name: the next one to be asked wants to know."""
    told = [_line(s.at, in_history(s)) for s in (*held, *(r.was for r in gone))]
    told += [_line(r.at, released(r)) for r in gone]
    for view in views:
        id = message_text(view.id)
        for message in (await status(id, ledger)).messages:
            told += [Line(at, what, id) for moment in message.timeline for at, what in words(moment)]
    return tuple(sorted(told, key=lambda line: line.at))


def _line(at: int, what: str) -> Line:
    return Line(datetime.fromtimestamp(at / 1000, UTC), what)


async def _scene(newest: Story, suppressions: tuple[Suppression, ...], ledger: Ledger, now: int, route: Route) -> Scene:
    run = next((run for run in await ledger.runs.list() if run.id == newest.view.run), None)
    lanes = route(run) if run else []
    found = await obstacles(run, lanes, ledger, now) if run else []
    return Scene(newest, run, suppressions, found if blocked(lanes, found) else [], now)


def _of_nothing(address: str, suppressions: tuple[Suppression, ...]) -> tuple[str, str, tuple[str, ...]]:
    said = f"No: nothing was ever handed in for {address}."
    if suppressions:
        return said, f"It would not be sent either. {suppressed(suppressions[0])}", ()
    return (
        said,
        "No mail and no campaign in this ledger names the address.",
        ("Look at the spelling, and into the campaign's rejects file: a row that was invalid is there.",),
    )


def _release(s: Suppression) -> str:
    stream = "" if s.scope == "all" else f" --stream {s.scope.removeprefix('stream:')}"
    return f"Later mail is not sent. If the address is good: kakitome suppression remove {s.address}{stream}"
