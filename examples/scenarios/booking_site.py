"""The booking site of scenario 3: how Kakitome is configured for it, and what the site itself does."""

from __future__ import annotations

import csv
import email
import email.policy
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from kakitome import Client
from kakitome.client import MessageStatus
from stage import Stage

FOLDER = Path("demo/scenario-3")
LIST = FOLDER / "readers.csv"
READERS = 24
UNTIL_SOMEBODY_ANSWERS = (0.2, 0.5, *90 * (1.0,))  # seconds between tries; the client's own end after eight in all

CONFIGURATION = """\
# Written by examples/scenarios/scenario_3.py: SendGrid, played by the simulator, as the only way out.
[ledger]
url = "sqlite:///demo/scenario-3/ledger.db"

[lanes.sendgrid]
provider = "sendgrid"
api_key = "file:demo/scenario-3/api-key"
endpoint = "http://127.0.0.1:{provider}"
horizon = "8s"                   # an hour in life: how long silence must last before it counts

[streams.booking]                # transactional: never behind a newsletter
route = ["sendgrid"]
owner = "hotel"
attempts = 2                     # 12 in life
first_delay = "200ms"            # 30 s in life

[streams.newsletter]
kind = "bulk"
route = ["sendgrid"]

[owners.hotel]
unit = "Hotel"
person = "Sato Hanako"
slack = "file:demo/scenario-3/slack-url"

[alerts]
late_after = "4s"                # ten minutes in life
every = "1s"

[http]
address = "127.0.0.1:{api}"
keys = []                        # this machine only

[events]
sendgrid_keys = ["file:demo/scenario-3/sendgrid.key"]
"""


class Site:
    """Hands bookings in by number, and asks for their status by the ids that it was given."""

    def __init__(self, stage: Stage, api: int) -> None:
        self._stage = stage
        self._client = Client(f"http://127.0.0.1:{api}", backoff=UNTIL_SOMEBODY_ANSWERS)
        self._tonight = datetime.now(UTC)
        self.ids: dict[int, str] = {}
        self.messages: dict[int, str] = {}

    @property
    def booked(self) -> int:
        return len(self.ids)

    def put_templates(self) -> None:
        letter, booking = "examples/newsletter/newsletter", "examples/booking/booking-made"
        self._stage.run(
            *("template", "put", "newsletter", "--from", "かきとめ舎 <letters@example.com>"),
            *("--subject", "{{ 氏名 }}様へ・冬の便箋", "--mjml", f"{letter}.mjml", "--text", f"{letter}.txt"),
        )
        self._stage.run(
            *("template", "put", "booking-made", "--from", "髙橋屋 <stay@example.com>"),
            *("--subject", "{{ name }} 様のご予約 {{ booking }}"),
            *("--html", f"{booking}.html", "--text", f"{booking}.txt"),
        )

    def start_newsletter(self) -> None:
        with LIST.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["メールアドレス", "氏名", "会社", "言語", "購読番号"])
            rows.writerows([f"reader-{n:02}@example.jp", f"読者{n}", "", "ja", f"K-{n:05}"] for n in range(READERS))
        words = ("--list", str(LIST), "--template", "newsletter", "--stream", "newsletter")
        self._stage.run("campaign", "start", *words, "--detach")

    def book(
        self, *numbers: int, address: str | None = None, over: Mapping[int, float] | None = None, show: bool = False
    ) -> None:
        """A booking each. `over`: in so many seconds its evening is over, and the mail no use to anybody. The client
        raises where the answer is not 202."""
        if show:
            tell(_CALL)
        for n in numbers:
            seconds = (over or {}).get(n)
            expires = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
            self._tonight = max(self._tonight, expires or self._tonight)
            sent = self._client.send(
                to=f"㈱髙木 ①号室 <{address or f'guest-{n:02}@example.jp'}>",
                template="booking-made",
                variables=_facts(n),
                stream="booking",
                idempotency_key=f"booking/{n}",
                expires_at=expires,
            )
            self.ids[n], self.messages[n] = sent.id, sent.messages[0].id

    def until_tonight_is_over(self) -> None:
        while datetime.now(UTC) <= self._tonight:
            time.sleep(0.1)

    def status(self, n: int) -> MessageStatus:
        return self.ask(self.ids[n])

    def ask(self, id: str) -> MessageStatus:
        [message] = self._client.status(id).messages
        return message

    def timeline(self, n: int) -> tuple[Mapping[str, Any], ...]:
        return self.status(n).timeline

    def names(self, n: int) -> Iterator[str]:
        """Every id that booking `n` is known by."""
        yield from (self.ids[n], self.messages[n])
        yield from (str(entry["provider_message_id"]) for entry in self.timeline(n) if entry.get("provider_message_id"))


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def answer_in_full(message: MessageStatus) -> Mapping[str, Any]:
    """Show what the provider answered to the first attempt, as the ledger keeps it."""
    reply: Mapping[str, Any] = next(entry["reply"] for entry in message.timeline if entry["kind"] == "attempt")
    tell(f"\n  The answer to {message.recipient}: HTTP {reply['code']} after {reply.get('latency_ms', 0)} ms")
    for part in (*(f"{name}: {value}" for name, value in reply["headers"].items()), reply["text"]):
        tell(textwrap.indent(textwrap.fill(part, 74), "    "))
    return reply


def mail_of(provider_message_id: str) -> EmailMessage:
    """The mail as SendGrid has it."""
    [file] = (FOLDER / "mailbox").glob(f"{provider_message_id}.*.eml")
    return email.message_from_bytes(file.read_bytes(), _class=EmailMessage, policy=email.policy.default)


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    return "" if part is None else str(part.get_content())


def _facts(n: int) -> dict[str, str]:
    return {
        "name": "㈱髙木 ①",
        "booking": f"K-{n:04}",
        "hotel": "髙橋屋 別館①",
        "arrival": "2026-12-24",
        "departure": "2026-12-26",
        "guests": "2",
        "url": f"https://example.com/bookings/K-{n:04}",
    }


_CALL = """\
>>> client.send(to="㈱髙木 ①号室 <guest-01@example.jp>",
...     template="booking-made", variables={"name": "㈱髙木 ①", …},
...     stream="booking", idempotency_key="booking/1")"""
