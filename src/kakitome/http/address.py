"""Where the API may be served, and the socket that listens there."""

from __future__ import annotations

import logging
import socket

from kakitome.app import Instance
from kakitome.config import is_loopback
from kakitome.core.errors import ConfigurationError
from kakitome.http.keys import Keys

log = logging.getLogger("kakitome.http")


def check_address(instance: Instance, host: str, keys: Keys) -> None:
    """What strangers can reach has a key, and sends mail."""
    if is_loopback(host):
        if keys.missing and not keys.digests:
            log.warning("No API key is set (%s): programs of this machine may ask.", ", ".join(keys.missing))
        return
    if instance.nothing_leaves:
        raise ConfigurationError(
            f"Every lane is an outbox: nothing leaves this machine, so {host} may not be served.",
            "Configure a lane that sends, or serve 127.0.0.1.",
            key="lanes",
        )
    if keys.missing or not keys.digests:
        lacking = ", ".join(keys.missing) or "[http] keys is empty"
        raise ConfigurationError(
            f"{host} can be reached from other machines, and an API key is missing ({lacking}).",
            "Set it, for example KAKITOME_API_KEY=$(openssl rand -hex 32), or serve 127.0.0.1.",
            key="http.keys",
        )


def listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=1024)
    except OSError as error:
        raise ConfigurationError(
            f"{host}:{port} cannot be served ({error.strerror}).", "Is another one running? Choose another port."
        ) from error
    # Connections inherit it; asyncio sets it only where it made the socket itself. An answer is two writes, and the
    # second would wait 40 ms for the acknowledgement of the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def name_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def address(text: str) -> tuple[str, int]:
    """`HOST:PORT`. Raises `ConfigurationError`."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ConfigurationError(f"{text!r} is not HOST:PORT.", "For example 127.0.0.1:8700.", key="http.address")
    return host, int(port)
