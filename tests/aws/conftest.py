"""One S3 for the tests of a file, one container for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from container import Place, container

from s3_store import Store, store


@pytest.fixture(scope="module")
def _held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with store(tmp_path_factory.mktemp("s3")) as held:
        yield held


@pytest.fixture
def held(_held: Store, monkeypatch: pytest.MonkeyPatch) -> Store:
    _held.environment(monkeypatch)
    return _held


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with container(tmp_path, monkeypatch) as one:
        yield one
