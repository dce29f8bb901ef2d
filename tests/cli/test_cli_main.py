"""Exit codes, configuration, errors, and what help costs."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from terminal import Said, Terminal

from kakitome.cli.grammar import grammar
from kakitome.cli.main import main
from kakitome.cli.out import Out, plain_table

HEAVY = {"aiohttp", "aiosmtplib", "apsw", "asyncio", "cryptography", "litestar", "minijinja", "msgspec", "rich"}


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_help_imports_nothing_heavy() -> None:
    """Help is read more often than anything else: it loads argparse and nothing of the platform."""
    loaded = python(
        "import sys\nfrom kakitome.cli.main import main\n"
        "try: main(['campaign', '--help'])\nexcept SystemExit: print(*sys.modules)"
    ).split()
    assert HEAVY.isdisjoint(loaded)
    assert "argparse" in loaded


@pytest.mark.parametrize("later", ["identity", "doctor", "prune", "sync"])
def test_help_shows_only_what_there_is(later: str) -> None:
    """What comes later is no command yet."""
    assert later not in grammar().format_help()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["unheard-of"],
        ["send", "--from", "a@example.com"],
        ["send", "--to", "a@example.com", "--send-at", "2026-12-01T09:00:00"],
        ["send", "--to", "a@example.com", "--var", "name"],
        ["template", "preview", "news", "--row", "0"],
        ["recover"],
        ["recover", "--cause", "x", "--campaign", "y"],
        ["doubt", "resolve", "msg_1", "--as", "perhaps", "--who", "me"],
        ["doubt", "resolve", "msg_1", "--as", "sent"],
    ],
)
def test_wrong_usage_is_exit_code_2(words: list[str]) -> None:
    """argparse says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2


def test_an_unknown_key_names_the_nearest(here: Terminal) -> None:
    """A misspelt limit must not be no limit."""
    here.config.write_text('[lanes.ses]\nprovider = "ses-smtp"\nregon = "eu-west-1"\n')
    said = here.run("unsent")
    assert (said.code, said.out) == (2, "")
    assert "lanes.ses.regon" in said.err and "lanes.ses.region" in said.err
    told = here.run("unsent", "--json")
    assert told.code == 2 and json.loads(told.out)["error"] == "configuration"


def test_a_configuration_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    """It was asked for by name, so the defaults will not do."""
    assert main(["unsent", "--config", str(tmp_path / "none.toml")]) == 2


def test_without_configuration_nothing_leaves_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Said on stderr, whatever the command; stdout stays one document."""
    monkeypatch.chdir(tmp_path)
    assert main(["--json", "unsent"]) == 0
    out, err = capsys.readouterr()
    assert "nothing leaves this machine" in err
    assert json.loads(out) == {"groups": [], "held": None}
    assert (tmp_path / "kakitome-data" / "ledger.db").exists()


def test_the_environment_may_name_the_configuration(here: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """KAKITOME_CONFIG stands for --config; an option stands for itself."""
    monkeypatch.setenv("KAKITOME_CONFIG", str(here.config))
    assert main(["ledger", "verify"]) == 0
    assert (here.folder / "data" / "ledger.db").exists()


def test_an_error_is_a_sentence_and_a_slug(here: Terminal) -> None:
    """For people on stderr, for programs on stdout; never a traceback."""
    said = here.run("campaign", "status", "nothing")
    assert said == Said(1, "", said.err) and "Traceback" not in said.err
    assert here.json("campaign", "status", "nothing", code=1)["error"] == "not-found"


def test_what_is_unforeseen_is_one_sentence(here: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    """The traceback is for those who ask for it."""
    monkeypatch.setattr("kakitome.cli.ledger.session", None)
    said = here.run("ledger", "verify")
    assert said.code == 1 and "--debug" in said.err and "Traceback" not in said.err
    with pytest.raises(AttributeError):
        here.run("ledger", "verify", "--debug")


def test_serve_answers_until_it_is_told_to_stop(here: Terminal) -> None:
    """It says where; SIGTERM ends it in order."""
    with here.spawn("serve", "--address", "127.0.0.1:0", "--json") as process:
        assert process.stdout is not None
        address = json.loads("".join(process.stdout.readline() for _ in range(3)))["http"]
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{address}/healthz", timeout=10) as answer:
            assert answer.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.communicate(timeout=20)[0] == ""
    assert process.returncode == 0
    assert here.run("serve", "--address", "8700").code == 2


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The bare package is the client; the command says what to install."""
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.delitem(sys.modules, "kakitome.cli.out")
    monkeypatch.delattr("kakitome.cli.out", raising=False)
    assert main(["unsent"]) == 2
    assert "pip install 'kakitome[server]'" in capsys.readouterr().err


def test_the_simulator_keeps_its_own_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything behind its name is the simulator's."""
    with pytest.raises(SystemExit) as caught:
        main(["simulator", "--help"])
    assert caught.value.code == 0
    assert "--accepted" in capsys.readouterr().out
    assert main(["--json", "simulator"]) == 2


def test_a_table_is_aligned_as_a_screen_shows_it() -> None:
    """A Japanese character is as wide as two letters, a combining one takes no place."""
    lines = plain_table(("name", "n"), [("髙橋", "1"), ("e\u0301a", "1,000")], right=(1,))
    assert lines == ["  name      n", "  髙橋      1", "  e\u0301a    1,000"]


def test_on_a_terminal_a_table_is_aligned_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what looks like markup is text."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    Out(json=False).table(("name", "n"), [("髙橋 [bold]", "1"), ("a", "1,000")], right=(1,))
    drawn = re.sub(r"\x1b\[\d+m", "", capsys.readouterr().out)
    assert [line.rstrip() for line in drawn.splitlines()] == [
        "  name             n",
        "  髙橋 [bold]      1",
        "  a            1,000",
    ]
