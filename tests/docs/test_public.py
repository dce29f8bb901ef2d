"""What others may import, and what it costs them."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from documents import ROOT

import kakitome
import kakitome.client

SERVER = {"aiohttp", "aiosmtplib", "apsw", "botocore", "litestar", "minijinja", "msgspec", "rich", "uvicorn"}
"""Some of what `kakitome[server]` brings, and the client must not."""


@pytest.mark.parametrize("package", [kakitome, kakitome.client], ids=lambda package: str(package.__name__))
def test_all_is_sorted_and_there(package: object) -> None:
    """Each name once, each one there."""
    names: list[str] = package.__all__  # type: ignore[attr-defined]
    assert names == sorted(set(names))
    assert all(getattr(package, name) is not None for name in names)


def test_the_client_is_complete() -> None:
    """What `Client` takes, answers and raises can be imported from `kakitome.client`."""
    tree = ast.parse((ROOT / "src" / "kakitome" / "client" / "__init__.py").read_text("utf-8"))
    brought = {
        alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert brought - {"annotations"} == set(kakitome.client.__all__)
    assert set(kakitome.__all__) <= set(kakitome.client.__all__)


def test_importing_the_client_brings_nothing_else() -> None:
    """No package of the server, no module of the platform; a service inherits nothing by it."""
    look = "import sys\nfrom kakitome import Client\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-I", "-c", look], capture_output=True, text=True, check=True, timeout=30)
    modules = set(done.stdout.split())
    assert modules & SERVER == set()
    assert {m for m in modules if m.startswith("kakitome.")} == {m for m in modules if m.startswith("kakitome.client")}
    assert "kakitome.client" in modules
