"""`/v1/suppressions`: who is not written to; asked, added and removed as on the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
from litestar import delete, get, post

from kakitome.core.address import address_hash, canonical, parse_address
from kakitome.core.errors import NotFound
from kakitome.core.suppression import ALL, is_scope
from kakitome.http.body import read_json, read_query
from kakitome.http.edge import Asked, edge
from kakitome.http.problems import Malformed
from kakitome.ports.records import Suppression
from kakitome.suppress import take

PAGE = 100
MOST = 500
"""Addresses in one request."""

PARAMETERS = ("address", "cursor")
REMOVING = ("address", "scope", "who", "note")


class Suppressed(msgspec.Struct, frozen=True, kw_only=True):
    """`scope` is `all` or `stream:NAME`; `source` what it came from: an event's key, a file and its line."""

    address: str
    reason: str
    scope: str
    source: str
    who: str
    note: str
    at: datetime


class SuppressionPage(msgspec.Struct, frozen=True):
    """By address. With a `cursor` there may be more: ask again with it."""

    suppressions: list[Suppressed]
    cursor: str | None


class SuppressionRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`who` decides, and stands in the journal; without it, the API key does."""

    addresses: list[str]
    reason: str = "manual"
    scope: str = ALL
    who: str = ""
    note: str = ""


class SuppressionsAdded(msgspec.Struct, frozen=True):
    """`known` were there already and keep their reason."""

    added: int
    known: int


_decoder = msgspec.json.Decoder(SuppressionRequest)


@get("/suppressions")
async def list_suppressions(request: Asked) -> SuppressionPage:
    """A page by address, or the suppressions of one address."""
    query, ledger = read_query(request.query_params, PARAMETERS), edge(request).instance.ledger
    if "address" in query:
        address = parse_address(query["address"], allow_local_domain=True)
        hash = address_hash(await ledger.reads.hash_key(), canonical(address))
        return SuppressionPage([_shown(s) for s in await ledger.suppressions.find([hash])], None)
    found = await ledger.suppressions.list(query.get("cursor", ""), PAGE)
    return SuppressionPage([_shown(s) for s in found], found[-1].address if len(found) >= PAGE else None)


@post("/suppressions", status_code=200)
async def add_suppressions(request: Asked) -> SuppressionsAdded:
    """All of them or, where one is no address, none. Twice is once."""
    instance = edge(request).instance
    asked = read_json(await request.body(), _decoder, SuppressionRequest.__struct_fields__)
    if not 1 <= len(asked.addresses) <= MOST:
        raise Malformed(f"One request takes 1 to {MOST} addresses.", "Send several.", path="$.addresses")
    _check_scope(asked.scope)
    key = await instance.ledger.reads.hash_key()
    addresses = [parse_address(text, allow_local_domain=True) for text in asked.addresses]
    wanted = [
        Suppression(
            hash=address_hash(key, canonical(address)),
            address=address.given,
            reason=asked.reason,
            scope=asked.scope,
            source="api",
            who=asked.who or _caller(request),
            note=asked.note,
        )
        for address in addresses
    ]
    fresh = await take(wanted, instance.ledger, instance.clock)
    return SuppressionsAdded(fresh, len(wanted) - fresh)


@delete("/suppressions", status_code=204)
async def remove_suppression(request: Asked) -> None:
    """One address in one scope; the removal stays in the journal. 404 where it was not suppressed there."""
    instance, query = edge(request).instance, read_query(request.query_params, REMOVING)
    if "address" not in query:
        raise Malformed("Which address?", "Give ?address=.", path="address")
    scope = query.get("scope", ALL)
    _check_scope(scope)
    address = parse_address(query["address"], allow_local_domain=True)
    hash = address_hash(await instance.ledger.reads.hash_key(), canonical(address))
    who, note = query.get("who") or _caller(request), query.get("note", "")
    if not await instance.ledger.suppressions.remove(hash, scope, who, note, instance.clock.now()):
        raise NotFound(
            f"{address.given} is not suppressed for {scope}.", "GET /v1/suppressions?address= says for what."
        )


def _check_scope(scope: str) -> None:
    if not is_scope(scope):
        raise Malformed(f"There is no scope {scope!r}.", "It is all, or stream:NAME.", path="scope")


def _caller(request: Asked) -> str:
    return f"api:{request.scope['auth']}"


def _shown(s: Suppression) -> Suppressed:
    return Suppressed(
        address=s.address,
        reason=s.reason,
        scope=s.scope,
        source=s.source,
        who=s.who,
        note=s.note,
        at=datetime.fromtimestamp(s.at / 1000, UTC),
    )
