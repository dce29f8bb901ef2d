"""`make scenario-4`: how to use SES properly: sandbox, ports, bounces and complaints, quota, throttling, statistics.

SES is the simulator. Every claim is checked, mail against SES's own record. Everything stays in ./demo/scenario-4/,
made anew at each start.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from clean_list import clean_list, complaints
from own_ses import (
    FOLDER,
    KEYS,
    PATIENCE,
    PORT_25,
    OwnSes,
    ask_web,
    configuration,
    mails,
    readers,
    refusal,
    write_list,
)

from kakitome_simulator.remote import Remote
from stage import Stage, check, free_ports, say, wait_until

SIMULATED = "simulator.amazonses.com"
VERIFIED = "aya@example.com"


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    stage = Stage(FOLDER, KEYS)
    http, smtp, api = free_ports(3)
    stage.configure(configuration(http, smtp, api))
    play = Play(OwnSes(stage, Remote(f"127.0.0.1:{http}"), api), http)
    with ExitStack() as stack:
        say("An SES account in the sandbox (the simulator) and Kakitome start here.")
        stack.enter_context(
            stage.simulator(
                "accepted",
                *("--http", f"127.0.0.1:{http}", "--smtp", f"127.0.0.1:{smtp}", "--no-authentication", "--sandbox"),
                *("--verified", VERIFIED, "--mailbox", str(FOLDER / "mailbox")),
                *("--certificate", str(FOLDER / "simulator.pem"), "--events-url", f"http://127.0.0.1:{api}/events/ses"),
            )
        )
        stack.enter_context(stage.server(api))
        play.ses.put_template()
        play.sandbox()
        play.ports()
        play.mailbox_simulator()
        play.throttled()
        play.daily_quota()
        play.more_than_the_maximum()
        clean_list(play.ses)
        complaints(play.ses)
        play.way_out()
        play.both_lists()
        play.statistics()
        play.account()
    goodbye()


class Play:
    def __init__(self, ses: OwnSes, http: int) -> None:
        self.ses, self.stage, self.provider, self.http = ses, ses.stage, ses.provider, http

    # ── Before the first mail ───────────────────────────────────────────────────────────────────────────────────────

    def sandbox(self) -> None:
        say("1  The sandbox: it is said before a send, and not by a refusal behind it.")
        file = write_list("first", readers("first", 3))
        self.stage.run("campaign", "plan", "--list", file, "--template", "issue", "--stream", "newsletter")
        self.stage.run("quota")
        [account] = self.stage.ask("quota")["accounts"]
        figures = (account["sandbox"], account["maximum"], account["rate"])
        check(figures == (True, 200, 1.0), "Only verified recipients, 200 a day, 1 a second: read from SES.")
        check(not self.ses.arrived(), "Nothing was sent to find that out.")
        verified = self.ses.send(VERIFIED, key="verified", show=False)
        self.wait(verified, VERIFIED, "delivered")
        stranger = self.ses.send("guest@example.jp", key="stranger")
        wait_until(lambda: bool(self.stopped()), PATIENCE, "The account was not stopped")
        self.stage.run("lane", "list")
        check(self.stopped() == {("account:ses", "sandbox")}, "An unverified recipient stops the account ...")
        self.wait(stranger, "guest@example.jp", "queued")
        check(self.ses.statuses(stranger) == {"guest@example.jp": "queued"}, "... and not the mail: it waits.")
        say("   AWS lets the account out of the sandbox.")
        self.provider.limit(sandbox=False, rate=200, quota=50_000)
        self.wait(stranger, "guest@example.jp", "delivered")
        check(self.ses.arrived() == [VERIFIED, "guest@example.jp"], "It went by itself, within a minute in life.")

    def ports(self) -> None:
        say("2  Ports: 465 or 587, never 25.")
        other = Stage(FOLDER / "port-25", KEYS)
        other.configure(PORT_25)
        code, said = refusal(other, "worker")
        check(code == 2 and "465" in said and "587" in said, "Port 25 is refused before anything starts.")

    # ── Bounces and complaints ──────────────────────────────────────────────────────────────────────────────────────

    def mailbox_simulator(self) -> None:
        say("3  Bounces and complaints are tried with SES's own addresses, not invented ones.")
        words = {
            "success+4": "delivered",
            "bounce+4": "bounced",
            "complaint+4": "complained",
            "ooto+4": "delivered",
            "suppressionlist+4": "bounced",
        }
        ids = {w: self.ses.send(f"{w}@{SIMULATED}", key=w, show=w == "bounce+4") for w in words}
        for word, status in words.items():
            self.wait(ids[word], f"{word}@{SIMULATED}", status)
            print(f"  {word}@{SIMULATED:<27} {status}", file=sys.stderr)
        both = {f"success+5@{SIMULATED}": "delivered", f"bounce+5@{SIMULATED}": "bounced"}
        id = self.ses.send(*both, key="both", show=False)
        wait_until(lambda: self.ses.statuses(id) == both, PATIENCE, "The two recipients were not told apart")
        check(True, "One mail, two recipients: bouncedRecipients decides, not the mail's.")
        barred = {f"{w}@{SIMULATED}" for w in ("bounce+4", "complaint+4", "suppressionlist+4", "bounce+5")}
        wait_until(lambda: self.ses.suppressed() == barred, PATIENCE, "The wrong addresses are suppressed")
        self.stage.run("explain", f"bounce+4@{SIMULATED}")
        file = write_list("issue-1", [*readers("reader", 20), *(f"{w}@{SIMULATED}" for w in words)])
        self.ses.start("issue-1", file)
        rows = self.ses.wait_for_all("issue-1", 22)["rows"]
        check((rows["sent"], rows["suppressed"]) == (22, 3), "The next issue skips them: 22 sent, 3 suppressed.")

    # ── Quota and throttling ────────────────────────────────────────────────────────────────────────────────────────

    def throttled(self) -> None:
        say("4  SES says: 454 Throttling failure: Maximum sending rate exceeded.")
        for via, stream in (("http", "newsletter"), ("smtp", "by-smtp")):
            self.provider.faults([f"throttle@count=1@via={via}"])
            name, people = f"throttled-{via}", readers(via, 30)
            before = self.refused()
            self.ses.start(name, write_list(name, people), stream, show=via == "smtp")
            self.ses.wait_for_all(name, 30)
            refused = self.refused() - before
            once = sorted(to for to in self.ses.arrived() if to in people) == people
            how = "API" if via == "http" else "SMTP"
            check(refused == 1 and once, f"By {how}: refused once, slower for a while, all 30 arrived, once each.")
        wait_until(lambda: not self.stopped(), PATIENCE, "The account is stopped still")

    def daily_quota(self) -> None:
        say("   SES says: 454 Throttling failure: Daily message quota exceeded.")
        more = 50_000
        for via, stream in (("http", "newsletter"), ("smtp", "by-smtp")):
            self.provider.faults([f"daily_quota@after=5@via={via}"])
            name, people = f"quota-{via}", readers(f"late-{via}", 20)
            self.ses.start(name, write_list(name, people), stream, show=False)
            why = self.ses.wait_parked(name, "account:ses")
            if via == "smtp":
                self.stage.run("campaign", "status", name)
            check(
                why["reason"] == "quota" and "Daily" in why["detail"],
                "It parks, and any other process sees why, and until when.",
            )
            more += 10_000
            self.provider.faults([])
            self.provider.limit(quota=more)
            self.ses.wait_for_all(name, 20)
            once = sorted(to for to in self.ses.arrived() if to in people) == people
            check(once, "SES gives more, and it goes on by itself: all 20, once each.")
        say("   Better: who reads the quota is never refused. A list parks before it is full.")
        used, before = self.provider.state()["sent_last_24_hours"], self.refused()
        self.ses.limit(quota=used + 30)
        people = readers("full", 60)
        self.ses.start("quota-full", write_list("quota-full", people), show=False)
        self.ses.wait_parked("quota-full", "quota:ses")
        self.stage.run("campaign", "status", "quota-full")
        self.stage.run("unsent")
        check(not self.stopped(), "Parked, and nothing is stopped: single mails go.")
        check(self.refused() == before, "SES had to refuse nothing.")
        self.provider.limit(quota=50_000)
        self.ses.wait_for_all("quota-full", 60)
        check(sorted(to for to in self.ses.arrived() if to in people) == people, "All 60, once each.")

    def more_than_the_maximum(self) -> None:
        say("   SES may show more sent than the maximum: 431 of 200.")
        self.provider.limit(quota=200, sent=431)
        self.stage.run("quota")
        [account] = self.stage.ask("quota")["accounts"]
        check((account["sent"], account["remaining"]) == (431, 0), "Remaining: 0.")
        self.ses.limit(quota=50_000)

    # ── The way out, and both lists ───────────────────────────────────────────────────────────────────────────────────

    def way_out(self) -> None:
        say("6  Every mail of a list has a way out that works with one click (RFC 8058).")
        letters = mails("Winter issue")
        whole = [m for m in letters if m["List-Unsubscribe"] and "One-Click" in str(m["List-Unsubscribe-Post"])]
        check(len(whole) == len(letters) > 200, f"All {len(letters)} mails of lists carry both header fields.")
        reader = readers("reader", 20)[6]
        url = next(str(m["List-Unsubscribe"]).strip("<>") for m in letters if reader in str(m["To"]))
        before = self.ses.suppressed()
        check(ask_web(url) == 200 and self.ses.suppressed() == before, "GET shows a page and changes nothing.")
        done = ask_web(url, b"List-Unsubscribe=One-Click")
        check(done == 200 and self.ses.suppressed() == {*before, reader}, "POST acts: one click, no login.")
        self.ses.start("issue-2", write_list("issue-2", readers("reader", 20)), show=False)
        rows = self.ses.wait_for_all("issue-2", 19)["rows"]
        check((rows["sent"], rows["suppressed"]) == (19, 1), "The next issue skips that reader.")

    def both_lists(self) -> None:
        say("7  SES has a suppression list of its own. Both are made to agree, both ways.")
        theirs, ours = "console@example.jp", f"bounce+4@{SIMULATED}"
        self.ses.on_its_list(self.http, put=theirs)
        self.stage.run("suppression", "sync")
        check(theirs not in self.ses.suppressed(), "The first time it only says what it would do.")
        self.stage.run("suppression", "sync", "--who", "aya")
        there = self.ses.on_its_list(self.http)
        check(theirs in self.ses.suppressed() and ours in there, "What each knew alone, both know.")

    # ── Figures ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def statistics(self) -> None:
        say("8  Statistics: SES tells them unsorted; here the newest is last, with ours beside.")
        self.stage.run("statistics")
        [account] = self.stage.ask("statistics")["accounts"]
        times = [point["at"] for point in account["points"]]
        check(bool(times) and times == sorted(times), "Sorted by time.")
        attempts = (account["sum"]["attempts"], account["ours_sum"]["attempts"])
        check(attempts == (len(self.ses.arrived()),) * 2, f"Both count what SES has: {attempts[0]} mails.")

    def account(self) -> None:
        say("The account: SES's own record against ours.")
        lines = self.stage.accepted("accepted")
        once = len({line["message"] for line in lines}) == len(lines)
        check(once, f"{len(lines)} mails are with SES, and none of them twice.")

    # ── Asking ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def wait(self, id: str, recipient: str, status: str) -> None:
        wait_until(lambda: self.ses.statuses(id)[recipient] == status, PATIENCE, f"{recipient} is not {status}")

    def stopped(self) -> set[tuple[str, str]]:
        return {(gate["gate"], gate["reason"]) for gate in self.stage.ask("lane", "list")["stopped"]}

    def refused(self) -> int:
        return sum(self.provider.state()["refused"].values())


def goodbye() -> None:
    print(
        f"""
Three things to try:

  .venv/bin/kakitome --config {FOLDER}/kakitome.toml explain bounce+4@{SIMULATED}
  .venv/bin/kakitome --config {FOLDER}/kakitome.toml campaign report old-list
  .venv/bin/kakitome --config {FOLDER}/kakitome.toml suppression list

make clean deletes demo/.""",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
