"""Opening a connection: what it must have before a word is said on it, and what it means when it does not open."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from typing import Literal

from kakitome.core.errors import ConfigurationError
from kakitome.core.outcome import Unavailability, Unavailable
from kakitome.core.reply import Reply


class Unreached(Exception):
    """Nothing of a mail was completed, so it is certain: the lane is ill, and no mail is to blame."""

    def __init__(self, outcome: Unavailable) -> None:
        super().__init__(outcome.reason)
        self.outcome = outcome


def unreached(
    error: BaseException,
    protocol: Literal["smtp", "http"],
    otherwise: Unavailability = Unavailability.REFUSED_CONNECTION,
) -> Unreached:
    """Why the far side could not be spoken to: its name, its certificate, or else `otherwise`."""
    reason = otherwise
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLError):
            reason = Unavailability.TLS
        elif isinstance(cause, socket.gaierror | UnicodeError):  # a host name that no resolver can be asked for
            reason = Unavailability.DNS
    return Unreached(Unavailable(reason, Reply(code=0, text=f"{type(error).__name__}: {error}", protocol=protocol)))


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from; a handful is enough, chains of libraries are short."""
    at: BaseException | None = error
    for _ in range(8):
        if at is None:
            return
        yield at
        at = at.__cause__ or at.__context__


def tls_context(ca: str | None) -> ssl.SSLContext:
    """TLS 1.2 at least, certificate and host name verified against the system's authorities or the PEM file `ca`."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"The certificates in {ca} cannot be read ({error}).", "Point `ca` at a PEM file."
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
