"""The bytes of a mail, with the standard library's parser as the judge."""

from __future__ import annotations

import email
import re
from datetime import UTC, datetime
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.content import Attachment, Charset, Content, Mailbox
from kakitome.core.errors import AddressError, ContentError, HeaderError
from kakitome.core.mime import effective_charset, message_id_for, mime

SENDER = Mailbox("info@example.com", "書留 ㈱髙①")
READER = Mailbox("reader@example.org", "山田 太郎")
ID = "<msg_1v5w0k3m9q2ab@example.com>"
DATE = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)

LINE = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=60)
BODY = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.text(".F\r\n \tom=あ\0", max_size=200)
# One encoded-word, plain spaces: the parser of 3.11 errs beyond that (tests/core/test_headers.py judges the others).
NAME = LINE.filter(lambda name: len(name.encode()) <= 40 and name == " ".join(name.split()))
PEOPLE = st.lists(
    st.builds(
        Mailbox, st.sampled_from(["a@example.com", "a..b.@docomo.ne.jp", '"a b"@example.com', "x@書留.example"]), NAME
    ),
    min_size=1,
    max_size=4,
)
FILES = st.lists(
    st.builds(
        Attachment,
        LINE.filter(bool),
        st.sampled_from(["application/pdf", "text/csv; charset=utf-8", "text/calendar; method=REQUEST"]),
        st.binary(max_size=200),
    ),
    max_size=3,
)
CONTENTS = st.builds(
    Content,
    sender=st.builds(Mailbox, st.just("info@example.com"), NAME),
    to=PEOPLE.map(tuple),
    subject=LINE,
    text=BODY,
    html=st.none() | BODY,
    attachments=FILES.map(tuple),
    charset=st.sampled_from(Charset),
)


def content(**changes: Any) -> Content:
    given: dict[str, Any] = {"sender": SENDER, "to": (READER,), "subject": "ご予約 ①", "text": "髙橋様\n"}
    return Content(**{**given, **changes})


def raw(mail: Content, extra: tuple[tuple[str, str], ...] = ()) -> bytes:
    return mime(mail, message_id=ID, date=DATE, extra=extra)


