"""Lists on disk: what is recognised, what is refused, and that a list stays the one that was opened."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.errors import ListError
from kakitome.lists import BadRow, Limits, ListFile, Row, open_list

ORDINARY = "メールアドレス,氏名\r\ntaro@example.com,髙橋 太郎\r\nhanako@example.org,山田①㈱\r\n"


@pytest.fixture(scope="module")
def scratch() -> Iterator[Path]:
    """One file for everything that Hypothesis writes."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder) / "list.csv"


def listed(path: Path, data: str | bytes, encoding: str = "utf-8") -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode(encoding))
    return path


def good(found: ListFile, start_line: int = 1) -> list[tuple[int, str, dict[str, str]]]:
    rows = [row for row in found.rows(start_line) if isinstance(row, Row)]
    return [(row.line, row.address.envelope, row.variables) for row in rows]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_recognised(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """The same list in any encoding and with any delimiter gives the same rows."""
    path = listed(tmp_path / "list.csv", ORDINARY.replace(",", delimiter), encoding)
    found = open_list(path)
    assert (found.delimiter, found.columns, found.address_column) == (
        delimiter,
        ("メールアドレス", "氏名"),
        "メールアドレス",
    )
    assert found.encoding == {"utf-16": "utf-16-le"}.get(encoding, encoding)
    assert found.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    assert (found.path, found.version) == (str(path), "")
    assert good(found) == [
        (2, "taro@example.com", {"メールアドレス": "taro@example.com", "氏名": "髙橋 太郎"}),
        (3, "hanako@example.org", {"メールアドレス": "hanako@example.org", "氏名": "山田①㈱"}),
    ]


@pytest.mark.parametrize(
    "name", ["email", "E-Mail", " MAIL ", "Address", "to", "メール", "ﾒｰﾙｱﾄﾞﾚｽ", "Ｅｍａｉｌ", "\u3000メールアドレス"]
)
def test_address_column_by_name(tmp_path: Path, name: str) -> None:
    """The usual names are recognised whatever their case and width; the name itself is kept, trimmed."""
    found = open_list(listed(tmp_path / "list.csv", f"番号,{name}\n1,taro@example.com\n"))
    assert found.address_column == name.strip()
    assert good(found)[0][2] == {"番号": "1", name.strip(): "taro@example.com"}


def test_address_column_by_option(tmp_path: Path) -> None:
    """What is asked for is taken, also where another column has the usual name."""
    path = listed(tmp_path / "list.csv", "email,Private Mail\na@example.com,b@example.com\n")
    for wanted in ("Private Mail", "private mail"):
        assert good(open_list(path, address_column=wanted))[0][1] == "b@example.com"


def test_delimiter_by_the_address_column(tmp_path: Path) -> None:
    """Commas within a header's names do not hide the column that semicolons show."""
    path = listed(tmp_path / "list.csv", "email;name, first, last, middle\na@example.com;x\n")
    assert open_list(path).columns == ("email", "name, first, last, middle")


def test_one_column(tmp_path: Path) -> None:
    """A list of nothing but addresses needs no delimiter."""
    assert good(open_list(listed(tmp_path / "list.csv", "email\na@example.com\n"))) == [
        (2, "a@example.com", {"email": "a@example.com"})
    ]


REFUSED = [
    (b"", "is empty"),
    (b"\n \r\n,,\n", "is empty"),
    ("\ufeff".encode(), "is empty"),
    (b"email,name\n", "no rows"),
    (b"email,name\n\n,\n \n", "no rows"),
    (b"PK\x03\x04" + b"x" * 99, "save as|Save as"),
    (b"\0\x01\x02\x03" * 50, "binary"),
    (b"email" + b"x" * 300_000, "header in line 1 cannot be read"),
    (b'email,"name\na@example.com,x\n', "header in line 1 cannot be read"),
    (b"name,company\nx,y\n", "No column is recognised.*“name”, “company”.*--address-column"),
    (b"email,mail,x\na@example.com,b@example.com,y\n", "“email”, “mail”.*--address-column"),
    (b"email,name,name\na@example.com,x,y\n", "More than one column is called “name”"),
    (b"email,,x,\na@example.com,x,y,z\n", "without a name: 2, 4"),
    (b"taro@example.com,Taro\nhanako@example.com,Hanako\n", "no header"),
]


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_refused(tmp_path: Path, data: bytes, words: str) -> None:
    """What is no list is refused in a sentence that says why, with the path beside it."""
    path = listed(tmp_path / "list.csv", data)
    with pytest.raises(ListError, match=words) as refusal:
        open_list(path)
    assert refusal.value.data["path"] == str(path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"address_column": "phone"}, "no column “phone”.*--address-column"),
        ({"encoding": "klingon"}, "klingon"),
        ({"delimiter": "|"}, "comma, tab and semicolon"),
    ],
)
def test_options_refused(tmp_path: Path, options: dict[str, str], words: str) -> None:
    """An option that cannot be met is refused, with what could be."""
    path = listed(tmp_path / "list.csv", ORDINARY)
    with pytest.raises(ListError, match=words):
        open_list(path, **options)  # type: ignore[arg-type]


