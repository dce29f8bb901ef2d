"""A mail as the body of `POST /v1/messages`."""

from __future__ import annotations

import base64
import mimetypes
import os
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeAlias

Addresses: TypeAlias = str | Sequence[str]
Variable: TypeAlias = str | int | float | bool
Attachment: TypeAlias = str | os.PathLike[str] | tuple[str, bytes, str] | tuple[str, bytes, str, str]
"""A path, `(filename, content, content_type)`, or the same with the `content_id` that HTML names as `cid:…`."""


def body(
    *,
    lists: Mapping[str, Addresses],
    times: Mapping[str, datetime | None],
    attachments: Sequence[Attachment],
    rest: Any,
) -> dict[str, Any]:
    """Only what was given: the server has the defaults. Raises `ValueError` for a time without its zone, `OSError`
    for a file that cannot be read."""
    given = {name: value for name, value in dict(rest).items() if value is not None}
    given |= {name: addresses(value) for name, value in lists.items() if value}
    given |= {name: _moment(value, name) for name, value in times.items() if value is not None}
    if attachments:
        given["attachments"] = [_attachment(attachment) for attachment in attachments]
    return given


def addresses(given: Addresses) -> list[str]:
    """One address, or several; a string is never taken apart."""
    return [given] if isinstance(given, str) else list(given)


def _moment(at: datetime, name: str) -> str:
    if at.tzinfo is None:
        raise ValueError(f"{name} has no time zone: which 9 o'clock is meant?")
    return at.isoformat()


def _attachment(given: Attachment) -> dict[str, str]:
    if isinstance(given, tuple):
        filename, content, content_type = given[:3]
        inline = {"content_id": given[3]} if len(given) == 4 else {}
    else:
        path = Path(given)
        filename, content, inline = path.name, path.read_bytes(), {}
        content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    encoded = base64.b64encode(content).decode()
    return {"filename": filename, "content_type": content_type, "content": encoded, **inline}
