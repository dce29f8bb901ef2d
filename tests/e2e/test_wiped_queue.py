"""A campaign whose queue is wiped, then killed, while two workers are at it: it costs time, not mail."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kakitome_simulator.pytest_plugin import running
from kakitome_simulator.remote import Remote
from redis_server import Server, redis_server

ROWS, RATE = 120, 40

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[queue]
url = "{queue}"
look = "200ms"
[accounts.provider]
rate = {rate}
[lanes.ses]
provider = "ses-smtp"
account = "provider"
host = "127.0.0.1"
port = {port}
tls = "none"
[streams.news]
kind = "bulk"
unsubscribe = "none"
law = "off"
from = "News <news@example.com>"
"""


def kakitome(file: Path, *words: str) -> list[str]:
    main = "import sys; from kakitome.cli.main import main; sys.exit(main())"
    return [sys.executable, "-c", main, "--config", str(file), *words]


def configured(folder: Path, provider: Remote, queue: str) -> Path:
    port = (provider.smtp or "").rpartition(":")[2]
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, queue=queue, rate=RATE, port=port))
    (folder / "list.csv").write_text("email\n" + "".join(f"r{n}@example.com\n" for n in range(ROWS)))
    (folder / "mail.html").write_text("<p>News</p>")
    return file


@contextmanager
def workers(file: Path, *logs: Path) -> Iterator[None]:
    with ExitStack() as stack:
        there = []
        for log in logs:
            stream = stack.enter_context(log.open("wb"))
            there.append(stack.enter_context(subprocess.Popen(kakitome(file, "worker"), stderr=stream)))
        try:
            yield
        finally:
            for process in there:
                process.terminate()


def until(condition: Callable[[], bool], *logs: Path) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends, [log.read_text() for log in logs]
        time.sleep(0.02)  # between two looks at a condition


def play(folder: Path, provider: Remote, redis: Server) -> list[str]:
    """To the last mail and one more behind it; what each worker said."""
    file, logs = configured(folder, provider, redis.url), [folder / "one.log", folder / "two.log"]
    put = (
        "template",
        "put",
        "news",
        "--from",
        "a@example.com",
        "--subject",
        "News",
        "--html",
        str(folder / "mail.html"),
    )
    start = ("campaign", "start", "--list", f"{folder}/list.csv", "--template", "news", "--stream", "news", "--detach")
    subprocess.run(kakitome(file, *put), check=True, capture_output=True)
    with workers(file, *logs):
        until(lambda: all("worker runs" in log.read_text() for log in logs), *logs)
        subprocess.run(kakitome(file, *start), check=True, capture_output=True)
        until(lambda: len(provider.accepted()) >= 0.2 * ROWS, *logs)
        redis.ask("FLUSHALL")
        until(lambda: len(provider.accepted()) >= 0.4 * ROWS, *logs)
        redis.kill()
        assert len(provider.accepted()) < ROWS
        until(lambda: len(provider.accepted()) == ROWS, *logs)
        redis.start()
        until(lambda: all("works again" in log.read_text() for log in logs), *logs)
        mail = ("send", "--from", "a@example.com", "--to", "last@example.com", "--subject", "Hi", "--text", "x")
        subprocess.run(kakitome(file, *mail), check=True, capture_output=True)
        until(lambda: len(provider.accepted()) > ROWS, *logs)
    return [log.read_text() for log in logs]


def test_a_wiped_queue_costs_time_and_no_mail(tmp_path: Path) -> None:
    """Everybody has exactly one by the provider's record; each worker said that the queue was gone once, and once that
    it was back."""
    with running("--no-authentication") as provider, redis_server(tmp_path / "redis") as redis:
        said = play(tmp_path, provider, redis)
        got = Counter(mail.recipient for mail in provider.accepted())
    assert got == Counter([*(f"r{n}@example.com" for n in range(ROWS)), "last@example.com"])
    assert [(log.count("cannot be used now"), log.count("works again")) for log in said] == [(1, 1)] * 2
