"""What stands in the cells of the configuration: durations, addresses of places, and where secrets are.

Secrets are never in the file: `env:NAME`, `file:PATH`, `secretsmanager:ARN` and `ssm:NAME` say where they are, and
nothing prints what was found there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from kakitome.config.vault import KINDS, kept
from kakitome.core.errors import ConfigurationError

Duration = str
"""`500ms`, `30s`, `15m`, `6h`, `7d`."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)\s*(ms|s|m|h|d)").fullmatch


def milliseconds(text: Duration, key: str) -> int:
    match = _DURATION(text.strip())
    if match is None:
        raise ConfigurationError(f"{key} = {text!r} is not a duration.", "Write 500ms, 30s, 15m, 6h or 7d.", key=key)
    return int(match[1]) * _UNITS[match[2]]


def is_safe(endpoint: str) -> bool:
    scheme, host = place(endpoint)
    return host != "" and (scheme == "https" or (scheme == "http" and is_loopback(host)))


def place(endpoint: str) -> tuple[str, str]:
    """Scheme and host of a URL, empty where it is none."""
    try:
        url = urlsplit(endpoint)
        return (url.scheme, url.hostname or "") if url.port != 0 else ("", "")
    except ValueError:
        return "", ""


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


WHERE = "Say where it is: env:NAME, file:PATH, secretsmanager:ARN or ssm:NAME."


def check_reference(key: str, reference: str | None, what: str = "secret") -> None:
    """That it says where a secret is. Raises `ConfigurationError`, which never shows what stands there instead."""
    if reference is None:
        return
    kind, _, rest = reference.partition(":")
    if kind not in ("env", "file", *KINDS) or not rest:
        raise ConfigurationError(f"{key} holds a {what} itself.", WHERE, key=key)
    if kind == "secretsmanager" and not rest.startswith("arn:"):
        told = f"{key} is {reference}, and a secret in AWS Secrets Manager has its ARN there."
        raise ConfigurationError(told, "`aws secretsmanager describe-secret --secret-id NAME` prints it.", key=key)


def secret(reference: str | None, key: str, environment: Mapping[str, str] | None = None) -> str:
    """What a reference stands for. Raises `ConfigurationError`, which names the reference and never the secret."""
    if not reference:
        return ""
    kind, _, rest = reference.partition(":")
    if kind == "env":
        found = (os.environ if environment is None else environment).get(rest)
        if found is None:
            raise ConfigurationError(f"{key} is env:{rest}, and the environment has no {rest}.", key=key)
        return found
    if kind == "file":
        try:
            return Path(rest).read_text("utf-8").strip()
        except OSError as error:
            raise ConfigurationError(f"{key} is file:{rest}, which cannot be read ({error.strerror}).") from error
    if kind in KINDS:
        return kept(reference, key)
    raise ConfigurationError(f"{key} does not say where the secret is.", WHERE, key=key)