def parse(data: bytes) -> EmailMessage:
    message = email.message_from_bytes(data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data.decode(str(part.get_content_charset()))


def canonical(text: str) -> str:
    text = re.sub(r"\r\n?|\n", "\r\n", text)
    return text if text.endswith("\r\n") else text + "\r\n"


@given(CONTENTS)
def test_the_bytes_are_safe_for_any_server(mail: Content) -> None:
    """CRLF only, 7 bit, no NUL, lines of at most 998 octets, no body line with a dot in front, equal every time."""
    data = raw(mail)
    assert data.endswith(b"\r\n")
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", data)
    assert data.isascii() and b"\0" not in data
    assert max(map(len, data.split(b"\r\n"))) <= 998
    assert b"\n." not in data
    assert raw(mail) == data


@given(CONTENTS)
def test_a_parser_gives_everything_back(mail: Content) -> None:
    """Subject, people, bodies and files are what was put in; line ends are CRLF."""
    message = parse(raw(mail))
    assert message["Subject"] == mail.subject
    assert message["From"].addresses[0].display_name == mail.sender.name
    assert [address.display_name for address in message["To"].addresses] == [person.name for person in mail.to]
    assert mail.text is not None
    assert body(message, "plain") == canonical(mail.text)
    if mail.html is not None:
        assert body(message, "html") == canonical(mail.html)
    # Not `get_filename`: it trims spaces and takes quotes off.
    names = [part["Content-Disposition"].params["filename"] for part in message.iter_attachments()]
    files = list(zip(names, (part.get_payload(decode=True) for part in message.iter_attachments()), strict=True))
    assert files == [(item.filename, item.content) for item in mail.attachments]
    assert not [defect for part in message.walk() for defect in part.defects]


@pytest.mark.parametrize(
    ("address", "written", "read"),
    [
        ("a..b.@docomo.ne.jp", '<"a..b."@docomo.ne.jp>', "a..b."),
        ('"a..b."@docomo.ne.jp', '<"a..b."@docomo.ne.jp>', "a..b."),
        (".a@docomo.ne.jp", None, None),
        ("info@書留.jp", "<info@xn--rovz33a.jp>", "info"),
    ],
)
def test_old_carrier_addresses(address: str, written: str | None, read: str | None) -> None:
    """A local part that is no dot-string is quoted (RFC 5321 §4.1.2), in From and To, and comes back."""
    mail = content(sender=Mailbox(address, "山"), to=(Mailbox(address, "Taro"),))
    if written is None:
        with pytest.raises(AddressError) as caught:
            raw(mail)
        assert caught.value.data["header"] == "From"
        return
    data = raw(mail)
    assert data.count(written.encode()) == 2
    assert parse(data)["To"].addresses[0].username == read


def test_characters_that_iso_2022_jp_lacks() -> None:
    """㈱ ① 髙 and emoji arrive intact in subject, bodies and display name."""
    marks = "㈱ ① 髙 𠮷 😀"
    message = parse(raw(content(sender=Mailbox("a@example.com", marks), subject=marks, text=marks, html=marks)))
    assert message["Subject"] == marks == message["From"].addresses[0].display_name
    assert body(message, "plain") == body(message, "html") == marks + "\r\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("日本語", Charset.ISO_2022_JP),
        ("plain", Charset.ISO_2022_JP),
        ("㈱", Charset.UTF_8),
        ("①", Charset.UTF_8),
        ("髙", Charset.UTF_8),
        ("ｶﾅ", Charset.UTF_8),
        ("～", Charset.UTF_8),
        ("a\x1b$Bb", Charset.UTF_8),
        ("a\x0eb", Charset.UTF_8),
    ],
)
def test_iso_2022_jp_is_used_only_where_nothing_is_lost(text: str, expected: Charset) -> None:
    """Asked for and possible; one foreign character anywhere, and the whole mail is UTF-8."""
    ordinary: dict[str, Any] = {"sender": Mailbox("a@example.com"), "to": (), "subject": "件名", "text": "本文"}
    for place in ("text", "html", "subject", "sender"):
        if place == "subject" and not text.isprintable():
            continue
        value = Mailbox("a@example.com", text) if place == "sender" else text
        mail = Content(**{**ordinary, place: value}, charset=Charset.ISO_2022_JP)
        assert effective_charset(mail) is expected
    mail = Content(**{**ordinary, "text": text}, charset=Charset.ISO_2022_JP)
    data = raw(mail)
    assert (b"=?iso-2022-jp?b?" in data) is (expected is Charset.ISO_2022_JP)
    assert body(parse(data), "plain") == text + "\r\n"
    assert effective_charset(Content(**ordinary)) is Charset.UTF_8


def test_iso_2022_jp_travels_as_it_is() -> None:
    """Old readers want it without a transfer encoding (RFC 1468)."""
    data = raw(
        content(
            sender=Mailbox("a@example.com", "書留"),
            subject="件名",
            text="本文です\n" * 3,
            charset=Charset.ISO_2022_JP,
        )
    )
    assert b"Content-Transfer-Encoding: 7bit" in data
    assert "本文です\r\n".encode("iso-2022-jp") * 3 in data


def test_the_tree_of_parts() -> None:
    """Files around, then the alternatives, then the HTML with its pictures (RFC 2046, RFC 2387)."""
    files = (Attachment("予約票.pdf", "application/pdf", b"%PDF"), Attachment("logo.png", "image/png", b"\x89", "logo"))
    message = parse(raw(content(html='<img src="cid:logo">', attachments=files)))
    kinds = [part.get_content_type() for part in message.walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "application/pdf",
    ]
    picture = next(part for part in message.walk() if part.get_content_type() == "image/png")
    assert picture["Content-ID"] == "<logo>"
    assert picture.get_content_disposition() == "inline"


