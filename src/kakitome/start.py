"""May a campaign start, or start again? What is still open in it, and how long will it take?

A campaign's name is its identity: whoever has their message does not get a second one under the same name. Starting
again is how an interruption or a longer list goes on; a changed template is another issue and wants another name.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from kakitome.core.content import Content
from kakitome.core.errors import NotFound, Refused, StateError
from kakitome.core.footer import Imprint, missing, unknown
from kakitome.core.footer import told as sentences_of
from kakitome.core.guard import Level, remedy, sentence
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.core.pacing import spacing_ms
from kakitome.core.plan import Plan
from kakitome.core.policy import Kind, Policy
from kakitome.ports.guards import Watched
from kakitome.ports.ledger import Ledger
from kakitome.ports.lists import ListReader, Row
from kakitome.ports.records import TemplateVersion

OPEN_ROWS = ("importing", "queued", "sending", "in_doubt")
NEED_A_PERSON = ("dead", "unresolved")
DAY = 86_400
SAMPLED, SAMPLES = 1_000, 20
"""Rows of which some are looked at more closely, and how many."""

_NAME = re.compile(r"\w[\w.\- ]{0,99}").fullmatch


def check_name(name: str) -> str:
    """Raises `Refused`: a colon belongs to streams, a slash to files."""
    if _NAME(name) is None:
        raise Refused(
            f"{name!r} cannot be a campaign's name.", "Use 1 to 100 letters, digits, spaces and . _ - in any language."
        )
    return name


async def find(name: str, ledger: Ledger) -> Run | None:
    run = await ledger.runs.find(name)
    return run if run is not None and run.campaign else None


async def campaign(name: str, ledger: Ledger) -> Run:
    """The campaign of this name. Raises `NotFound`, with the nearest name there is."""
    run = await find(name, ledger)
    if run is not None:
        return run
    names = [known.name for known in await ledger.runs.list() if known.campaign]
    near = difflib.get_close_matches(name, names, n=1)
    raise NotFound(f"There is no campaign {name!r}.", f"Did you mean {near[0]!r}?" if near else "")


def open_messages(rows: Mapping[str, int]) -> int:
    """What Kakitome itself still moves on."""
    return sum(rows[name] for name in OPEN_ROWS)


def all_messages(rows: Mapping[str, int]) -> int:
    """Everybody who has a message in the campaign, whatever became of it."""
    return rows["read"] - rows["invalid"] - rows["duplicate"] - rows["already"] - rows["missing"]


def needs_a_person(rows: Mapping[str, int]) -> int:
    return sum(rows[name] for name in NEED_A_PERSON)


def check_again(
    run: Run, stream: str, template: TemplateVersion, pinned: TemplateVersion | None, rows: Mapping[str, int], now: int
) -> None:
    """Whether this campaign may take in a list once more. Raises `StateError`, with a name for another issue."""
    another = f"A new issue? --name {shlex.quote(another_name(template.name, run.name, now))}"
    if run.state == "cancelled":
        raise StateError(f"The campaign {run.name!r} was cancelled. Nothing was sent.", another)
    if run.state == "paused":
        raise StateError(
            f"The campaign {run.name!r} is paused. Nothing was sent.",
            f"kakitome campaign resume {shlex.quote(run.name)}",
        )
    if run.stream != stream:
        raise StateError(
            f"The campaign {run.name!r} goes through the stream {run.stream!r}, not {stream!r}. Nothing was sent.",
            f"Start it with --stream {run.stream}. {another}",
        )
    if run.template == template.id:
        return
    started = f"with version {pinned.version} of the template" if pinned else "with another template"
    have = f"{all_messages(rows):,} already have it" if all_messages(rows) else "It was begun"
    rest = open_messages(rows)
    finish = f" {rest:,} are still open: kakitome worker sends them as they were begun." if rest else ""
    raise StateError(
        f"{have}, {started} ({day(run.created)}); {template.name!r} is at version {template.version} now. "
        f"Nothing was sent.{finish}",
        another,
    )


def check_left(run: Run | None, plan: Plan, rows: Mapping[str, int], template: str, now: int) -> None:
    """Whether there is anything to do. Raises `StateError` where everybody has it. Rows that are new and suppressed
    are something to do: the account must name them."""
    if run is None or open_messages(rows) or plan.valid - plan.duplicate > plan.already:
        return
    many = "The only address" if plan.already == 1 else f"All {plan.already:,} addresses"
    waiting = needs_a_person(rows)
    person = f" {waiting:,} wait for a person: kakitome unsent." if waiting else ""
    raise StateError(
        f"{many} of the list already {'has' if plan.already == 1 else 'have'} it ({day(run.created)}). "
        f"Nothing was sent.{person}",
        f"A new issue? --name {shlex.quote(another_name(template, run.name, now))}",
    )


def another_name(template: str, taken: str, now: int) -> str:
    name = f"{template}-{datetime.fromtimestamp(now / 1000, UTC):%Y-%m}"
    return name if name != taken else f"{name}-2"


def check_bulk(stream: str, policy: Policy) -> None:
    """A list never stands in front of somebody's booking. Raises `Refused`."""
    if policy.kind is not Kind.BULK:
        raise Refused(
            f"The stream {stream!r} is for single mails; a campaign goes through one of kind bulk.",
            'Leave --stream out, or add [streams.NAME] kind = "bulk".',
        )


