"""Every key of the configuration is documented, with its true default, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
from documents import ROOT, fences

from kakitome.config import Config, load
from kakitome.core.errors import ConfigurationError

DOCUMENT = ROOT / "docs" / "configuration.md"
_HEADING = re.compile(r"^## `\[(\w+)(?:\.NAME)?\]`$", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| .* \| (.*?) \| `(.*)` \|$", re.MULTILINE)


def tables() -> dict[str, type[msgspec.Struct]]:
    """The struct behind each table; of those that are many by name (`dict[str, LaneTable]`) the one of each."""
    kinds: dict[str, Any] = {field.encode_name: field.type for field in msgspec.structs.fields(Config)}
    return {name: (get_args(kind) or (kind,))[-1] for name, kind in kinds.items()}


def sections() -> dict[str, str]:
    parts = _HEADING.split(DOCUMENT.read_text("utf-8"))[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def default(field: msgspec.structs.FieldInfo) -> str:
    """As the document writes it."""
    value = field.default
    if field.default_factory is not msgspec.NODEFAULT:
        value = field.default_factory()
    if value is msgspec.NODEFAULT:
        return "required"
    return "–" if value is None else f"`{json.dumps(value)}`"


def test_every_table_has_its_section() -> None:
    """In the order of the code."""
    assert list(sections()) == list(tables())


@pytest.mark.parametrize("table", tables())
def test_every_key_has_its_row(table: str) -> None:
    """With the default that the code has."""
    rows = [(key, told) for key, told, _ in _ROW.findall(sections()[table])]
    assert rows == [(field.encode_name, default(field)) for field in msgspec.structs.fields(tables()[table])]


@pytest.mark.parametrize("table", tables())
def test_every_example_is_of_its_type(table: str) -> None:
    """An example is TOML that the table takes for this key."""
    for field in msgspec.structs.fields(tables()[table]):
        (example,) = [said for key, _, said in _ROW.findall(sections()[table]) if key == field.encode_name]
        msgspec.convert(msgspec.toml.decode(f"key = {example}")["key"], field.type, strict=False)


def test_the_whole_example_is_taken(tmp_path: Path) -> None:
    """As a file, by the same check that every start makes."""
    (example,) = fences(DOCUMENT, "toml")
    path = tmp_path / "kakitome.toml"
    path.write_text(example.text, "utf-8")
    assert list(load(path, {}).lanes) == ["ses", "office"]


@pytest.mark.parametrize("provider", ["smtp", "ses-smtp"])
def test_port_25_is_for_this_machine(provider: str, tmp_path: Path) -> None:
    """To a provider it is refused, with what to use in its place."""
    path = tmp_path / "kakitome.toml"
    lane = '[lanes.one]\nprovider = "{}"\nregion = "us-east-1"\nhost = "{}"\nport = 25\n'
    path.write_text(lane.format(provider, "127.0.0.1"), "utf-8")
    assert load(path, {}).lanes["one"].port == 25
    path.write_text(lane.format(provider, "smtp.example.com"), "utf-8")
    with pytest.raises(ConfigurationError, match="465") as refused:
        load(path, {})
    assert refused.value.data["key"] == "lanes.one.port"
