"""The verdict: the provider's own record of accepted mail against the ledger."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import msgspec

from kakitome.app import opened
from kakitome.config import Config
from kakitome.core.ids import MessageId, from_text
from kakitome.core.lifecycle import NEEDS_A_PERSON, OPEN, Cause, State
from kakitome.core.message import MessageView
from kakitome.ports.reads import Search

DOUBT = {Cause.UNCERTAIN, Cause.WORKER_GONE_MARKED, Cause.LEASE_OVER}


class Report(msgspec.Struct, kw_only=True):
    """What the judge found. All lists hold message ids and should be empty."""

    messages: int
    accepted: int
    states: dict[str, int]
    lost: list[int]  # acknowledged, and not in the ledger or never accepted without being unresolved
    false_sent: list[int]  # `sent`, and the provider has none
    doubled: list[int]  # the provider has more than one
    undoubted_doubles: list[int]  # … and the ledger shows no doubt
    unresolved: list[int]
    doubts: int
    proved: int  # what no reply told and an event did
    discrepancies: list[str]


def accepted_by_message(path: Path) -> Counter[int]:
    counted: Counter[int] = Counter()
    for line in path.read_text().splitlines():
        message = json.loads(line)["message"]
        if message is not None:
            counted[from_text("msg", message)] += 1
    return counted


def judge_naive(accepted: Path) -> Report:
    """The control has no ledger of ours; its mails are told by their subjects."""
    copies = Counter(int(json.loads(line)["subject"]) for line in accepted.read_text().splitlines())
    return Report(
        messages=len(copies),
        accepted=sum(copies.values()),
        states={},
        lost=[],
        false_sent=[],
        unresolved=[],
        doubts=0,
        proved=0,
        doubled=[id for id, n in copies.items() if n > 1],
        undoubted_doubles=[id for id, n in copies.items() if n > 1],
        discrepancies=[],
    )


def judge(config: Config, accepted: Path, acknowledged: Path) -> Report:
    copies = accepted_by_message(accepted)
    acked = {int(line) for line in acknowledged.read_text().split()} if acknowledged.exists() else set()
    views, doubted, proved, found = asyncio.run(_read(config, sorted(acked | copies.keys())))
    state: dict[int, State] = {view.id: view.state for view in views}
    unresolved = [id for id, at in state.items() if at is State.UNRESOLVED]
    doubled = [id for id, n in copies.items() if n > 1]
    return Report(
        messages=len(views),
        accepted=sum(copies.values()),
        states=dict(Counter(at.word for at in state.values())),
        lost=[id for id in acked | set(state) if not copies[id] and state.get(id) is not State.UNRESOLVED],
        false_sent=[id for id, at in state.items() if at is State.SENT and not copies[id]],
        doubled=doubled,
        undoubted_doubles=[id for id in doubled if id not in doubted],
        unresolved=unresolved,
        doubts=len(doubted),
        proved=len(proved),
        discrepancies=found,
    )


async def _read(config: Config, known: list[int]) -> tuple[list[MessageView], set[int], set[int], list[str]]:
    """`known`: of whom the caller or the provider knows. A file is read whole, which a table cannot be; it is asked for
    these, and for all that is open or waits for a person."""
    async with opened(config) as instance:
        views: dict[MessageId, MessageView] = {}
        if instance.config.ledger.url.startswith("dynamodb:"):
            views = {v.id: v for v in await instance.ledger.reads.messages([MessageId(id) for id in known])}
        only = frozenset[State]() if not views else OPEN | NEEDS_A_PERSON
        after = 0
        while page := await instance.ledger.reads.search(Search(states=tuple(only), after=after, n=1_000)):
            views |= {view.id: view for view in page}
            after = page[-1].id
        doubted: set[int] = set()
        proved: set[int] = set()
        cursor = 0
        while entries := await instance.ledger.journal.read(cursor, 1_000):
            cursor = entries[-1].seq
            doubted |= {e.message for e in entries if e.kind in DOUBT and e.message is not None}
            proved |= {e.message for e in entries if e.kind == Cause.PROOF and e.message is not None}
        return list(views.values()), doubted, proved, [str(found) for found in await instance.ledger.reads.verify()]
