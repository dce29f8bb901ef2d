"""Where events come from: one module for each provider's form, and one for the envelope that proves its origin."""

from __future__ import annotations

from kakitome.core.errors import KakitomeError

__all__ = ["EventUnreadable"]


class EventUnreadable(KakitomeError):
    """It comes from where it should, but it is not what the provider documents: keep it in quarantine, with its bytes.

    To repeat it helps nobody, so the sender gets its acknowledgement once the quarantine is durable.
    """

    slug = "event-unreadable"
