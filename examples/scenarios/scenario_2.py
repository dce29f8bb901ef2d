"""`make scenario-2`: a mailing by Step Functions' Distributed Map and an SES configuration set, all of it by the CDK.

AWS is an emulator of this machine, SES the simulator, which publishes to the stack's topics as its configuration set
says. Every claim is checked, mail against SES's own record. Everything stays in ./demo/scenario-2/, made anew at each
start. KAKITOME_ROWS is how many rows the list has.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from emulated_aws import ACCOUNT, REGION, Aws, borrowed, deploy, emulator, missing
from killed_2 import Killed
from mailing_2 import CONFIGURATION, EARLIER, FOLDER, SET, Mailing
from stack_2 import ROWS, Stack
from started import ends_whole

from kakitome_simulator.remote import Remote
from stage import Stage, check, free_ports, say

FILE, MAIL = "lists/2026-11.csv", "2026-11-issue"
CHILDREN = 2 if ROWS < 1000 else 6  # at once: each is a process, and begins with a second of a processor
GUARD = {"KAKITOME_STREAMS__BULK__GUARD": "warn"}  # which pauses where 5 % bounce, and that is what this list does
LEASE = {"TIMEOUT": "10s", "MARGIN": "5s"}  # twenty seconds, and a minute beyond them, in life
OPENED, CLICKED = 10, 4  # times the people of a list of 200


def main() -> None:
    if lacking := missing():
        raise SystemExit(lacking)
    ends_whole()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    [ses] = free_ports(1)
    with ExitStack() as stack:
        say("An empty AWS (the emulator) and SES (the simulator) start here. Nothing leaves this machine.")
        empty = stack.enter_context(emulator(FOLDER, enforced=True))
        stage = Stage(FOLDER, empty.environment)
        words = ["--http", f"127.0.0.1:{ses}", "--events-url", f"sns:@{empty.url}"]
        words += ["--rate", "500", "--quota", "50000"]
        stack.enter_context(stage.simulator("accepted", *words))
        say("1  The stack: bucket, tables, functions, state machine, configuration set, topics, queues.")
        lane = {"ENDPOINT": f"http://127.0.0.1:{ses}"} | LEASE
        own = {f"KAKITOME_LANES__SES__{name}": value for name, value in lane.items()} | GUARD
        # A child is a process here, and the emulator does not know of the concurrency that a plan says.
        given = {"concurrency": str(CHILDREN), "given__identities": "example.com", "settings": json.dumps(own)}
        aws = deploy(FOLDER, empty, code=str(borrowed(FOLDER)), sender="News <news@example.com>", **given)
        print("$ cdk bootstrap\n$ cdk deploy -c sender='News <news@example.com>'", file=sys.stderr)
        stage.configure(CONFIGURATION.format(table=aws.outputs["LedgerTable"], region=REGION, url=aws.url))
        provider = Remote(f"127.0.0.1:{ses}")
        play, killed = Play(stage, aws, provider, Mailing(ROWS)), Killed(stage, aws, provider)
        play.configuration_set(f"http://127.0.0.1:{ses}")
        play.who_may_send()
        play.earlier()
        killed.kill()
        play.put()
        play.fails_visibly()
        play.run()
        play.events()
        play.again()
        play.next_issue()
        play.rates()
        killed.doubt()
    say("Everything of it is in ./demo/scenario-2/. That was scenario 2.")


class Play(Stack):
    def __init__(self, stage: Stage, aws: Aws, provider: Remote, mailing: Mailing) -> None:
        super().__init__(stage, aws, provider)
        self.mailing = mailing

    # ── Before ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def configuration_set(self, ses: str) -> None:
        """The stack made it where the emulator of AWS has SES; the simulator gets the same one."""
        made = self.aws.client("sesv2").get_configuration_set_event_destinations(ConfigurationSetName=SET)
        there = {one["Name"]: one for one in made["EventDestinations"]}
        simulated = Aws(ses).client("sesv2")
        simulated.create_configuration_set(ConfigurationSetName=SET)
        for name, one in there.items():
            told = {word: one[word] for word in ("Enabled", "MatchingEventTypes", "SnsDestination")}
            simulated.create_configuration_set_event_destination(
                ConfigurationSetName=SET, EventDestinationName=name, EventDestination=told
            )
        kinds = {name: set(one["MatchingEventTypes"]) for name, one in there.items()}
        published = (
            kinds["BounceComplaintDestination"] == {"BOUNCE", "COMPLAINT", "REJECT"}
            and kinds["EmailActionDestination"] == {"OPEN", "CLICK"}
            and kinds["EmailDeliveryDestination"] == {"DELIVERY"}
        )
        check(published, "Three destinations, each with a topic of its own, and one of ours for evidence.")

    def who_may_send(self) -> None:
        """SES is the simulator, which asks nobody for a role; so IAM itself is asked."""
        iam, functions = self.aws.client("iam"), self.aws.client("lambda")
        may = set()
        for word in ("plan", "child", "worker", "events"):
            role = functions.get_function_configuration(FunctionName=f"kakitome-{word}")["Role"]
            for resource in ("identity/example.com", f"configuration-set/{SET}"):
                told = iam.simulate_principal_policy(
                    PolicySourceArn=role,
                    ActionNames=["ses:SendEmail"],
                    ResourceArns=[f"arn:aws:ses:{REGION}:{ACCOUNT}:{resource}"],
                )
                if told["EvaluationResults"][0]["EvalDecision"] == "allowed":
                    may.add((word, resource.split("/")[0]))
        due = {(word, what) for word in ("child", "worker") for what in ("identity", "configuration-set")}
        check(
            may == due, "Children and workers may send by this identity and set, and who plans or takes events may not."
        )

    def earlier(self) -> None:
        say("2  An earlier mailing, to two people. One of them bounces.")
        self.ended(self.write("earlier", "lists/earlier.csv", [EARLIER, "reader-00000@example.jp"]))
        self.wait(lambda: self.suppressed() == {EARLIER}, "The bounce did not come")
        check(True, "Its bounce came by topic, queue and function, and the address is suppressed.")

    def put(self) -> None:
        say(f"4  A list of {ROWS:,} rows into the bucket, a mail into the table, as by hand in the console.")
        self.upload(FILE, self.mailing.csv())
        self.item(MAIL, "{{ name }}さんへ、11月号")
        print(f'   {{"file_name": "{FILE}", "mail_id": "{MAIL}"}}', file=sys.stderr)

    def fails_visibly(self) -> None:
        before = len(self.arrived())
        unknown = self.ended({"file_name": FILE, "mail_id": "nobody-wrote-this"}, "FAILED")
        lost = self.ended({"file_name": "lists/none.csv", "mail_id": MAIL}, "FAILED")
        check(unknown["error"] == "UnknownMail", "An unknown mail id: the execution fails, and says so.")
        check("There is no list at s3://" in lost["cause"], "A file that is not there: the same.")
        check(len(self.arrived()) == before, "Nothing was sent by either.")

    # ── The mailing ─────────────────────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        say("5  The state machine runs: plan, a child for each row, finish.")
        began = time.monotonic()
        told = self.ended({"file_name": FILE, "mail_id": MAIL})
        took = time.monotonic() - began
        print(f"   {ROWS:,} rows in {took:.0f} seconds, {1000 * took / ROWS:.0f} ms each.", file=sys.stderr)
        check('"missing":0' in told["output"].replace(" ", ""), "The execution ends, and no row is missing.")
        self.wait(lambda: self.got() == self.mailing.due, "What children left was not sent")
        check(self.got() == self.mailing.due, "SES has one mail for each address, and none for anybody else.")

    def events(self) -> None:
        say("   Deliveries and bounces: configuration set → SNS → SQS → Lambda → DynamoDB.")
        began = time.monotonic()
        bounced = set(self.mailing.bouncing)
        due = {"delivered": len(self.mailing.good), "bounced": len(bounced)}
        self.wait(lambda: self.became() == due, "Not all events came")
        print(f"   The last one {time.monotonic() - began:.0f} seconds later.", file=sys.stderr)
        rows = self.rows(MAIL)
        self.stage.run("campaign", "status", MAIL)
        check(rows == self.mailing.account, "The account is the file's: each row is in it once.")
        check(rows["sent"] == self.got().total(), "What it calls sent, SES has accepted.")
        check(self.suppressed() == {EARLIER, *bounced}, f"All {len(bounced):,} that bounced are suppressed.")

    def again(self) -> None:
        say("6  The same input again.")
        before = len(self.arrived())
        self.ended({"file_name": FILE, "mail_id": MAIL})
        check(len(self.arrived()) == before, "It succeeds, and sends nothing new.")

    def next_issue(self) -> None:
        say("7  The next issue, to ten readers and to five whose mail bounced.")
        people = [*self.mailing.good[:10], *self.mailing.bouncing[:5]]
        before = len(self.arrived())
        self.ended(self.write("2026-12-issue", "lists/2026-12.csv", people))
        self.wait(lambda: len(self.arrived()) >= before + 10, "Not all ten got it")
        check(
            Counter(self.arrived()[before:]) == Counter(people[:10]), "The ten get it, once; the five are passed over."
        )

    def rates(self) -> None:
        say("8  Some open it, some click.")
        opened = self.mailing.good[: OPENED * max(1, ROWS // 200)]
        clicked = opened[: CLICKED * max(1, ROWS // 200)]
        mails = {line["recipient"].lower(): line["provider_message_id"] for line in self.mails()}
        for one in opened:
            self.provider.play("open", message_id=mails[one])
        for one in clicked:
            self.provider.play("click", message_id=mails[one], link="https://example.com/winter")
        self.wait(lambda: self.engaged() == (len(opened), len(clicked)), "Opens and clicks did not come")
        self.stage.run("campaign", "report", MAIL)
        rates = self.report(MAIL)["rates"]
        due = round(100 * len(opened) / len(self.mailing.good), 3)
        check(
            rates["opened"]["percent"] == due, f"{due} % of the delivered were opened; clicks by link, bounces beside."
        )

    # ── What is asked ───────────────────────────────────────────────────────────────────────────────────────────────

    def got(self) -> Counter[str]:
        """Who has the mail, by SES's record; of an address that is there in two spellings, the first one counts."""
        return Counter(line["recipient"].lower() for line in self.mails())

    def mails(self) -> list[dict[str, Any]]:
        return [line for line in self.stage.accepted("accepted") if line["subject"].endswith("11月号")]

    def became(self) -> dict[str, int]:
        rates = self.report(MAIL)["rates"]
        return {word: rates[word]["count"] for word in ("delivered", "bounced")}

    def engaged(self) -> tuple[int, int]:
        rates = self.report(MAIL)["rates"]
        return rates["opened"]["count"], rates["clicked"]["count"]

    def suppressed(self) -> set[str]:
        return {one["address"] for one in self.stage.ask("suppression", "list")["suppressions"]}


if __name__ == "__main__":
    main()
