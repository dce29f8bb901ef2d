"""What was handed in is what arrives, whichever lane it takes; and each of its recipients gets one copy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from arriving import LANES, Arrived, Far, lines

from kakitome.accept import Handed, accept
from kakitome.app import opened
from kakitome.config import load
from kakitome.core.content import Attachment
from kakitome.core.message import Admitted
from kakitome.core.submission import MessageRequest

CONFIGURATION = """
[ledger]
url = "sqlite:///{folder}/ledger.db"
[lanes.out]
{lane}
[streams.news]
kind = "bulk"
[http]
public_url = "https://mail.example.com"
"""

SENDER, READER, OFFICE = (
    ("かきとめ舎㈱ 🎉", "news@example.com"),
    ("髙橋① 様", "a..b.@docomo.ne.jp"),
    ("窓口", "office@example.com"),
)
FILE = Attachment("請求書①.pdf", "application/pdf", b"%PDF-1.7\r\n.\r\n\x00\xff")
SAID = Arrived(
    recipients=(READER[1],),
    subject="㈱かきとめ舎 ご予約①を承りました 髙橋様 🎉 and a tail that is long enough to be folded",
    sender=SENDER,
    to=(READER,),
    reply_to=(OFFICE,),
    text="髙橋様\n\n㈱ ① 髙 🎉\n.a dot in front\n{{ no hole }}\n",
    html="<p>髙橋様 &amp; ㈱①</p>\n<p>'quotes\" and 🎉</p>\n",
    headers={
        "X-Booking": "予約 ①㈱",
        "List-Unsubscribe": "<https://mail.example.com/u/TOKEN>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    },
)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.fixture(params=LANES)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Far]:
    with LANES[request.param](tmp_path) as it:
        yield it


def written(person: tuple[str, str]) -> str:
    return f"{person[0]} <{person[1]}>"


def mail(**more: Any) -> MessageRequest:
    values: dict[str, Any] = {
        "sender": written(SENDER),
        "to": [written(READER)],
        "reply_to": [written(OFFICE)],
        "subject": SAID.subject,
        "text": SAID.text,
        "html": SAID.html,
        "headers": {"X-Booking": "予約 ①㈱"},
        "stream": "news",
    }
    return MessageRequest(**values | more)


def sent(folder: Path, far: Far, copies: int, *mails: MessageRequest) -> list[Arrived]:
    """What has arrived once that many recipients have, and the worker has ended in good order."""
    file = folder / "kakitome.toml"
    file.write_text(CONFIGURATION.format(folder=folder, lane=far.lane))

    async def run() -> None:
        async with opened(load(file, {})) as it:
            answers = await accept([Handed(one) for one in mails], it.desk())
            assert all(isinstance(answer, Admitted) for answer in answers), answers
            worker = it.worker()
            task = asyncio.create_task(worker.run())
            async with asyncio.timeout(60):
                while len(await asyncio.to_thread(far.copies)) < copies:  # noqa: ASYNC110 - the far side rings nobody
                    await asyncio.sleep(0.05)
            worker.stop()
            await task

    asyncio.run(run())
    return far.arrived()


def test_what_arrives_is_what_was_said(far: Far, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Subject, text, html, names, an old carrier's address, reply-to, headers of the caller's and of the list's: the
    same from every parser. On the lane whose lists share requests they did, braces apart."""
    text = (SAID.text or "").replace("{{ no hole }}\n", "")
    [plain] = sent(tmp_path, far, 1, mail(text=text))
    assert plain.without_token() == Arrived(**{**SAID.__dict__, "text": text})
    bulk = [path for path, _ in far.requests if "bulk" in path]
    assert bool(bulk) == ("ses-bulk" in request.node.name)


@pytest.mark.parametrize(
    "text, html", [("", None), (None, SAID.html), ("a\r\nb\rc", "")], ids=["empty", "html", "ends"]
)
def test_what_is_not_there_is_not_made_up(far: Far, tmp_path: Path, text: str | None, html: str | None) -> None:
    """One part alone, or an empty one; line ends of any kind."""
    [arrived] = sent(tmp_path, far, 1, mail(text=text, html=html))
    expected = [None if part is None else lines(part) for part in (text, html)]
    assert [arrived.text, arrived.html] == expected


def test_attachments_and_braces_arrive(far: Far, tmp_path: Path) -> None:
    """What shared requests cannot carry goes in one of its own, to the byte."""
    [arrived] = sent(tmp_path, far, 1, mail(attachments=[FILE]))
    files = ((FILE.filename, FILE.content_type, FILE.content),)
    assert arrived.without_token() == Arrived(**{**SAID.__dict__, "attachments": files})
    assert not [path for path, _ in far.requests if "bulk" in path]


PEOPLE = {"to": ["to@example.com", "Two <two@example.com>"], "cc": ["Cc <cc@example.com>"], "bcc": ["bcc@example.com"]}
ALL = ["bcc@example.com", "cc@example.com", "to@example.com", "two@example.com"]


def test_each_recipient_gets_one_copy(far: Far, tmp_path: Path) -> None:
    """To, Cc and Bcc: one copy each, the same fields in all of them, and Bcc in nobody's."""
    arrived = sent(tmp_path, far, 4, mail(stream="transactional", **PEOPLE))
    assert far.copies() == ALL
    for one in arrived:
        assert one.to == (("", "to@example.com"), ("Two", "two@example.com"))
        assert one.cc == (("Cc", "cc@example.com"),)
        assert "List-Unsubscribe" not in one.headers


def test_siblings_of_a_list_leave_it_each_by_a_link_of_their_own(far: Far, tmp_path: Path) -> None:
    """One copy each, and no copy with another's link; so none of them shares a parcel, and Bcc is in nobody's but their
    own."""
    arrived = sent(tmp_path, far, 4, mail(**PEOPLE))
    assert far.copies() == ALL
    assert [len(one.recipients) for one in arrived] == [1, 1, 1, 1]
    assert len({one.headers["List-Unsubscribe"] for one in arrived}) == 4
    for one in arrived:
        assert "bcc@example.com" not in one.shown - set(one.recipients)
