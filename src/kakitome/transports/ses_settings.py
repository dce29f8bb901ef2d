"""How a lane to the API of SES is set up."""

from __future__ import annotations

from typing import Final

import msgspec

from kakitome.transports.http_endpoint import Endpoint

ENDPOINT: Final = "https://email.{region}.amazonaws.com"
SERVICE: Final = "ses"  # as what requests are signed
CONTENT_TYPE: Final = "application/json"
ANSWER_TIMEOUT: Final = 60.0  # seconds; SES answers within one, and a doubt too many costs more than waiting


class SesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`endpoint` only for the simulator or a proxy. `ca` is a PEM file trusted instead of the system's authorities.
    `timeout` (seconds) is how long a request may wait for the whole of its answer. With `bulk`, mails of lists share
    requests (`ses_bulk`)."""

    region: str
    endpoint: str | None = None
    connections: int = 16
    timeout: float = ANSWER_TIMEOUT
    ca: str | None = None
    configuration_set: str | None = None
    bulk: bool = True

    @property
    def at(self) -> Endpoint:
        return Endpoint(self.endpoint or ENDPOINT.format(region=self.region), self.ca)
