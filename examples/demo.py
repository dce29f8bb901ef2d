"""`make demo`: a whole life of Kakitome on this machine, against the simulator. Everything stays in ./demo/.

It does nothing that you could not type: every command is shown before it runs.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stage import TOPICS, Stage, free_ports, say

HERE = Path("demo")
LIST = "examples/newsletter/recipients.csv"
CAMPAIGNS = ("newsletter-2026-11", "newsletter-2026-12")
PATIENCE = 4.0  # seconds without news
LETTERS = "letters@example.com"
SUBJECT = (
    '{% if 言語 == "en" %}New paper for the winter, {{ 氏名 }}{% else %}{{ 氏名 }}様へ・冬の便箋が届きました{% endif %}'
)
STAGE = Stage(HERE)

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
    smtp, http, api = free_ports(3)
    STAGE.configure(CONFIGURATION.format(smtp=smtp, api=api, topics=json.dumps(TOPICS)))
    with ExitStack() as stack:
        say("A provider (the simulator) and Kakitome start on this machine. Nothing leaves it.")
        stack.enter_context(simulator(smtp, http, api))
        stack.enter_context(STAGE.server(api))
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
    STAGE.run(
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
    STAGE.run(
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
    STAGE.run("campaign", "plan", *words)
    code = STAGE.run("campaign", "start", *words, may_fail=True)
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
        STAGE.run(
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
        status = STAGE.ask("campaign", "status", name)
        delivery = status["delivery"]
        now = delivery["delivered"] + delivery["bounced"] + delivery["rejected"]
        if now >= status["rows"]["sent"]:
            return
        if now != heard:
            heard, since = now, time.monotonic()
        time.sleep(0.2)


def account() -> None:
    """The figures, against the provider's own record."""
    rows = [STAGE.ask("campaign", "status", name)["rows"] for name in CAMPAIGNS]
    sent, doubtful = sum(r["sent"] for r in rows), sum(r["unresolved"] for r in rows)
    letters = sum(mail["sender"] == LETTERS for mail in STAGE.accepted("accepted"))
    say(f"Kakitome says that {sent} newsletters were sent. The provider's own record says {letters}.")
    if doubtful:
        say(f"{doubtful} were on the wire when this was killed, and nothing proves what became of them: you decide.")
    for name in CAMPAIGNS:
        STAGE.run("campaign", "status", name)
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


@contextmanager
def simulator(smtp: int, http: int, api: int) -> Iterator[None]:
    words = [
        *("--smtp", f"127.0.0.1:{smtp}", "--http", f"127.0.0.1:{http}", "--no-authentication"),
        *("--mailbox", str(HERE / "mailbox"), "--certificate", str(HERE / "simulator.pem")),
        *("--play", "simulator.example", "--events-url", f"http://127.0.0.1:{api}/events/ses"),
    ]
    with STAGE.simulator("accepted", *words):
        yield


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        say("Stopped. `make demo` goes on where it was; nobody gets a mail twice.")
        sys.exit(1)
