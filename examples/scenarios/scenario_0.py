"""`make scenario-0`: a list of 2,000, and the zone that sends it dies in the middle.

State in DynamoDB, a Redis as broker, bounces by SQS, many workers. SES is the simulator, DynamoDB and SQS are an
emulator, the Redis servers are real. Every claim is checked against SES's own record. Everything stays in
./demo/scenario-0/, made anew at each start. KAKITOME_TARGETS=400 plays it with fewer.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from zones import FOLDER, KEYS, PATIENCE, QUEUE, TEXT, WORKERS, Aws, Zone, aws, lacking

from kakitome.core.ids import MessageId
from kakitome.core.lifecycle import Cause
from stage import Stage, check, free_ports, say, wait_until

TARGETS = int(os.environ.get("KAKITOME_TARGETS", "2000"))
NAME = "winter"
CANARY = "success@simulator.amazonses.com"
DRAINED = 30  # seconds, see the configuration


def main() -> None:
    if needed := lacking():
        raise SystemExit(needed)
    shutil.rmtree(FOLDER, ignore_errors=True)
    outside = Stage(FOLDER, KEYS)
    aws_port, ses_port = free_ports(2)
    first, second = (Zone(name, aws_port, ses_port) for name in ("zone-a", "zone-b"))
    with ExitStack() as stack:
        say("DynamoDB and SQS (an emulator), SES (the simulator) and a Redis start here.")
        there = stack.enter_context(aws(outside, aws_port))
        queue = f"sqs:http://127.0.0.1:{aws_port}/000000000000/{QUEUE}@http://127.0.0.1:{aws_port}"
        limits = ("--rate", "50", "--quota", "50000", "--fault", "slow:0.2")
        stack.enter_context(
            outside.simulator("accepted", "--http", f"127.0.0.1:{ses_port}", *limits, "--events", queue)
        )
        first.start_redis(stack)
        play = Play(outside, first, second, there, stack)
        play.store()
        play.send()
        play.die()
        play.go_on()
        play.account()
        play.throw_away()
    goodbye()


class Play:
    def __init__(self, outside: Stage, first: Zone, second: Zone, there: Aws, stack: ExitStack) -> None:
        self.outside, self.first, self.second, self.aws, self.stack = outside, first, second, there, stack
        self.held: list[MessageId] = []  # by the workers of zone A when it died
        self.done = 0.0

    # ── Before ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def store(self) -> None:
        say(f"1  A list of {TARGETS:,}: all of it is in the ledger before the first mail goes.")
        stage = self.first.stage
        text, targets = FOLDER / "issue.txt", FOLDER / "targets.csv"
        text.write_text(TEXT)
        rows = (f"{address},{address.partition('@')[0]}" for address in addresses())
        targets.write_text("\n".join(["email,name", *rows]) + "\n")
        words = ("--from", "Letters <letters@example.com>", "--subject", "Winter issue for {{ name }}")
        stage.run("template", "put", "issue", *words, "--text", str(text))
        words = ("--list", str(targets), "--template", "issue", "--stream", "newsletter", "--name", NAME)
        stage.run("campaign", "start", *words, "--detach")
        rows_told = stage.ask("campaign", "status", NAME)["rows"]
        check(rows_told["queued"] == TARGETS, f"{TARGETS:,} targets wait in the ledger ...")
        check(self.accepted() == [], "... and SES has not one mail.")
        [own] = self.own_tables()
        check(len(self.aws.messages(own, "queued")) == TARGETS, f"They lie in a table of their own: {own}")

    # ── Sending, and the end of a zone ──────────────────────────────────────────────────────────────────────────────

    def send(self) -> None:
        say(f"2  {WORKERS} workers in zone A send.")
        self.first.start_workers(self.stack)
        wait_until(lambda: len(self.accepted()) >= 0.4 * TARGETS, PATIENCE, "Too few mails went")

    def die(self) -> None:
        say("3  Zone A is gone: SIGKILL to the workers and to the Redis, all at once.")
        killed = self.first.dies()
        done = len(self.accepted())
        check(killed == WORKERS + 1, f"{killed} processes are dead; SES has {done:,} of {TARGETS:,} mails.")
        [own] = self.own_tables()
        self.held, known = self.second.held(NAME), len(self.aws.messages(own, "sent"))
        check(0 < known < TARGETS, f"The ledger knows of {known:,}; {len(self.held)} were in the workers' hands.")
        check(known + len(self.held) >= done, "What SES has is among these: nothing was sent without a claim.")
        refused = self.second.stage.run("ledger", "prune", "--campaign", NAME, codes=(1,))
        check(refused == 1, "Its table cannot be thrown away now.")

    def go_on(self) -> None:
        say(f"4  Zone B goes on: other folders, an empty Redis, {WORKERS} other workers.")
        self.second.start_redis(self.stack)
        self.second.start_workers(self.stack)
        wait_until(self.is_done, PATIENCE, "The campaign did not end")
        self.done = time.time()
        refused = self.second.stage.run("ledger", "prune", "--campaign", NAME, codes=(1,))
        check(refused == 1, "It is done, and its table stays: bounces may still come.")
        self.second.stage.run("campaign", "status", NAME)

    def is_done(self) -> bool:
        return bool(self.second.stage.ask("campaign", "status", NAME)["state"] == "done")

    # ── After ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def account(self) -> None:
        say("5  The account: SES's own record against the list.")
        got = Counter(line["recipient"] for line in self.accepted())
        check(got.keys() == set(addresses()), f"All {TARGETS:,} targets have their mail, and nobody else has.")
        twice = {address for address, n in got.items() if n > 1}
        became = self.second.became(self.held)
        again = became[Cause.SILENCE]
        gone = became[Cause.PROOF] - again  # those prove their second attempt
        tell(f"  Of the {len(self.held)} mails that zone A held, SES's events proved that {len(gone)} had gone.")
        tell(f"  Of {len(again)} it said nothing, while it told of all others: these were sent again.")
        check(max(got.values()) <= 2 and twice <= again, f"Twice: {len(twice)}, and no mail that was not in doubt.")
        self.second.stage.run("ledger", "verify")

    def throw_away(self) -> None:
        say("6  The table is thrown away, as a whole, and not before its bounces have drained.")
        [own] = self.own_tables()
        stage = self.second.stage
        before, mail = self.told(), self.accepted()[0]["message"]
        wait_until(lambda: time.time() > self.done + DRAINED, PATIENCE, "Time stands still")
        stage.run("ledger", "prune", "--campaign", NAME)
        check(self.own_tables() == [], f"{own} is gone ...")
        check(self.told() == before, "... and the account of the campaign is not.")
        stage.run("status", mail, may_fail=True)
        stage.run("ledger", "verify")

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def accepted(self) -> list[dict[str, Any]]:
        """Without the canaries, by which a lane that was stopped for a moment is tried again."""
        return [line for line in self.outside.accepted("accepted") if line["recipient"] != CANARY]

    def told(self) -> Any:
        report = self.second.stage.ask("campaign", "report", NAME)
        return report["rows"], report["delivery"]

    def own_tables(self) -> list[str]:
        return [name for name in self.aws.tables() if NAME in name]


def addresses() -> list[str]:
    return [f"target-{n:04}@example.jp" for n in range(1, TARGETS + 1)]


def tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def goodbye() -> None:
    print(f"\nWhat each worker said is in {FOLDER}/zone-*/worker-*.log. make clean deletes demo/.", file=sys.stderr)


if __name__ == "__main__":
    main()
