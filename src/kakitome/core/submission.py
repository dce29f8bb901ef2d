"""A submission as a caller hands it in (`MessageRequest`) and as the ledger keeps it (`Stored`)."""

from __future__ import annotations

import hashlib
from datetime import datetime

import msgspec

from kakitome.core.content import Attachment, Charset, Content

MOST_RECIPIENTS = 50
"""Of one submission, To, Cc and Bcc together: what Amazon SES takes in one message."""


class MessageRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"sender": "from"}):
    """The body of `POST /v1/messages`. Addresses may have display names. Either `template` (with `variables`), or
    `subject` and at least one of `text` and `html`. `content` of attachments is base64; times carry an offset."""

    sender: str | None = None  # `from`; a template or the stream's configuration may give it
    to: list[str] = []
    cc: list[str] = []
    bcc: list[str] = []
    reply_to: list[str] = []
    subject: str | None = None
    text: str | None = None
    html: str | None = None
    template: str | None = None
    variables: dict[str, str | int | float | bool] = {}
    headers: dict[str, str] = {}
    attachments: list[Attachment] = []
    stream: str = "transactional"
    reference: str | None = None
    tags: dict[str, str] = {}
    send_at: datetime | None = None
    expires_at: datetime | None = None
    charset: Charset = Charset.UTF_8


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """What is rendered at send. With a `template` (its pinned version), `content` holds the envelope of the mail
    (people, headers, attachments) and the template fills subject and bodies; without, `content` is all of it."""

    content: Content
    template: int | None = None
    variables: dict[str, str | int | float | bool] = {}
    tags: dict[str, str] = {}


def body_hash(request: MessageRequest) -> str:
    """Equal for requests that say the same, whatever the order of their keys or the spaces between them."""
    return hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()
