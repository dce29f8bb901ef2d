"""Items as the ledger uses them, beside what the table keeps of each (its revision and its writer).

d  the body     s  the state, for whoever looks into the table
j  how many of the entries at the end of the body's history (of a note: of its claims) came with this change, or these
   entries themselves
p  of a row that was never written again: the note that says whether it is claimed
c  of a row that was written over a claim which its note had
o, w  in the open index: the run, and since or until when     h  in the address index: the address hash
e  when its time is over
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from kakitome.core.ids import MessageId, RunId
from kakitome.core.lifecycle import OPEN, Cause, State
from kakitome.core.message import Entry
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.codec import HISTORY, Shelved, StoredEntry, pack_message
from kakitome.ledgers.dynamodb.marshal import Item, Key
from kakitome.ledgers.memory.book import Message

WAITING = "w"
LISTED: dict[State, str] = dict.fromkeys(OPEN, WAITING) | {
    State.DEAD: State.DEAD.word,
    State.UNRESOLVED: State.UNRESOLVED.word,
    State.EXPIRED: State.EXPIRED.word,
}
"""States in which a message is in the open index, and in which part of it. A row enters it when it comes back and is
open again: before that its note knows it."""

FOR_NOTHING = 16
"""Attempts that cost their mail nothing and are kept all the same."""

pack = msgspec.msgpack.Encoder().encode


@dataclass(frozen=True, slots=True)
class Image:
    """A body as it was seen, at its revision. `fresh`: during this very change. `is_listed`: in the open index. `note`
    says whether the row is claimed ("": it says so itself); where it is by that, the body has the claim."""

    body: bytes
    revision: int
    fresh: bool = False
    is_listed: bool = False
    note: str = ""
    is_claimed: bool = False

    @property
    def waits(self) -> bool:
        """Whether it may be claimed by its note."""
        return self.note != "" and not self.is_claimed


def bytes_of(item: Item) -> bytes:
    body = item["d"]
    assert isinstance(body, bytes)
    return body


def image_of(item: Item) -> Image:
    revision = item["r"]
    assert isinstance(revision, int)
    return Image(bytes_of(item), revision, is_listed="o" in item)


def message_id(item: Item) -> MessageId:
    return MessageId(keys.number_of(str(item["sk"])))


def open_part(run: RunId, part: str = WAITING) -> str:
    """The partition of the open index that has these messages of the run."""
    return f"{run:x}#{part}"


def entry_of(e: Entry) -> StoredEntry:
    """As it lies with its message, or with its run. `about` is 0 for one of many (its `ids` are where it lies)."""
    data = {name: value for name, value in e.data.items() if name != "ids"}
    return StoredEntry(e.at, e.kind, msgspec.to_builtins(data), 0 if "ids" in e.data else e.run or 0)


def body_item(key: Key, body: bytes, told: Sequence[Entry] = ()) -> Item:
    """Anything but a message."""
    return {"pk": key.pk, "sk": key.sk, "d": body, "j": pack([entry_of(entry) for entry in told]) if told else None}


def message_item(there: Shelved, told: Sequence[Entry], *, note: str = "", is_behind: bool = False) -> Item:
    """The message as it shall lie there, with the entries of this change at the end of its history. A row of which a
    note knows is in no index: one that waits and was never written, with its `note`, and one whose first claim came
    with it or by the note (`is_behind`)."""
    m = there.message
    there.history += [entry_of(entry) for entry in told]
    _forget_what_was_for_nothing(m)
    pk, sk = keys.message(m.id)
    item: Item = {"pk": pk, "sk": sk, "d": pack_message(there), "s": m.state.word, "e": m.expires}
    item["j"] = min(len(told), HISTORY) or None
    item["h"] = None if keys.is_row(m.id) else f"{m.hash % (1 << 64):016x}"
    if note:
        item["p"] = note
    elif m.state in LISTED and not is_behind:
        item |= {"o": open_part(m.run, LISTED[m.state]), "w": keys.sortable(max(0, m.due)) + keys.sortable(m.id)}
    return item


def _forget_what_was_for_nothing(m: Message) -> None:
    """A mail that missed its slot again and again, or whose lane has been shut for weeks, must not become too large: of
    its claims that were given back, or refused for the lane's sake, the newest remain."""
    causes = (Cause.RELEASED, Cause.UNAVAILABLE)
    idle = [n for n, one in m.tries.items() if one.cause in causes and one.proved is None and n < m.fence]
    for fence in idle[:-FOR_NOTHING]:
        del m.tries[fence]


def is_behind_note(item: Item) -> bool:
    """A row before or in its first attempt: it is open, and not in the index of what is."""
    return item["s"] in (State.QUEUED.word, State.SENDING.word) and "o" not in item


def told_of(journal: Sequence[Entry], id: MessageId) -> list[Entry]:
    """The entries about this message."""
    return [entry for entry in journal if entry.message == id or entry.data.get("ids") == [id]]
