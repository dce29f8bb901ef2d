"""A mail as SendGrid wants it: the JSON of `POST /v3/mail/send` (v3 API reference, "Mail Send").

SendGrid has no envelope: who is named gets a copy, and what is named is what readers see. So a request names exactly
those whose message it carries:

- all of them together, as the mail names them: To and Cc as they are, everybody else as Bcc. Each once;
- nobody of To is among them (the others were sent or withdrawn before): those of Cc stand in To;
- only readers of Bcc: each has a personalization of their own and sees no address but theirs.

`custom_args` carry message and attempt, and come back in every event at its top level. Of several messages they hold
the ids and the attempts separated by spaces, in equal order. Nothing personal is in them: SendGrid keeps them for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from kakitome.core.address import canonical, parse_address
from kakitome.core.content import Attachment, Content, Mailbox
from kakitome.core.headers import check_caller_headers, encode
from kakitome.ports.transport import Parcel

PERSONAL: Final = b'{"personalizations":'


class _Person(msgspec.Struct, frozen=True, omit_defaults=True):
    email: str
    name: str = ""


class _Personalization(msgspec.Struct, frozen=True, omit_defaults=True):
    to: list[_Person]
    custom_args: dict[str, str]
    cc: list[_Person] = []
    bcc: list[_Person] = []


class _Part(msgspec.Struct, frozen=True):
    type: str
    value: str


class _File(msgspec.Struct, frozen=True, omit_defaults=True):
    content: bytes  # base64 in JSON
    type: str
    filename: str
    disposition: str
    content_id: str | None = None


class _Mail(msgspec.Struct, frozen=True, omit_defaults=True):
    """Everything that is equal for all readers. SendGrid wants text/plain in front of text/html."""

    sender: _Person = msgspec.field(name="from")
    subject: str
    content: list[_Part]
    reply_to: _Person | None = None
    reply_to_list: list[_Person] = []
    headers: dict[str, str] = {}
    attachments: list[_File] = []


_encoder = msgspec.json.Encoder()


def common_part(content: Content) -> bytes:
    """The JSON behind the personalizations, which no reader changes. Raises what `mime` would raise for headers.

    An empty part, which SendGrid would refuse, is an empty line, as `mime` writes it.
    """
    check_caller_headers(content.headers)
    both = (("plain", content.text), ("html", content.html))
    parts = [_Part(f"text/{kind}", text or "\n") for kind, text in both if text is not None]
    answers = [_person(mailbox) for mailbox in content.reply_to]
    mail = _Mail(
        sender=_person(content.sender),
        subject=content.subject,
        content=parts,
        reply_to=answers[0] if len(answers) == 1 else None,
        reply_to_list=answers if len(answers) > 1 else [],
        headers={name: encode(value, name) for name, value in content.headers},
        attachments=[_file(item) for item in content.attachments],
    )
    return _encoder.encode(mail)


def request_body(parcels: Sequence[Parcel], common: bytes) -> bytes:
    """The request that carries these parcels, all of one mail, and nobody else. Plain copying: it cannot fail for
    parcels for which it was made once."""
    return PERSONAL + _encoder.encode(_personalizations(parcels)) + b"," + common[1:]


def _personalizations(parcels: Sequence[Parcel]) -> list[_Personalization]:
    content, left = parcels[0].content, {_key(parcel.recipient): parcel for parcel in parcels}
    to, cc = (
        [_Person(left.pop(key).recipient, person.name) for person in people if (key := _key(person.address)) in left]
        for people in (content.to, content.cc)
    )
    if not to and not cc:
        return [_Personalization([_Person(one.recipient)], _custom_args([one])) for one in parcels]
    return [
        _Personalization(
            to=to or cc,
            custom_args=_custom_args(parcels),
            cc=cc if to else [],
            bcc=[_Person(one.recipient) for one in left.values()],
        )
    ]


def _custom_args(parcels: Sequence[Parcel]) -> dict[str, str]:
    return {name: " ".join(parcel.correlation[name] for parcel in parcels) for name in parcels[0].correlation}


def _key(address: str) -> str:
    return canonical(parse_address(address, allow_local_domain=True))


def _person(mailbox: Mailbox) -> _Person:
    return _Person(parse_address(mailbox.address, allow_local_domain=True).envelope, mailbox.name)


def _file(item: Attachment) -> _File:
    disposition = "attachment" if item.content_id is None else "inline"
    return _File(item.content, item.content_type, item.filename, disposition, item.content_id)
