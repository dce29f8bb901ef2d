"""A personalization as the mail that its readers see; only for the mailbox folder, so that people can look."""

from __future__ import annotations

from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP

from .sendgrid_request import File, MailSend, Person, Personalization


def compose_mail(mail: MailSend, one: Personalization) -> bytes:
    """CRLF bytes, without Date and Message-ID. Bcc is nowhere in them."""
    message = EmailMessage(policy=SMTP)
    message["From"] = _people([one.sender or mail.sender])
    message["To"] = _people(one.to)
    if one.cc:
        message["Cc"] = _people(one.cc)
    if answers := ([mail.reply_to] if mail.reply_to else mail.reply_to_list):
        message["Reply-To"] = _people(answers)
    message["Subject"] = one.subject or mail.subject or ""
    for name, value in (mail.headers | one.headers).items():
        message[name] = value
    first, *others = mail.content
    message.set_content(first.value, subtype=first.type.partition("/")[2])
    for part in others:
        message.add_alternative(part.value, subtype=part.type.partition("/")[2])
    for file in mail.attachments:
        _attach(message, file)
    return message.as_bytes()


def _attach(message: EmailMessage, file: File) -> None:
    kind, _, subtype = file.type.partition("/")
    message.add_attachment(
        file.content,
        maintype=kind,
        subtype=subtype,
        filename=file.filename,
        disposition=file.disposition,
        cid=f"<{file.content_id}>" if file.content_id else None,
    )


def _people(people: list[Person]) -> list[Address]:
    return [_address(person) for person in people]


def _address(person: Person) -> Address:
    try:
        return Address(person.name or "", addr_spec=person.email)
    except (MessageError, ValueError):  # a quoted local part of the kind that Japanese carriers gave out
        local, _, domain = person.email.rpartition("@")
        return Address(person.name or "", username=local.strip('"'), domain=domain)
