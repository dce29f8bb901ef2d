"""What of the doors for events makes no sense is said at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from kakitome.config import load
from kakitome.core.errors import ConfigurationError

QUEUE = "https://sqs.us-east-1.amazonaws.com/123456789012/events"


def loaded(folder: Path, *lines: str) -> None:
    file = folder / "kakitome.toml"
    file.write_text("\n".join(["[events]", *lines]))
    load(file, {})


@pytest.mark.parametrize(
    ("key", "lines"),
    [
        ("endpoint", ['endpoint = "http://sqs.example.com"']),
        ("endpoint", ['endpoint = "nonsense"']),
        ("queues", ['queues = ["events"]']),
        ("queues", [f'queues = ["{QUEUE}", "http://127.0.0.1:4566/000000000000/events"]']),
        ("queues", ['queues = ["https://sqs.us-east-1.amazonaws.com.evil.example/123456789012/events"]']),
        ("queues", ['endpoint = "http://127.0.0.1:4566"', 'queues = ["http://10.0.0.1:4566/000000000000/events"]']),
        ("signature_versions", ["signature_versions = [1]"]),
        ("signature_versions", ["signature_versions = []"]),
    ],
)
def test_what_makes_no_sense(tmp_path: Path, key: str, lines: list[str]) -> None:
    """With the key, before anything is opened."""
    with pytest.raises(ConfigurationError) as caught:
        loaded(tmp_path, *lines)
    assert caught.value.data["key"] == f"events.{key}"
    assert caught.value.remedy


@pytest.mark.parametrize(
    "lines",
    [
        [f'queues = ["{QUEUE}"]'],
        ['queues = ["https://sqs.cn-north-1.amazonaws.com.cn/123456789012/events"]'],
        ['endpoint = "http://127.0.0.1:4566"', 'queues = ["http://127.0.0.1:4566/000000000000/events"]'],
        ["signature_versions = [1, 2]", "confirm = true"],
    ],
)
def test_what_does(tmp_path: Path, lines: list[str]) -> None:
    """AWS's own address, and an emulator's on this machine."""
    loaded(tmp_path, *lines)
