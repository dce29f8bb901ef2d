"""`make scenario-1`: a company moves from Mandrill to Amazon SES; SendGrid stands by.

Two providers and a Kakitome run on this machine, and everything stays in ./demo/scenario-1/. Each command is shown
before it runs; each claim is checked, against the providers' own records of what they accepted.
"""

from __future__ import annotations

import csv
import json
import shutil
import sys
from collections import Counter
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from shop import Shop

from kakitome import Client, KakitomeApiError
from kakitome_simulator.remote import Remote
from stage import TOPICS, Stage, check, free_ports, say, wait_until

HERE = Path("demo/scenario-1")
REJECTS = "examples/scenarios/mandrill-rejects.csv"
PROVIDERS = ("ses", "sendgrid")
HANAKO = "hanako@example.jp"
READERS = 1_001
YEN = 150  # for a dollar; this play's own figure, since Kakitome never adds currencies up
KEYS = {"AWS_ACCESS_KEY_ID": "simulated", "AWS_SECRET_ACCESS_KEY": "simulated"}

CONFIGURATION = """\
# Written by examples/scenarios/scenario_1.py. Two providers of this machine.
[ledger]
url = "sqlite:///demo/scenario-1/ledger.db"

[accounts.ses]                   # 0.10 USD for 1,000
price = "0.10"
per = 1000
currency = "USD"

[accounts.sendgrid]              # a plan of 40,000 for 2,300 JPY
price = "2300"
per = 40000
currency = "JPY"

[lanes.ses]
provider = "ses"
account = "ses"
region = "us-east-1"
configuration_set = "MarketingMailsConfigurationSet"
endpoint = "http://127.0.0.1:{ses}"

[lanes.sendgrid]
provider = "sendgrid"
account = "sendgrid"
api_key = "file:demo/scenario-1/sendgrid-api-key"
endpoint = "http://127.0.0.1:{sendgrid}"

[streams.orders]
route = ["ses", "sendgrid"]
from = "Paper Shop <orders@example.com>"

[streams.news]
kind = "bulk"
route = ["ses", "sendgrid"]
from = "Paper Shop <news@example.com>"

[sender]
name = "Paper Shop"
address = "1-2-3 Fumi-cho, Tokyo"
contact = "news@example.com"

[http]
address = "127.0.0.1:{api}"

[events]
trust = "simulator"
simulator_certificate = "demo/scenario-1/ses.pem"
topics = {topics}
sendgrid_keys = ["file:demo/scenario-1/sendgrid.key"]
"""


class Play:
    """The stage, and who is on it."""

    def __init__(self) -> None:
        shutil.rmtree(HERE, ignore_errors=True)
        self.stage = Stage(HERE, KEYS)
        self.ses_port, self.sendgrid_port, self.api = free_ports(3)
        self.ses_at = Remote(f"127.0.0.1:{self.ses_port}")
        self.ses = ExitStack()  # closed: an outage
        self.client = Client(f"http://127.0.0.1:{self.api}")
        ports = {"ses": self.ses_port, "sendgrid": self.sendgrid_port, "api": self.api}
        self.stage.configure(CONFIGURATION.format(**ports, topics=json.dumps(TOPICS)))
        (HERE / "sendgrid-api-key").write_text("SG.simulated\n", "utf-8")
        self.shop = Shop(HERE / "shop.db", self.client)

    def start_ses(self) -> None:
        words = ["--http", f"127.0.0.1:{self.ses_port}", "--certificate", str(HERE / "ses.pem")]
        events = ["--events-url", f"http://127.0.0.1:{self.api}/events/ses"]
        self.ses.enter_context(self.stage.simulator("ses", *words, *events))

    def start_sendgrid(self, stack: ExitStack) -> None:
        words = ["--http", f"127.0.0.1:{self.sendgrid_port}", "--sendgrid-key", str(HERE / "sendgrid.key")]
        events = ["--sendgrid-events", f"http://127.0.0.1:{self.api}/events/sendgrid"]
        stack.enter_context(self.stage.simulator("sendgrid", *words, *events))

    def order(self, number: int, customer: str, **more: Any) -> str:
        shown = f'>>> shop.order({number}, "{customer}"' + (f', key="{more["key"]}"' if "key" in more else "") + ")"
        type_out(shown)
        return self.shop.order(number, customer, **more)

    def wait_for(self, id: str, *statuses: str) -> None:
        """Until the mail has one of these statuses."""
        wait_until(lambda: self.status(id) in statuses, 30, f"{id} did not become {' or '.join(statuses)}")

    def status(self, id: str) -> str:
        return self.client.status(id).messages[0].status

    def accepted(self, provider: str, recipient: str) -> int:
        return sum(line["recipient"] == recipient for line in self.stage.accepted(provider))


