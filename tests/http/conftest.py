"""One simulator and one instance for all tests here: each test writes to addresses of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from house import House, configuration, house

from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("simulator") / "certificate.pem"


@pytest.fixture(scope="session")
def provider(certificate: Path) -> Iterator[Remote]:
    with running("--certificate", str(certificate)) as remote:
        yield remote


@pytest.fixture(scope="session")
def serving(provider: Remote, certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    assert provider.smtp is not None
    port = int(provider.smtp.rpartition(":")[2])
    with house(configuration(tmp_path_factory.mktemp("house"), certificate, port=port)) as it:
        provider.events_to(f"{it.url}/events/ses")
        yield it


@pytest.fixture
def unsent(certificate: Path, provider: Remote, tmp_path: Path) -> Iterator[House]:
    """An instance of one's own, whose lane leads nowhere."""
    with house(configuration(tmp_path, certificate)) as it:
        yield it
