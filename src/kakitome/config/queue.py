"""Where the doorbell is: in this process, in a Redis, in SQS."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from kakitome.config.tables import QueueTable
from kakitome.config.values import check_reference, is_safe, milliseconds
from kakitome.core.errors import ConfigurationError
from kakitome.queues.redis import RedisPlace
from kakitome.queues.sqs import SqsPlace

KEY = "queue.url"
FORMS = "Write embedded:, redis://HOST:PORT/DATABASE (rediss:// with TLS), or sqs://NAME?region=REGION."

_PREFIX = re.compile(r"[\w:.-]{1,64}", re.ASCII).fullmatch
_NAME = re.compile(r"[A-Za-z0-9_-]{1,66}").fullmatch  # with "-transactional" 80, SQS's most
_SQS_HOST = re.compile(r"sqs\.([a-z0-9-]{3,32})\.amazonaws\.com(\.cn)?").fullmatch
_ACCOUNT = re.compile(r"/([0-9]{12})/([^/]+)").fullmatch


def place_of(table: QueueTable, environment: Mapping[str, str] | None = None) -> RedisPlace | SqsPlace | None:
    """`None` is this process. A password is not looked up here. Raises `ConfigurationError`."""
    try:
        url = urlsplit(table.url)
        port = url.port
    except ValueError as error:
        raise ConfigurationError(f"{KEY} is not an address: {error}.", FORMS, key=KEY) from error
    if table.url == "embedded:":
        return None
    if url.password is not None:
        raise ConfigurationError(
            f"{KEY} holds a secret itself.", "Leave it out, and set queue.password to env:NAME or file:PATH.", key=KEY
        )
    if url.scheme in ("redis", "rediss") and url.hostname:
        return _redis(table, url, port)
    if url.scheme == "sqs" and url.netloc:
        return _sqs(url, os.environ if environment is None else environment)
    raise ConfigurationError(f"{KEY} = {table.url!r} is no queue that there is.", FORMS, key=KEY)


def check_queue(table: QueueTable) -> None:
    place = place_of(table)
    if table.look is not None and milliseconds(table.look, "queue.look") == 0:
        raise ConfigurationError("queue.look is nothing at all.", "Write 250ms or 5s.", key="queue.look")
    for key, value in (("queue.password", table.password), ("queue.ca", table.ca)):
        if value is not None and not isinstance(place, RedisPlace):
            raise ConfigurationError(f"{key} is set, and {KEY} is no Redis.", "Leave it out.", key=key)
    check_reference("queue.password", table.password)
    if table.ca is not None and isinstance(place, RedisPlace) and not place.tls:
        raise ConfigurationError("queue.ca is set, and nothing is encrypted.", "Write rediss://.", key="queue.ca")


def _redis(table: QueueTable, url: SplitResult, port: int | None) -> RedisPlace:
    prefix = _options(url, "prefix").get("prefix", "kakitome")
    if _PREFIX(prefix) is None:
        what = f"{KEY} has {prefix!r} as the prefix of its keys."
        raise ConfigurationError(what, "Use up to 64 letters, digits and : . _ -", key=KEY)
    database = url.path.strip("/") or "0"
    if not (database.isascii() and database.isdecimal()):
        raise ConfigurationError(f"{KEY} has {database!r} as a database.", "Write its number: /0", key=KEY)
    return RedisPlace(
        host=url.hostname or "",
        port=port or 6379,
        database=int(database),
        username=unquote(url.username) if url.username else None,
        tls=url.scheme == "rediss",
        ca=table.ca,
        prefix=prefix,
    )


def _sqs(url: SplitResult, environment: Mapping[str, str]) -> SqsPlace:
    """`sqs://NAME?region=…`, or a queue's own address with sqs:// in the place of https://."""
    options = _options(url, "region", "endpoint")
    host, owned = _SQS_HOST(url.netloc), _ACCOUNT(url.path)
    account, name = (owned[1], owned[2]) if host and owned else (None, url.netloc)
    if _NAME(name) is None or (account is None and url.path.strip("/")):
        what = f"{KEY} names no queue of SQS that can be."
        raise ConfigurationError(what, "Write sqs://NAME?region=REGION, or sqs://sqs.REGION.amazonaws.com/…", key=KEY)
    usual = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION")
    region = host[1] if host else options.get("region", usual)
    if not region:
        raise ConfigurationError(f"{KEY} has no region.", f"For example sqs://{name}?region=ap-northeast-1", key=KEY)
    endpoint = options.get("endpoint")
    if endpoint is not None and not is_safe(endpoint):
        what = f"{KEY} has an endpoint that is not an https:// address."
        raise ConfigurationError(what, "Leave it out for Amazon's own; http:// is for this machine only.", key=KEY)
    return SqsPlace(name=name, region=region, account=account, endpoint=endpoint)


def _options(url: SplitResult, *known: str) -> dict[str, str]:
    options = dict(parse_qsl(url.query, keep_blank_values=True))
    for name in options:
        if name not in known:
            raise ConfigurationError(f"{KEY} has {name}=, which is not known.", f"Known: {', '.join(known)}.", key=KEY)
    return options