def main() -> int:
    play = Play()
    with ExitStack() as stack:
        stack.enter_context(play.ses)
        say("SES and SendGrid (simulators) and a Kakitome start on this machine.")
        play.start_ses()
        play.start_sendgrid(stack)
        stack.enter_context(play.stage.server(play.api))
        moving_in(play)
        asking_by_id(play)
        the_customer_on_the_phone(play)
        a_lost_reply(play)
        newsletter(play)
        booking = an_outage(play)
        ses_again(play)
        no_mail_twice(play)
        figures(play)
    goodbye(booking)
    return 0


def moving_in(play: Play) -> None:
    say("1. Moving in: the old provider's list of rejects comes along.\n   First what it would do, then do it.")
    words = ("suppression", "import", "--format", "mandrill", "--who", "Sato", REJECTS)
    play.stage.run(*words, "--dry-run")
    check(play.stage.ask("suppression", "list")["suppressions"] == [], "the dry run changed nothing")
    play.stage.run(*words)
    found = {s["address"]: s["reason"] for s in play.stage.ask("suppression", "list")["suppressions"]}
    check(len(found) == 6 and found[HANAKO] == "bounce", "six addresses came along, with their reasons")
    check("holiday@example.com" not in found, "what had expired there did not")


def asking_by_id(play: Play) -> None:
    say("2. A service sends over HTTP, keeps the id in a table of its own, asks by it.")
    id = play.order(1, "ada@example.com")
    play.wait_for(id, "delivered")
    check(play.shop.confirmation(1) == "delivered", f"order 1 ({id}): delivered")
    check(play.order(1, "ada@example.com") == id, "the same order again: the same id …")
    check(play.accepted("ses", "ada@example.com") == 1, "… and one mail")

    say("   The next one is slow: the event comes before it has stored the id.")
    play.order(2, "grace@example.com", before_storing=lambda id: play.wait_for(id, "delivered"))
    check(play.shop.confirmation(2) == "delivered", "order 2: delivered, whoever came first")
    type_out('>>> client.status("sub_0")')
    check(refusal(play.client, "sub_0") == 404, "an id that nobody was given: 404")


def refusal(client: Client, id: str) -> int:
    try:
        client.status(id)
    except KakitomeApiError as error:
        return error.status
    return 200


def the_customer_on_the_phone(play: Play) -> None:
    say("3. “Your mail does not arrive”, says a customer on the phone.")
    id = play.order(3, HANAKO)
    play.wait_for(id, "suppressed")
    check(not any(play.accepted(name, HANAKO) for name in PROVIDERS), "order 3: suppressed, and no provider saw it")
    play.stage.run("explain", HANAKO)
    told = play.stage.ask("explain", HANAKO)
    check("550 5.2.1" in json.dumps(told), "the reason is there: Mandrill's bounce of 2023")

    say("   She has mended her mailbox. Whoever lets her in again leaves a name.")
    play.stage.run("suppression", "remove", HANAKO, "--who", "Sato", "--note", "by phone: the mailbox works")
    id = play.order(3, HANAKO, key="order/3/again")
    play.wait_for(id, "delivered")
    play.stage.run("explain", HANAKO)
    told = play.stage.ask("explain", HANAKO)
    check("Sato" in json.dumps(told["history"]), "delivered, and the history says who released her")
    check(play.accepted("ses", HANAKO) == 1, "SES has her one mail")


def a_lost_reply(play: Play) -> None:
    say("4. SES takes a mail, and its reply gets lost. Its events come two seconds late.")
    arm(play, "lose_reply@count=1", "delay_events:2")
    id, lost = play.order(4, "lost@example.com"), "lost@example.com"
    wait_until(lambda: doubted(play, id), 30, "the lost reply left no doubt")
    check(play.accepted("sendgrid", lost) == 0, "in doubt: SES may have it, so SendGrid is not asked")
    play.wait_for(id, "delivered")
    check(play.accepted("ses", lost) == 1, "proved by the event: delivered, one copy")
    arm(play)


