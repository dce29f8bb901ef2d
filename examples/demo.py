"""`make demo`: a whole life of Kakitome on this machine, against the simulator. Everything stays in ./demo/.

It does nothing that you could not type: every command is shown before it runs.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

HERE = Path("demo")
LIST = "examples/newsletter/recipients.csv"
KAKITOME = [str(Path(sys.executable).with_name("kakitome")), "--config", str(HERE / "kakitome.toml")]
CAMPAIGNS = ("newsletter-2026-11", "newsletter-2026-12")
PATIENCE = 4.0  # seconds without news
LETTERS = "letters@example.com"
SUBJECT = (
    '{% if 言語 == "en" %}New paper for the winter, {{ 氏名 }}{% else %}{{ 氏名 }}様へ・冬の便箋が届きました{% endif %}'
)
TOPICS = [f"arn:aws:sns:us-east-1:000000000000:kakitome-{kind}" for kind in ("bounces", "deliveries", "actions")]

CONFIGURATION = """\
# Written by examples/demo.py. A provider of this machine, by SMTP as Amazon SES speaks it.
[ledger]
url = "sqlite:///demo/ledger.db"

[lanes.ses]
provider = "ses-smtp"
host = "127.0.0.1"
port = {smtp}
tls = "none"                     # loopback only; everywhere else Kakitome insists on TLS
configuration_set = "MarketingMailsConfigurationSet"

[streams.newsletter]
kind = "bulk"
route = ["ses"]

[http]
address = "127.0.0.1:{api}"

[events]
trust = "simulator"
simulator_certificate = "demo/simulator.pem"
topics = {topics}

[evidence]                       # minutes in real life; the simulator's events come within milliseconds
horizon = "3s"
neighbourhood = "3s"
"""


def main() -> int:
    HERE.mkdir(exist_ok=True)
    smtp, http, api = free_ports(3)
    (HERE / "kakitome.toml").write_text(
        CONFIGURATION.format(smtp=smtp, api=api, topics=json.dumps(TOPICS)), encoding="utf-8"
    )
    with ExitStack() as stack:
        say("A provider (the simulator) and Kakitome start on this machine. Nothing leaves it.")
        stack.enter_context(simulator(smtp, http, api))
        stack.enter_context(server(api))
        put_templates()
        codes = [campaign(CAMPAIGNS[0])]
        single_mails()
        say("Waiting for the provider's events: who got it, who bounced, who complained.")
        wait_for_events(CAMPAIGNS[0])
        codes.append(campaign(CAMPAIGNS[1]))
        wait_for_events(CAMPAIGNS[1])
        account()
    goodbye()
    return 3 if 3 in codes else 0


def put_templates() -> None:
    say("Two templates: a newsletter in MJML, a booking in HTML. Each put makes a version that never changes.")
    letter, booking = "examples/newsletter/newsletter", "examples/booking/booking-made"
    run(
        "template",
        "put",
        "newsletter",
        "--from",
        f"かきとめ舎 <{LETTERS}>",
        "--subject",
        SUBJECT,
        "--mjml",
        f"{letter}.mjml",
        "--text",
        f"{letter}.txt",
    )
    run(
        "template",
        "put",
        "booking-made",
        "--from",
        "Kakitome Inn <stay@example.com>",
        "--subject",
        "ご予約を承りました / Your booking is made: {{ booking }}",
        "--html",
        f"{booking}.html",
        "--text",
        f"{booking}.txt",
    )


def campaign(name: str) -> int:
    say(f"Campaign {name}: first what it would do, then do it.")
    words = ["--list", LIST, "--template", "newsletter", "--stream", "newsletter", "--name", name]
    run("campaign", "plan", *words)
    code = run("campaign", "start", *words, may_fail=True)
    if code == 1:
        say("Everybody who could get it has it already: nothing was sent twice.")
    return code


def single_mails() -> None:
    say("Three single mails. The key makes asking twice harmless: run this again and no second mail goes out.")
    for number, (to, name) in enumerate(
        (
            ("takahashi@example.jp", "高橋㈱"),
            ("ada@example.com", "Ada Lovelace"),
            ("bounce+booking@simulator.example", "Nobody"),
        ),
        start=1,
    ):
        facts = {
            "name": name,
            "booking": f"K-{number:04}",
            "hotel": "書留館 Kakitome Inn",
            "arrival": "2026-12-24",
            "departure": "2026-12-26",
            "guests": "2",
            "url": f"https://example.com/bookings/K-{number:04}",
        }
        values = [word for pair in facts.items() for word in ("--var", "=".join(pair))]
        run(
            "send",
            "--to",
            f"{name} <{to}>",
            "--template",
            "booking-made",
            *values,
            "--idempotency-key",
            f"demo-{number}",
        )


def wait_for_events(name: str) -> None:
    """Until every mail of the campaign has been heard of, or nothing was heard for a while: a provider that was killed
    has forgotten what it had to tell."""
    heard, since = -1, time.monotonic()
    while time.monotonic() - since < PATIENCE:
        status = asked("campaign", "status", name)
        delivery = status["delivery"]
        now = delivery["delivered"] + delivery["bounced"] + delivery["rejected"]
        if now >= status["rows"]["sent"]:
            return
        if now != heard:
            heard, since = now, time.monotonic()
        time.sleep(0.2)


def account() -> None:
    """The figures, against the provider's own record."""
    rows = [asked("campaign", "status", name)["rows"] for name in CAMPAIGNS]
    sent, doubtful = sum(r["sent"] for r in rows), sum(r["unresolved"] for r in rows)
    lines = (HERE / "accepted.jsonl").read_text(encoding="utf-8").splitlines()
    letters = sum(json.loads(line)["sender"] == LETTERS for line in lines)
    say(f"Kakitome says that {sent} newsletters were sent. The provider's own record says {letters}.")
    if doubtful:
        say(f"{doubtful} were on the wire when this was killed, and nothing proves what became of them: you decide.")
    for name in CAMPAIGNS:
        run("campaign", "status", name)
    if not sent <= letters <= sent + doubtful:
        raise SystemExit("These must agree. Please report this with the folder demo/.")


