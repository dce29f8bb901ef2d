"""Where records begin and end, in good texts and in broken ones."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.errors import AddressError
from kakitome.lists.encoding import FAULT
from kakitome.lists.limits import Limits
from kakitome.lists.records import Records
from kakitome.ports.lists import BadRow

Made = tuple[int, list[str]]
SMALL = Limits(field=40, row=60)


def make(line: int, fields: list[str]) -> Made:
    if "bad" in fields[0] or not any(map(str.strip, fields)):
        raise AddressError("Bad.", "Mend it.")
    return line, fields


def read(text: str, *, chunk: int = 1 << 20, limits: Limits = Limits(), **how: int) -> list[Made | BadRow]:  # noqa: B008
    chunks = (text[start : start + chunk] for start in range(0, len(text), chunk))
    return list(Records(chunks, ",", limits, make, **how))


def lines_of(read: Iterable[Made | BadRow]) -> tuple[list[int], list[int]]:
    """The lines of good records, and those of bad ones."""
    good, bad = [], []
    for one in read:
        if isinstance(one, BadRow):
            bad.append(one.line)
        else:
            good.append(one[0])
    return good, bad


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_physical_lines(end: str, chunk: int) -> None:
    """Line numbers are those of an editor: quoted line breaks and blank lines count, whatever a line break is."""
    text = end.join(["a,b", "", 'c,"x', "", 'y"', " , ", ",", "d,e", ""])
    assert read(text, chunk=chunk, width=2) == [(1, ["a", "b"]), (3, ["c", f"x{end}{end}y"]), (8, ["d", "e"])]


def test_no_line_break_at_the_end() -> None:
    """The last record needs none."""
    assert read("a,b\nc,d") == [(1, ["a", "b"]), (2, ["c", "d"])]


def test_quotes_within_plain_fields_are_text() -> None:
    """A quote that does not begin a field is an inch mark."""
    assert read('a,5" disk\n"b ""c""",d') == [(1, ["a", '5" disk']), (2, ['b "c"', "d"])]


def test_a_bad_row_shows_itself() -> None:
    """Line, reason with remedy, and the text as it stands in the list."""
    assert read('a,b\nbad,"x\ny"\r\nc,d')[1] == BadRow(2, "Bad. Mend it.", 'bad,"x\ny"')


def test_width() -> None:
    """A record with more or fewer fields than the header is bad, and its neighbours are not."""
    good, bad = lines_of(read("a,b\nc\nd,e,f\ng,h\n", width=2))
    assert (good, bad) == ([1, 4], [2, 3])


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ('a,b\nc,"d\ne,f\ng,h\n', [1, 3, 4], [2]),  # never closed
        ('a,b\nc,"d\ne,f\ng,"h, i"\nj,k\n', [1, 3, 4, 5], [2]),  # closed by the next quote: text follows
        ('a,b\nc,"d\ne,f\n","\ng,h\n', [1, 3, 5], [2, 4]),  # closed by the next quote: one field too many
        ('a,b\nc,"d" e\nf,g\n', [1, 3], [2]),
        ('"a', [], [1]),
        ('a,b\nc,"' + "\nd,e" * 20, [1, *range(3, 23)], [2]),  # beyond the row limit
        ("a,b\n" + "c" * 100 + ",d\ne,f\n", [1, 3], [2]),
        ("a,b\n" + "c" * 50 + ",d\ne,f\n", [1, 3], [2]),  # within the row's limit, beyond the field's
        ("a,b\n" + "c" * 1000, [1], [2]),
        ('a,b\n"' + "c" * 1000 + "\nd,e", [1, 3], [2]),
        ('a,b\nc,"\n' + "d" * 1000 + "\ne,f\n", [1, 4], [2, 3]),
    ],
)
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_an_open_quote_swallows_nobody(text: str, good: list[int], bad: list[int], chunk: int) -> None:
    """A quote that is never closed costs the row in which it stands, not the rows after it."""
    assert lines_of(read(text, chunk=chunk, limits=SMALL, width=2)) == (good, bad)


