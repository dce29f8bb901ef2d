"""What a campaign would do."""

from __future__ import annotations

import msgspec


class BadLine(msgspec.Struct, frozen=True):
    line: int
    reason: str
    text: str = ""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What the list holds and what would be sent. `rows` = valid + invalid; `to_send` = valid − duplicate − already −
    suppressed. `seconds` is how long it takes at today's rate and quota, None (with `why_not`) where nobody knows.
    `version` is that of a list in S3, its VersionId or ETag."""

    path: str
    digest: str
    encoding: str
    delimiter: str
    columns: tuple[str, ...]
    address_column: str
    rows: int
    valid: int
    invalid: int
    duplicate: int
    already: int
    suppressed: int
    to_send: int
    bad_lines: tuple[BadLine, ...] = ()
    seconds: float | None = None
    why_not: str = ""
    version: str = ""
