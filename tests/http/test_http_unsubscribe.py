"""The page behind the link to unsubscribe, asked as mail programs, scanners and people ask it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from house import Answer, House, house, mail

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import MessageId, from_text

FORM = "application/x-www-form-urlencoded"
ONE_CLICK = b"List-Unsubscribe=One-Click"
AGAIN = b"Kakitome-Subscribe=Again"
LISTS = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[http]
keys = ["file:{folder}/key"]
[sender]
name = "株式会社かきとめ舎 <& Co.>"
[streams.letters]
kind = "bulk"
title = "かきとめ舎だより"
[streams.everything]
kind = "bulk"
unsubscribe = "all"
"""


def founded(folder: Path) -> Path:
    file = folder / "kakitome.toml"
    (folder / "key").write_text("secret-key")
    file.write_text(LISTS.format(folder=folder), "utf-8")
    return file


@pytest.fixture(scope="module")
def club(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """An instance with lists, whose mail goes into a folder, and which asks for a key."""
    with house(founded(tmp_path_factory.mktemp("club"))) as it:
        yield it


def link(club: House, to: str, stream: str = "letters") -> str:
    """The path of the link in a mail that was handed in."""
    sent = club.post(mail(to, stream=stream, send_at="2099-01-01T00:00:00Z"), Authorization="Bearer secret-key")
    assert sent.status == 202, sent.body
    [message] = sent.json["messages"]
    signer = asyncio.run(club.instance.stationery.signer())
    return "/u/" + signer.token(MessageId(from_text("msg", message["id"])))


def press(club: House, path: str, body: bytes = ONE_CLICK, kind: str = FORM) -> Answer:
    return club.ask("POST", path, body, Content_Type=kind)


def left(club: House, address: str) -> list[tuple[str, str, str]]:
    return [(s.scope, s.reason, s.who) for s in club.suppressions() if s.address == address]


def test_looking_changes_nothing(club: House) -> None:
    """Scanners open every link: GET and HEAD show a page, as often as they like, and the list goes on."""
    path = link(club, "look@example.com")
    for method in ("GET", "HEAD", "GET"):
        answer = club.ask(method, path, Cookie="a=b")
        assert answer.status == 200
        assert bool(answer.body) is (method == "GET")
        assert "set-cookie" not in answer.headers
    assert left(club, "look@example.com") == []


@pytest.mark.parametrize("form", ["urlencoded", "multipart"])
def test_one_click_acts(club: House, form: str) -> None:
    """RFC 8058: one POST, without key, cookie or redirect, in either form; again it says the same."""
    address = f"{form}@example.com"
    path = link(club, address)
    body, kind = ONE_CLICK, FORM
    if form == "multipart":
        kind = "multipart/form-data; boundary=xx"
        body = b'--xx\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--xx--\r\n'
    first, again = press(club, path, body, kind), press(club, path, body, kind)
    assert (first.status, again.status) == (200, 200)
    assert not {"set-cookie", "location"} & {*first.headers}
    assert left(club, address) == [("stream:letters", "unsubscribe", "recipient")]
    [found] = [s for s in club.suppressions() if s.address == address]
    assert found.source.startswith("msg_")


def test_all_or_one_stream(club: House) -> None:
    """A stream's configuration says what is left; single mails have nothing to leave."""
    path = link(club, "all@example.com", "everything")
    assert b"does not come any more, either" in club.ask("GET", path).body
    assert press(club, path).status == 200
    assert left(club, "all@example.com") == [("all", "unsubscribe", "recipient")]
    path = link(club, "guest@example.com", "transactional")
    assert b"List-Unsubscribe" not in club.ask("GET", path).body
    assert press(club, path).status == 404
    assert left(club, "guest@example.com") == []


def test_who_left_can_come_back(club: House) -> None:
    """The button of the page posts what its form says: out, and back again; the journal has both."""
    path = link(club, "slip@example.com")
    for _ in range(2):
        for wanted in ([("stream:letters", "unsubscribe", "recipient")], []):
            [(name, value)] = re.findall(rb'name="([^"]+)" value="([^"]+)"', club.ask("GET", path).body)
            assert press(club, path, name + b"=" + value).status == 200
            assert left(club, "slip@example.com") == wanted
    removals = [e for e in club.journal("released_address") if e.data["who"] == "recipient"]
    assert len(removals) == 2 and all("msg_" in e.data["note"] for e in removals)


def test_forged_links_lead_nowhere(club: House) -> None:
    """404, in the reader's language, for tokens that we did not sign; nothing is suppressed."""
    path = link(club, "forged@example.com")
    wrong = path[:-1] + ("1" if path[-1] == "0" else "0")
    for forged in (wrong, path[:-1], path + "0", "/u/" + "0" * 40, "/u/x", "/u/%E6%9B%B8"):
        assert club.ask("GET", forged).status == press(club, forged).status == press(club, forged, AGAIN).status == 404
    assert "リンクが正しくありません" in club.ask("GET", wrong, Accept_Language="ja").body.decode()
    assert left(club, "forged@example.com") == []


@pytest.mark.parametrize("body", [b"", b"List-Unsubscribe=Two-Click", b"x=One-Click", b"\xff\xfe=%zz"])
def test_what_says_nothing_does_nothing(club: House, body: bytes) -> None:
    """A POST that does not say One-Click is no unsubscription."""
    path = link(club, "vague@example.com")
    assert press(club, path, body).status == 400
    assert left(club, "vague@example.com") == []


def test_a_ledger_that_cannot_write_is_not_hidden(club: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 and when to come again; nobody is told that they have left before it is durable."""
    path = link(club, "down@example.com")

    async def full(*_: object) -> int:
        raise LedgerUnavailable("The disk is full.", "Make room.")

    with monkeypatch.context() as broken:
        broken.setattr(club.instance.ledger.suppressions, "add", full)
        answer = press(club, path)
        assert (answer.status, answer.headers["retry-after"]) == (503, "5")
        assert b"Nothing has changed" in answer.body
    assert left(club, "down@example.com") == []
    assert press(club, path).status == 200
    assert len(left(club, "down@example.com")) == 1


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("ja", "ja"), ("ja-JP,ja;q=.9,en;q=.8", "ja"), ("en-GB", "en"), ("de", "en"), ("", "en"), ("x;q=y,ja;q=.1", "ja")],
)  # fmt: skip
def test_the_page_speaks_the_readers_language(club: House, accepted: str, language: str) -> None:
    """Japanese or English, by Accept-Language; sender and list are named, escaped; the address is veiled."""
    answer = club.ask("GET", link(club, "taro@example.com"), Accept_Language=accepted)
    page = answer.body.decode()
    assert f'<html lang="{language}">' in page and answer.headers["vary"] == "Accept-Language"
    assert "株式会社かきとめ舎 &lt;&amp; Co.&gt;" in page and "かきとめ舎だより" in page
    assert "t…@example.com" in page and "taro" not in page


def test_the_page_is_alone(club: House) -> None:
    """No script, nothing fetched, no framing, no referrer, no store; its one form leads to itself."""
    answer = club.ask("GET", link(club, "alone@example.com"))
    page, policy = answer.body.decode(), answer.headers["content-security-policy"]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in policy and "form-action 'self'" in policy and "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy and answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"<script|<link|<img|https?://|\bon\w+=", page)
    assert page.count("<form") == 1 and '<form method="post">' in page
