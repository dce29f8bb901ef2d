"""Configuration: a TOML file and the environment, checked whole before anything starts.

`KAKITOME_LANES__SES__REGION=eu-west-1` is `[lanes.ses] region = "eu-west-1"` and wins over the file. Secrets are never
in the file: `env:NAME` and `file:PATH` say where they are, and nothing prints what was found there. A key that is not
known is an error that names the nearest one: a misspelt limit must not be no limit.
"""

from __future__ import annotations

import difflib
import math
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args, get_origin
from urllib.parse import urlsplit

import msgspec

from kakitome.core.errors import ConfigurationError

Duration = str
"""`500ms`, `30s`, `15m`, `6h`, `7d`."""

_UNITS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)\s*(ms|s|m|h|d)").fullmatch


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class LedgerTable(_Table, frozen=True, kw_only=True):
    url: str = "sqlite:///kakitome-data/ledger.db"


class QueueTable(_Table, frozen=True, kw_only=True):
    url: str = "embedded:"


class AccountTable(_Table, frozen=True, kw_only=True):
    """`rate` in recipients a second, `quota` in recipients per rolling 24 hours. Unset: what the provider says, where
    it can be asked (`asks`), else unlimited."""

    rate: float | Literal["provider", "unlimited"] | None = None
    quota: int | Literal["provider", "unlimited"] | None = None


