"""A page of messages by what is known of them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from itertools import product

import msgspec

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import NotFound
from kakitome.core.ids import RunId, from_text, message_text
from kakitome.core.lifecycle import State
from kakitome.core.message import MessageView
from kakitome.http.body import read_query
from kakitome.http.problems import Malformed
from kakitome.ports.ledger import Ledger
from kakitome.ports.reads import Search
from kakitome.status import MessageSummary, status_of, summary

PAGE = 100

_STATES = {
    "queued": (State.QUEUED,),
    "sending": (State.SENDING, State.IN_DOUBT),
    "sent": (State.SENT,),
    "failed": (State.FAILED,),
    "suppressed": (State.SUPPRESSED,),
    "cancelled": (State.CANCELLED, State.CLOSED),
    "expired": (State.EXPIRED,),
    "needs_attention": (State.DEAD, State.UNRESOLVED),
}
_DELIVERIES = {
    "delivered": ("delivered", "opened", "clicked"),
    "delayed": ("delayed",),
    "bounced": ("bounced",),
    "complained": ("complained",),
    "failed": ("rejected",),
}
STATUSES = sorted({*_STATES, *_DELIVERIES})

PARAMETERS = ("recipient", "reference", "provider_message_id", "status", "stream", "campaign", "cursor")


class Found(msgspec.Struct, frozen=True):
    """A page, oldest first. With a `cursor` there may be more: ask again with it, also where the page is short."""

    messages: list[MessageSummary]
    cursor: str | None


async def search(given: Mapping[str, str], ledger: Ledger) -> Found:
    """All that is given must hold. Raises `Malformed`, `AddressError`; `NotFound` for a campaign that is not there."""
    query = read_query(given, PARAMETERS)
    base = Search(
        hash=await _hash(query["recipient"], ledger) if "recipient" in query else None,
        reference=query.get("reference"),
        provider_id=query.get("provider_message_id"),
        after=_after(query.get("cursor")),
        n=PAGE,
    )
    looks = [
        msgspec.structs.replace(by_status, run=run)
        for by_status, run in product(_by_status(base, query.get("status")), await _runs(query, ledger))
    ]
    pages = await asyncio.gather(*(ledger.reads.search(look) for look in looks))
    return _merged(pages, query.get("status"))


def _merged(pages: Sequence[Sequence[MessageView]], wanted: str | None) -> Found:
    """One page out of several. Beyond the end of a full one there may be more of its kind, so all end there."""
    ends = [page[-1].id for page in pages if len(page) == PAGE]
    end = min(ends, default=None)
    views = {view.id: view for page in pages for view in page if end is None or view.id <= end}
    chosen = [views[id] for id in sorted(views) if wanted is None or status_of(views[id]) == wanted]
    return Found([summary(view) for view in chosen], None if end is None else message_text(end))


def _by_status(base: Search, status: str | None) -> list[Search]:
    """A status comes from the state or from the delivery; what both say is sorted out behind."""
    if status is None:
        return [base]
    if status not in STATUSES:
        raise Malformed(f"There is no status {status!r}.", f"It is one of {', '.join(STATUSES)}.", path="status")
    states, deliveries = _STATES.get(status), _DELIVERIES.get(status, ())
    looks = [msgspec.structs.replace(base, states=states)] if states else []
    return looks + [msgspec.structs.replace(base, delivery=word) for word in deliveries]


async def _runs(query: Mapping[str, str], ledger: Ledger) -> list[RunId | None]:
    """The runs to look in; `None` alone is all of them."""
    campaign, stream = query.get("campaign"), query.get("stream")
    if campaign is None and stream is None:
        return [None]
    runs = [run for run in await ledger.runs.list() if stream in (None, run.stream)]
    if campaign is not None:
        runs = [run for run in runs if run.campaign and run.name == campaign]
    if not runs:
        named = " and ".join(f"{kind} {query[kind]!r}" for kind in ("campaign", "stream") if kind in query)
        raise NotFound(f"Nothing was sent with {named}.", "Is it misspelt?")
    return [run.id for run in runs]


async def _hash(recipient: str, ledger: Ledger) -> int:
    address = parse_address(recipient, allow_local_domain=True)
    return address_hash(await ledger.reads.hash_key(), canonical(address))


def _after(cursor: str | None) -> int:
    if cursor is None:
        return 0
    try:
        return from_text("msg", cursor)
    except NotFound as error:
        raise Malformed("The cursor is none of ours.", "Copy it from the page before.", path="cursor") from error
