"""`make scenario-3`: a hotel and restaurant booking site on SendGrid, the outage of 2018, and what it taught.

SendGrid is the simulator, Slack a channel of this machine, the bookings are handed in as the site would do it. Every
claim is checked, mail against SendGrid's own record. Everything stays in ./demo/scenario-3/, made anew at each start.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from booking_site import CONFIGURATION, FOLDER, Site, answer_in_full, mail_of, tell, text_of
from slack_channel import SlackChannel, shown, slack_channel

from kakitome_simulator.remote import Remote
from stage import Stage, check, free_ports, say, wait_until

PATIENCE = 90  # seconds until the play gives up
GAVE_UP, DOUBTED, WAITING, AT_ONCE = range(11, 15), range(21, 26), range(31, 39), range(41, 47)
STALE, TONIGHT, TAKEN = 14, 38, 25


def main() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    stage = Stage(FOLDER)
    provider, api = free_ports(2)
    with ExitStack() as stack:
        slack = stack.enter_context(slack_channel())
        (FOLDER / "api-key").write_text("SG.of-the-simulator")
        (FOLDER / "slack-url").write_text(slack.url)
        stage.configure(CONFIGURATION.format(provider=provider, api=api))
        play = Play(stage, Site(stage, api), Remote(f"127.0.0.1:{provider}"), slack, api)
        say("SendGrid (the simulator) and Kakitome start on this machine. Nothing leaves it.")
        stack.enter_context(play.sendgrid(provider))
        with stage.server(api) as serve:
            play.an_ordinary_evening()
            play.some_give_up()
            play.the_outage()
            play.the_alert()
            play.us_or_them()
            play.it_works_again()
            play.doubts_settle()
            play.over()
            arrived = play.killed(serve)
        with stage.server(api):
            play.nothing_lost(arrived)
            play.events()
            play.account()
    goodbye()


class Play:
    def __init__(self, stage: Stage, site: Site, provider: Remote, slack: SlackChannel, api: int) -> None:
        self.stage, self.site, self.provider, self.slack, self.api = stage, site, provider, slack, api

    def sendgrid(self, port: int) -> Any:
        return self.stage.simulator(
            "accepted",
            *("--http", f"127.0.0.1:{port}", "--sendgrid-key", str(FOLDER / "sendgrid.key")),
            *("--mailbox", str(FOLDER / "mailbox"), "--sendgrid-api-key", "SG.of-the-simulator"),
            *("--sendgrid-events", f"http://127.0.0.1:{self.api}/events/sendgrid", "--seed", "3"),
        )

    # ── The evening ─────────────────────────────────────────────────────────────────────────────────────────────────

    def an_ordinary_evening(self) -> None:
        say("1  An ordinary evening: a newsletter goes out, bookings beside it.")
        self.site.put_templates()
        self.site.start_newsletter()
        self.site.book(*range(1, 4), show=True)
        self.wait_for("delivered", range(1, 4))
        wait_until(lambda: len(self.arrived()) >= 27, PATIENCE, "The newsletter did not arrive")
        [first] = [line for line in self.arrived() if line["recipient"] == "guest-01@example.jp"]
        mail = mail_of(first["provider_message_id"])
        tell(f"\n  as SendGrid has it   To: {mail['to']}\n                       Subject: {first['subject']}")
        whole = (first["subject"], str(mail["to"]), text_of(mail))
        check(
            all(all(character in text for character in "㈱①髙") for text in whole),
            "㈱ ① 髙 arrived intact: in the subject, the name and the body.",
        )
        check(len(self.arrived()) == 27, "24 newsletters and 3 bookings are with SendGrid, each once.")

    def some_give_up(self) -> None:
        say("2  The outage: SendGrid refuses for now (408). Two tries here, twelve in life.")
        self.provider.faults(["error:408@recipient=guest-1[1-4]@example.jp"])
        self.site.book(*GAVE_UP, over={STALE: 12})
        check(self.site.booked == 7, "Four bookings came in, and all were acknowledged (202).")
        self.wait_for("needs_attention", GAVE_UP)
        check(True, "After two tries they are dead letters: certainly not sent, kept, and seen.")

    def the_outage(self) -> None:
        say("   Then SendGrid answers 503. One of these five mails it takes all the same.")
        self.provider.faults(
            [
                *(f"error_after_accept:503@recipient=guest-{TAKEN}@example.jp", "error:503@recipient=guest-2[1-4]@*"),
                *("error:503@recipient=guest-3*", f"delay_events:6@recipient=guest-{TAKEN}@example.jp"),
            ]
        )
        self.site.book(*DOUBTED)
        wait_until(lambda: all(map(self.doubted, DOUBTED)), PATIENCE, "The five did not come into doubt")
        asked = self.refused()
        check(self.stopped(), "A 503 proves nothing. After five in a row SendGrid is left alone for 30 s.")
        self.site.book(*WAITING, over={TONIGHT: 8})
        check(self.site.booked == 20, "Eight more bookings came in; all were acknowledged, and wait in the ledger.")
        self.stage.run("doubt", "list")
        check(self.refused() == asked, "Nobody is sent into the fire: SendGrid was not asked once more.")

    # ── The alert ───────────────────────────────────────────────────────────────────────────────────────────────────

    def the_alert(self) -> None:
        say("3  Slack, by itself, when mail is late: in life ten minutes, here four seconds.")
        wait_until(lambda: bool(self.slack.titled("is late")), PATIENCE, "Slack heard nothing")
        [message] = self.slack.titled("is late")
        tell(shown(message))
        text = shown(message).replace("\n  │  ", "")
        check("wait in stream booking" in text, "How many, and in which stream.")
        check("Hotel (ask Sato Hanako)" in text, "Whose: the Hotel, and the one person to ask.")
        check(
            "Likely cause: the provider." in text and "Its last answer: 503" in text,
            "Us or them: the provider, with its last answer.",
        )
        check("lane resume lane:sendgrid" in text, "What to press, ready to type.")
        wait_until(lambda: bool(self.slack.titled("a decision")), PATIENCE, "Slack heard of no dead letter")
        [dead] = self.slack.titled("a decision")  # of one that needs it, or of all: whenever the first was seen
        tell(shown(dead))
        check(len(self.slack.messages) == 2, "One message for the delay, one for what gave up. No third.")

    def us_or_them(self) -> None:
        say("   Each answer is kept in full. A fault of ours looks otherwise: see 5.")
        self.stage.run("unsent")
        reply = answer_in_full(self.site.status(21))
        check(reply["code"] == 503 and bool(reply["headers"]) and "latency_ms" in reply, "That was SendGrid, not us.")

    # ── Recovery ────────────────────────────────────────────────────────────────────────────────────────────────────

    def it_works_again(self) -> None:
        say("4  SendGrid works again. What gave up goes out by one command; look first.")
        self.provider.faults([])
        wait_until(lambda: self.words([TONIGHT]) == {"expired"}, PATIENCE, "The table for tonight did not expire")
        self.site.until_tonight_is_over()
        self.stage.run("recover", "--cause", "deferred-408", "--dry-run")
        self.stage.run("recover", "--cause", "deferred-408")
        self.stage.run("recover", "--cause", "deferred-408")
        again = self.stage.ask("recover", "--cause", "deferred-408", "--dry-run")
        check(again["queued"] == [], "Recovering twice is recovering once.")
        self.wait_for("delivered", [TAKEN])  # its late event: behind others' events its silence would count
        self.stage.run("lane", "resume", "lane:sendgrid", may_fail=True)  # slow as this machine is, it may work by now
        fresh = [n for n in (*GAVE_UP, *WAITING) if n not in (STALE, TONIGHT)]
        self.wait_for("delivered", fresh)
        check(self.copies(fresh) == {1}, "All that waited or gave up is delivered, each once.")
        check(self.copies([STALE, TONIGHT]) == {0}, "The two tables for tonight stayed out: their time was over.")

    def doubts_settle(self) -> None:
        say("   The doubts: an event proves a mail. Silence counts once others' events came.")
        extra, until = 61, time.monotonic() + PATIENCE
        while any(doubt["state"] == "in_doubt" for doubt in self.doubts()) and time.monotonic() < until:
            self.site.book(extra)  # the evening goes on: time passes by its events
            extra += 1
        for doubt in self.doubts():  # on a machine so slow that the deadline came first
            self.stage.run("doubt", "resolve", doubt["id"], "--who", "sato", "--as", "resend")
        self.wait_for("delivered", DOUBTED)
        self.stage.run("doubt", "list")
        self.stage.run("status", self.site.ids[21])
        proved = [entry for entry in self.site.timeline(TAKEN) if entry.get("proved")]
        check(len(proved) == 1, f"Guest {TAKEN}'s 503 was a yes: the event proved it, and nothing was sent again.")
        check(self.copies(DOUBTED) == {1}, "The other four went again: all five arrived, none twice.")

    def over(self) -> None:
        self.stage.run("unsent")
        self.stage.run("recover", "--cause", "deferred-408", "--close", "--include-expired")
        wait_until(lambda: len(self.slack.titled("Over")) == 2, PATIENCE, "Slack did not hear of the end")
        for message in self.slack.titled("Over"):
            tell(shown(message))
        check(len(self.slack.messages) == 4, "Slack heard of each once, and of its end once.")

    # ── A worker's fault ────────────────────────────────────────────────────────────────────────────────────────────

    def killed(self, serve: Any) -> threading.Thread:
        say("5  As the contrast a fault of ours: kill -9, one on the wire, five behind it.")
        self.provider.faults(["slow:20", "delay_events:5"])
        self.site.book(*AT_ONCE)
        wait_until(lambda: self.copies([41]) == {1}, PATIENCE, "SendGrid did not get it")
        tell(f"$ kill -9 {serve.pid}")
        serve.kill()
        serve.wait()
        self.provider.faults(["delay_events:5"])  # of those behind it: before its own came, silence would count
        check(True, "SendGrid took it; its answer found nobody any more. A seventh guest books.")
        client = threading.Thread(target=self.site.book, args=(47,))
        client.start()
        return client

    def nothing_lost(self, client: threading.Thread) -> None:
        client.join()
        say("   It was started again. The site's client tried until somebody answered.")
        self.wait_for("delivered", [*AT_ONCE, 47])
        self.stage.run("status", self.site.ids[41])
        check("worker_gone_marked" in str(self.site.timeline(41)), "This time no answer, but a worker that ended: us.")
        check(self.copies([*AT_ONCE, 47]) == {1}, "Nothing was lost and nothing went twice: the event proved the one.")

    # ── Events ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def events(self) -> None:
        say("6  SendGrid's events: signed, three of each, in any order; first a 429.")
        self.provider.faults(["throttle@count=1", "duplicate_events:2", "reorder_events"])
        self.site.book(51)
        self.site.book(52, address="bounce+52@simulator.example")
        self.wait_for("delivered", [51])
        self.wait_for("bounced", [52])
        wait_until(lambda: self.quiet(), PATIENCE, "The copies did not come")
        kinds = sorted(entry["event"] for entry in self.site.timeline(51) if entry["kind"] == "event")
        check(kinds == ["delivered", "sent"], "Each event counts once, whatever came how often and when.")
        check(self.site.status(51).attempts == 1, "The 429 cost the mail no attempt.")
        ids = {self.site.ask(id).status for id in self.site.names(51)}
        check(ids == {"delivered"}, "Status by the id of submission, message or SendGrid: the same answer.")
        self.site.book(53, address="bounce+52@simulator.example")
        self.wait_for("suppressed", [53])
        check(self.copies([53]) == {0}, "What bounced for good is not written to again.")
        self.stage.run("explain", "bounce+52@simulator.example")

    def account(self) -> None:
        say("The account.")
        self.stage.run("ledger", "verify", codes=(0,))
        out = {STALE, TONIGHT, 53}
        gone = [n for n in self.site.ids if n not in out]
        check(
            self.copies(gone) == {1} and self.copies(out) == {0},
            f"{self.site.booked} bookings acknowledged: {len(gone)} reached SendGrid once, {len(out)} rightly never.",
        )

    # ── What is known ───────────────────────────────────────────────────────────────────────────────────────────────

    def arrived(self) -> list[dict[str, Any]]:
        return self.stage.accepted("accepted")

    def copies(self, numbers: Any) -> set[int]:
        """How often SendGrid accepted each of these bookings."""
        there = [line["message"] for line in self.arrived()]
        return {there.count(self.site.messages[n]) for n in numbers}

    def words(self, numbers: Any) -> set[str]:
        return {self.site.status(n).status for n in numbers}

    def wait_for(self, word: str, numbers: Any) -> None:
        names = ", ".join(map(str, numbers))
        wait_until(lambda: self.words(numbers) == {word}, PATIENCE, f"Bookings {names} did not become {word}")

    def doubts(self) -> list[Any]:
        return list(self.stage.ask("doubt", "list")["doubts"])

    def doubted(self, n: int) -> bool:
        return any(entry.get("outcome") == "uncertain" for entry in self.site.timeline(n))

    def stopped(self) -> bool:
        return bool(self.stage.ask("lane", "list")["stopped"])

    def refused(self) -> int:
        return sum(self.provider.state()["sendgrid"]["refused"].values())

    def quiet(self) -> bool:
        events = self.provider.state()["sendgrid"]["events"]
        return bool(events["delivered"] >= events["published"] + 8 and not events["waiting"])


def goodbye() -> None:
    print(
        f"""
Three things to try, after export KAKITOME_CONFIG={FOLDER}/kakitome.toml

  .venv/bin/kakitome explain guest-{TAKEN}@example.jp
  .venv/bin/kakitome alerts
  .venv/bin/kakitome explain guest-{STALE}@example.jp

make clean deletes demo/.""",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
