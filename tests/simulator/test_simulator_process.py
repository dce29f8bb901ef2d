"""The simulator as a process: started by its fixture, killed, and started again."""

from __future__ import annotations

import ast
import json
import signal
import smtplib
import ssl
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from playground import READER, SENDER, mail

import kakitome_simulator
from kakitome_simulator import OptionError, main
from kakitome_simulator.accepted import Accepted, AcceptedFile
from kakitome_simulator.fate import Turn
from kakitome_simulator.letter import fields, letter, stamped
from kakitome_simulator.options import endpoint, events_url
from kakitome_simulator.pytest_plugin import StartSimulator, running, simulator, start_simulator
from kakitome_simulator.remote import Remote
from kakitome_simulator.ses_event import Happening, event, passage
from kakitome_simulator.smtp_address import is_address

__all__ = ["simulator", "start_simulator"]

LINE = Accepted(
    at="2026-01-01T00:00:00.000Z",
    provider="ses",
    sender=SENDER,
    recipient=READER,
    provider_message_id="1",
    header_message_id=None,
    message=None,
    attempt=None,
    subject="髙",
    size=1,
    sha256="0",
)


def send(remote: Remote) -> None:
    assert remote.smtp is not None
    host, _, port = remote.smtp.partition(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        client.ehlo()
        client.login("user", "password")
        client.sendmail(SENDER, [READER], mail())


def test_the_fixture_starts_a_process(simulator: Remote) -> None:
    """A mail goes in, the judge shows it, a reset empties the judge."""
    send(simulator)
    assert [line.recipient for line in simulator.accepted()] == [READER]
    simulator.reset()
    assert simulator.accepted() == []


def test_the_process_writes_its_certificates_and_keeps_its_file(
    start_simulator: StartSimulator, tmp_path: Path
) -> None:
    """Both certificates are there once it listens; the accepted file grows from run to run and survives a reset."""
    paths = {name: tmp_path / name for name in ("accepted", "certificate", "tls-certificate")}
    options = [word for name, path in paths.items() for word in (f"--{name}", str(path))]
    with running(*options, "--smtps", "127.0.0.1:0") as remote:
        send(remote)
        remote.reset()
        assert paths["certificate"].read_bytes() == remote.certificate()
        context = ssl.create_default_context(cafile=str(paths["tls-certificate"]))
        assert remote.smtps is not None
        with smtplib.SMTP_SSL("127.0.0.1", int(remote.smtps.rpartition(":")[2]), context=context) as client:
            assert client.noop()[0] == 250
    again = start_simulator(*options)
    send(again)
    assert len(again.accepted()) == len(paths["accepted"].read_text().splitlines()) == 2


def test_a_kill_forgets_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    """SIGKILL right after a reply: the line is in the file."""
    file = tmp_path / "accepted.jsonl"
    command = [sys.executable, "-m", "kakitome_simulator", "--accepted", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        remote = Remote(**json.loads(process.stdout.readline()))
        send(remote)
        process.kill()
    assert [json.loads(line)["recipient"] for line in file.read_text().splitlines()] == [READER]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_cleanly(number: signal.Signals) -> None:
    """Exit code 0 and no last words, also with a client connected."""
    command = [sys.executable, "-m", "kakitome_simulator"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        remote = Remote(**json.loads(process.stdout.readline()))
        assert remote.smtp is not None
        with smtplib.SMTP("127.0.0.1", int(remote.smtp.rpartition(":")[2])) as client:
            client.ehlo()
            process.send_signal(number)
            assert process.communicate(timeout=10) == ("", "")
            client.close()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "options", [["--http", "0.0.0.0:0"], ["--smtp", "x"], ["--fault", "x"], ["--events-url", "http://example.com/"]]
)
def test_wrong_options_are_exit_code_2(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is listened to, and the reason is said."""
    with pytest.raises(SystemExit) as caught:
        main(options)
    assert caught.value.code == 2
    assert f"argument {options[0]}" in capsys.readouterr().err


def test_a_port_that_is_taken_is_exit_code_1(simulator: Remote, capsys: pytest.CaptureFixture[str]) -> None:
    """One sentence, no traceback."""
    assert main(["--http", simulator.http]) == 1
    assert "address already in use" in capsys.readouterr().err


def test_help_tells_the_grammar_of_faults(capsys: pytest.CaptureFixture[str]) -> None:
    """A person who asks for help reads what faults there are."""
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    assert "error_after_accept" in capsys.readouterr().out


def test_it_listens_and_posts_on_loopback_only() -> None:
    """IPv6 and localhost are loopback too; all else is refused."""
    assert str(endpoint("[::1]:25")) == "[::1]:25"
    assert str(endpoint("localhost:0")) == "127.0.0.1:0"
    assert events_url("https://127.0.0.9:1/x") == "https://127.0.0.9:1/x"
    for text in ("192.0.2.1:1", "example.com:1", "127.0.0.1", "127.0.0.1:x", "127.0.0.1:70000", ":1"):
        with pytest.raises(OptionError):
            endpoint(text)


@pytest.mark.parametrize("torn", [b'{"at": "2026', b"x" * 200_000])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    """After a crash in the middle of a write the next run goes on behind the last whole line."""
    file = tmp_path / "accepted.jsonl"
    for _ in range(2):
        judge = AcceptedFile(file)
        judge.append([LINE, LINE])
        judge.close()
        with file.open("ab") as broken:
            broken.write(torn)
    judge = AcceptedFile(file)
    assert judge.records() == [LINE] * 4
    judge.forget()
    judge.append([LINE])
    assert judge.records() == [LINE]
    judge.close()
    assert len(file.read_bytes().splitlines()) == 5


@given(st.emails(domains=st.just("example.com")))
def test_addresses_of_rfc_5322_are_taken(address: str) -> None:
    """Whatever a dot-atom allows, in 64 characters, is an address."""
    assert is_address(address)


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('"a..b."@docomo.ne.jp', True),
        ('"a\\"b"@example.com', True),
        ("a..b@docomo.ne.jp", False),
        (".a@example.com", False),
        ("a@localhost", False),
        ("a@-x.example", False),
        ("a@b@example.com", False),
        ('"a"b"@example.com', False),
        ("a" * 65 + "@example.com", False),
        ("a@example.com\r\n", False),
    ],
)
def test_addresses_are_read_strictly(text: str, right: bool) -> None:
    """As strictly as SES reads them."""
    assert is_address(text) is right


@given(
    st.text(alphabet="=?BbQq_utf-8iso2022jpABC \x00\udc80é", max_size=60), st.sampled_from(["Subject", "From", "To"])
)
@example("=?utf-8?B?gA?=", "Subject").via("broken base64")
def test_any_header_can_be_told(value: str, name: str) -> None:
    """Encoded-words that are none, unknown charsets, broken addresses: the judge and the events say what they can."""
    data = f"{name}: {value}\r\n\r\n".encode("utf-8", "surrogatepass")
    read = letter("SendSmtpEmail", SENDER, (READER,), data)
    json.loads(msgspec.json.encode(read.subject))
    told = event(Happening(passage(read, "1", 0, "smtp", "127.0.0.1"), Turn.SEND, (READER,), 0))
    assert json.loads(told)["eventType"] == "Send"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_letter(data: bytes) -> None:
    """Whatever a client sends can be read, and what follows the header goes on as it came."""
    read = letter("SendSmtpEmail", SENDER, (READER,), data)
    assert isinstance(read.subject, str | None)
    header = b"".join(fields(data))
    assert data.startswith(header)
    assert stamped(data, "1", 0).endswith(data[len(header) :])


def test_it_shares_nothing_with_the_accused() -> None:
    """No module of the simulator imports one of kakitome."""
    package = Path(kakitome_simulator.__file__).parent
    imported = set[str]()
    for module in package.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                imported.add((node.module or "").partition(".")[0])
    assert "msgspec" in imported
    assert "kakitome" not in imported