def test_text_that_means_nothing() -> None:
    """A fault or a NUL costs its row and is shown as U+FFFD; rows before and after are good."""
    got = read(f"a,b\nc,{FAULT}d\ne,f\ng,\0\nh,i\n", width=2)
    assert lines_of(got) == ([1, 3, 5], [2, 4])
    assert [one.text for one in got if isinstance(one, BadRow)] == ["c,\ufffdd", "g,\ufffd"]


def test_a_long_text_is_cut_for_show() -> None:
    """What is shown of a row fits a spreadsheet's cell."""
    (bad,) = read("bad," + "x" * 60_000)
    assert isinstance(bad, BadRow)
    assert len(bad.text) == 32_000
    assert bad.text.endswith("x…")


@pytest.mark.parametrize("start", range(1, 9))
def test_start_line(start: int) -> None:
    """Starting in the middle gives what a whole reading gives from there on, also behind a broken record."""
    text = 'a,b\nc,"d\ne,f\ng\nbad,h\n"i\nj",k\nl,m\n'
    whole = read(text, width=2)
    assert lines_of(whole) == ([1, 3, 7, 8], [2, 4, 5, 6])
    after = [one for one in whole if (one.line if isinstance(one, BadRow) else one[0]) >= start]
    assert read(text, width=2, start_line=start) == after


def test_memory_is_bounded() -> None:
    """An endless line, and an endless quote, are read without being kept."""
    largest = 0

    def endless(beginning: str, piece: str) -> Iterator[str]:
        nonlocal largest
        yield beginning
        for _ in range(2_000):
            largest = max(largest, sum(map(len, records._taken)))
            yield piece
        yield "\nz,z\n"

    for beginning, piece in (("a,b\n", "x" * 500), ('a,"b\n', "y,y\n" * 100), ('a,b\n"', '""\n' * 100)):
        records = Records(endless(beginning, piece), ",", SMALL, make, width=2)
        *_, last = records
        assert isinstance(last, tuple)
        assert last[1] == ["z", "z"]
    assert 0 < largest < 600


fields = st.lists(st.text(st.sampled_from('ab ,"\n\r;\t太😀'), max_size=6), min_size=3, max_size=3)


@given(st.lists(fields, max_size=8), st.sampled_from(["\n", "\r\n", "\r"]), st.integers(1, 9))
def test_agrees_with_the_csv_module(rows: list[list[str]], end: str, chunk: int) -> None:
    """What csv.writer writes is read again, blank records left out, with the line where each record begins."""
    text, expected = io.StringIO(newline=""), []
    for row in rows:
        breaks = set("\r\n") & set("".join(row))
        writer = csv.writer(text, lineterminator=end, quoting=csv.QUOTE_ALL if breaks else csv.QUOTE_MINIMAL)
        line = len(io.StringIO(text.getvalue(), newline="").readlines()) + 1
        writer.writerow(row)
        if any(field.strip() for field in row):
            expected.append((line, row))
    assert read(text.getvalue(), chunk=chunk, width=3) == expected


@given(st.text(st.sampled_from(f'ab,"\n\r{FAULT}\0x太'), max_size=80), st.integers(1, 9))
def test_every_line_is_accounted_for(text: str, chunk: int) -> None:
    """Whatever the text, a line with anything in it begins a record, good or bad, or stands within a quote."""
    got = read(text, chunk=chunk, width=2, limits=Limits(field=10, row=20))
    begins = [one.line if isinstance(one, BadRow) else one[0] for one in got]
    assert begins == sorted(set(begins))
    physical = io.StringIO(text, newline="").readlines()
    for number, line in enumerate(physical, 1):
        if line.strip(', "\r\n') and number not in begins:
            record = max(begin for begin in begins if begin < number)
            assert '"' in physical[record - 1]
