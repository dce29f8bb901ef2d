"""Every key of the configuration is documented, with its true default, and nothing else is."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from documents import ROOT, fences

from kakitome.config import Config, load

DOCUMENT = ROOT / "docs" / "configuration.md"
_HEADING = re.compile(r"^## `\[(\w+)(?:\.NAME)?\]`$", re.MULTILINE)
_ROW = re.compile(r"^\| `(\w+)` \| .* \| (.*?) \| `(.*)` \|$", re.MULTILINE)


def tables() -> dict[str, type[msgspec.Struct]]:
    """The struct behind each table, those that are many by name included."""
    found = {}
    for field in msgspec.structs.fields(Config):
        kind: Any = field.type
        found[field.encode_name] = kind if isinstance(kind, type) and issubclass(kind, msgspec.Struct) else None
        if found[field.encode_name] is None:
            found[field.encode_name] = kind.__args__[1]
    return found


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
