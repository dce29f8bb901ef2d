"""Taking in what the providers say: proof, delivery, suppression in one change, in any order, any number of times."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import msgspec

from kakitome.core.delivery import Delivery, fold, suppresses, word, words
from kakitome.core.errors import NotFound
from kakitome.core.event import Event, EventKind
from kakitome.core.ids import MessageId, from_text
from kakitome.core.lifecycle import Cause, State
from kakitome.ledgers.sqlite.book import change, count, enter
from kakitome.ledgers.sqlite.connection import Db, as_json, one
from kakitome.ledgers.sqlite.records import suppress
from kakitome.ports.records import Folded, NamedEvent, Suppression

_encode = msgspec.json.Encoder().encode


def fold_events(db: Db, events: Sequence[NamedEvent], now: int) -> Folded:
    fresh = [named for named in events if _store(db, named.event, now)]
    matched = [(e.event, *_match(db, e.event)) for e in fresh]
    for event, message, fence in matched:
        if message is not None:
            db.execute("update event set message = ?, fence = ? where key = ?", (message, fence, event.key))
    known = [(event, message, fence) for event, message, fence in matched if message is not None and fence is not None]
    _take_in(db, known, now)
    _suppress(db, fresh, now)
    return Folded(len(fresh), len(events) - len(fresh), len(fresh) - len(known))


def match_waiting(db: Db, provider_ids: Sequence[str], now: int) -> None:
    """Take in the events that waited for these provider ids."""
    rows = db.execute(
        "select e.key, e.event, a.message, a.fence from event e join attempt a on a.provider_id = e.provider_id"
        " where e.message is null and e.provider_id in (select value from json_each(?))",
        (as_json(provider_ids),),
    ).fetchall()
    for key, _, message, fence in rows:
        db.execute("update event set message = ?, fence = ? where key = ?", (message, fence, key))
    _take_in(db, [(msgspec.json.decode(event, type=Event), message, fence) for _, event, message, fence in rows], now)


def events_of(db: Db, message: MessageId) -> list[Event]:
    rows = db.execute("select event from event where message = ? order by at, key", (message,))
    return [msgspec.json.decode(row[0], type=Event) for row in rows]


def _store(db: Db, event: Event, now: int) -> bool:
    return bool(
        db.execute(
            "insert or ignore into event (key, kind, at, received, provider_id, event) values (?, ?, ?, ?, ?, ?)"
            " returning 1",
            (event.key, event.kind, event.at, now, event.provider_message_id, _encode(event).decode()),
        ).fetchall()
    )


def _match(db: Db, event: Event) -> tuple[int | None, int | None]:
    """By our own correlation first; by the provider's id where it was lost."""
    try:
        message = from_text("msg", event.message or "")
        fence = int(event.attempt or "0")
    except (NotFound, ValueError):
        pass
    else:
        if one(db, "select 1 from attempt where message = ? and fence = ?", message, fence):
            return message, fence
    row = db.execute(
        "select message, fence from attempt where provider_id = ?", (event.provider_message_id,)
    ).fetchone()
    return row or (None, None)


def _take_in(db: Db, events: Sequence[tuple[Event, int, int]], now: int) -> None:
    by_message: dict[int, list[Event]] = defaultdict(list)
    for event, message, fence in events:
        if event.kind is not EventKind.UNKNOWN:
            _prove(db, event, message, fence, now)
        by_message[message].append(event)
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
    state, newest = db.execute("select state, fence from message where id = ?", (message,)).fetchone()
    if state == State.SENDING and newest > fence:
        db.execute("update message set copies_possible = 1 where id = ?", (message,))
    if change(db, [message], Cause.PROOF, "", ()):
        enter(db, now, Cause.PROOF, message=message, fence=fence, event=key, was=State(state).word)
    db.execute(
        "update message set copies_possible = 1 where id = ?1 and fence > 1 and (select count(*) from attempt"
        " where message = ?1 and (cause = 'provider_accepted' or proved is not null)) > 1",
        (message,),
    )


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


def _suppress(db: Db, fresh: Sequence[NamedEvent], now: int) -> None:
    found = [
        Suppression(
            hash=named.hash,
            address=named.event.recipient,
            reason=reason,
            source=named.event.key,
            who=named.event.provider,
            note=named.event.diagnostic,
            at=now,
        )
        for named in fresh
        if named.hash is not None and named.event.recipient and (reason := suppresses(named.event))
    ]
    if found:
        suppress(db, found, now)