def newsletter(play: Play) -> None:
    say(f"5. A newsletter to {READERS:,} readers; SES refuses one of them for good.")
    with (HERE / "readers.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(("email", "name"))
        rows.writerows((f"reader{n}@example.com", f"Reader {n}") for n in range(1, READERS + 1))
    put = ("template", "put", "winter", "--from", "Paper Shop <news@example.com>", "--subject", "Winter, {{ name }}")
    play.stage.run(*put, "--html", "examples/scenarios/news.html")
    arm(play, "error:MessageRejected@recipient=reader77@example.com")
    start = ("--list", str(HERE / "readers.csv"), "--template", "winter", "--stream", "news")
    play.stage.run("campaign", "start", *start)
    rows = play.stage.ask("campaign", "status", "winter")["rows"]
    check((rows["sent"], rows["failed"]) == (READERS - 1, 1), f"{READERS - 1:,} sent, 1 failed")
    letters = [line for line in play.stage.accepted("ses") if line["sender"] == "news@example.com"]
    check(len(letters) == READERS - 1, f"SES's own record: {READERS - 1:,}")
    say("   Its events come in: SES still has them to tell, and will be away soon.")
    wait_until(lambda: all_told(play), 60, "SES still has events to tell")
    delivered = play.stage.ask("campaign", "status", "winter")["delivery"]["delivered"]
    check(delivered == READERS - 1, f"{READERS - 1:,} delivered")


def all_told(play: Play) -> bool:
    events = play.ses_at.state()["events"]
    return bool(events["delivered"] == events["published"])


def doubted(play: Play, id: str) -> bool:
    """Whether its attempt ended in doubt, even where an event has already settled that."""
    [message] = play.client.status(id).messages
    return any(entry.get("outcome") == "uncertain" for entry in message.timeline)


def an_outage(play: Play) -> str:
    say("6. SES is gone: nobody listens there any more.")
    play.ses.close()
    ids = [play.order(number, f"order{number}@example.com") for number in range(5, 10)]
    for id in ids:
        play.wait_for(id, "delivered")
    by_sendgrid = sum(play.accepted("sendgrid", f"order{number}@example.com") for number in range(5, 10))
    check(by_sendgrid == 5, "all five went by SendGrid, and were delivered")
    play.stage.run("lane", "list")
    check(stopped(play), "the lane is left alone for a while; nobody had to press anything")
    play.stage.run("status", ids[0])
    timeline = play.stage.ask("status", ids[0])["messages"][0]["timeline"]
    lanes = [entry["lane"] for entry in timeline if entry["kind"] == "attempt"]
    check(lanes == ["ses", "sendgrid"], "one lookup shows the attempts over both lanes")
    return ids[0]


def ses_again(play: Play) -> None:
    say("   SES is back. A canary finds that out, and no customer's mail has to.")
    play.start_ses()
    canary = "success@simulator.amazonses.com"
    wait_until(lambda: play.accepted("ses", canary) > 0, 60, "no canary came to SES")
    wait_until(lambda: not stopped(play), 30, "the lane stayed shut")
    play.stage.run("lane", "list")
    id = play.order(10, "back@example.com")
    play.wait_for(id, "delivered")
    check(play.accepted("ses", "back@example.com") == 1, "the next order went by SES again")


def stopped(play: Play) -> bool:
    return bool(play.stage.ask("lane", "list")["stopped"])


def no_mail_twice(play: Play) -> None:
    lines = [line for provider in PROVIDERS for line in play.stage.accepted(provider)]
    copies = Counter(line["message"] for line in lines)
    check(set(copies.values()) == {1}, f"both records together: {len(copies):,} mails, none of them twice")


def figures(play: Play) -> None:
    say("7. The figures: how many failed, and what it cost.")
    play.stage.run("campaign", "report", "winter")
    failed = play.stage.ask("campaign", "report", "winter")["rates"]["failed"]
    check(failed["percent"] == 0.1, "failure rate 0.100 %; 18 of 100,000 would be 0.018 %")
    play.stage.run("statistics", "--cost")
    cost = {one["lane"]: one for one in play.stage.ask("statistics", "--cost")["cost"]}
    for lane in PROVIDERS:
        theirs = len(play.stage.accepted(lane))
        check(cost[lane]["recipients"] == theirs, f"{lane} is charged for what its own record has: {theirs:,}")
    now = Fraction(cost["ses"]["amount"]) * YEN
    former = Fraction(2300, 40_000) * cost["ses"]["recipients"]
    check(now <= former / 3, f"{float(now):.0f} yen by SES, {float(former):.0f} by SendGrid's plan: below a third")


def arm(play: Play, *faults: str) -> None:
    """What a person would type to make the provider fail."""
    document = json.dumps({"faults": faults})
    type_out(f"$ curl {play.ses_at.url}/_simulator/faults \\\n    -d '{document}'")
    play.ses_at.faults(faults)


def type_out(text: str) -> None:
    print(f"\x1b[2m{text}\x1b[0m" if sys.stderr.isatty() else text, file=sys.stderr, flush=True)


def goodbye(booking: str) -> None:
    command = f".venv/bin/kakitome --config {HERE}/kakitome.toml"
    print(
        f"""
Three things to try:

  {command} explain gone@example.com
  {command} status {booking}
  {command} statistics --stream orders

make clean deletes demo/.""",
        file=sys.stderr,
    )


if __name__ == "__main__":
    sys.exit(main())
