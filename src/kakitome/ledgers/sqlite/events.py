"""Taking in what the providers say: proof, delivery, suppression in one change, in any order, any number of times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from kakitome.core.correlation import attempts_named
from kakitome.core.delivery import Delivery, fold, word, words
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.suppression import KINDS
from kakitome.ledgers.sqlite import counting, guards
from kakitome.ledgers.sqlite.book import change, count, count_copies, enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.suppressing import reconsider
from kakitome.ports.records import Folded, NamedEvent

_encode = msgspec.json.Encoder().encode


def fold_events(db: Db, events: Sequence[NamedEvent], now: int) -> Folded:
    counting.begin(db)
    fresh = [named for named in events if _store(db, named, now)]
    _take_in(db, [(e.event, claim) for e in fresh if (claim := _correlated(db, e))], now)
    # Those that name an attempt have told its provider id: now the others can be matched, and those that waited.
    learnt = _match_waiting(db, [e.event.provider_message_id for e in fresh], now)
    unmatched = _unmatched(db, [e.event.key for e in fresh])
    for key, kind in unmatched:
        enter(db, now, "event_unmatched", event=key, happening=kind)
    learnt |= {e.hash for e in fresh if e.hash is not None and e.event.kind in KINDS}
    reconsider(db, learnt, {e.event.key for e in fresh}, now)
    return Folded(len(fresh), len(events) - len(fresh), len(unmatched))


def match_waiting(db: Db, provider_ids: Sequence[str], now: int) -> None:
    """Take in the events that waited for these provider ids."""
    reconsider(db, _match_waiting(db, provider_ids, now), (), now)


def _match_waiting(db: Db, provider_ids: Sequence[str], now: int) -> set[int]:
    """Answers the addresses whose suppressions may hang on what was matched."""
    rows = db.execute(
        "select event, hash, provider_id from event where message is null and provider_id <> ''"
        " and provider_id in (select value from json_each(?))",
        (as_json(provider_ids),),
    ).fetchall()
    matched = [(msgspec.json.decode(event, type=Event), _claim_of(db, id, hash)) for event, hash, id in rows]
    _take_in(db, [(event, claim) for event, claim in matched if claim], now)
    told = [(hash, event.kind) for (_, hash, _), (event, claim) in zip(rows, matched, strict=True) if claim]
    return {hash for hash, kind in told if hash is not None and kind in KINDS}


def _unmatched(db: Db, keys: Sequence[str]) -> list[tuple[str, str]]:
    sql = "select key, kind from event where key in (select value from json_each(?)) and message is null"
    rows: list[tuple[str, str]] = db.execute(sql, (as_json(keys),)).fetchall()
    return rows


def events_of(db: Db, message: MessageId) -> list[Event]:
    rows = db.execute("select event from event where message = ? order by at, key", (message,))
    return [msgspec.json.decode(row[0], type=Event) for row in rows]


def _store(db: Db, named: NamedEvent, now: int) -> bool:
    event = named.event
    return bool(
        db.execute(
            "insert or ignore into event (key, kind, at, received, provider_id, hash, event)"
            " values (?, ?, ?, ?, ?, ?, ?) returning 1",
            (event.key, event.kind, event.at, now, event.provider_message_id, named.hash, _encode(event).decode()),
        ).fetchall()
    )


def _correlated(db: Db, named: NamedEvent) -> tuple[int, int] | None:
    """The attempt that the event names itself; of several (siblings in one request), the recipient's."""
    claims = attempts_named(named.event)
    several = len(claims) > 1
    for message, fence in claims:
        if several and (named.hash is None or one(db, "select hash from row where message = ?", message) != named.hash):
            continue
        if one(db, "select 1 from attempt where message = ? and fence = ?", message, fence):
            return message, fence
    return None


def _claim_of(db: Db, provider_id: str, hash: int | None) -> tuple[int, int] | None:
    """The attempt with this provider id; where several messages share it (a parcel), the recipient's."""
    found: list[tuple[int, int, bool]] = db.execute(
        "select a.message, a.fence, r.hash is ?2 from attempt a left join row r on r.message = a.message"
        " where a.provider_id = ?1 order by a.message, a.fence",
        (provider_id, hash),
    ).fetchall()
    ours = [claim for claim in found if claim[2]] or (found if len({claim[0] for claim in found}) == 1 else [])
    return ours[0][:2] if ours else None


def _take_in(db: Db, events: Sequence[tuple[Event, tuple[int, int]]], now: int) -> None:
    by_message: dict[int, list[Event]] = defaultdict(list)
    for event, (message, fence) in events:
        db.execute("update event set message = ?, fence = ? where key = ?", (message, fence, event.key))
        run = one(db, "select run from message where id = ?", message)
        enter(db, now, "event", run=run, message=message, event=event.key, happening=event.kind, fence=fence)
        if event.kind is not EventKind.UNKNOWN:
            _prove(db, event, message, fence, now)
        by_message[message].append(event)
    counting.take_in(db, events)
    for message, about in by_message.items():
        _deliver(db, message, about)


def _prove(db: Db, event: Event, message: int, fence: int, now: int) -> None:
    """Any event of an attempt proves that it was accepted."""
    row = db.execute(
        "select lane, cause, settled, proved from attempt where message = ? and fence = ?", (message, fence)
    ).fetchone()
    if row is None:
        return
    lane, cause, settled, proved = row
    db.execute(
        "insert into lane_latest values (?, ?) on conflict (lane) do update set at = max(at, excluded.at)",
        (lane, event.at),
    )
    counting.proved(db, message, fence)
    db.execute(
        "update attempt set proved = min(coalesce(proved, ?1), ?1), provider_id = coalesce(provider_id, ?2)"
        " where message = ?3 and fence = ?4",
        (event.at, event.provider_message_id or None, message, fence),
    )
    if proved is not None:
        return
    if cause == Cause.PROVIDER_ACCEPTED:
        db.execute("update lane_second set proved = proved + 1 where lane = ? and second = ?", (lane, settled // 1000))
    _settle_by_proof(db, message, fence, event.key, now)


def _settle_by_proof(db: Db, message: int, fence: int, key: str, now: int) -> None:
    state, newest, run = db.execute("select state, fence, run from message where id = ?", (message,)).fetchone()
    if newest > fence and state in (State.SENDING, State.IN_DOUBT, State.UNRESOLVED):
        db.execute("update message set copies_possible = 1 where id = ?", (message,))
    if change(db, [message], Cause.PROOF, now):
        enter(db, now, Cause.PROOF, run=run, message=message, fence=fence, event=key, was=State(state).word)
    count_copies(db, message)


def _deliver(db: Db, message: int, events: Sequence[Event]) -> None:
    row = db.execute(
        "select m.run, d.folded from message m left join delivery d on d.message = m.id where m.id = ?", (message,)
    ).fetchone()
    run, stored = row
    before = msgspec.json.decode(stored, type=Delivery) if stored else Delivery()
    after = before
    for event in events:
        after = fold(after, event)
    if after == before:
        return
    db.execute(
        "insert into delivery values (?1, ?2, ?3, ?4) on conflict (message) do update set word = ?3, folded = ?4",
        (message, run, word(after), _encode(after).decode()),
    )
    for name in set(words(after)) - set(words(before)):
        count(db, run, f"delivery:{name}", 1)
    guards.count(db, run, message, before, after)
