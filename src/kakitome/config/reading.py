"""The file, and the environment over it.

`KAKITOME_LANES__SES__REGION=eu-west-1` is `[lanes.ses] region = "eu-west-1"` and wins over the file. A key that is not
known is an error that names the nearest one: a misspelt limit must not be no limit.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec

from kakitome.config.checks import checked
from kakitome.config.tables import Config
from kakitome.core.errors import ConfigurationError


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
    return checked(config)


def _overlay(tree: dict[str, Any], environment: Mapping[str, str]) -> None:
    lists = set(_lists(Config))
    for name, value in environment.items():
        parts = name.removeprefix("KAKITOME_").lower().split("__")
        if not name.startswith("KAKITOME_") or len(parts) < 2:
            continue
        at = tree
        for part in parts[:-1]:
            at = at.setdefault(_spelt(at, part), {})
            if not isinstance(at, dict):
                raise ConfigurationError(f"{name} is below {part}, which is a value and no table.", key=part)
        at[_spelt(at, parts[-1])] = value.split(",") if parts[-1] in lists else value


def _lists(table: type[msgspec.Struct]) -> Iterator[str]:
    """The keys that hold lists, in whatever table."""
    for field in msgspec.structs.fields(table):
        if any(get_origin(kind) is list for kind in (field.type, *get_args(field.type))):
            yield field.encode_name
        elif (inner := _inner(field.type)) is not None:
            yield from _lists(inner[0])


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