def check_guard(there: Sequence[Watched]) -> None:
    """What the guard paused goes on by a person's word, and not because its start is repeated. Raises `StateError`."""
    for one in there:
        if one.run.state == "paused" and one.verdict is not None and one.verdict.level is Level.PAUSED:
            whole = f" with all of the stream {one.verdict.stream!r}" if one.verdict.stream else ""
            raise StateError(
                f"The guard paused the campaign {one.run.name!r}{whole}: {sentence(one.verdict)} Nothing was sent.",
                f"{remedy(one.verdict)} kakitome campaign resume {shlex.quote(one.run.name)}",
            )


def samples(reader: ListReader) -> list[Row]:
    """A few rows from here and there among the first, for what need not be looked at in every mail."""
    rows = [row for row in next(iter(reader.batches(SAMPLED)), ()) if isinstance(row, Row)]
    return rows[:: max(1, len(rows) // SAMPLES)][:SAMPLES]


def check_footer(contents: Sequence[Content], imprint: Imprint, link: str, law: str) -> list[str]:
    """What these mails lack of what the law asks for, a sentence each. With `law` "jp" that raises `Refused`."""
    if law == "off":
        return []
    lacking = {what for content in contents for what in missing(content, imprint, link)}
    told = [f"[sender] has no {key}, so nobody can look for it in the mail." for key in unknown(imprint)]
    sentences = [*sentences_of(lacking, imprint), *told]
    if law == "jp" and sentences:
        raise Refused(
            f"The mail lacks what 特定電子メール法 asks for. {' '.join(sentences)} Nothing was sent.",
            'Complete it, or set law = "warn" for the stream.',
            missing=sentences,
        )
    return sentences


def timed(plan: Plan, lanes: Sequence[Lane], leaves: bool) -> Plan:
    """The plan with the time that sending takes at the configured rate and quota of the first lane, if nothing else
    goes out meanwhile; without a rate, with the reason why nobody knows."""
    lane = lanes[0]
    if not leaves:
        return msgspec.structs.replace(plan, why_not="Nothing leaves this machine: a folder knows no rate.")
    if lane.rate is None:
        return msgspec.structs.replace(plan, why_not=f"No rate is configured for the account {lane.account!r}.")
    days, rest = divmod(plan.to_send, lane.quota) if lane.quota else (0, plan.to_send)
    if days and not rest:
        days, rest = days - 1, lane.quota or 0
    return msgspec.structs.replace(plan, seconds=round(days * DAY + rest * spacing_ms(lane.rate) / 1000, 1))


def day(at: int) -> str:
    when = datetime.fromtimestamp(at / 1000, UTC)
    return f"{when.day} {when:%B %Y}"