def test_a_picture_without_html_is_a_file() -> None:
    """Nothing refers to it, so it is shown in the list of files and not lost."""
    message = parse(raw(content(attachments=(Attachment("a.png", "image/png", b"\x89", "logo"),))))
    assert message.get_content_type() == "multipart/mixed"
    assert [part["Content-ID"] for part in message.walk()][-1] == "<logo>"


def test_a_file_name_is_split_between_characters() -> None:
    """A long Japanese name takes RFC 2231 continuations; each can be decoded alone."""
    name = "御予約確認書" * 10 + ".pdf"
    data = raw(content(attachments=(Attachment(name, "application/pdf", b"x"),)))
    assert b"filename*0*=utf-8''%E5" in data and b"filename*10*=" in data
    assert next(parse(data).iter_attachments()).get_filename() == name


def test_boundaries_belong_to_the_content() -> None:
    """Another message id or another body makes other boundaries; nothing is random."""
    mail = content(html="<p>a</p>")
    boundaries = {
        parse(mime(each, message_id=message_id, date=DATE)).get_boundary()
        for each, message_id in ((mail, ID), (mail, "<msg_2@example.com>"), (content(html="<p>b</p>"), ID), (mail, ID))
    }
    assert len(boundaries) == 3


def test_our_own_fields_replace_the_callers() -> None:
    """`extra` may be reserved, and a mail never has two List-Unsubscribe fields."""
    mail = content(headers=(("List-Unsubscribe", "<mailto:old@example.com>"), ("X-Booking", "予約 123")))
    ours = (("List-Unsubscribe", "<https://example.com/u/t>"), ("X-SES-MESSAGE-TAGS", "kakitome_message=msg_1"))
    message = parse(raw(mail, ours))
    assert message.get_all("List-Unsubscribe") == ["<https://example.com/u/t>"]
    assert message["X-SES-MESSAGE-TAGS"] == "kakitome_message=msg_1"
    assert message["X-Booking"] == "予約 123"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"subject": "a\r\nBcc: x@example.com"}, HeaderError),
        ({"sender": Mailbox("a@example.com", "a\nb")}, HeaderError),
        ({"sender": Mailbox("a@example.com\r\nBcc: b@example.com")}, AddressError),
        ({"to": (Mailbox("a@example.com, b@example.com"),)}, AddressError),
        ({"headers": (("X-A", "a\rb"),)}, HeaderError),
        ({"headers": (("Bcc", "b@example.com"),)}, HeaderError),
        ({"text": None}, ContentError),
        ({"text": "\ud800"}, ContentError),
        ({"attachments": (Attachment("a\r\nb", "text/plain", b""),)}, HeaderError),
        ({"attachments": (Attachment("a", "text/plain\r\nX: y", b""),)}, ContentError),
        ({"attachments": (Attachment("a", "message/rfc822", b""),)}, ContentError),
        ({"attachments": (Attachment("a", "text/plain\n", b""),)}, ContentError),
        ({"attachments": (Attachment("a", "image/png", b"", "a>\r\nX: y"),)}, ContentError),
    ],
)
def test_what_would_break_the_message_is_refused(changes: dict[str, Any], error: type[Exception]) -> None:
    """Nothing is repaired in silence."""
    with pytest.raises(error):
        raw(content(**changes))


def test_a_message_id_derives_from_the_message() -> None:
    """The same message has the same Message-ID; a domain beyond ASCII becomes A-labels."""
    assert message_id_for("msg_1", "example.com") == "<msg_1@example.com>"
    assert message_id_for("msg_1", "書留.jp") == "<msg_1@xn--rovz33a.jp>"
    for bad in ("", "a b", "a>\r\nX: y"):
        with pytest.raises(HeaderError):
            message_id_for(bad, "example.com")
    for bad in ("a\r\nX: y", "b@c"):
        with pytest.raises(AddressError):
            message_id_for("msg_1", bad)


