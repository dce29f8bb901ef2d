"""The SES account of scenario 4: how Kakitome is configured for it, its lists, and what its simulator is told."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterable
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

from kakitome import Client
from kakitome_simulator.remote import Remote
from stage import TOPICS, Stage, wait_until

FOLDER = Path("demo/scenario-4")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "of-the-simulator"}
PATIENCE = 60  # seconds until the play gives up

CONFIGURATION = """\
# Written by examples/scenarios/scenario_4.py: one SES account (the simulator), by its API and by SMTP.
[ledger]
url = "sqlite:///demo/scenario-4/ledger.db"

[accounts.ses]
look = "500ms"                   # a minute in life: how often SES is asked what it allows

[lanes.api]
provider = "ses"
account = "ses"
region = "us-east-1"
endpoint = "http://127.0.0.1:{http}"
configuration_set = "MarketingMailsConfigurationSet"

[lanes.smtp]
provider = "ses-smtp"
account = "ses"
region = "us-east-1"
endpoint = "http://127.0.0.1:{http}"
host = "127.0.0.1"
port = {smtp}
tls = "none"                     # this machine only; everywhere else Kakitome insists on TLS
configuration_set = "MarketingMailsConfigurationSet"

[streams.transactional]
route = ["api"]
from = "Kakitome Inn <stay@example.com>"

[streams.newsletter]
kind = "bulk"
route = ["api"]

[streams.by-smtp]
kind = "bulk"
route = ["smtp"]

[sender]
name = "Kakitome-sha Ltd."
address = "1-2-3 Fumi-cho, Chiyoda-ku, Tokyo 100-0000"
contact = "letters@example.com"

[guards]
every = "100ms"                  # five seconds in life
bounces_least = 5                # 20 in life: among a few hundred mails, five may be chance

[http]
address = "127.0.0.1:{api}"

[events]
trust = "simulator"
simulator_certificate = "demo/scenario-4/simulator.pem"
topics = {topics}

[evidence]                       # minutes in real life; the simulator's events come within milliseconds
horizon = "3s"
neighbourhood = "3s"
"""

PORT_25 = """\
[lanes.smtp]
provider = "ses-smtp"
region = "us-east-1"
port = 25
"""

TEXT = """Dear {{ name }},

the winter issue is here.

