"""Which header fields may a mail carry, and how are they written?

Every header line of every mail passes through `field`, so a line break from outside can never end a field and begin
another one (header injection). Names and values are refused, not repaired: what was asked for and what was sent never
differ in silence.

Non-ASCII becomes encoded-words (RFC 2047) of our own making. `EmailMessage` of Python 3.11 loses a space where it
breaks a long display name into two words (65 of 3,000 random names made of kanji, spaces and specials; ours: none),
and it knows no ISO-2022-JP in headers. The parser of `email.policy` errs the other way: it puts a space between words.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator, Sequence

from kakitome.core.content import Charset
from kakitome.core.errors import HeaderError

NAME_LIMIT = 126  # SES `MessageHeaderName`
VALUE_LIMIT = 995  # SES `MessageHeaderValue`, encoded; with `X: ` it is a line's 998
LINE_LIMIT = 998  # RFC 5322 §2.1.1, without CRLF
FOLD_AT = 76  # RFC 2047 §2, for lines with encoded-words; all of ours keep it where there is a space to fold at
WORD_LIMIT = 75  # RFC 2047 §2

_OWN = "Kakitome writes it."
RESERVED = {
    "from": "It comes from the sender.",
    "sender": "DKIM and DMARC look at From; a second author confuses both.",
    "to": "It comes from the recipients.",
    "cc": "It comes from the recipients.",
    "bcc": "It would show every reader who else has the mail; give the addresses as bcc.",
    "reply-to": "Give the addresses as reply_to.",
    "subject": "Give it as the subject.",
    "date": "It is the time of the first attempt, equal for every copy.",
    "message-id": "It derives from the message, equal for every copy.",
    "mime-version": _OWN,
    "return-path": "The receiving server writes it (RFC 5321 §4.4).",
    "received": "Servers on the way write it (RFC 5321 §4.4).",
    "received-spf": "The receiving server writes it (RFC 7208 §9.1).",
    "authentication-results": "The receiving server writes it (RFC 8601).",
    "dkim-signature": "The provider signs, after the mail has left us (RFC 6376).",
    "domainkey-signature": "The provider signs, after the mail has left us.",
    "x-smtpapi": "It would steer SendGrid past the ledger.",
    "x-message-id": "SendGrid writes it.",
}
RESERVED_PREFIXES = {
    "content-": _OWN,
    "resent-": "It says that a person sent the mail on (RFC 5322 §3.6.6).",
    "arc-": "Servers on the way write it (RFC 8617).",
    "x-ses-": "It would steer SES past the ledger.",
    "x-sg-": "SendGrid writes it.",
    "x-kakitome-": "It is kept for Kakitome.",
}

_NAME = re.compile(r"[!-9;-~]+").fullmatch  # RFC 5322 §2.2, ftext
_REFUSED = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]").search
_PRINTABLE = re.compile(r"[ -~]*").fullmatch
_ATOMS = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?: [\w!#$%&'*+/=?^`{|}~-]+)*", re.ASCII).fullmatch
_LIKE_ENCODED_WORD = re.compile(r"=\?[^?]*\?[bq]\?.*?\?=", re.IGNORECASE).search
_FOLDS = re.compile(r"(?<=[^ ]) (?=[^ ])")  # a line of nothing but spaces is obsolete syntax (RFC 5322 §4.2)
_STRUCTURED = re.compile(r"list-|in-reply-to$|references$|message-id$|date$", re.IGNORECASE).match


def check_header_name(name: str) -> None:
    """Raises HeaderError unless `name` is a field name (RFC 5322 §2.2) of at most 126 characters."""
    if not _NAME(name):
        shown = ascii(name)[1:-1][:NAME_LIMIT]
        remedy = "Use ASCII letters, digits and hyphens, such as X-Booking."
        raise HeaderError(f"“{shown}” is not the name of a header.", remedy, header=name)
    if len(name) > NAME_LIMIT:
        raise HeaderError(
            f"The header name {name[:20]}… is longer than {NAME_LIMIT} characters.", "Shorten it.", header=name
        )


def check_header_value(value: str, header: str = "header") -> None:
    """Raises HeaderError if there is a control character (C0, DEL, C1), a line separator or half a surrogate in it.

    `data["header"]` is the field, `data["character"]` the culprit as `U+000D`.
    """
    found = _REFUSED(value)
    if found:
        code = f"U+{ord(found[0]):04X}"
        remedy = "Take it out; a header is one line of text."
        raise HeaderError(
            f"The {header} has the character {code} in place {found.start() + 1}.",
            remedy,
            header=header,
            character=code,
        )


def check_caller_headers(headers: Sequence[tuple[str, str]]) -> None:
    """Admit the fields that a caller may set. Every provider takes what passes here, each name once.

    Raises HeaderError for names that are not the caller's to set (with the reason), names given twice, and values
    that are empty, not printable or, encoded, longer than 995 characters (SES).
    """
    seen = set()
    for name, value in headers:
        check_header_name(name)
        key = name.lower()
        reason = reserved(key)
        if reason:
            raise HeaderError(f"The header {name} is not yours to set. {reason}", header=name)
        if key in seen:
            raise HeaderError(f"The header {name} is given twice.", "Providers keep only one; join them.", header=name)
        seen.add(key)
        encoded = encode(value, name)
        if not encoded:
            raise HeaderError(f"The header {name} is empty.", "Give it a value or leave it out.", header=name)
        if len(encoded) > VALUE_LIMIT:
            what = f"The header {name} is longer than {VALUE_LIMIT} characters as it is sent."
            raise HeaderError(what, "Shorten it.", header=name)
        field(name, encoded)


def reserved(name: str) -> str | None:
    """Why a caller may not set this field, or `None`."""
    key = name.lower()
    return RESERVED.get(key) or next((why for start, why in RESERVED_PREFIXES.items() if key.startswith(start)), None)


def encode(value: str, header: str, charset: Charset = Charset.UTF_8) -> str:
    """The value of an unstructured field (RFC 5322 §3.2.5) in printable ASCII, not folded yet.

    Encoded-words only where needed: beyond ASCII, at spaces that a reader would trim, for a piece without spaces that
    is too long for a line, and for text that looks like an encoded-word. Fields whose value is a syntax of its own
    (List-*, References …) cannot be encoded: HeaderError.
    """
    check_header_value(value, header)
    room = FOLD_AT - len(header) - 2
    if _STRUCTURED(header):
        if not value.isascii():
            what = f"The header {header} takes ASCII only."
            raise HeaderError(what, "Encode the URL or id, for example as %E5.", header=header)
        return value
    plain = value.isascii() and value == value.strip(" ") and not _LIKE_ENCODED_WORD(value)
    if plain and (len(value) <= room or max(map(len, value.split(" "))) < LINE_LIMIT - len(header) - 2):
        return value
    return " ".join(_encoded_words(value, charset, room))


def phrase(name: str, header: str, charset: Charset = Charset.UTF_8, room: int = WORD_LIMIT) -> str:
    """A display name (RFC 5322 §3.2.5): atoms, a quoted string or encoded-words. Empty for an empty name.

    `room` is what is left for the first encoded-word on its line.
    """
    check_header_value(name, header)
    if not name or (_ATOMS(name) and not _LIKE_ENCODED_WORD(name) and len(name) <= WORD_LIMIT):
        return name
    if name.isascii() and len(name) <= WORD_LIMIT and not _LIKE_ENCODED_WORD(name):
        return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return " ".join(_encoded_words(name, charset, room))


def field(name: str, value: str) -> bytes:
    """One header field as bytes, folded at single spaces, ending in CRLF. Unfolding gives `value` back exactly.

    `value` is encoded already. Raises HeaderError if it is not printable ASCII or has a piece that no line can hold.
    """
    check_header_name(name)
    if not _PRINTABLE(value):
        check_header_value(value, name)
        raise HeaderError(f"The header {name} takes ASCII only here.", "Encode it first.", header=name)
    lines = list(_folded(f"{name}: {value}"))
    if max(map(len, lines)) > LINE_LIMIT:
        what = f"The header {name} has a piece without spaces of more than {LINE_LIMIT} characters."
        raise HeaderError(what, "Shorten it.", header=name)
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def _folded(line: str) -> Iterator[str]:
    if len(line) <= FOLD_AT:
        yield line
        return
    name, _, value = line.partition(": ")
    pieces = _FOLDS.split(value)
    current = f"{name}: {pieces[0]}"
    for piece in pieces[1:]:
        if len(current) + 1 + len(piece) > FOLD_AT:
            yield current
            current = ""
        current += f" {piece}"
    yield current


def _encoded_words(text: str, charset: Charset, room: int) -> Iterator[str]:
    """B encoded-words, none splits a character, each begins and ends in ASCII (RFC 2047 §5, rule for ISO-2022-JP)."""
    start, end = f"=?{charset}?b?", "?="
    chunk, limit = "", _octets(room - len(start) - len(end))
    for character in text:
        if chunk and len((chunk + character).encode(charset)) > limit:
            yield start + b64encode(chunk.encode(charset)).decode() + end
            chunk, limit = "", _octets(WORD_LIMIT - len(start) - len(end))
        chunk += character
    yield start + b64encode(chunk.encode(charset)).decode() + end


def _octets(room: int) -> int:
    """How many octets fit as base64 into `room` characters, at least one character's worth."""
    return max(room, 12) // 4 * 3