def test_message_id_and_date_are_checked() -> None:
    """A date without a zone or an id without brackets is a mistake in our code, found before it is sent."""
    with pytest.raises(ValueError, match="time zone"):
        mime(content(), message_id=ID, date=DATE.replace(tzinfo=None))
    with pytest.raises(HeaderError, match="Message-ID"):
        mime(content(), message_id="msg_1@example.com", date=DATE)
    message = parse(raw(content()))
    assert message["Message-ID"] == ID
    assert message["Date"].datetime == DATE


def test_it_parses_equal_to_what_the_standard_library_writes() -> None:
    """For an everyday mail both writers say the same."""
    theirs = EmailMessage(policy=email.policy.SMTP)
    theirs["From"], theirs["To"] = "書留 <info@example.com>", "Taro Yamada <reader@example.org>"
    theirs["Subject"], theirs["Date"], theirs["Message-ID"] = "ご予約を承りました", DATE, ID
    theirs.set_content("こんにちは\n")
    theirs.add_alternative("<p>こんにちは</p>\n", subtype="html")
    mail = content(
        sender=Mailbox("info@example.com", "書留"), to=(Mailbox("reader@example.org", "Taro Yamada"),),
        subject="ご予約を承りました", text="こんにちは\n", html="<p>こんにちは</p>\n",
    )  # fmt: skip
    one, other = parse(raw(mail)), parse(theirs.as_bytes())
    for name in ("From", "To", "Subject", "Date", "Message-ID", "MIME-Version"):
        assert one[name] == other[name]
    assert [part.get_content_type() for part in one.walk()] == [part.get_content_type() for part in other.walk()]
    assert body(one, "plain") == body(other, "plain")
    assert body(one, "html") == body(other, "html")


def test_many_recipients_fold() -> None:
    """Fifty people with long names keep their order, and no line is too long."""
    people = tuple(Mailbox(f"reader{n}@example.org", f"第{n:02}受取人") for n in range(50))
    header = parse(raw(content(to=people)))["To"]
    assert [address.display_name for address in header.addresses] == [person.name for person in people]


def test_a_reader_joins_a_long_name() -> None:
    """Two encoded-words are one name (RFC 2047 §6.2); email.header judges, since email.policy of 3.11 adds a space."""
    name = "株式会社書留郵便配達サービスカスタマーサポート"
    message = email.message_from_bytes(raw(content(sender=Mailbox("a@example.com", name))))
    assert str(make_header(decode_header(message["From"]))) == f"{name} <a@example.com>"


@pytest.mark.parametrize("start", [".", "..", "From me"])
@pytest.mark.parametrize("rest", ["", " and more", " caf\u00e9 and much more that is ASCII", "\n" + "word. " * 40])
@pytest.mark.parametrize("before", ["", "Begin\n"])
@pytest.mark.parametrize("charset", Charset)
def test_a_line_that_servers_would_change_is_encoded(start: str, rest: str, before: str, charset: Charset) -> None:
    """A dot or "From " at the start of a line never reaches the wire as such, in any encoding."""
    text = f"{before}{start}{rest}\n"
    data = raw(content(subject="s", sender=Mailbox("a@example.com"), to=(), text=text, charset=charset))
    _, _, written = data.partition(b"\r\n\r\n")
    assert not re.search(rb"(?m)^(\.|From )", written)
    assert body(parse(data), "plain") == canonical(text)


def test_mostly_ascii_is_readable() -> None:
    """Quoted-printable where few characters need it, soft breaks with CRLF."""
    text = "The caf\u00e9 is open. " * 20
    data = raw(content(text=text))
    assert b"Content-Transfer-Encoding: quoted-printable" in data and b"=\r\n" in data
    assert body(parse(data), "plain") == canonical(text)
