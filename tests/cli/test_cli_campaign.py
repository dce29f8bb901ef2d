"""Campaigns from outside: the provider's own record is the judge."""

from __future__ import annotations

import asyncio
import csv
import io
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import IO

import pytest
from terminal import SENDER, Terminal, recipients, ses, sums

from kakitome.app import opened
from kakitome.campaign import open_run, take_in
from kakitome.config import load
from kakitome.core.evidence import NO_PROOF
from kakitome.lists import open_list
from kakitome_simulator.remote import Remote

EXAMPLE = Path(__file__).parents[2] / "examples" / "newsletter" / "recipients.csv"
FIGURES = {"rows": 2_000, "invalid": 21, "duplicate": 40, "suppressed": 0}


def test_the_example_from_plan_to_account(sending: Terminal, provider: Remote, tmp_path: Path) -> None:
    """A list with real-life flaws: planned, sent, accounted for to the last row; again: everybody has it already."""
    body = tmp_path / "body.txt"
    body.write_text("{{ 氏名 }}様\n")
    put = ("template", "put", "news", "--from", SENDER, "--subject", "{{ 購読番号 }}", "--text", str(body))
    assert sending.run(*put).code == 0
    rejects = tmp_path / "rejects.csv"
    words = ("--list", str(EXAMPLE), "--template", "news", "--rejects", str(rejects))

    plan = sending.json("campaign", "plan", *words)
    assert {name: plan[name] for name in FIGURES} == FIGURES
    assert (plan["to_send"], plan["already"], plan["delimiter"]) == (1_939, 0, ",")
    assert plan["address_column"] == "メールアドレス"
    assert all(line["line"] > 1 and line["reason"] for line in plan["bad_lines"])
    assert (plan["ends"], plan["cost"]) == (None, None) and "rate" in plan["why_not"]
    assert len(list(csv.DictReader(io.StringIO(rejects.read_text("utf-8-sig"))))) == 21
    assert provider.accepted() == []
    assert sending.run("campaign", "status", "news").code == 1

    account = sending.json("campaign", "start", *words)
    rows = account["rows"]
    assert (account["state"], account["rejects"]) == ("done", str(rejects))
    assert (rows["read"], rows["sent"], rows["invalid"], rows["duplicate"]) == (2_000, 1_939, 21, 40)
    assert sums(rows)
    assert len(recipients(provider)) == len(set(recipients(provider))) == 1_939

    said = sending.run("campaign", "start", *words)
    assert said.code == 1 and "All 1,939 addresses of the list already have it" in said.err
    assert "A new issue? --name news-20" in said.err
    assert len(provider.accepted()) == 1_939
    assert sending.run("ledger", "verify").code == 0


def test_a_longer_list_sends_only_what_is_new(sending: Terminal, provider: Remote) -> None:
    """The address is what counts, not the line it stands in."""
    sending.put()
    sending.start(sending.list(3))
    account = sending.start(sending.list(5, "longer.csv", extra=("reader0@example.com,Again",)))
    rows = account["rows"]
    assert (rows["read"], rows["sent"], rows["already"], rows["duplicate"]) == (9, 5, 4, 0)
    assert sums(rows)
    assert recipients(provider) == [f"reader{k}@example.com" for k in range(5)]


