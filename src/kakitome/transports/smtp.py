"""SMTP submission (RFC 5321, 6409), for any server and for SES's SMTP endpoint.

Connections are few, verified, and stay open from batch to batch; one parcel's way over one is in `smtp_line`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence

from kakitome.core.outcome import Outcome
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.transports.lines import Lines
from kakitome.transports.opening import tls_context
from kakitome.transports.smtp_line import SmtpLine, SmtpSettings

__all__ = ["SmtpSettings", "SmtpTransport"]


class SmtpTransport:
    """See `ports.transport.Transport`."""

    def __init__(self, settings: SmtpSettings, clock: Clock) -> None:
        self._settings = settings
        tls = None if settings.tls == "none" else tls_context(settings.ca)
        self._lines = Lines(settings.connections, lambda: SmtpLine(settings, tls, clock))

    @property
    def capabilities(self) -> Capabilities:
        s = self._settings
        return Capabilities(
            places=s.connections, events=s.provider == "ses", envelope_differs=True, raw=True, timeout=s.timeout
        )

    def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        return self._lines.send(parcels, wire)

    async def close(self) -> None:
        await self._lines.close()
