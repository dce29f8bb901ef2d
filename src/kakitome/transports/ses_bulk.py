"""Mails of lists that share a request: SendBulkEmail of the API reference.

The template is in the request and is nothing but three holes; what was rendered here goes into them. "SES doesn't
escape HTML content when rendering the HTML template for a message" (developer guide, "Advanced email personalization"),
so what comes out is what went in. Everything that this form cannot say exactly as the raw form says it goes raw, one by
one: see `entry`.

    entry         a parcel as a part of such a request, or that it cannot be one
    bulk_body     the request
    outcomes      what its answer says of each
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kakitome.core.address import parse_address
from kakitome.core.classify import ses_outcome
from kakitome.core.content import Charset, Content, Mailbox
from kakitome.core.errors import KakitomeError
from kakitome.core.headers import NAME_LIMIT, VALUE_LIMIT, encode, phrase
from kakitome.core.outcome import Deferred, Outcome, Rejected, Uncertain
from kakitome.ports.transport import Parcel
from kakitome.transports.ses_answer import Told, meaning
from kakitome.transports.ses_raw import Destination, Pascal, Tag, feedback, tags

PATH: Final = "/v2/email/outbound-bulk-emails"
GROUP: Final = 50  # destinations a call
REQUEST_LIMIT: Final = 1_000_000  # bytes; "each input JSON file can be up to 1 MB in size" with an inline template
DATA_LIMIT: Final = 262_144  # characters of ReplacementTemplateData; counted in bytes here, which is never less
HEADERS_LIMIT: Final = 15  # ReplacementHeaders
PAIR_LIMIT: Final = 996  # characters of a MessageHeader's name and value together
ADDRESS_LIMIT: Final = 320  # characters of an address with its name


class Common(Pascal, frozen=True):
    """What the mails of one request have in common; only with the same do they go together."""

    from_email_address: str
    reply_to_addresses: tuple[str, ...]
    feedback_forwarding_email_address: str | None
    has_text: bool
    has_html: bool


class Entry(msgspec.Struct, frozen=True):
    common: Common
    data: bytes  # its JSON in BulkEmailEntries


class _Header(Pascal, frozen=True):
    name: str
    value: str


class _ReplacementTemplate(Pascal, frozen=True):
    replacement_template_data: str


class _ReplacementContent(Pascal, frozen=True):
    replacement_template: _ReplacementTemplate


class _BulkEntry(Pascal, frozen=True):
    destination: Destination
    replacement_tags: tuple[Tag, ...]
    replacement_email_content: _ReplacementContent
    replacement_headers: tuple[_Header, ...] = ()


_encoder = msgspec.json.Encoder()


def entry(parcel: Parcel) -> Entry | None:
    """The parcel's part of a shared request. None where it has to go alone:

    - it is none of a list's, has attachments, or is written in ISO-2022-JP: SES would write UTF-8;
    - its envelope is not its header: SES writes to whom the header names;
    - it does not fit into SES's limits, or has braces that SES might take for its own.
    """
    content = parcel.content
    if not parcel.bulk or content.attachments or content.cc or content.charset is not Charset.UTF_8:
        return None
    try:
        return _entry(parcel, content)
    except KakitomeError:
        return None  # alone it is told what is wrong


def _entry(parcel: Parcel, content: Content) -> Entry | None:
    if len(content.to) != 1 or _address(content.to[0]) != parcel.recipient:
        return None
    if parse_address(parcel.sender, allow_local_domain=True).envelope != parcel.sender:
        return None
    parts = {"subject": content.subject, "text": content.text, "html": content.html}
    data = _encoder.encode({name: part for name, part in parts.items() if part is not None})
    headers = tuple(_Header(name, encode(value, name)) for name, value in content.headers)
    if len(data) > DATA_LIMIT or b"{{" in data[1:] or len(headers) > HEADERS_LIMIT or not all(map(_fits, headers)):
        return None
    people = [_written(person, "Reply-To") for person in content.reply_to]
    sender, recipient = _written(content.sender, "From"), _written(content.to[0], "To")
    if max(map(len, (sender, recipient, *people))) > ADDRESS_LIMIT:
        return None
    common = Common(sender, tuple(people), feedback(parcel), content.text is not None, content.html is not None)
    made = _BulkEntry(
        Destination((recipient,)),
        tags(parcel),
        _ReplacementContent(_ReplacementTemplate(data.decode())),
        headers,
    )
    return Entry(common, _encoder.encode(made))


def _fits(header: _Header) -> bool:
    name, value = len(header.name), len(header.value)
    return 1 <= name <= NAME_LIMIT and 1 <= value <= VALUE_LIMIT and name + value <= PAIR_LIMIT


def _address(person: Mailbox) -> str:
    return parse_address(person.address, allow_local_domain=True).envelope


def _written(person: Mailbox, header: str) -> str:
    name = phrase(person.name, header)
    return f"{name} <{_address(person)}>" if name else _address(person)


def bulk_body(entries: Sequence[Entry], configuration_set: str | None) -> bytes:
    """The request for entries with the same `common`. Theirs is made already: this is on the way to the wire."""
    common = entries[0].common
    template = {"Subject": "{{subject}}"}
    template |= {"Text": "{{text}}"} if common.has_text else {}
    template |= {"Html": "{{html}}"} if common.has_html else {}
    head: dict[str, Any] = {
        "FromEmailAddress": common.from_email_address,
        "DefaultContent": {"Template": {"TemplateContent": template, "TemplateData": "{}"}},
    }
    if common.reply_to_addresses:
        head["ReplyToAddresses"] = common.reply_to_addresses
    if common.feedback_forwarding_email_address is not None:
        head["FeedbackForwardingEmailAddress"] = common.feedback_forwarding_email_address
    if configuration_set is not None:
        head["ConfigurationSetName"] = configuration_set
    each = b",".join(entry.data for entry in entries)
    return _encoder.encode(head)[:-1] + b',"BulkEmailEntries":[' + each + b"]}"


def outcomes(said: Told, parcels: Mapping[int, Parcel], now: int) -> dict[int, Outcome]:
    """What the answer says of each parcel of the request, in their order.

    One that was refused as a request fails nobody: which of them is at fault, or whether it is this form that SES does
    not take, shows when each goes alone. For that they are `Deferred`, as is whose parameters SES calls invalid.
    """
    if not_allowed(said):
        return dict.fromkeys(parcels, Deferred(said.reply(said.words, said.error)))
    results = said.tree.get("BulkEmailEntryResults")
    if not 200 <= said.answer.status < 300 or said.error:
        return {index: _deferred(meaning(said, parcel.recipient, now)) for index, parcel in parcels.items()}
    if not isinstance(results, list) or len(results) != len(parcels):
        reply = said.reply(said.words, None)
        return dict.fromkeys(parcels, Uncertain("no_result_of_its_own", reply))
    return {
        index: _result(said, result, parcel, now)
        for (index, parcel), result in zip(parcels.items(), results, strict=True)
    }


def not_allowed(said: Told) -> bool:
    """The keys are right and may not do this; SendEmail they may, perhaps."""
    return said.answer.status == 403 and "AccessDenied" in (said.error or "")


def _result(said: Told, result: object, parcel: Parcel, now: int) -> Outcome:
    found = result if isinstance(result, dict) else {}
    status, words, message_id = (_text(found.get(name)) for name in ("Status", "Error", "MessageId"))
    outcome = ses_outcome(
        said.answer.status,
        status,
        words or "",
        now=now,
        message_id=message_id,
        recipients=(parcel.recipient,),
        reply=said.reply(words or "", status),
    )
    return _deferred(outcome) if status == "INVALID_PARAMETER" else outcome


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _deferred(outcome: Outcome) -> Outcome:
    return Deferred(outcome.reply) if isinstance(outcome, Rejected) else outcome