def test_on_a_terminal_there_is_a_bar(sending: Terminal, provider: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    """It draws on stderr, and what is said meanwhile stands above it; stdout has the account."""
    monkeypatch.setattr("kakitome.cli.progress.watched", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    provider.faults(["throttle@after=1@count=1"])
    sending.put()
    said = sending.run("campaign", "start", "--list", sending.list(3), "--template", "news")
    assert said.code == 0 and "\x1b[" not in said.out
    assert "Sending news" in said.err and "is stopped until" in said.err


def test_another_name_is_another_issue(sending: Terminal, provider: Remote) -> None:
    """A changed template under the old name is refused, with the name to use; under that name everybody gets it."""
    sending.put()
    path = sending.list(2)
    sending.start(path)
    sending.put(subject="December, {{ name }}")
    said = sending.run("campaign", "start", "--list", path, "--template", "news")
    assert said.code == 1 and "2 already have it" in said.err
    name = said.err.split("--name ")[1].split()[0]
    assert sending.start(path, "--name", name)["rows"]["sent"] == 2
    assert len(provider.accepted()) == 4


def test_a_template_that_asks_for_more_sends_nothing(sending: Terminal, provider: Remote) -> None:
    """A column that no row has is found before the first mail."""
    sending.put(subject="{{ name }} of {{ company }}")
    told = sending.start(sending.list(3), code=1)
    assert (told["error"], told["missing"]) == ("template", ["company"])
    assert provider.accepted() == []
    assert sending.json("campaign", "status", "news", code=1)["error"] == "not-found"


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        (("--template", "unheard-of"), "not-found"),
        (("--template", "news", "--stream", "transactional"), "refused"),
        (("--template", "news", "--name", "stream:bulk"), "refused"),
        (("--template", "news", "--address-column", "mail"), "list"),
        (("--template", "news", "--list", "s3://bucket"), "list"),
        (("--template", "news", "--list", "/nothing/there.csv"), "list"),
    ],
)
def test_what_cannot_be_started(here: Terminal, words: tuple[str, ...], slug: str) -> None:
    """For plan and start alike."""
    here.put()
    for verb in ("plan", "start"):
        told = here.json("campaign", verb, "--list", here.list(1), *words, code=1)
        assert told["error"] == slug


def test_a_suppressed_address_is_skipped_and_named(sending: Terminal, provider: Remote) -> None:
    """In the plan, at the provider, in the account."""
    sending.put()
    assert sending.run("suppression", "add", "READER1@example.com").code == 0
    path = sending.list(3)
    plan = sending.json("campaign", "plan", "--list", path, "--template", "news")
    assert (plan["suppressed"], plan["to_send"]) == (1, 2)
    rows = sending.start(path)["rows"]
    assert (rows["sent"], rows["suppressed"]) == (2, 1) and sums(rows)
    assert recipients(provider) == ["reader0@example.com", "reader2@example.com"]


def test_detached_it_waits_for_a_worker(sending: Terminal, provider: Remote) -> None:
    """Without one it says so; paused, it is not started by accident; resumed, it ends."""
    sending.put()
    words = ("campaign", "start", "--list", sending.list(3), "--template", "news")
    said = sending.run(*words, "--detach")
    assert said.code == 0 and "kakitome worker" in said.err
    assert sending.json("campaign", "pause", "news")["state"] == "paused"
    said = sending.run(*words)
    assert said.code == 1 and "kakitome campaign resume news" in said.err
    assert provider.accepted() == []
    assert "3 open" in sending.run("campaign", "resume", "news").out
    assert sending.json(*words)["state"] == "done"
    assert len(provider.accepted()) == 3
    assert sending.json("campaign", "pause", "news", code=1)["error"] == "state"


def test_what_is_cancelled_is_not_sent(sending: Terminal, provider: Remote) -> None:
    """Not now and not by starting again."""
    sending.put()
    words = ("campaign", "start", "--list", sending.list(3), "--template", "news")
    sending.run(*words, "--detach")
    told = sending.json("campaign", "cancel", "news")
    assert (told["state"], told["rows"]["cancelled"]) == ("cancelled", 3)
    assert "was cancelled" in sending.run(*words).err
    assert provider.accepted() == []


