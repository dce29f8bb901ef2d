"""The client of the HTTP API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from kakitome.client.answers import Sent, Status, read_sent, read_status
from kakitome.client.request import Addresses, Attachment, Variable, body
from kakitome.client.wire import Wire

BACKOFF = (0.2, 0.5, 1.0, 2.0, 4.0)
"""Seconds before each further try: about eight in all, a restart of the server."""


class Client:
    """One Kakitome. It keeps no connection and no state, so threads may share it.

    `timeout` is in seconds, for each try. Where no answer comes, or the answer is 502, 503 or 504, a request is tried
    again after each pause of `backoff`: the idempotency key makes that harmless. Every method raises
    `KakitomeApiError` when the API refuses, or when the last try got no answer.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 30.0,
        backoff: Sequence[float] = BACKOFF,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._wire = Wire(url, key, timeout, tuple(backoff), sleep)

    def send(
        self,
        *,
        to: Addresses,
        sender: str | None = None,
        subject: str | None = None,
        text: str | None = None,
        html: str | None = None,
        template: str | None = None,
        variables: Mapping[str, Variable] | None = None,
        cc: Addresses = (),
        bcc: Addresses = (),
        reply_to: Addresses = (),
        headers: Mapping[str, str] | None = None,
        attachments: Sequence[Attachment] = (),
        stream: str | None = None,
        reference: str | None = None,
        tags: Mapping[str, str] | None = None,
        send_at: datetime | None = None,
        expires_at: datetime | None = None,
        charset: str | None = None,
        idempotency_key: str | None = None,
    ) -> Sent:
        """Hand one mail in; when this returns, it is durable.

        Either `template` (with `variables`), or `subject` with `text`, `html` or both. `sender` is the From; a stream
        or template may have its own. Give an `idempotency_key` that names what the mail is about (`booking/123`):
        then also your own repetition, after a crash, sends it once. Without one, a random key covers this call's.
        """
        key = str(uuid.uuid4()) if idempotency_key is None else idempotency_key
        wanted = body(
            lists={"to": to, "cc": cc, "bcc": bcc, "reply_to": reply_to},
            times={"send_at": send_at, "expires_at": expires_at},
            attachments=attachments,
            rest={
                "from": sender,
                "subject": subject,
                "text": text,
                "html": html,
                "template": template,
                "variables": _plain(variables),
                "headers": _plain(headers),
                "stream": stream,
                "reference": reference,
                "tags": _plain(tags),
                "charset": charset,
            },
        )
        return read_sent(self._wire.ask("POST", "/v1/messages", wanted, key), key)

    def status(self, id: str) -> Status:
        """What became of it: `id` of a submission, of a message, or the provider's. 404 where nothing is known."""
        return read_status(self._wire.ask("GET", f"/v1/messages/{quote(id, safe='')}"))

    def cancel(self, id: str) -> Status:
        """Withdraw what is not out yet, and tell how it stands. 409 where nothing could be withdrawn any more."""
        return read_status(self._wire.ask("POST", f"/v1/messages/{quote(id, safe='')}/cancel"))


def _plain(given: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if given is None else dict(given)