def test_no_file(tmp_path: Path) -> None:
    """A missing file, a folder, a pipe and an impossible name are named, and nothing waits for a pipe."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "missing.csv", tmp_path, tmp_path / "pipe", Path("nul\0")):
        with pytest.raises(ListError):
            open_list(path)


def test_rows_and_bad_rows(tmp_path: Path) -> None:
    """Rows come in order with the line where they begin; what cannot be used says why; blank lines are nothing."""
    text = (
        "\r\nemail,note\r\n"
        '"a@example.com","two\r\nlines"\r\n'
        "\r\n,\r\n"
        "no-at.example.com,x\r\n"
        "b@example.com\r\n"
        'c@example.com,"open\r\n'
        "d@example.com,x\r\n"
    )
    rows = list(open_list(listed(tmp_path / "list.csv", text)).rows())
    assert [(row.line, isinstance(row, Row)) for row in rows] == [
        (3, True),
        (7, False),
        (8, False),
        (9, False),
        (10, True),
    ]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    for reason, word in zip(reasons, ("no @", "1 fields, the header has 2", "quote"), strict=True):
        assert word in reason


def test_broken_bytes_cost_their_row(tmp_path: Path) -> None:
    """Bytes that mean nothing, and NUL, are named with their line; the rows around them are sent."""
    data = ORDINARY.encode() + b"x@example.com,\xff\xfe\ny@example.com,\0\nz@example.com,z\n"
    rows = list(open_list(listed(tmp_path / "list.csv", data)).rows())
    assert [(row.line, isinstance(row, Row)) for row in rows] == [
        (2, True),
        (3, True),
        (4, False),
        (5, False),
        (6, True),
    ]


def test_start_line_and_batches(tmp_path: Path) -> None:
    """A reading can be taken up again at a line, and comes in batches; the header is never a row."""
    path = listed(tmp_path / "list.csv", "email\n" + "".join(f"u{n}@example.com\n" for n in range(2, 12)))
    found = open_list(path)
    assert [len(batch) for batch in found.batches(4)] == [4, 4, 2]
    for start in (0, 1, 2, 7, 12):
        assert [row.line for batch in found.batches(3, start) for row in batch] == list(range(max(2, start), 12))


def test_local_domain(tmp_path: Path) -> None:
    """Domains without a dot are taken where they were asked for."""
    path = listed(tmp_path / "list.csv", "email\nroot@localhost\n")
    assert good(open_list(path)) == []
    assert good(open_list(path, allow_local_domain=True))[0][1] == "root@localhost"


@pytest.mark.parametrize("change", ["append", "rewrite", "touch", "remove"])
def test_changed_before_reading(tmp_path: Path, change: str) -> None:
    """A list that changed after it was opened yields no row at all where its size or time show it."""
    path = listed(tmp_path / "list.csv", ORDINARY)
    opened, found = path.stat().st_mtime_ns, open_list(path)
    if change == "append":
        path.write_bytes(path.read_bytes() + b"x@example.com,x\n")
    elif change == "remove":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes().replace(b"taro@", b"jiro@") if change == "rewrite" else path.read_bytes())
        os.utime(path, ns=(0, opened + 1_000))
    with pytest.raises(ListError):
        next(found.rows())


def test_changed_behind_our_back(tmp_path: Path) -> None:
    """Same size and same time, other content: the digest shows it at the end of the pass."""
    path = listed(tmp_path / "list.csv", ORDINARY)
    opened, found = path.stat().st_mtime_ns, open_list(path)
    path.write_bytes(path.read_bytes().replace(b"taro@", b"jiro@"))
    os.utime(path, ns=(opened, opened))
    rows = found.rows()
    assert [next(rows).line, next(rows).line] == [2, 3]
    with pytest.raises(ListError, match="has changed"):
        next(rows)


def test_changed_while_reading(tmp_path: Path) -> None:
    """A row appended during the pass is not silently left out, nor silently taken."""
    path = listed(tmp_path / "list.csv", ORDINARY)
    rows = open_list(path).rows()
    next(rows)
    with path.open("ab") as file:
        file.write(b"x@example.com,x\n")
    with pytest.raises(ListError, match="has changed"):
        list(rows)


def test_limits_are_checked() -> None:
    """A field limit that the csv module would not honour is refused."""
    for wrong in ({"field": 0}, {"field": 1 << 30, "row": 1 << 30}, {"field": 100, "row": 99}):
        with pytest.raises(ValueError, match="field"):
            Limits(**wrong)


@given(data=st.binary(max_size=200) | st.lists(st.sampled_from([b"email", b",", b"\n", b'"', b"a@example.com", b"\0",
       b"\r", b"\xe3\x81", b"\xff", b"\x83\x81", b"\t", b";", b"name"]), max_size=40).map(b"".join))  # fmt: skip
@pytest.mark.parametrize("begin", [b"", b"email,name\n", b"\xff\xfee\0m\0a\0i\0l\0\n\0"])
def test_any_bytes(scratch: Path, begin: bytes, data: bytes) -> None:
    """Whatever the file, it is refused with a ListError or read to its end, and everything that comes out is text."""
    try:
        found = open_list(listed(scratch, begin + data))
    except ListError as refusal:
        str(refusal).encode()
        return
    for row in found.rows():
        (repr(row) if isinstance(row, Row) else row.reason + row.text).encode()
        if isinstance(row, Row):
            assert tuple(row.variables) == found.columns
            "".join(row.variables.values()).encode()


text = st.text(st.sampled_from("aｱ太㈱①髙 ,\"';\t\n"), max_size=8)


@given(st.lists(st.tuples(text, text), min_size=1, max_size=6), st.sampled_from(["utf-8-sig", "cp932", "utf-16"]))
def test_round_trip(scratch: Path, rows: list[tuple[str, str]], encoding: str) -> None:
    """What the csv module writes for Excel comes back unharmed, with the lines where the rows begin."""
    out, lines = io.StringIO(newline=""), []
    writer = csv.writer(out)
    writer.writerow(("会社名", "メールアドレス", "氏名"))
    for number, (one, other) in enumerate(rows):
        lines.append(out.getvalue().count("\n") + 1)
        writer.writerow((one, f"u{number}@example.com", other))
    found = open_list(listed(scratch, out.getvalue(), encoding))
    assert good(found) == [
        (
            line,
            f"u{number}@example.com",
            {"会社名": one, "メールアドレス": f"u{number}@example.com", "氏名": other},
        )
        for number, (line, (one, other)) in enumerate(zip(lines, rows, strict=True))
    ]