{{ sender_name }}, {{ sender_address }}
Questions: {{ sender_contact }}
Unsubscribe: {{ unsubscribe_url }}
"""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def configuration(http: int, smtp: int, api: int) -> str:
    return CONFIGURATION.format(http=http, smtp=smtp, api=api, topics=json.dumps(TOPICS))


def readers(name: str, n: int) -> list[str]:
    return [f"{name}-{k:03}@example.jp" for k in range(1, n + 1)]


def write_list(name: str, addresses: Iterable[str]) -> str:
    file = FOLDER / f"{name}.csv"
    file.write_text("\n".join(["email,name", *(f"{address},{address[:9]}" for address in addresses)]) + "\n")
    return str(file)


class OwnSes:
    """The account, from our side and from the provider's."""

    def __init__(self, stage: Stage, provider: Remote, api: int) -> None:
        self.stage, self.provider, self.service = stage, provider, Client(f"http://127.0.0.1:{api}")
        self.before = 0  # mails that SES had when the last list was started

    def put_template(self) -> None:
        text, html = FOLDER / "issue.txt", FOLDER / "issue.html"
        text.write_text(TEXT)
        link = TEXT.replace("{{ unsubscribe_url }}", '<a href="{{ unsubscribe_url }}">here</a>')
        html.write_text("".join(f"<p>{paragraph}</p>" for paragraph in link.split("\n\n")))
        words = ("--from", "Letters <letters@example.com>", "--subject", "Winter issue for {{ name }}")
        self.stage.run("template", "put", "issue", *words, "--html", str(html), "--text", str(text))

    def limit(self, **limits: int) -> None:
        """SES allows something else, and `serve` knows it: it asks by itself, so the first answer to a question that
        came later may be on its way, and behind the second one the first is taken in."""
        told = self.provider.limit(**limits)["limits_told"]
        wait_until(lambda: self.provider.state()["limits_told"] >= told + 2, PATIENCE, "Nobody asked what SES allows")

    def wait_for_events(self) -> None:
        """Until SES has told all that it has to tell."""

        def all_told() -> bool:
            events = self.provider.state()["events"]
            return bool(events["delivered"] == events["published"])

        wait_until(all_told, PATIENCE, "SES still has events to tell")

    def arrived(self) -> list[str]:
        """Whom the provider has accepted mail for, by its own record."""
        return [line["recipient"] for line in self.stage.accepted("accepted")]

    def send(self, *to: str, key: str, show: bool = True) -> str:
        """One mail to each of these in one submission, by the command or by the client; answers its id."""
        subject, text = "Your booking", "We look forward to you."
        if not show:
            return self.service.send(to=list(to), subject=subject, text=text, idempotency_key=key).id
        words = ["send", *(word for address in to for word in ("--to", address))]
        words += ["--subject", subject, "--text", text, "--idempotency-key", key]
        self.stage.run(*words)
        return str(self.stage.ask(*words)["id"])  # with the same key it is the same mail, once

    def statuses(self, id: str) -> dict[str, str]:
        return {m.recipient or "": m.status for m in self.service.status(id).messages}

    def start(self, name: str, file: str, stream: str = "newsletter", show: bool = True) -> None:
        self.before = len(self.arrived())
        words = ["campaign", "start", "--list", file, "--template", "issue", "--stream", stream, "--name", name]
        if show:
            self.stage.run(*words, "--detach")
        else:
            self.stage.ask(*words, "--detach")

    def told(self, name: str) -> Any:
        return self.stage.ask("campaign", "status", name)

    def wait_for_all(self, name: str, mails: int = 0) -> Any:
        """Until SES has so many more mails than when it was started, and nothing of the campaign waits any more;
        answers its account."""
        wait_until(lambda: len(self.arrived()) >= self.before + mails, PATIENCE, f"{name} did not arrive")
        wait_until(lambda: self.open(name) == 0, PATIENCE, f"{name} did not go out")
        return self.told(name)

    def wait_parked(self, name: str, gate: str) -> Any:
        """Until this alone is in its way; answers what is said of it."""
        standing: list[Any] = []

        def parked() -> bool:
            standing[:] = self.told(name)["standing"]
            return [why["gate"] for why in standing] == [gate]

        wait_until(parked, PATIENCE, f"{name} did not park")
        return standing[0]

    def level(self, name: str) -> str:
        verdict = self.told(name)["guard"]
        return str(verdict["level"]) if verdict else ""

    def open(self, name: str) -> int:
        rows = self.told(name)["rows"]
        return sum(int(rows[word]) for word in ("importing", "queued", "sending", "in_doubt"))

    def suppressed(self) -> set[str]:
        return {one["address"] for one in self.stage.ask("suppression", "list")["suppressions"]}

    def on_its_list(self, http: int, put: str | None = None) -> set[str]:
        """SES's own suppression list of the account; `put` adds an address, as a person does in the console."""
        url = f"http://127.0.0.1:{http}/v2/email/suppression/addresses"
        headers = {"Authorization": _SIGNED, "Content-Type": "application/json"}
        if put is not None:
            body = json.dumps({"EmailAddress": put, "Reason": "COMPLAINT"}).encode()
            _DIRECT.open(urllib.request.Request(url, body, headers, method="PUT"), timeout=10).close()
        listed = urllib.request.Request(f"{url}?PageSize=1000", headers=headers)  # noqa: S310 - of this machine
        with _DIRECT.open(listed, timeout=10) as answer:
            return {one["EmailAddress"] for one in json.load(answer)["SuppressedDestinationSummaries"]}


_SIGNED = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20261201/us-east-1/ses/aws4_request"


def mails(subject: str) -> list[Message]:
    """As the provider delivers them."""
    found = (message_from_bytes(file.read_bytes()) for file in sorted((FOLDER / "mailbox").glob("*.eml")))
    return [mail for mail in found if subject in str(mail["Subject"])]


def ask_web(url: str, post: bytes | None = None) -> int:
    asked = urllib.request.Request(url, post)  # noqa: S310 - of this machine
    with _DIRECT.open(asked, timeout=10) as answer:
        return int(answer.status)


def refusal(stage: Stage, *words: str) -> tuple[int, str]:
    """A command that is shown and must not succeed: its exit code, and what it said."""
    command = [str(Path(sys.executable).with_name("kakitome")), "--config", str(stage.configuration), *words]
    print(f"$ kakitome --config {stage.configuration} {' '.join(words)}", file=sys.stderr)
    done = subprocess.run(command, env=stage.environment, capture_output=True, text=True, check=False)
    print(done.stderr.strip(), file=sys.stderr, flush=True)
    return done.returncode, done.stderr
