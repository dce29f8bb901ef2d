"""Where events come from: one module for each provider's form, and one for the envelope that proves its origin."""

from __future__ import annotations

from typing import Final

from kakitome.core.errors import KakitomeError

__all__ = ["CLOCK_SLACK_MS", "EventUnreadable", "not_of_tomorrow"]

CLOCK_SLACK_MS: Final = 5 * 60 * 1000
"""What clocks may differ by."""


def not_of_tomorrow(at: int, now_ms: int) -> int:
    """`at`, and now where it lies further ahead than clocks differ: an event of tomorrow would make the event stream
    look complete up to tomorrow, and what has not come yet look lost."""
    return at if at <= now_ms + CLOCK_SLACK_MS else now_ms


class EventUnreadable(KakitomeError):
    """It comes from where it should, but it is not what the provider documents: keep it in quarantine, with its bytes.

    To repeat it helps nobody, so the sender gets its acknowledgement once the quarantine is durable.
    """

    slug = "event-unreadable"
