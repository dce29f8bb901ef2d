"""The README's examples are run as they stand there, in its order, against an instance with no configuration."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import default
from pathlib import Path

import pytest
from documents import READMES, ROOT, Fence, fences

from kakitome.config import load

ADDRESS = "127.0.0.1:8700"
BIN = Path(sys.executable).parent
LONGEST = 60  # seconds until an example that does not end is a failure
MOST_LINES = 139

# An answer that says no is a failure here, although curl itself thinks otherwise.
PREAMBLE = 'set -euo pipefail\ncurl() { command curl --silent --show-error --fail-with-body "$@"; }\n'


def environment() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("KAKITOME_")}
    return {**ours, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "NO_PROXY": "127.0.0.1", "COLUMNS": "120"}


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """`kakitome serve` in a folder, on a port of its own choice; yields HOST:PORT."""
    command = [str(BIN / "kakitome"), "--json", "serve", "--address", "127.0.0.1:0"]
    with subprocess.Popen(
        command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            document = "".join(iter(server.stdout.readline, "}\n")) + "}"
            yield json.loads(document)["http"]
        finally:
            server.terminate()
            server.wait(timeout=LONGEST)


def run(example: Fence, address: str, folder: Path) -> str:
    text = example.text.replace(ADDRESS, address)
    command = ["bash", "-c", PREAMBLE + text] if example.language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_the_examples_work(tmp_path: Path) -> None:
    """From the first curl to the campaign's account, which is the one that the README shows."""
    if shutil.which("curl") is None:
        pytest.skip("curl is not here: apt install curl")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with serving(tmp_path) as address:
        said = [run(example, address, tmp_path) for example in fences(READMES[0], "sh", "python")]

    one_mail, python, campaign = said
    assert '"recipient":"takahashi@example.jp"' in one_mail
    assert re.search(r"^sub_\w+ (queued|sending|sent)$", python, re.MULTILINE)
    (shown,) = fences(READMES[0], "text")
    for word in ("read", "sent", "invalid", "duplicate"):
        figure = re.compile(rf"^  {word} +([\d,]+)", re.MULTILINE)
        assert figure.findall(shown.text) == figure.findall(campaign)[-1:]
    outbox = (tmp_path / "kakitome-data" / "outbox").glob("*.eml")
    mails = [message_from_bytes(path.read_bytes(), policy=default) for path in outbox]
    assert [mail["to"] for mail in mails if mail["subject"] == "ご予約①を承りました"] == [
        "高橋㈱ <takahashi@example.jp>"
    ]


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_the_configuration_is_one(readme: Path, tmp_path: Path) -> None:
    """What one is told to save as kakitome.toml is taken."""
    (example,) = fences(readme, "toml")
    path = tmp_path / "kakitome.toml"
    path.write_text(example.text, "utf-8")
    assert load(path, {}).lanes["ses"].provider == "ses"


def test_both_languages_show_the_same_examples() -> None:
    """Whoever reads Japanese types the same commands."""
    english, japanese = READMES
    assert fences(english) == fences(japanese)


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.name)
def test_it_is_short(readme: Path) -> None:
    """Whatever does not fit is documentation."""
    assert len(readme.read_text("utf-8").splitlines()) <= MOST_LINES