class LaneTable(_Table, frozen=True, kw_only=True):
    """One way into an account. `provider` says which of the other keys mean something. `timeout` is how long the
    completing write may wait for its reply, `margin` what the lease of a claim has beyond it."""

    provider: Literal["ses", "ses-smtp", "smtp", "outbox"]
    account: str | None = None
    region: str | None = None
    configuration_set: str | None = None
    credentials: str = "aws"
    endpoint: str | None = None
    host: str | None = None
    port: int | None = None
    tls: Literal["implicit", "starttls", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    ca: str | None = None
    connections: int | None = None
    timeout: Duration | None = None
    margin: Duration = "1m"
    sender: str | None = None
    folder: str | None = None


def account_of(name: str, lane: LaneTable) -> str:
    """The account that the lane is a way into; lanes of one region share it unless they say otherwise."""
    return lane.account or f"{lane.provider.removesuffix('-smtp')}-{lane.region or lane.host or name}"


def asks(lane: LaneTable) -> bool:
    """Whether the lane's provider can be asked for the account's limits. SES's SMTP endpoint says nothing itself: the
    API of its region does, unless a host of its own says that the lane may lead elsewhere."""
    if lane.provider == "ses-smtp":
        return lane.region is not None and (lane.endpoint is not None or lane.host is None)
    return lane.provider == "ses"


class StreamTable(_Table, frozen=True, kw_only=True, rename={"sender": "from"}):
    kind: Literal["transactional", "bulk"] = "transactional"
    route: list[str] | None = None
    in_doubt: Literal["evidence", "resend", "hold"] = "evidence"
    expires_after: Duration | None = None
    attempts: int = 12
    first_delay: Duration = "30s"
    longest_delay: Duration = "2h"
    owner: str | None = None
    sender: str | None = None


class OwnerTable(_Table, frozen=True, kw_only=True):
    unit: str = ""
    person: str = ""
    slack: str | None = None


class HttpTable(_Table, frozen=True, kw_only=True):
    """`keys` are references to bearer keys (`env:NAME`)."""

    address: str = "127.0.0.1:8700"
    keys: list[str] = msgspec.field(default_factory=lambda: ["env:KAKITOME_API_KEY"])


class EventsTable(_Table, frozen=True, kw_only=True):
    """`trust = "simulator"` takes the simulator's certificate, and is refused unless every endpoint is loopback."""

    trust: Literal["aws", "simulator"] = "aws"
    topics: list[str] = []
    simulator_certificate: str | None = None
    oldest: Duration = "1h"


class EvidenceTable(_Table, frozen=True, kw_only=True):
    """How long silence must last before it counts, and how wide the neighbourhood of an attempt is."""

    horizon: Duration = "15m"
    neighbourhood: Duration = "2m"


class Config(_Table, frozen=True, kw_only=True):
    ledger: LedgerTable = LedgerTable()
    queue: QueueTable = QueueTable()
    accounts: dict[str, AccountTable] = {}
    lanes: dict[str, LaneTable] = {}
    streams: dict[str, StreamTable] = {}
    owners: dict[str, OwnerTable] = {}
    http: HttpTable = HttpTable()
    events: EventsTable = EventsTable()
    evidence: EvidenceTable = EvidenceTable()


def load(path: Path | None, environment: Mapping[str, str]) -> Config:
    """Read and check. Raises `ConfigurationError`, naming the key, before anything was opened."""
    tree: dict[str, Any] = {}
    if path is not None:
        try:
            tree = tomllib.loads(path.read_text("utf-8"))
        except OSError as error:
            raise ConfigurationError(f"The configuration {path} cannot be read ({error.strerror}).") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise ConfigurationError(f"The configuration {path} is not TOML: {error}.") from error
    _overlay(tree, environment)
    _known_keys(tree, Config, "")
    try:
        config = msgspec.convert(tree, Config, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"The configuration is wrong: {error}.") from error
    return _checked(config)


def _overlay(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    for name, value in environment.items():
        parts = name.removeprefix("KAKITOME_").lower().split("__")
        if not name.startswith("KAKITOME_") or len(parts) < 2:
            continue
        at = tree
        for part in parts[:-1]:
            at = at.setdefault(_spelt(at, part), {})
            if not isinstance(at, dict):
                raise ConfigurationError(f"{name} is below {part}, which is a value and no table.", key=part)
        at[_spelt(at, parts[-1])] = value.split(",") if parts[-1] in ("route", "topics", "keys") else value


def _spelt(table: Mapping[str, Any], part: str) -> str:
    """The key as the file spells it: `SES_TOKYO` finds `ses-tokyo`."""
    return next((key for key in table if key.lower().replace("-", "_") == part), part)


def _known_keys(tree: Mapping[str, Any], table: type[msgspec.Struct], at: str) -> None:
    known = {field.encode_name: field for field in msgspec.structs.fields(table)}
    for key, value in tree.items():
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            hint = f"Did you mean {at}{near[0]}?" if near else f"Known here: {', '.join(sorted(known))}."
            raise ConfigurationError(f"There is no setting {at}{key}.", hint, key=f"{at}{key}")
        inner = _inner(known[key].type)
        if inner is None or not isinstance(value, dict):
            continue
        if inner[1]:
            for name, entry in value.items():
                if isinstance(entry, dict):
                    _known_keys(entry, inner[0], f"{at}{key}.{name}.")
        else:
            _known_keys(value, inner[0], f"{at}{key}.")


def _inner(kind: Any) -> tuple[type[msgspec.Struct], bool] | None:
    """The table within a key, and whether the key holds many of them by name."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return kind, False
    if get_origin(kind) is dict:
        return get_args(kind)[1], True
    return None


def _checked(config: Config) -> Config:
    for name, account in config.accounts.items():
        _check_account(f"accounts.{name}", account)
    for name, lane in config.lanes.items():
        _check_lane(f"lanes.{name}", lane)
        _check_limits(config, name, lane)
        if lane.account is not None and lane.account not in config.accounts:
            raise ConfigurationError(
                f"lanes.{name}.account names {lane.account!r}, which no [accounts.…] defines.",
                "Add the account, or leave `account` out.",
                key=f"lanes.{name}.account",
            )
    for name, stream in config.streams.items():
        for lane_name in stream.route or ():
            if lane_name not in config.lanes:
                raise ConfigurationError(
                    f"streams.{name}.route names the lane {lane_name!r}, which no [lanes.…] defines.",
                    f"Lanes: {', '.join(config.lanes) or 'none'}.",
                    key=f"streams.{name}.route",
                )
        if stream.owner is not None and stream.owner not in config.owners:
            what = f"streams.{name}.owner names {stream.owner!r}, which no [owners.…] defines."
            raise ConfigurationError(what, key=f"streams.{name}.owner")
    if config.events.trust == "simulator":
        _all_loopback(config)
    _check_values(config)
    return config


_DURATIONS = (
    *("horizon", "neighbourhood", "oldest", "timeout", "margin"),
    *("first_delay", "longest_delay", "expires_after"),
)
_MOST = {"attempts": 1_000, "connections": 1_000, "port": 65_535}


def _check_values(config: Config) -> None:
    """Durations and counts, now and not when the first mail of that stream comes."""
    tables: dict[str, _Table] = {"evidence": config.evidence, "events": config.events}
    tables |= {f"lanes.{name}": lane for name, lane in config.lanes.items()}
    tables |= {f"streams.{name}": stream for name, stream in config.streams.items()}
    for at, table in tables.items():
        for key in _DURATIONS:
            if (text := getattr(table, key, None)) is not None:
                milliseconds(text, f"{at}.{key}")
        for key, most in _MOST.items():
            number = getattr(table, key, None)
            if number is not None and not 1 <= number <= most:
                what = f"{at}.{key} = {number} makes no sense."
                raise ConfigurationError(what, f"Write a number from 1 to {most}.", key=f"{at}.{key}")


def _check_account(at: str, account: AccountTable) -> None:
    for key, number in (("rate", account.rate), ("quota", account.quota)):
        if isinstance(number, float | int) and not (0 < number < math.inf or (number == 0 and key == "quota")):
            raise ConfigurationError(
                f"{at}.{key} = {number} is not a limit.", 'Write a number above 0, or "provider".', key=f"{at}.{key}"
            )


def _check_limits(config: Config, name: str, lane: LaneTable) -> None:
    account = account_of(name, lane)
    table = config.accounts.get(account, AccountTable())
    for key, word in (("rate", table.rate), ("quota", table.quota)):
        if word != "provider" or asks(lane):
            continue
        at = f"accounts.{account}.{key}"
        if lane.provider == "ses-smtp":
            remedy = f"Give lanes.{name} a region (and an endpoint, where it has a host of its own), or write a number."
        else:
            remedy = f"Write a number: a lane of provider {lane.provider} has nobody who could be asked."
        raise ConfigurationError(f'{at} is "provider", and lanes.{name} cannot ask it.', remedy, key=at)


def _check_lane(at: str, lane: LaneTable) -> None:
    smtp = lane.provider in ("smtp", "ses-smtp")
    if lane.provider == "smtp" and not lane.host:
        raise ConfigurationError(f"{at} has no host.", "Give the server's name.", key=f"{at}.host")
    if lane.provider in ("ses", "ses-smtp") and not (lane.region or lane.host or lane.endpoint):
        raise ConfigurationError(f"{at} has no region.", 'For example region = "ap-northeast-1".', key=f"{at}.region")
    if lane.provider == "ses" and not lane.region:
        raise ConfigurationError(
            f"{at} has no region, and requests are signed for one.",
            'For example region = "ap-northeast-1".',
            key=f"{at}.region",
        )
    if lane.provider in ("ses", "ses-smtp"):
        _check_api(at, lane)
    if smtp and lane.port == 25 and not is_loopback(lane.host or ""):
        raise ConfigurationError(
            f"{at}.port is 25, which is for mail between servers; providers throttle or refuse it.",
            'Use 465 with tls = "implicit", or 587 with tls = "starttls".',
            key=f"{at}.port",
        )
    if smtp and lane.tls == "none" and not is_loopback(lane.host or ""):
        raise ConfigurationError(
            f'{at}.tls is "none": passwords and mail would cross the network in the clear.',
            'Use "implicit" or "starttls"; "none" is for this machine only.',
            key=f"{at}.tls",
        )
    for key in ("password",):
        value = getattr(lane, key)
        if value is not None and not value.startswith(("env:", "file:")):
            raise ConfigurationError(
                f"{at}.{key} holds a secret itself.", "Say where it is: env:NAME or file:PATH.", key=f"{at}.{key}"
            )


def _check_api(at: str, lane: LaneTable) -> None:
    if re.fullmatch(r"aws(:.+)?", lane.credentials) is None:
        raise ConfigurationError(
            f"{at}.credentials is not a source of AWS credentials.",
            'Write "aws" for the SDK\'s own chain (role, SSO, environment), or "aws:PROFILE".',
            key=f"{at}.credentials",
        )
    if lane.endpoint is not None and not _is_safe(lane.endpoint):
        raise ConfigurationError(
            f"{at}.endpoint is not an https:// address: mail would cross the network in the clear.",
            "Leave it out for Amazon's own; http:// is for this machine only.",
            key=f"{at}.endpoint",
        )


def _is_safe(endpoint: str) -> bool:
    scheme, host = _place(endpoint)
    return host != "" and (scheme == "https" or (scheme == "http" and is_loopback(host)))


def _place(endpoint: str) -> tuple[str, str]:
    """Scheme and host of a URL, empty where it is none."""
    try:
        url = urlsplit(endpoint)
        return (url.scheme, url.hostname or "") if url.port != 0 else ("", "")
    except ValueError:
        return "", ""


def _all_loopback(config: Config) -> None:
    for name, lane in config.lanes.items():
        place = _place(lane.endpoint or "")[1] if lane.provider == "ses" else lane.host or ""
        if lane.provider != "outbox" and not is_loopback(place):
            raise ConfigurationError(
                f'events.trust = "simulator" takes events that anybody can sign, and lanes.{name} goes to '
                f"{place or 'a real provider'}.",
                "Remove events.trust, or point every lane at the simulator on this machine.",
                key="events.trust",
            )


def is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "[::1]") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def milliseconds(text: Duration, key: str) -> int:
    match = _DURATION(text.strip())
    if match is None:
        raise ConfigurationError(f"{key} = {text!r} is not a duration.", "Write 500ms, 30s, 15m, 6h or 7d.", key=key)
    return int(match[1]) * _UNITS[match[2]]


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
    raise ConfigurationError(f"{key} must say where the secret is: env:NAME or file:PATH.", key=key)
