"""What a note says of rows whose first attempt is not over: that they come, who wants them, and who has claimed them.

A row's first claim lies in its note: one write for all rows of a claim, and none for each of them. The row names its
note (`named`) when it comes, and as long as it was never written again its note has the word; written again, it speaks
for itself. So nobody may write a row that waits before its note says that it is `apart` (`noted`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from hashlib import blake2b
from typing import Final

import msgspec

from kakitome.core.ids import MessageId, RunId
from kakitome.ledgers.dynamodb import keys
from kakitome.ledgers.dynamodb.items import bytes_of
from kakitome.ledgers.dynamodb.marshal import Item
from kakitome.ledgers.dynamodb.squeeze import loosened, squeezed

BIRTH: Final = 4
"""Octets of a birth."""
BETWEEN: Final = "."

_REVISIONS: Final = 20
"""Bits of the number of changes that a note may have."""
_ROW: Final = 6
"""Octets by which a row of a run is named."""

MOST_OCTETS: Final = 20_000
"""Of claims and of rows apart in one note, about: an item has at most 400 KB, and each write pays for all of it. A page
of 250 rows that are claimed one by one, each by another process, has a third of that."""
_CLAIM: Final = 24
"""Octets of a claim beside its rows, when it is squeezed."""


class NotedClaim(msgspec.Struct, frozen=True, array_like=True):
    """Rows of one list that were claimed at once. `mark`: eight octets that the claim alone has."""

    mark: bytes
    at: int
    worker: str
    lane: str
    lease: int
    digest: str
    rows: bytes


class Note(msgspec.Struct, frozen=True, array_like=True):
    """Of a page, or of the rows `ids`. `paces` are those of its rows that may wait; `lease` is when the last claim on
    it ends, `first` when to look whether one is over, `workers` are whose claims; `sources` are the lists that put rows
    there. `apart` are rows that speak for themselves; where it `is_full`, all that it has no claim of do. `birth` tells
    a page's note from one that it had before: a row that somebody remembers from then must not be taken for one that
    waits."""

    page: int
    held: int
    lease: int = 0
    workers: frozenset[str] = frozenset()
    paces: frozenset[str] = frozenset()
    ids: tuple[int, ...] = ()
    sources: frozenset[str] = frozenset()
    first: int = 0
    claims: tuple[NotedClaim, ...] = ()
    apart: bytes = b""
    birth: bytes = b""
    is_full: bool = False

    def claimed(self, worker: str, lease: int) -> Note:
        """As it is when this worker has claimed something of it."""
        first, last = min(self.first or lease, lease), max(self.lease, lease)
        return msgspec.structs.replace(self, lease=last, first=first, workers=self.workers | {worker})

    def by_row(self) -> dict[bytes, NotedClaim]:
        return {row: claim for claim in self.claims for row in _each(claim.rows)}

    def free(self, rows: Iterable[bytes]) -> set[bytes]:
        """Those of the rows that somebody may claim by this note."""
        return set() if self.is_full else set(rows).difference(self.by_row(), _each(self.apart))

    def with_apart(self, rows: Iterable[bytes]) -> Note:
        return self.with_claims((), apart=b"".join(rows))

    def with_claims(self, new: Iterable[NotedClaim], apart: bytes = b"") -> Note:
        """And with rows apart. What is too much for a note makes it full for ever."""
        claims, rows = (*self.claims, *new), self.apart + apart
        is_full = self.is_full or len(rows) + sum(_CLAIM + len(claim.rows) for claim in claims) > MOST_OCTETS
        return msgspec.structs.replace(self, claims=claims, apart=b"" if is_full else rows, is_full=is_full)

    def shortened(self, run: RunId, is_past: Callable[[MessageId], bool]) -> Note:
        """Without the claims of which no row needs the note's word any more."""
        past = [claim for claim in self.claims if all(map(is_past, rows_of(run, claim)))]
        left = tuple(claim for claim in self.claims if claim not in past)
        return msgspec.structs.replace(self, claims=left).with_apart(claim.rows for claim in past)


def pack(note: Note) -> bytes:
    return squeezed(_encode(note))


def unpack(body: bytes) -> Note:
    return _decode(loosened(body))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Note).decode


def named(sk: str, note: Note) -> str:
    """How rows name the note that lies at this sort key."""
    return f"{sk}{BETWEEN}{note.birth.hex()}" if note.birth else sk


def first_revision(note: Note) -> int:
    """Of a note that is born. A page's note has none that one before it had: whoever has read that, and was stopped,
    would write over this one."""
    return 1 + (int.from_bytes(note.birth, "big") << _REVISIONS)


def row(id: MessageId) -> bytes:
    return keys.in_run(id).to_bytes(_ROW, "big")


def rows_of(run: RunId, claim: NotedClaim) -> list[MessageId]:
    return [keys.row_of(run, int.from_bytes(one, "big")) for one in _each(claim.rows)]


def _each(rows: bytes) -> Iterator[bytes]:
    return (rows[at : at + _ROW] for at in range(0, len(rows), _ROW))


def claiming(claim: NotedClaim) -> dict[str, object]:
    """What the journal says of it."""
    return {"worker": claim.worker, "lane": claim.lane, "lease": claim.lease}


def is_note(item: Item) -> bool:
    return str(item["pk"])[:1] == "P"


def claims_told(item: Item) -> tuple[RunId, tuple[NotedClaim, ...]]:
    """The claims that came with this change of a note, and their run."""
    told = item.get("j")
    run = keys.campaign_of(str(item["pk"]))
    assert run is not None
    return run, unpack(bytes_of(item)).claims[-told:] if isinstance(told, int) else ()


def short(digest: str) -> str:
    return blake2b(digest.encode(), digest_size=6).hexdigest()
