"""Where things lie in the table, and what an id says of its place.

    m…  a single mail            by day and three bits of its id; ids lead with the time
    c…  a row of a campaign      by campaign and page; the id is made of the address hash, so that one address has one
                                 place in a campaign and a second line finds it taken
    r   runs                     n…  their names          P…  notes about rows of a campaign, with their first claims
    s…  submissions              b…  of large ones the rest of the content
    k…  idempotency keys         p…  provider ids: their attempts, and events that came early
    a…  what is known of an address                       e…  events as they came, in batches
    a   addresses in their order, of those in a…          q…  events that came early and have no provider id
    o…  opens and clicks of a message beyond those that count        v…  large variables of rows, by run and hash
    C…  counters                 j…  what happened to nothing of the above

An id of 63 bits: a single mail's begins with 0 and the millisecond; a row's with 1, the run (18 bits), the number of
page bits (4) and what is left of the hash (40).
"""

from __future__ import annotations

import re
from hashlib import blake2b

from kakitome.core.ids import MessageId, RunId, SubmissionId, first_of
from kakitome.ledgers.dynamodb.marshal import Key

_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
_ROW = 1 << 62
_PLACE_BITS, _PAGE_BITS = 40, 4
_PLACES = 1 << _PLACE_BITS
_MIX = 0x9E3779B97F4A7C15
_DAY_BITS = 46
MOST_RUNS = (1 << 18) - 1
MOST_PAGE_BITS = 15
ROWS_A_PAGE = 250
PROBES = 32
"""How many places behind its own an address may lie whose place another one has (1,000,000 rows share 10^12 places)."""


def sortable(number: int) -> str:
    """Thirteen digits in the order of the numbers (0 to 2^63 - 1)."""
    digits = []
    for _ in range(13):
        number, rest = divmod(number, 32)
        digits.append(_DIGITS[rest])
    return "".join(reversed(digits))


def number_of(text: str) -> int:
    number = 0
    for digit in text:
        number = number * 32 + _DIGITS.index(digit)
    return number


def page_bits(rows: int) -> int:
    """How many bits name the page, so that a page has at most 250 of so many rows."""
    return min(MOST_PAGE_BITS, (max(0, rows - 1) // ROWS_A_PAGE).bit_length())


def row_id(run: RunId, bits: int, hash: int, probe: int = 0) -> MessageId:
    """The place of an address in a campaign; with `probe`, one of those behind it, on the same page."""
    mixed = (hash % (1 << 64)) * _MIX % (1 << 64) >> (64 - _PLACE_BITS)
    rest = _PLACE_BITS - bits
    place = mixed >> rest << rest | (mixed + probe) % (1 << rest)
    return MessageId(_ROW | run << (_PLACE_BITS + _PAGE_BITS) | bits << _PLACE_BITS | place)


def is_row(id: int) -> bool:
    return bool(id & _ROW)


def run_of(id: int) -> RunId:
    """The campaign of a row."""
    return RunId((id & (_ROW - 1)) >> (_PLACE_BITS + _PAGE_BITS))


def in_run(id: int) -> int:
    """What is left of a row's id where the campaign is known: six octets."""
    return id & (1 << _PLACE_BITS + _PAGE_BITS) - 1


def row_of(run: RunId, left: int) -> MessageId:
    return MessageId(_ROW | run << (_PLACE_BITS + _PAGE_BITS) | left)


def page_of(id: int) -> int:
    bits = id >> _PLACE_BITS & (1 << _PAGE_BITS) - 1
    return (id & (_PLACES - 1)) >> (_PLACE_BITS - bits)


def page_key(run: RunId, page: int) -> str:
    return f"c{run:x}#{page:x}"


def message(id: int) -> Key:
    if is_row(id):
        return Key(page_key(run_of(id), page_of(id)), sortable(id))
    return Key(singles_of(id >> _DAY_BITS, id & 7), sortable(id))


def singles_of(day: int, shard: int) -> str:
    return f"m{day:x}#{shard}"


def single_days(since: int, until: int) -> range:
    """The days (of 18.6 hours) that have the single mails accepted from `since` to `until` (ms)."""
    return range(first_of(since) >> _DAY_BITS, (first_of(until) >> _DAY_BITS) + 1)


RUNS = "r"
LIVE = "r"
"""Runs that are not done, in the index of what is open."""
RUN_NUMBER = Key("#", "run")
HASH_KEY = Key("#", "hash-key")
WORKERS = "W"


def run(id: int) -> Key:
    return Key(RUNS, sortable(id))


def run_name(name: str) -> Key:
    return Key(f"n{name}", "n")


def notes(run: RunId) -> str:
    return f"P{run:x}"


def note(run: RunId, page: int) -> Key:
    return Key(notes(run), f"{page:04x}")


def named_note(run: RunId, token: bytes) -> Key:
    return Key(notes(run), f"n{token.hex()}")


def variables(run: RunId, hash: str) -> Key:
    return Key(f"v{run:x}#{hash}", "v")


def told_lines(run: RunId, digest: str) -> str:
    """Lines of a list that became no message."""
    return f"T{run:x}#{digest}"


def submission(id: SubmissionId) -> Key:
    return Key(f"s{sortable(id)}", "s")


def part(id: SubmissionId, n: int) -> Key:
    return Key(f"b{sortable(id)}", f"{n:04x}")


def idempotency(key: str) -> Key:
    return Key(f"k{blake2b(key.encode(), digest_size=16).hexdigest()}", "k")


def provider_id(id: str) -> str:
    return f"p{short(id)}"


def no_provider_id(event: str) -> str:
    return f"q{short(event)}"


def short(text: str) -> str:
    """Itself, as long as it has a place in a key, whoever made it."""
    return text if len(text) <= 200 else blake2b(text.encode(), digest_size=32).hexdigest()


def events(batch: str) -> Key:
    return Key(f"e{batch}", "e")


_OF_ROWS = re.compile(r"[cPTv]([0-9a-f]+)(?:#|$)")
_OF_ONE_ROW = re.compile(r"o([0-9a-z]{13})$")


def campaign_of(pk: str, index: str | None = None) -> RunId | None:
    """The run of a partition that is only about the rows of one, or of the mail of one in the index of what is open;
    None: of any other."""
    if index == "open":
        return None if pk == LIVE else RunId(int(pk.partition("#")[0], 16))
    if index is None and (found := _OF_ROWS.match(pk)) is not None:
        return RunId(int(found[1], 16))
    if index is None and (found := _OF_ONE_ROW.match(pk)) is not None and is_row(id := number_of(found[1])):
        return run_of(id)
    return None


LISTED = "a"


def address(hash: int) -> Key:
    return Key(f"a{hash % (1 << 64):016x}", "a")
