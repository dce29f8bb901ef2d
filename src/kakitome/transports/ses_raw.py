"""The request of one mail: SendEmail of the API reference, with raw content."""

from __future__ import annotations

from typing import Final

import msgspec

from kakitome.core.address import parse_address
from kakitome.ports.transport import Parcel

PATH: Final = "/v2/email/outbound-emails"


class Pascal(msgspec.Struct, frozen=True, rename="pascal", omit_defaults=True):
    """What SES calls its fields."""


class Tag(Pascal, frozen=True):
    name: str
    value: str


class _Raw(Pascal, frozen=True):
    data: bytes  # base64 in JSON


class _Content(Pascal, frozen=True):
    raw: _Raw


class Destination(Pascal, frozen=True):
    to_addresses: tuple[str, ...]


class _SendEmail(Pascal, frozen=True):
    """Without FromEmailAddress: where it is set, SES writes it over the From field, and the display name is lost."""

    content: _Content
    destination: Destination
    email_tags: tuple[Tag, ...]
    configuration_set_name: str | None = None
    feedback_forwarding_email_address: str | None = None


_encoder = msgspec.json.Encoder()


def raw_body(parcel: Parcel, configuration_set: str | None) -> bytes:
    return _encoder.encode(
        _SendEmail(
            _Content(_Raw(parcel.raw)),
            Destination((parcel.recipient,)),
            tags(parcel),
            configuration_set,
            feedback(parcel),
        )
    )


def tags(parcel: Parcel) -> tuple[Tag, ...]:
    return tuple(Tag(name, value) for name, value in parcel.correlation.items())


def feedback(parcel: Parcel) -> str | None:
    """SES makes the reverse-path itself; an address of ours other than From is where it forwards bounces to."""
    author = parse_address(parcel.content.sender.address, allow_local_domain=True).envelope
    return parcel.sender if parcel.sender != author else None
