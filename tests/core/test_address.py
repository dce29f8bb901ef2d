"""Addresses: what is taken, what is refused and in which words, and what goes on the wire."""

from __future__ import annotations

import re
import unicodedata

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from kakitome.core.address import address_hash, canonical, parse_address, parse_mailbox
from kakitome.core.errors import AddressError

PRINTABLE_ASCII = re.compile(r"[ -~]+").fullmatch

TAKEN = [
    # as given, on the wire, canonical
    ("taro@example.com", "taro@example.com", "taro@example.com"),
    (" \tTaro.Yamada+News@EXAMPLE.Com ", "Taro.Yamada+News@example.com", "taro.yamada+news@example.com"),
    ("o'hara/x=y@example.co.jp", "o'hara/x=y@example.co.jp", "o'hara/x=y@example.co.jp"),
    ("a@1-2.example", "a@1-2.example", "a@1-2.example"),
    ("a..b.@docomo.ne.jp", '"a..b."@docomo.ne.jp', "a..b.@docomo.ne.jp"),
    ('"a..b."@docomo.ne.jp', '"a..b."@docomo.ne.jp', "a..b.@docomo.ne.jp"),
    ("A-_-A...@docomo.ne.jp", '"A-_-A..."@docomo.ne.jp', "a-_-a...@docomo.ne.jp"),
    ('"taro"@example.com', "taro@example.com", "taro@example.com"),
    (r'"t\aro"@example.com', "taro@example.com", "taro@example.com"),
    (r'"a \"b\" \\ @ c"@example.com', r'"a \"b\" \\ @ c"@example.com', r'a "b" \ @ c@example.com'),
    ("info@例え.jp", "info@xn--r8jz45g.jp", "info@xn--r8jz45g.jp"),
    ("info@XN--R8JZ45G.jp", "info@xn--r8jz45g.jp", "info@xn--r8jz45g.jp"),
    ("a@straße.de", "a@xn--strae-oqa.de", "a@xn--strae-oqa.de"),
    ("a@例え.xn--q9jyb4c", "a@xn--r8jz45g.xn--q9jyb4c", "a@xn--r8jz45g.xn--q9jyb4c"),
    ("a" * 64 + "@example.com", "a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ("a@" + "b" * 63 + ".jp", "a@" + "b" * 63 + ".jp", "a@" + "b" * 63 + ".jp"),
]


@pytest.mark.parametrize(("text", "envelope", "key"), TAKEN)
def test_taken(text: str, envelope: str, key: str) -> None:
    """Each of these is an address, with this form on the wire and this key."""
    address = parse_address(text)
    assert (address.envelope, canonical(address)) == (envelope, key)
    assert address.given == text.strip()


REFUSED = [
    ("", "empty"),
    (" \t ", "empty"),
    ("taro", "no @"),
    ("@example.com", "nothing before"),
    ('""@example.com', "nothing before"),
    ("taro@", "nothing after"),
    ("taro@example", "no dot"),
    ("taro@[192.0.2.1]", "address literal"),
    ("taro@[IPv6:2001:db8::1]", "address literal"),
    (".taro@example.com", "begins with a dot"),
    ("taro@.example.com", "domain begins with a dot"),
    ("taro@example.com.", "domain ends with a dot"),
    ("taro@example..com", "two dots in a row"),
    ("taro@exa_mple.com", "“_”"),
    ("taro@-example.com", "hyphens"),
    ("taro@example-.com", "hyphens"),
    ("taro@ab--cd.com", "hyphens"),
    ("taro@xn--a.jp", "internationalised domain"),
    ("taro@😀.com", "internationalised domain"),
    ("taro@example.123", "top-level"),
    ("ta ro@example.com", "space"),
    ("taro@exam ple.com", "space"),
    ("ta\u00a0ro@example.com", "space"),
    ("taro\u3000@example.com", "ideographic"),
    ("taro@example.com\u3000", "ideographic"),
    ("taro＠example.com", "“＠” is a full-width"),
    ("ｔaro@example.com", "“ｔ” is a full-width"),
    ("taro@example．com", "“．” is a full-width"),
    ("taro@example。com", "full stop"),
    ("太郎@example.com", "“太” stands before the @"),
    ("tar\u0301o@example.com", "stands before the @"),
    ("taro\u200b@example.com", "U+200B"),
    ("taro@example\u00ad.com", "U+00AD"),
    ("taro@example.com\n", "line break"),
    ("taro@example.com\r\nBcc: x@example.com", "line break"),
    ("taro@example.com\u2028", "line break"),
    ("ta\0ro@example.com", "U+0000"),
    ('"ta\x07ro"@example.com', "U+0007"),
    ("ta\ud800ro@example.com", "U+D800"),
    ("a@example.com,b@example.com", "more than one address"),
    ("a@example.com; b@example.com", "more than one address"),
    ("a@example.com b@example.com", "more than one address"),
    ("a@example.com、b@example.com", "more than one address"),
    ("a@b@example.com", "more than one @"),
    ("Taro <taro@example.com>", "angle brackets"),
    ("<taro@example.com>", "angle brackets"),
    ("@relay.example,@b.example:taro@example.com", "source route"),
    ("taro,x@example.com", "“,”"),
    ("mailto:taro@example.com", "“:”"),
    ("taro(home)@example.com", "“(”"),
    ('ta"ro@example.com', '“"”'),
    ('"taro@example.com', '“"”'),
    ("a" * 65 + "@example.com", "longer than 64"),
    ("a" * 63 + ".@example.com", "longer than 64"),  # with its quotes
    ("a@" + "b" * 64 + ".jp", "longer than 63"),
    ("a@" + ("b" * 50 + ".") * 5 + "jp", "longer than 254"),
    ("a@" + "b" * 5_000, "far too long"),
]


@pytest.mark.parametrize(("text", "fault"), REFUSED)
def test_refused(text: str, fault: str) -> None:
    """Each of these is refused in a sentence that names the fault, and the error carries the text."""
    with pytest.raises(AddressError) as refusal:
        parse_address(text)
    assert fault in refusal.value.what
    assert refusal.value.data["address"] == text.strip(" \t")[:1_000]


def test_local_domain() -> None:
    """A domain without a dot is taken where it is asked for, and nothing else with it."""
    assert parse_address("root@localhost", allow_local_domain=True).envelope == "root@localhost"
    with pytest.raises(AddressError):
        parse_address("root@-", allow_local_domain=True)


def test_given_is_composed() -> None:
    """What is shown is NFC, so that the same domain typed on two systems looks the same."""
    decomposed = unicodedata.normalize("NFD", "info@パン.jp")
    assert parse_address(decomposed).given == "info@パン.jp"


anything = st.text(st.one_of(st.sampled_from('ab.@"\\ <>,;:()[]-_\r\n\0　＠太xn-.@.'), st.characters()), max_size=40)
plausible = st.from_regex(r"\A[ab.\"\\ ,+]{1,8}@([a-dx-]{1,6}\.){1,3}[a-c1-]{1,4}\Z")


@given(anything | plausible)
@example('"@"@a.jp')
@example("a@xn--.jp")
def test_what_is_taken_is_safe_on_the_wire(text: str) -> None:
    """Whatever is taken goes out as printable ASCII within RFC 5321's limits, and reads back as the same address."""
    try:
        address = parse_address(text)
    except AddressError as refusal:
        assert refusal.what
        return
    wire = address.envelope
    assert PRINTABLE_ASCII(wire)
    assert len(wire) <= 254
    again = parse_address(wire)
    assert (again.local, again.domain, again.envelope) == (address.local, address.domain, wire)
    assert canonical(again) == canonical(address)


ascii_address = st.builds(
    "{}@{}".format,
    st.text("abYZ09!#$%&'*+/=?^_`{|}~-.,( ", min_size=1, max_size=12),
    st.text("abYZ09-._", min_size=1, max_size=16)
    | st.from_regex(r"\A[a-c0-9-]{1,5}\.(xn--)?[a-z0-9]{1,8}\.[a-z0-9]{2}\Z"),
)


@given(ascii_address | st.emails())
@example("a@b.c-d")
@example("a@xn--r8jz45g.jp")
@example("a@ab--c.jp")
def test_agrees_with_email_validator(text: str) -> None:
    """email-validator, strict, takes what we take and nothing more, but for the dots of old carrier addresses."""
    try:
        ours: str | None = canonical(parse_address(text))
    except AddressError:
        ours = None
    if re.match(r"[^@]*(\.\.|\.@)", text) or text != text.strip():
        return
    try:
        checked = validate_email(
            text, check_deliverability=False, test_environment=True, allow_smtputf8=False, strict=True
        )
        theirs: str | None = f"{checked.local_part.lower()}@{checked.ascii_domain}"
    except EmailNotValidError:
        theirs = None
    assert ours == theirs


def test_canonical_folds_case_and_quotes_only() -> None:
    """Dots and +labels may make two mailboxes of one; case and quotes do not."""
    same = ["Taro@example.com", "taro@EXAMPLE.COM", '"taro"@example.com']
    others = ["ta.ro@example.com", "taro+a@example.com", "taro.@example.com"]
    assert len({canonical(parse_address(text)) for text in same}) == 1
    assert len({canonical(parse_address(text)) for text in same + others}) == 4


MAILBOXES = [
    ("taro@example.com", "taro@example.com", ""),
    (" <taro@example.com> ", "taro@example.com", ""),
    ("Taro Yamada <taro@example.com>", "taro@example.com", "Taro Yamada"),
    ("山田 太郎<taro@example.com>", "taro@example.com", "山田 太郎"),
    ('"Name, Inc." <taro@example.com>', "taro@example.com", "Name, Inc."),
    (r'"A \"B\" \\" <taro@example.com>', "taro@example.com", r'A "B" \ '.strip()),
    ("Hotel (Tokyo): bookings <taro@example.com>", "taro@example.com", "Hotel (Tokyo): bookings"),
    ("=?utf-8?q?x?= <taro@example.com>", "taro@example.com", "=?utf-8?q?x?="),
    ("Old <a..b.@docomo.ne.jp>", "a..b.@docomo.ne.jp", "Old"),
    ('"a<b"@example.com', '"a<b"@example.com', ""),
    ('"X" <"a<b"@example.com>', '"a<b"@example.com', "X"),
]


@pytest.mark.parametrize(("text", "address", "name"), MAILBOXES)
def test_mailbox(text: str, address: str, name: str) -> None:
    """A mailbox is a name, which may be in any script, and an address as it was given."""
    mailbox = parse_mailbox(text)
    assert (mailbox.address, mailbox.name) == (address, name)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<>",
        "Taro <>",
        "Taro <taro@example.com",
        "Taro taro@example.com",
        "Name, Inc. <taro@example.com>",
        'Taro "T" Yamada <taro@example.com>',
        "A <a@example.com> <b@example.com>",
        "Taro\r\nBcc: x <taro@example.com>",
        "Ta\u2028ro <taro@example.com>",
        "Ta\ud800ro <taro@example.com>",
        '"Taro\n" <taro@example.com>',
        "x" * 5_000 + " <taro@example.com>",
    ],
)
def test_mailbox_refused(text: str) -> None:
    """A name that could break a header, or hide a second address, is refused with the address."""
    with pytest.raises(AddressError):
        parse_mailbox(text)


