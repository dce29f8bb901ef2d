"""What the events call for (`core.suppression`), asked anew for the addresses that something was learnt about."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from kakitome.core.event import Event
from kakitome.core.suppression import KINDS, Call, Removal, Told, TransientLimit, called_for, ended
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.records import drop, find_suppressions, suppress
from kakitome.ports.records import Suppression

EVENTS_OF_ADDRESSES: Final = f"""
select e.hash, e.key, e.received, e.event, e.message, r.stream
from json_each(?1) h cross join event e on e.hash = h.value and e.kind in ({", ".join(f"'{k}'" for k in sorted(KINDS))})
  left join message m on m.id = e.message left join run r on r.id = m.run
"""
_REMOVALS: Final = (
    "select hash, scope, released_at, source from released where hash in (select value from json_each(?))"
)


def limit_transient(db: Db, limit: TransientLimit) -> None:
    """Keep the limit with the ledger: whoever settles, in whatever process, must count as they do who fold."""
    text = msgspec.json.encode(limit)
    if one(db, "select value from meta where key = 'transient_limit'") != text:
        db.execute("insert or replace into meta values ('transient_limit', ?)", (text,))


def _limit(db: Db) -> TransientLimit:
    text = one(db, "select value from meta where key = 'transient_limit'")
    return TransientLimit() if text is None else msgspec.json.decode(text, type=TransientLimit)


def reconsider(db: Db, hashes: Collection[int], fresh: Collection[str], now: int) -> None:
    """Add and remove what the events of these addresses say; `fresh` are the keys of those that came just now."""
    if not hashes:
        return
    wanted, limit = sorted(hashes), _limit(db)
    told: dict[int, list[Told]] = defaultdict(list)
    for hash, key, received, event, message, stream in db.execute(EVENTS_OF_ADDRESSES, (as_json(wanted),)).fetchall():
        told[hash].append(Told(msgspec.json.decode(event, type=Event), received, key in fresh, message, stream))
    released: dict[int, dict[str, Removal]] = defaultdict(dict)
    for hash, scope, at, source in db.execute(_REMOVALS, (as_json(wanted),)).fetchall():
        released[hash][scope] = Removal(at, source)
    held: dict[int, list[Suppression]] = defaultdict(list)
    for suppression in find_suppressions(db, wanted):
        held[suppression.hash].append(suppression)
    for hash in wanted:
        calls = called_for(told[hash], released[hash], limit)
        _end(db, held[hash], told[hash], calls, now)
        suppress(db, [Suppression.called(call, hash, now) for call in calls], now)


def _end(db: Db, held: Sequence[Suppression], told: Sequence[Told], calls: Sequence[Call], now: int) -> None:
    for s in sorted(held, key=lambda s: s.scope):
        over = ended(s.scope, s.source, s.at, told, calls) if s.reason == "unsubscribe" else None
        if over is not None:
            drop(db, s.hash, s.scope, over.provider, over.key, now)
