"""Kakitome: registered mail for services.

    from kakitome import Client

is all that a service needs, and it brings nothing but Python with it. The platform is `kakitome[server]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kakitome.client import Client, KakitomeApiError

__all__ = ["Client", "KakitomeApiError"]


def __getattr__(name: str) -> object:
    """Only when somebody asks: the platform's own commands need no HTTP client."""
    if name in __all__:
        import kakitome.client

        return getattr(kakitome.client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
