"""A lane: one way into an account, as far as the verbs need to know it."""

from __future__ import annotations

import msgspec

from kakitome.core.policy import SECOND, Horizons


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """`timeout` is how long the completing write may wait for its reply, `margin` what a claim's lease has beyond it
    (both ms). `provable`: the provider's events can prove what became of an attempt."""

    name: str
    account: str
    rate: float | None = None
    quota: int | None = None
    timeout: int = 600 * SECOND
    margin: int = 60 * SECOND
    provable: bool = False
    horizons: Horizons = Horizons()
    sender: str | None = None  # the reverse-path, where it differs from the From address
    reserve: float = 0.0  # the share of the account's quota that lists leave to transactional mail
    canary: bool = False  # mails to the provider's own test address try the lane, so that nobody's mail has to


_CANARY = "canary:"


def canary_stream(lane: str) -> str:
    """The stream of a lane's canaries."""
    return _CANARY + lane


def is_canary(stream: str) -> bool:
    return stream.startswith(_CANARY)


def canary_lane(stream: str) -> str:
    """The lane whose canaries these are."""
    return stream.removeprefix(_CANARY)
