"""Single mails and templates."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from terminal import SENDER, Terminal

from kakitome_simulator.remote import Remote

MAIL = ("send", "--from", SENDER, "--subject", "㈱髙橋", "--text", "①")


def test_send_answers_as_the_api_does(here: Terminal) -> None:
    """Ids at once, one for each recipient; without a worker it says so, with the command."""
    said = here.run(*MAIL, "--to", "Taro <taro@example.jp>", "--bcc", "jiro@example.jp", "--json")
    answer = json.loads(said.out)
    assert said.code == 0
    assert answer["id"].startswith("sub_")
    assert [(m["recipient"], m["status"]) for m in answer["messages"]] == [
        ("taro@example.jp", "queued"),
        ("jiro@example.jp", "queued"),
    ]
    assert "kakitome worker --config" in said.err
    people = here.run(*MAIL, "--to", "taro@example.jp")
    assert "sub_" in people.out and "taro@example.jp" in people.out


def test_a_key_makes_one_mail(here: Terminal) -> None:
    """The same again: the same answer. Something else: refused."""
    words = (*MAIL, "--to", "taro@example.jp", "--idempotency-key", "booking/123")
    assert here.json(*words) == here.json(*words)
    assert "before" in here.run(*words).out
    assert here.json(*words, "--reference", "other", code=1)["error"] == "idempotency-conflict"


@pytest.mark.parametrize(
    ("words", "slug"),
    [
        ((*MAIL, "--to", "taro@example"), "address"),
        ((*MAIL, "--to", "taro@example.jp", "--header", "Subject=x\r\ny"), "header"),
        ((*MAIL, "--to", "taro@example.jp", "--attach", "/nothing/there"), "content"),
        ((*MAIL, "--to", "taro@example.jp", "--stream", "unheard-of"), "not-found"),
        (("send", "--to", "taro@example.jp", "--template", "unheard-of"), "not-found"),
    ],
)
def test_what_cannot_be_sent_is_refused(here: Terminal, words: tuple[str, ...], slug: str) -> None:
    """Exit code 1 and the kind of error; nothing is stored."""
    assert here.json(*words, code=1)["error"] == slug


def test_a_worker_sends_it_and_status_tells(sending: Terminal, provider: Remote, tmp_path: Path) -> None:
    """Handed in, sent by a worker in another process, which ends in order; asked for by each of its ids."""
    attachment = tmp_path / "宿泊.txt"
    attachment.write_text("二名")
    id = sending.json(*MAIL, "--to", "taro@example.jp", "--attach", str(attachment))["id"]
    with sending.spawn("worker") as worker:
        while not provider.accepted():
            assert worker.poll() is None
        worker.send_signal(signal.SIGTERM)
        _, err = worker.communicate(timeout=20)
    assert worker.returncode == 0 and "ended" in err
    line = provider.accepted()[0]
    assert (line.recipient, line.subject) == ("taro@example.jp", "㈱髙橋")
    told = sending.json("status", id)
    assert [m["status"] for m in told["messages"]] == ["sent"]
    assert sending.json("status", line.provider_message_id)["messages"] == told["messages"]
    assert "the provider took it" in sending.run("status", id).out
    assert sending.json("status", "msg_zzz", code=1)["error"] == "not-found"


def test_templates_are_put_shown_and_listed(here: Terminal) -> None:
    """Versions rise with every change, and only then."""
    here.put()
    here.put()
    assert here.json("template", "list")["templates"][0]["version"] == 1
    here.put(subject="Good day {{ name }}")
    told = here.json("template", "get", "news")
    assert (told["version"], told["subject"], told["columns"]) == (2, "Good day {{ name }}", ["name"])
    assert "Good day" in here.run("template", "get", "news").out
    assert "news" in here.run("template", "list").out
    assert here.run("template", "get", "olds").code == 1


def test_a_template_that_is_wrong_is_refused(here: Terminal, tmp_path: Path) -> None:
    """With its line; without a body; from a file that is not there."""
    body = tmp_path / "wrong.html"
    body.write_text("<p>\n{{ name")
    put = ("template", "put", "news", "--from", SENDER, "--subject", "x")
    assert here.json(*put, "--html", str(body), code=1)["line"] == 2
    assert here.json(*put, code=1)["error"] == "template"
    assert here.json(*put, "--html", str(tmp_path / "none.html"), code=1)["error"] == "template"


def test_preview_shows_one_row(here: Terminal, tmp_path: Path) -> None:
    """Of a list, or with values given by hand; what is missing is named."""
    here.put()
    path = here.list(2, extra=("no address,Nobody",))
    html = tmp_path / "shown.html"
    said = here.run("template", "preview", "news", "--list", path, "--row", "2", "--html", str(html))
    assert "Hello Reader 1" in said.out and "reader1@example.com" in said.out
    assert "Dear Reader 1" in html.read_text()
    assert here.json("template", "preview", "news", "--var", "name=髙橋")["subject"] == "Hello 髙橋"
    assert here.json("template", "preview", "news", code=1)["missing"] == ["name"]
    assert here.run("template", "preview", "news", "--list", path, "--row", "3").code == 1
    assert here.run("template", "preview", "news", "--list", path, "--row", "4").code == 1


def test_a_test_mail_goes_to_me(here: Terminal) -> None:
    """With the values of the row, to the address that I give, and marked as a test."""
    here.put()
    answer = here.json("template", "test", "news", "--to", "me@example.com", "--list", here.list(3), "--row", "3")
    assert [m["recipient"] for m in answer["messages"]] == ["me@example.com"]
    assert here.json("status", answer["id"])["messages"][0]["reference"] == "template-test"
