"""The one place that admits header values."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.content import Charset
from kakitome.core.errors import HeaderError
from kakitome.core.headers import (
    FOLD_AT,
    RESERVED,
    RESERVED_PREFIXES,
    check_caller_headers,
    check_header_name,
    check_header_value,
    encode,
    field,
    phrase,
)

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=120)


def parsed(raw: bytes, name: str) -> str:
    return str(email.message_from_bytes(raw + b"\r\n", policy=default)[name])


@pytest.mark.parametrize("bad", ["\r", "\n", "\0", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ud800"])
def test_a_control_character_is_refused_by_name(bad: str) -> None:
    """The error names the header and the character, whichever way the value comes in."""
    code = f"U+{ord(bad):04X}"
    for check in (check_header_value, encode, phrase):
        with pytest.raises(HeaderError) as caught:
            check(f"a{bad}b", "X-Booking")
        assert caught.value.data == {"header": "X-Booking", "character": code}
        assert code in str(caught.value)
    with pytest.raises(HeaderError):
        field("X-Booking", f"a{bad}b")


@pytest.mark.parametrize("name", ["", "X Y", "X:", "X\r\nBcc", "件名", "X\0", "a" * 127])
def test_a_broken_name_is_refused(name: str) -> None:
    """A field name is ftext of RFC 5322 and at most as long as SES takes it."""
    with pytest.raises(HeaderError):
        check_header_name(name)
    with pytest.raises(HeaderError):
        field(name, "value")


@pytest.mark.parametrize("name", [*RESERVED, *(f"{start}x" for start in RESERVED_PREFIXES)])
def test_a_reserved_name_is_refused_with_its_reason(name: str) -> None:
    """Upper or lower case, the caller is told why the field is not his."""
    for spelling in (name, name.upper()):
        with pytest.raises(HeaderError, match=r"is not yours to set\. [A-Z]"):
            check_caller_headers([(spelling, "value")])


def test_a_name_is_taken_once() -> None:
    """SendGrid and SES keep one value a name, so a second one is refused, not lost."""
    check_caller_headers([("X-A", "1"), ("X-B", "2")])
    with pytest.raises(HeaderError, match="twice"):
        check_caller_headers([("X-A", "1"), ("x-a", "2")])


def test_a_value_is_at_most_995_characters_as_it_is_sent() -> None:
    """What counts is the encoded value: 330 kanji are too long where 990 letters are not."""
    check_caller_headers([("X-A", "a b" * 331)])
    for value in ("a b" * 332, "書" * 330, ""):
        with pytest.raises(HeaderError):
            check_caller_headers([("X-A", value)])


def test_a_structured_field_is_never_encoded() -> None:
    """A URL that looks like an encoded-word stays as it is; one beyond ASCII is refused."""
    url = "<https://example.com/?a=?utf-8?q?x?=>"
    assert encode(url, "List-Unsubscribe") == url
    with pytest.raises(HeaderError, match="ASCII only"):
        encode("<https://example.com/書留>", "List-Unsubscribe")


def test_a_piece_that_no_line_can_hold() -> None:
    """In a field of text it is encoded; where it cannot be, it is refused."""
    assert parsed(field("X-A", encode("a" * 2000, "X-A")), "X-A") == "a" * 2000
    with pytest.raises(HeaderError, match="998"):
        field("List-Help", "a" * 1000)


def test_an_address_is_not_smuggled_in_by_a_field() -> None:
    """`field` takes no byte beyond printable ASCII, even from our own code."""
    with pytest.raises(HeaderError, match="ASCII"):
        field("Subject", "書留")


@given(LINE)
def test_text_survives(value: str) -> None:
    """Any line of text comes back from the standard library's parser, leading and double spaces too."""
    raw = field("Subject", encode(value, "Subject"))
    assert parsed(raw, "Subject") == value
    assert raw.endswith(b"\r\n") and raw.isascii()


@given(st.text("あいう日本語 ab-", max_size=80))
def test_text_survives_in_iso_2022_jp(value: str) -> None:
    """Each encoded-word begins and ends in ASCII, so that it can be read by itself."""
    raw = field("Subject", encode(value, "Subject", Charset.ISO_2022_JP))
    assert parsed(raw, "Subject") == value


@given(LINE)
def test_lines_are_folded_and_words_are_short(value: str) -> None:
    """RFC 2047 §2: encoded-words of at most 75 characters, on lines of at most 76."""
    for line in field("Subject", encode("書" + value, "Subject")).decode().split("\r\n"):
        assert len(line) <= FOLD_AT
        assert all(len(word) <= 75 for word in line.split() if word.startswith("=?"))


@given(LINE)
def test_a_display_name_survives(name: str) -> None:
    """Exactly, with specials, quotes and spaces.

    RFC 2047 §6.2 decides, through email.header. email.policy of 3.11 puts a space between encoded-words and trims
    names that are odd in their spaces, so it is asked about the other ones only.
    """
    written = phrase(name, "From", room=70)
    raw = field("From", f"{written} <a@example.com>".lstrip())
    (address,) = email.message_from_bytes(raw + b"\r\n", policy=default)["From"].addresses
    assert address.addr_spec == "a@example.com"
    if written.startswith("=?"):
        assert str(make_header(decode_header(written))) == name
    if written.count("=?utf-8?b?") <= 1 and name == " ".join(name.split()):
        assert address.display_name == name


def test_a_long_name_is_put_together_without_spaces() -> None:
    """A reader drops the space between encoded-words (RFC 2047 §6.2); email.policy of 3.11 does not."""
    name = "株式会社書留郵便配達サービスカスタマーサポートセンター"
    written = phrase(name, "From")
    assert written.count("=?") == 2
    assert str(make_header(decode_header(written))) == name


def test_a_space_at_a_fold_is_kept() -> None:
    """Wherever a long name is broken, the space there stays inside a word; EmailMessage of 3.11 loses it."""
    for length in range(1, 40):
        name = "書" * length + " 留" * 20
        assert str(make_header(decode_header(phrase(name, "From", room=70)))) == name


def test_no_line_is_nothing_but_spaces() -> None:
    """Many spaces in a row are not folded (RFC 5322 §4.2 calls such lines obsolete), and none is lost."""
    value = "a" * 70 + " " * 90 + "b" * 70
    raw = field("Subject", encode(value, "Subject"))
    assert all(line.strip() for line in raw.decode().splitlines())
    assert parsed(raw, "Subject") == value
