"""`kakitome worker --http`: woken by posts, as Elastic Beanstalk's daemon does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

KAKITOME = [sys.executable, "-c", "import sys; from kakitome.cli.main import main; sys.exit(main())"]
CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[queue]
look = "1h"
"""
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
PATIENCE = 60


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kakitome.toml").write_text(CONFIGURATION.format(folder=tmp_path))
    return tmp_path


def command(place: Path, *words: str) -> list[str]:
    return [*KAKITOME, *words, "--config", str(place / "kakitome.toml"), "--json"]


@contextmanager
def worker(place: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    started = command(place, "worker", "--http", "127.0.0.1:0")
    with subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as it:
        try:
            assert it.stdout is not None
            document = "".join(iter(it.stdout.readline, "}\n")) + "}"
            yield it, f"http://{json.loads(document)['http']}"
        finally:
            it.kill()


def post(url: str) -> int:
    asked = urllib.request.Request(f"{url}/any/path", b"ring", {"X-Aws-Sqsd-Msgid": "1"})
    try:
        with _DIRECT.open(asked, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        refusal.close()
        return refusal.code


def sent(place: Path) -> int:
    return len(list((place / "outbox").glob("**/*.eml")))


def until_sent(place: Path, n: int) -> None:
    patience = time.monotonic() + PATIENCE
    while sent(place) < n:
        assert time.monotonic() < patience
        time.sleep(0.01)  # between two looks


def test_a_post_wakes_the_worker(place: Path) -> None:
    """It would look for itself in an hour; a post is answered 200 and the mail goes out. SIGTERM ends it in order."""
    mail = ["send", "--from", "a@example.com", "--to", "b@example.com", "--subject", "Hi", "--text", "x"]
    with worker(place) as (process, url):
        for n in (1, 2):
            subprocess.run(command(place, *mail), check=True, capture_output=True, env=os.environ)
            assert post(url) == 200
            until_sent(place, n)
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0


def test_nobody_else_wakes_it(place: Path) -> None:
    """An address that other machines reach is refused: whoever posts shows no key."""
    run = subprocess.run(command(place, "worker", "--http", "0.0.0.0:0"), capture_output=True, text=True)
    assert run.returncode == 2 and "127.0.0.1" in run.stderr