def test_what_gave_up_is_recovered_once(provider: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 3 names them; `unsent` says why and what to type; recovering twice is recovering once."""
    more = '[streams.bulk]\nkind = "bulk"\nattempts = 1'
    terminal = Terminal(tmp_path, capsys, ses(provider), more)
    terminal.put()
    provider.faults(["error:451@recipient=reader[12]@example.com"])
    path = terminal.list(4)
    account = terminal.start(path, code=3)
    assert (account["rows"]["sent"], account["rows"]["dead"]) == (2, 2)
    assert {m["recipient"] for m in account["needs_a_person"]} == {"reader1@example.com", "reader2@example.com"}
    assert [f["count"] for f in terminal.json("campaign", "report", "news", code=3)["failures"]] == [2]

    (group,) = terminal.json("unsent", code=3)["groups"]
    assert (group["kind"], group["cause"], group["count"]) == ("dead", "deferred-451", 2)
    assert "recover --cause deferred-451" in terminal.run("unsent").out
    assert terminal.run("explain", "reader1@example.com").out.startswith("No: “news” was given up")

    recover = ("recover", "--cause", "deferred-451")
    assert len(terminal.json(*recover, "--dry-run")["queued"]) == 2
    assert len(terminal.json(*recover)["queued"]) == 2
    assert terminal.json(*recover)["queued"] == []
    provider.faults([])
    assert terminal.start(path)["rows"]["sent"] == 4
    assert len(recipients(provider)) == 4
    assert terminal.run("ledger", "verify").code == 0


def test_a_lane_that_proves_nothing_says_so(
    provider: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain SMTP: no event is waited for, and `doubt list` says in a sentence that no proof is possible."""
    terminal = Terminal(tmp_path, capsys, ses(provider).replace('"ses-smtp"', '"smtp"'))
    terminal.put()
    provider.faults(["lose_reply@count=1"])
    assert terminal.start(terminal.list(2), code=3)["rows"]["unresolved"] == 1
    [doubt] = terminal.json("doubt", "list", code=3)["doubts"]
    assert (doubt["state"], doubt["known"]) == ("unresolved", NO_PROOF)
    assert NO_PROOF.startswith("No proof is possible") and NO_PROOF in terminal.run("doubt", "list").out
    assert NO_PROOF in terminal.run("explain", doubt["recipient"]).out


def test_a_doubt_is_decided_by_a_person(sending: Terminal, provider: Remote) -> None:
    """A lost reply, no event: waited for, unresolved, shown with what is known; only `doubt resolve` moves it."""
    sending.put()
    provider.faults(["lose_reply@recipient=reader[12]@example.com@count=2", "lose_events"])
    path = sending.list(4)
    account = sending.start(path, code=3)
    assert (account["rows"]["sent"], account["rows"]["unresolved"]) == (2, 2) and sums(account["rows"])
    doubts = {doubt["recipient"]: doubt for doubt in sending.json("doubt", "list", code=3)["doubts"]}
    assert {doubt["cause"] for doubt in doubts.values()} == {"no-reply"}
    assert all("neighbours" in doubt["known"] for doubt in doubts.values())
    assert "doubt resolve" in sending.run("doubt", "list").out
    assert sending.json("unsent", code=3)["groups"][0]["kind"] == "unresolved"

    one, two = (doubts[f"reader{k}@example.com"]["id"] for k in (1, 2))
    left = sending.json("recover", "--campaign", "news", code=3)
    assert (left["queued"], set(left["unresolved"])) == ([], {one, two})
    word = ("--who", "Hanako", "--note", "she has not got it")
    sending.json("doubt", "resolve", two, "--as", "closed", *word)
    assert sending.json("doubt", "resolve", one, "--as", "resend", *word)["ids"] == [one]
    assert sending.json("doubt", "resolve", one, "--as", "sent", *word, code=1)["error"] == "state"
    assert sending.json("doubt", "list") == {"doubts": []}

    rows = sending.start(path)["rows"]
    assert (rows["sent"], rows["closed"]) == (3, 1)
    assert [recipients(provider).count(f"reader{k}@example.com") for k in (1, 2)] == [2, 1]
    history = sending.json("explain", "reader1@example.com")["history"]
    assert any("Hanako" in line["what"] for line in history)
    assert sending.json("recover", "--id", "msg_1", code=1)["error"] == "not-found"


# ── Interruptions ───────────────────────────────────────────────────────────────────────────────────────────────────


def interrupted(sending: Terminal, provider: Remote, path: str, until: int) -> subprocess.Popen[str]:
    """A start in a process of its own, with `until` mails at the provider."""
    process = sending.spawn("campaign", "start", "--list", path, "--template", "news", "--json")
    accepted_more(provider, until - 1, process)
    return process


def accepted_more(provider: Remote, than: int, process: subprocess.Popen[str]) -> None:
    """Wait until the provider has more mails than that, as long as somebody sends them; a minute is for ever."""
    for_ever = monotonic() + 60
    while len(provider.accepted()) <= than:
        assert process.poll() is None, process.communicate()
        if monotonic() > for_ever:
            process.kill()
            raise AssertionError(process.communicate())


def test_ctrl_c_ends_it_in_order(sending: Terminal, provider: Remote) -> None:
    """What is on the wire is waited for, the rest stays queued, and the same command sends it: each address once."""
    sending.put()
    path = sending.list(60)
    provider.faults(["slow:1@after=20"])
    with interrupted(sending, provider, path, 28) as process:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert f"kakitome campaign start --list {path}" in err
    assert 28 <= len(provider.accepted()) < 60
    provider.faults([])
    rows = sending.start(path)["rows"]
    assert (rows["sent"], rows["unresolved"]) == (60, 0)
    assert len(recipients(provider)) == len(set(recipients(provider))) == 60


def test_an_import_that_broke_off_goes_on(sending: Terminal, provider: Remote) -> None:
    """The plug is pulled when the last rows are in and the campaign is not sealed: the same command does the rest."""
    sending.put()
    path = sending.list(5)

    async def break_off() -> None:
        async with opened(load(sending.config, {}), step=pull_at("before_seal")) as instance:
            version = await instance.ledger.templates.get("news")
            assert version is not None
            run = await open_run("news", "bulk", instance.policy("bulk"), version, {}, instance.office())
            await take_in(open_list(path), run, instance.clock.now(), instance.office())

    with pytest.raises(Pulled):
        asyncio.run(break_off())
    account = sending.json("campaign", "status", "news")
    assert (account["state"], account["rows"]["importing"]) == ("importing", 5)
    account = sending.start(path)
    assert (account["rows"]["sent"], account["rows"]["read"]) == (5, 5)
    assert len(recipients(provider)) == 5


class Pulled(Exception):
    """The plug."""


def pull_at(step: str) -> Callable[[str], None]:
    def pull(name: str) -> None:
        if name == step:
            raise Pulled

    return pull


def test_a_second_ctrl_c_waits_for_nothing(sending: Terminal, provider: Remote) -> None:
    """Whoever asks twice means it: the replies that are on their way are not waited for."""
    sending.put()
    path = sending.list(20)
    provider.faults(["slow:60"])
    with interrupted(sending, provider, path, 8) as process:
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 1


def test_a_kill_leaves_in_doubt_only_what_was_on_the_wire(sending: Terminal, provider: Remote) -> None:
    """SIGKILL with eight replies outstanding: those eight wait for a person, the others are sent once each."""
    sending.put()
    path = sending.list(60)
    provider.faults(["slow:60@after=20"])
    with interrupted(sending, provider, path, 28) as process:
        process.kill()
    provider.faults([])
    rows = sending.start(path, code=3)["rows"]
    assert (rows["sent"], rows["unresolved"]) == (52, 8) and sums(rows)
    assert len(recipients(provider)) == len(set(recipients(provider))) == 60


def test_a_pause_takes_effect_within_the_batch(
    provider: Remote, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """From another process, in the middle of a paced batch; resumed, the same start goes on."""
    terminal = Terminal(tmp_path, capsys, ses(provider, rate=5))
    terminal.put()
    path = terminal.list(60)
    with interrupted(terminal, provider, path, 1) as process:
        assert terminal.json("campaign", "pause", "news")["state"] == "paused"
        said = line_with(process.stderr, "Paused by ")
        assert "kakitome campaign resume news" in said
        before = len(provider.accepted())
        assert before < 30
        terminal.json("campaign", "resume", "news")
        accepted_more(provider, before, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 1
    faster = Terminal(tmp_path, capsys, ses(provider))
    assert faster.start(path)["rows"]["sent"] == 60
    assert len(recipients(provider)) == len(set(recipients(provider))) == 60


def line_with(stream: IO[str] | None, words: str) -> str:
    assert stream is not None
    return next(line for line in stream if words in line)


def test_a_stopped_lane_says_why_and_until_when(sending: Terminal, provider: Remote) -> None:
    """The day's quota is used up: the start says so and waits; `unsent` and `lane list` know it too."""
    sending.put()
    path = sending.list(4)
    provider.faults(["daily_quota@after=2"])
    process = sending.spawn("campaign", "start", "--list", path, "--template", "news")
    with process:
        said = line_with(process.stderr, "is stopped until")
        assert "quota" in said and "Daily message quota exceeded" in said
        (gate,) = sending.json("lane", "list", code=3)["stopped"]
        assert [g["kind"] for g in sending.json("unsent", code=3)["groups"]] == ["stopped"]
        status = sending.json("campaign", "status", "news")
        [why] = status["standing"]
        assert (status["blocked"], why["gate"], why["reason"]) == (True, "account:simulator", "quota")
        assert why["detail"].endswith("Daily message quota exceeded") and why["until"] > why["since"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=20) == 1
    provider.faults([])
    assert sending.run("lane", "resume", gate["gate"]).code == 0
    assert sending.run("lane", "resume", gate["gate"]).code == 1
