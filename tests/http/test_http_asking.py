"""Asking what became of mail: lists, pages, words; and withdrawing what is not out yet."""

from __future__ import annotations

from typing import Any

import pytest
from house import House, mail

from kakitome.http import search
from kakitome_simulator.remote import Remote

LATER = "2099-01-01T00:00:00Z"


def ids(answer: Any) -> list[str]:
    return [message["id"] for message in answer.json["messages"]]


def test_mail_is_found_by_what_is_known_of_it(serving: House) -> None:
    """Recipient (in any spelling), reference, stream, status: all that is given must hold."""
    sent = serving.post(mail("Found@Example.com", reference="order/1", stream="late", send_at=LATER)).json
    (id,) = [message["id"] for message in sent["messages"]]
    for query in (
        "recipient=found@example.COM",
        "reference=order/1",
        "stream=late&status=queued",
        "recipient=found@example.com&reference=order/1&stream=late&status=queued",
    ):
        assert ids(serving.get(f"?{query}")) == [id], query
    for query in ("recipient=found@example.com&status=sent", "reference=order/2", "reference=order/1&stream=invoices"):
        answer = serving.get(f"?{query}")
        assert answer.status == 404 or ids(answer) == [], query


def test_a_provider_id_finds_its_message(serving: House, provider: Remote) -> None:
    """The question of a support desk that has only the provider's record."""
    with serving.steps.awaited(after_fold=2, after_batch=1):
        sent = serving.post(mail("provider.id@example.com")).json
    (line,) = [line for line in provider.accepted() if line.recipient == "provider.id@example.com"]
    answer = serving.get(f"?provider_message_id={line.provider_message_id}&status=delivered")
    assert ids(answer) == [sent["messages"][0]["id"]]
    assert answer.json["messages"][0]["status"] == "delivered"
    assert "timeline" not in answer.json["messages"][0]


def test_pages_lead_to_the_end(unsent: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every message is on exactly one page, oldest first, also where a status is put together from two looks."""
    monkeypatch.setattr(search, "PAGE", 3)
    named = [f"page{n}@example.com" for n in range(10)]
    sent = ids(unsent.post(mail(named, send_at=LATER)))
    unsent.ask("POST", f"/v1/messages/{sent[4]}/cancel")
    for query, expected in (("", sent), ("status=queued", sent[:4] + sent[5:]), ("status=cancelled", [sent[4]])):
        assert all_pages(unsent, query) == expected, query


def all_pages(it: House, query: str) -> list[str]:
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = it.get(f"?{query}&cursor={cursor}")
        seen += ids(page)
        cursor = page.json["cursor"]
    return seen


@pytest.mark.parametrize("status", search.STATUSES)
def test_every_status_can_be_asked_for(serving: House, status: str) -> None:
    """Whatever a list shows under a status has that status."""
    answer = serving.get(f"?status={status}")
    assert answer.status == 200
    assert {message["status"] for message in answer.json["messages"]} <= {status}


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("recipent=a@example.com", "Did you mean recipient?"),
        ("status=bounce", "bounced"),
        ("cursor=elsewhere", "cursor"),
        ("recipient=nobody", "@"),
    ],
)
def test_a_misspelt_question_is_no_question(serving: House, query: str, says: str) -> None:
    """A filter that is not understood must not show everything."""
    answer = serving.get(f"?{query}")
    assert answer.status in {400, 422}
    assert says in answer.json["detail"]


@pytest.mark.parametrize("id", ["sub_1", "msg_1", "msg_", "sub_iloveu", "0100018c-unknown", "%00", "..", "x" * 5000])
def test_what_is_not_known_is_404(serving: House, id: str) -> None:
    """An id of nobody's, in any form."""
    answer = serving.get(f"/{id}")
    assert (answer.status, answer.json["type"]) == (404, "not-found")
    assert serving.ask("POST", f"/v1/messages/{id}/cancel").status == 404


def test_a_campaign_that_is_not_there_is_404(serving: House) -> None:
    """A misspelt campaign must not look like an empty one."""
    answer = serving.get("?campaign=newsletter")
    assert (answer.status, answer.json["type"]) == (404, "not-found")


def test_what_waits_can_be_withdrawn(serving: House, provider: Remote) -> None:
    """Cancelled at once, cancelled still when asked again; the timeline says by whom."""
    sent = serving.post(mail("withdrawn@example.com", send_at=LATER)).json
    for _ in range(2):
        answer = serving.ask("POST", f"/v1/messages/{sent['id']}/cancel")
        assert (answer.status, answer.json["messages"][0]["status"]) == (200, "cancelled")
    decisions = [m for m in answer.json["messages"][0]["timeline"] if m["kind"] == "decision"]
    assert [(d["cause"], d["who"]) for d in decisions] == [("cancelled", "api:local")]
    assert "withdrawn@example.com" not in {line.recipient for line in provider.accepted()}


def test_what_is_out_cannot_be_withdrawn(serving: House) -> None:
    """409, and the word for what it is."""
    with serving.steps.awaited(after_fold=2, after_batch=1):
        sent = serving.post(mail("too.late@example.com")).json
    answer = serving.ask("POST", f"/v1/messages/{sent['id']}/cancel")
    assert (answer.status, answer.json["type"]) == (409, "state")
    assert "delivered" in answer.json["detail"]


def test_a_mail_that_would_expire_first_is_refused(serving: House) -> None:
    """And so is a time without its offset: which 9 o'clock is meant?"""
    assert serving.post(mail("time@example.com", send_at=LATER, expires_at="2098-01-01T00:00:00Z")).status == 422
    assert serving.post(mail("time@example.com", send_at="2099-01-01T09:00:00")).status == 422