def goodbye() -> None:
    mail = next(iter(sorted((HERE / "mailbox").glob("*.eml"))), HERE / "mailbox")
    print(
        f"""
Three things to try:

  .venv/bin/kakitome --config demo/kakitome.toml explain bounce+0001@simulator.example
  less {mail}
  make demo                      # once more: nothing is sent twice

make clean deletes demo/.""",
        file=sys.stderr,
    )


def run(*words: str, may_fail: bool = False) -> int:
    """Show a command and run it. Exit code 3 is "done, but something needs a person"."""
    shown = " ".join(word if word and not set(word) & set(" <>{}\n") else repr(word) for word in words)
    print(f"\x1b[2m$ kakitome {shown}\x1b[0m" if sys.stderr.isatty() else f"$ kakitome {shown}", file=sys.stderr)
    code = subprocess.run([*KAKITOME, *words], check=False).returncode
    if code not in (0, 3) and not may_fail:
        raise SystemExit(code)
    return code


def asked(*words: str) -> Any:
    done = subprocess.run([*KAKITOME, "--json", *words], check=False, capture_output=True)
    if done.returncode not in (0, 3):
        raise SystemExit(done.stderr.decode())
    return json.loads(done.stdout)


def say(text: str) -> None:
    print(f"\n\x1b[1m{text}\x1b[0m" if sys.stderr.isatty() else f"\n{text}", file=sys.stderr)


def free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(n)]
        return [s.getsockname()[1] for s in sockets]


@contextmanager
def simulator(smtp: int, http: int, api: int) -> Iterator[None]:
    words = [
        "--smtp",
        f"127.0.0.1:{smtp}",
        "--http",
        f"127.0.0.1:{http}",
        "--no-authentication",
        "--accepted",
        str(HERE / "accepted.jsonl"),
        "--mailbox",
        str(HERE / "mailbox"),
        "--certificate",
        str(HERE / "simulator.pem"),
        "--play",
        "simulator.example",
        "--events-url",
        f"http://127.0.0.1:{api}/events/ses",
    ]
    with child([KAKITOME[0], "simulator", *words]) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it listens
        yield


@contextmanager
def server(api: int) -> Iterator[None]:
    with child([*KAKITOME, "serve"]):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            with socket.socket() as s:
                if s.connect_ex(("127.0.0.1", api)) == 0:
                    break
            time.sleep(0.05)
        yield


@contextmanager
def child(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that dies with this one, even if this one is killed; what it says goes to demo/log."""
    name = "simulator" if "simulator" in command else "serve"
    with (HERE / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, preexec_fn=_die_with_parent)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
        if process.stdout is not None:
            process.stdout.close()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    os.setpgrp()  # a Ctrl-C is for the command in front; these two end when it has ended


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped. `make demo` goes on where it was; nobody gets a mail twice.")
        sys.exit(1)
