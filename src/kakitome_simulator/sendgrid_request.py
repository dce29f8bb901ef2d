"""The body of SendGrid's `POST /v3/mail/send`, checked as its API checks it.

Rules and limits are those of the v3 API reference, "Mail Send" (limitations, parameters) and its page "Errors". What
SendGrid does with what is asked for (templates, groups, schedules) is not played; to name a template is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

import msgspec

from .smtp_address import is_address

MAX_PERSONALIZATIONS = 1000
MAX_RECIPIENTS = 1000
MAX_SIZE = 30 * 1024 * 1024  # bytes of the whole mail
MAX_CUSTOM_ARGS = 10_000  # bytes
MAX_CATEGORIES = 10
RESERVED = frozenset(
    {"x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "content-transfer-encoding"}
    | {"to", "from", "subject", "reply-to", "cc", "bcc"}
)
_FIELD = re.compile(r" - at `\$\.?(?P<field>.*)`")


class Person(msgspec.Struct, frozen=True):
    email: str
    name: str | None = None


class Personalization(msgspec.Struct):
    to: list[Person] = []
    cc: list[Person] = []
    bcc: list[Person] = []
    subject: str | None = None
    headers: dict[str, str] = {}
    custom_args: dict[str, str] = {}
    sender: Person | None = msgspec.field(name="from", default=None)

    @property
    def everyone(self) -> list[Person]:
        return [*self.to, *self.cc, *self.bcc]


class Part(msgspec.Struct):
    type: str
    value: str


class File(msgspec.Struct):
    content: bytes
    filename: str
    type: str = "application/octet-stream"
    disposition: str = "attachment"
    content_id: str | None = None


class MailSend(msgspec.Struct):
    personalizations: list[Personalization]
    sender: Person = msgspec.field(name="from")
    subject: str | None = None
    content: list[Part] = []
    reply_to: Person | None = None
    reply_to_list: list[Person] = []
    attachments: list[File] = []
    headers: dict[str, str] = {}
    custom_args: dict[str, str] = {}
    categories: list[str] = []
    template_id: str | None = None


class Invalid(Exception):
    """A request that SendGrid refuses whatever the account may do."""

    def __init__(self, message: str, field: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.status = status


def read(body: bytes) -> MailSend:
    """The request. Raises `Invalid`, with SendGrid's status and the field that it is about."""
    if len(body) > 2 * MAX_SIZE:  # base64 and JSON's escapes do not double a mail
        raise Invalid("The JSON payload you have included in your request is too large.", status=413)
    try:
        mail = msgspec.json.decode(body, type=MailSend)
    except msgspec.ValidationError as error:
        place = _FIELD.search(str(error))
        raise Invalid(str(error).partition(" - at ")[0], _dotted(place["field"]) if place else None) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid("Bad Request", None) from error
    _check(mail)
    return mail


def _dotted(field: str) -> str:
    """`personalizations[0].to` as SendGrid writes it: `personalizations.0.to`."""
    return field.replace("[", ".").replace("]", "")


def _check(mail: MailSend) -> None:
    _check_address(mail.sender, "from.email")
    for field, people in (
        ("reply_to", [mail.reply_to] if mail.reply_to else []),
        ("reply_to_list", mail.reply_to_list),
    ):
        for person in people:
            _check_address(person, f"{field}.email")
    if mail.reply_to and mail.reply_to_list:
        raise Invalid("The reply_to and reply_to_list fields cannot be used together.", "reply_to")
    if not 1 <= len(mail.personalizations) <= MAX_PERSONALIZATIONS:
        raise Invalid("The personalization block is limited to 1 to 1000 personalizations.", "personalizations")
    if sum(len(one.everyone) for one in mail.personalizations) > MAX_RECIPIENTS:
        raise Invalid("A request is limited to 1000 recipients.", "personalizations")
    for place, one in enumerate(mail.personalizations):
        _check_personalization(mail, one, f"personalizations.{place}")
    if mail.template_id is not None:
        raise Invalid("Templates are not played.", "template_id")
    _check_content(mail.content)
    _check_files(mail)
    if len(mail.categories) > MAX_CATEGORIES or len(set(mail.categories)) < len(mail.categories):
        raise Invalid("At most 10 categories, each once.", "categories")


def _check_personalization(mail: MailSend, one: Personalization, at: str) -> None:
    if not one.to:
        raise Invalid("The to array is required for all personalization objects, and must have one object.", f"{at}.to")
    for person in one.everyone:
        _check_address(person, f"{at}.to.email")
    emails = [person.email.lower() for person in one.everyone]
    if len(set(emails)) < len(emails):
        raise Invalid("Each email address in a personalization must be unique between to, cc, and bcc.", at)
    if not (one.subject or mail.subject):
        raise Invalid("The subject is required. You can get around this requirement with a template.", "subject")
    for name in (*mail.headers, *one.headers):
        if name.lower() in RESERVED or not re.fullmatch(r"[!-9;-~]+", name):
            raise Invalid(f"The header {name} may not be set.", "headers")
    if any(not value.isascii() or re.search(r"[\r\n]", value) for value in (mail.headers | one.headers).values()):
        raise Invalid("Header values are one line of ASCII.", "headers")
    if len(msgspec.json.encode(mail.custom_args | one.custom_args)) > MAX_CUSTOM_ARGS:
        raise Invalid("The custom_args may not be larger than 10,000 bytes.", f"{at}.custom_args")


def _check_content(parts: list[Part]) -> None:
    if not parts:
        raise Invalid("The content parameter is required unless a template is named.", "content")
    for part in parts:
        if not part.value:
            raise Invalid("The content value must be a string at least one character in length.", "content.value")
        if not re.fullmatch(r"[\w.+-]+/[\w.+-]+", part.type, re.ASCII):
            raise Invalid("The content type must be one, without ; or line ends.", "content.type")
    order = [part.type for part in parts if part.type in ("text/plain", "text/html")]
    if order != sorted(order, reverse=True) or parts[0].type not in ("text/plain", "text/html"):
        raise Invalid("text/plain must be first, followed by text/html, followed by any other.", "content")


def _check_files(mail: MailSend) -> None:
    for file in mail.attachments:
        if not file.content or not file.filename:
            raise Invalid("An attachment needs content and a filename.", "attachments")
        if file.disposition not in ("attachment", "inline"):
            raise Invalid("The disposition is attachment or inline.", "attachments.disposition")
    if sum(_sizes(mail)) > MAX_SIZE:
        raise Invalid("The total size of your email must not exceed 30MB.", status=413)


def _sizes(mail: MailSend) -> Iterable[int]:
    yield from (len(file.content) * 4 // 3 for file in mail.attachments)
    yield from (len(part.value.encode()) for part in mail.content)


def _check_address(person: Person, field: str) -> None:
    if not is_address(person.email):
        raise Invalid("Does not contain a valid address.", field)
