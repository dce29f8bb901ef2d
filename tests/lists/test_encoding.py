"""Which encoding a list is in, told from its bytes alone."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.errors import ListError
from kakitome.lists.encoding import ENCODINGS, FAULT, Recognition, decode, known

JAPANESE = "メールアドレス,氏名\r\ntaro@example.com,髙橋 太郎\r\nhanako@example.com,山田①㈱\r\n"


def recognised(data: bytes, chunk: int = 256 * 1024) -> str:
    recognition = Recognition()
    for start in range(0, len(data), chunk):
        recognition.feed(data[start : start + chunk])
    return recognition.result()


@pytest.mark.parametrize("chunk", [1 << 18, 33, 32])
@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (JAPANESE.encode(), "utf-8"),
        (JAPANESE.encode("utf-8-sig"), "utf-8-sig"),
        (JAPANESE.encode("cp932"), "cp932"),
        (codecs.BOM_UTF16_LE + JAPANESE.encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + JAPANESE.encode("utf-16-be"), "utf-16-be"),
        (JAPANESE.encode("utf-16-le"), "utf-16-le"),
        (JAPANESE.encode("utf-16-be"), "utf-16-be"),
        (b"email\r\ntaro@example.com\r\n", "utf-8"),
    ],
)
def test_recognised(data: bytes, encoding: str, chunk: int) -> None:
    """Each encoding that Japanese lists come in is told apart, wherever the chunks are cut."""
    assert recognised(data, chunk) == encoding
    chunks = (data[start : start + chunk] for start in range(0, len(data), chunk))
    text = "".join(decode(chunks, encoding))
    assert text.splitlines()[-1].split(",")[0] in ("hanako@example.com", "taro@example.com")
    assert not text.startswith("\ufeff")


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_the_last_line_decides(encoding: str) -> None:
    """A megabyte of ASCII says nothing; one name in the last line does."""
    data = b"email,name\r\n" + b"taro@example.com,Taro\r\n" * 50_000 + "x@example.com,太郎\r\n".encode(encoding)
    assert recognised(data) == encoding


@pytest.mark.parametrize("encoding", ["utf-8", "cp932"])
def test_one_broken_row_does_not_decide(encoding: str) -> None:
    """A few bytes that mean nothing in any encoding do not turn the list into mojibake."""
    assert recognised(JAPANESE.encode(encoding) + b"x@example.com,\xff\xfe\x80,\r\n") == encoding


def test_a_name_pasted_in_cp932_does_not_decide() -> None:
    """A UTF-8 list stays one, even if by chance CP932 has fewer faults with it."""
    data = b"mail\n" + "ああ@ああ\n".encode() * 3 + "a@example.com,メモ\n".encode("cp932")
    assert "".join(decode([data], "cp932")).count(FAULT) < "".join(decode([data], "utf-8")).count(FAULT)
    assert recognised(data) == "utf-8"


def test_bytes_that_mean_nothing_anywhere() -> None:
    """Where both encodings fail equally, it is UTF-8, and the row is a bad one in either."""
    assert recognised(b"email\ntaro@example.com\nx@example.com \xff\xff\n") == "utf-8"
    for byte in (b"\x80", b"\xa0", b"\xfd", b"\xfe", b"\xff"):
        assert "".join(decode([byte], "cp932")) == FAULT


def test_a_character_cut_in_two() -> None:
    """The second byte of a CP932 character may be ASCII, and begin a chunk that is otherwise ASCII."""
    recognition = Recognition()
    recognition.feed(b"x" * (1 << 18) + "ソ".encode("cp932")[:1])
    recognition.feed("ソ".encode("cp932")[1:] + b"\r\n")
    assert recognition.result() == "cp932"


def test_a_large_list_settles_early() -> None:
    """After a thousand bytes beyond ASCII the verdict stands: a long list is not decoded twice to be recognised."""
    recognition = Recognition()
    recognition.feed("x@example.com,髙橋 太郎\r\n".encode("cp932") * 3_000)
    recognition.feed("x@example.com,髙橋 太郎\r\n".encode() * 30_000)
    assert recognition.result() == "cp932"


def test_a_stray_zero_byte_does_not_decide() -> None:
    """One NUL in a tiny list is a slip in a row, not UTF-16."""
    assert recognised(b"to\na@x.jp\0\n") == "utf-8"


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"PK\x03\x04\x14\0\x06\0", "Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 9, "old Excel"),
        (b"%PDF-1.7\n", "PDF"),
        (b"\x1f\x8b\x08\0", "gzip"),
        (JAPANESE.encode("utf-32"), "UTF-32"),
        (bytes(range(256)) * 30, "binary"),
        (b"\0\0\x01\x02" * 50, "binary"),
    ],
)
def test_no_text(data: bytes, word: str) -> None:
    """A file that is no text is called by its name."""
    with pytest.raises(ListError, match=word):
        recognised(data)


def test_asked_for() -> None:
    """What a person says goes before what the bytes suggest; names are those of Python, and Shift_JIS means CP932."""
    recognition = Recognition(known("Shift_JIS"))
    recognition.feed(JAPANESE.encode())
    assert recognition.result() == "cp932"
    for name in ("utf-7", "rot13", "klingon", "utf\0", "é"):
        with pytest.raises(ListError, match="cp932"):
            known(name)


@given(st.binary(max_size=60), st.sampled_from([e for e in ENCODINGS if not e.startswith("utf-16")]))
def test_faults_swallow_nothing(noise: bytes, encoding: str) -> None:
    """Delimiters, quotes and line breaks after bytes that mean nothing are still there."""
    text = "".join(decode([noise + b'\n,"'], encoding))
    assert text.endswith('\n,"')
    assert [c for c in text if c in ',"\n\r\t;'] == [chr(b) for b in noise if b in b',"\n\r\t;'] + list('\n,"')


@given(st.binary(max_size=60), st.sampled_from(ENCODINGS), st.integers(1, 7))
def test_decoding_never_fails(data: bytes, encoding: str, chunk: int) -> None:
    """Any bytes decode, to the same text however they are cut, and what is no fault can be written again."""
    whole = "".join(decode([data], encoding))
    assert "".join(decode([data[n : n + chunk] for n in range(0, len(data), chunk)], encoding)) == whole
    whole.replace(FAULT, "").encode()
