"""What a provider lets an account do, by its own word."""

from __future__ import annotations

from typing import ClassVar, Protocol

import msgspec

from kakitome.core.errors import KakitomeError


class AccountLimits(msgspec.Struct, frozen=True, kw_only=True):
    """`rate` in recipients a second, `quota` in recipients per rolling 24 hours; None: unlimited.

    `used` is what the provider has counted in the last 24 hours, whoever sent it, and may be more than the quota;
    None where it does not say. In the `sandbox` only verified recipients are written to. `read_at` in milliseconds.
    """

    rate: float | None
    quota: int | None
    used: int | None = None
    sandbox: bool = False
    sending_enabled: bool = True
    read_at: int


class LimitsUnread(KakitomeError):
    """The provider did not say what it allows. Nothing changes: what was known before still holds."""

    slug: ClassVar[str] = "limits-unread"


class LimitsSource(Protocol):
    async def read(self) -> AccountLimits:
        """Ask once, for ten seconds at most. Raises `LimitsUnread`, which says why and what helps."""
        ...
