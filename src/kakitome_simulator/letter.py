"""A mail as it was handed in: its envelope, its bytes, and what SES reads from its header section."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import format_datetime

import msgspec

TAGS = "x-ses-message-tags"
CONFIGURATION_SET = "x-ses-configuration-set"

# What SES puts its own value in the place of, and what it takes out before the mail goes on.
REPLACED = frozenset({"message-id", "date"})
REMOVED = frozenset({TAGS, CONFIGURATION_SET, "bcc"})

# A client may send bare line feeds, however wrong; they must not hide its header from the judge.
_EMPTY_LINE = re.compile(rb"\n\r?\n")


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One mail for one or more envelope recipients; `data` is as it came, dot-stuffing undone."""

    operation: str  # what SES calls it in `ses:operation`
    reverse_path: str
    recipients: tuple[str, ...]
    data: bytes
    header: tuple[tuple[str, str], ...]
    tags: dict[str, str]
    configuration_set: str | None
    rendering_failure: tuple[str, str] | None = None  # the template's name, and what its data lacks

    def field(self, name: str) -> str | None:
        """The first field of that (lower-case) name, unfolded but not decoded."""
        return next((value for key, value in self.header if key.lower() == name), None)

    @property
    def subject(self) -> str | None:
        subject = self.field("subject")
        return None if subject is None else decoded(subject)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def letter(
    operation: str,
    reverse_path: str,
    recipients: tuple[str, ...],
    data: bytes,
    *,
    tags: dict[str, str] | None = None,
    configuration_set: str | None = None,
) -> Letter:
    """Read what SES reads. What the API call said (`tags`, `configuration_set`) goes before what the header says."""
    header = tuple(_name_and_value(field) for field in fields(data))
    said = {name.lower(): value for name, value in reversed(header)}
    return Letter(
        operation=operation,
        reverse_path=reverse_path,
        recipients=recipients,
        data=data,
        header=header,
        tags=tags or _tags(said.get(TAGS, "")),
        configuration_set=configuration_set or said.get(CONFIGURATION_SET),
    )


def stamped(data: bytes, message_id: str, now: int) -> bytes:
    """The bytes as SES sends them on: its own Message-ID and Date, nothing that was only meant for SES."""
    gone = REPLACED | REMOVED
    kept = [field for field in fields(data) if _name_and_value(field)[0].lower() not in gone]
    date = format_datetime(datetime.fromtimestamp(now // 1000, UTC))
    ours = f"Message-ID: <{message_id}@email.amazonses.com>\r\nDate: {date}\r\n".encode()
    return ours + b"".join(kept) + data[_header_end(data) :]


def fields(data: bytes) -> Iterator[bytes]:
    """The header fields of a mail with their line ends, folded as they came (RFC 5322 §2.2)."""
    field: list[bytes] = []
    for line in data[: _header_end(data)].splitlines(keepends=True):
        if field and line[:1] not in b" \t":
            yield b"".join(field)
            field.clear()
        field.append(line)
    if field:
        yield b"".join(field)


def decoded(value: str) -> str:
    """Encoded-words as text (RFC 2047); a value that cannot be decoded comes back as it is."""
    if "=?" not in value:
        return value
    try:
        return str(make_header(decode_header(value)))
    except (MessageError, LookupError, ValueError):
        return value


def _header_end(data: bytes) -> int:
    """Where the empty line begins that ends the header section; a mail may have no body."""
    if data.startswith((b"\r\n", b"\n")):
        return 0
    end = _EMPTY_LINE.search(data)
    return len(data) if end is None else end.start() + 1


def _name_and_value(field: bytes) -> tuple[str, str]:
    name, _, value = field.decode("utf-8", "replace").partition(":")
    return name.strip(), value.replace("\r", "").replace("\n", "").strip()


def _tags(text: str) -> dict[str, str]:
    """`name=value, name=value`, the form of X-SES-MESSAGE-TAGS."""
    pairs = (pair.partition("=") for pair in text.split(","))
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}
