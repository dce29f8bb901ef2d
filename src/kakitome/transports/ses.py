"""Amazon SES by its API v2: SendEmail with raw content, one mail a request; for lists SendBulkEmail, up to fifty.

There is no SDK on this path, because SDKs send again: botocore's default turns one slow answer into three mails. One
request is one attempt of each mail that it carries.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Final

from kakitome.core.outcome import Outcome, Released, Unavailable
from kakitome.ports.clock import Clock
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.lines import Lines
from kakitome.transports.ses_bulk import GROUP
from kakitome.transports.ses_groups import Alone, Groups, share
from kakitome.transports.ses_line import Far, SesLine
from kakitome.transports.ses_settings import ANSWER_TIMEOUT, ENDPOINT, SesSettings

__all__ = ["ANSWER_TIMEOUT", "ENDPOINT", "SesSettings", "SesTransport"]

_STOPPED: Final = Released("lane stopped")


class SesTransport:
    """See `ports.transport.Transport`. Neither redirects nor proxies of the environment are followed."""

    def __init__(self, settings: SesSettings, credentials: AwsCredentials, clock: Clock) -> None:
        self._settings = settings
        self._alone = Alone()
        far = Far(settings, credentials, clock)
        self._lines = Lines(settings.connections, lambda: SesLine(far))

    @property
    def capabilities(self) -> Capabilities:
        s = self._settings
        return Capabilities(
            places=s.connections,
            events=True,
            envelope_differs=True,
            raw=True,
            timeout=s.timeout,
            group=GROUP if s.bulk else 1,
        )

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        """Mails that share requests and mails that do not, side by side over the same lines."""
        groups = Groups(parcels if self._settings.bulk else (), self._alone)
        shared = [share(parcel, groups) if index in groups else parcel for index, parcel in enumerate(parcels)]
        batch = self._lines.send(shared, wire)
        try:
            async for index, outcome in batch:
                if index not in groups:
                    if isinstance(outcome, Unavailable):
                        groups.stop()
                    yield index, outcome
                for each in groups.told():
                    yield each
            for index in groups.rest():
                yield index, _STOPPED
        finally:
            await batch.aclose()

    async def close(self) -> None:
        await self._lines.close()