@given(anything, st.sampled_from(["taro@example.com", '"a b>"@example.com']))
def test_mailbox_names_cannot_break_a_line(name: str, spec: str) -> None:
    """Whatever name is taken has no line break, no control character and no lone surrogate."""
    try:
        mailbox = parse_mailbox(f"{name} <{spec}>")
    except AddressError:
        return
    assert not {unicodedata.category(character) for character in mailbox.name} & {"Cc", "Cs", "Zl", "Zp"}
    assert mailbox.address == spec


def test_hash_is_keyed_and_signed() -> None:
    """The same address has another hash under another key; all fit an integer column, on both sides of zero."""
    one, two = b"1" * 32, b"2" * 32
    hashes = [address_hash(key, f"user{n}@example.com") for key in (one, two) for n in range(32)]
    assert len(set(hashes)) == 64
    assert min(hashes) < 0 < max(hashes)
    assert all(-(2**63) <= value < 2**63 for value in hashes)
    assert address_hash(one, "taro@example.com") == 7440428130970832961  # pinned: ledgers keep it for years


@pytest.mark.parametrize("key", [b"", b"short", b"x" * 65])
def test_hash_wants_a_key(key: bytes) -> None:
    """A hash under a key that can be tried out protects nobody."""
    with pytest.raises(ValueError, match="16 to 64"):
        address_hash(key, "taro@example.com")
