"""A list by plan, children and finish, with the events of a Distributed Map. The provider's folder is the judge."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from container import Context, Place

from kakitome import errand
from kakitome.aws import child, finish, plan, worker
from kakitome.aws.composition import Here
from kakitome.core.errors import ListError, Refused, StateError, TemplateError
from kakitome.core.lane import Lane
from kakitome.core.message import Run
from kakitome.hands import Hands
from kakitome.supply import Batch, Supply
from s3_store import PLAIN, VERSIONED, Store

MAIL = {"mail_id": {"S": "hello"}, "subject": {"S": "Hi {{ name }}"}, "body": {"S": "Dear {{ name }}, a < b."}}
LIST = "email,name\n" + "".join(f"r{n}@example.com,R{n}\n" for n in range(7))


def planned(text: str = LIST, mail: dict[str, Any] = MAIL, *, held: Store, bucket: str = PLAIN) -> dict[str, Any]:
    held.put(text.encode(), bucket=bucket)
    mail_id = mail["mail_id"]["S"]
    event = {"file_name": "list.csv", "mail_id": mail_id, "mail": mail, "bucket": bucket, "execution": "arn:…"}
    told: dict[str, Any] = json.loads(json.dumps(plan.handler(event, None)))
    return told


def items(told: dict[str, Any], text: str = LIST) -> list[dict[str, Any]]:
    """What Step Functions' reader makes of a list."""
    rows = csv.DictReader(io.StringIO(text), restval="")
    made = [{name: value for name, value in row.items() if name is not None} for row in rows]
    return [{"index": n, "row": row, "run": told["run"]} for n, row in enumerate(made)]


def ended(told: dict[str, Any]) -> dict[str, Any]:
    run = {"run": told["run"], "version": told["version"]}
    return finish.handler({"file_name": "list.csv", "mail_id": told["run"]["name"], "plan": run}, None)


def test_each_row_gets_its_mail(place: Place, held: Store) -> None:
    """In batches and one by one, as the map hands them over; then nothing is missing."""
    told = planned(held=held)
    rows = items(told)
    assert ended(told)["missing"] == 7
    child.handler({"Items": rows[:4]}, Context())
    alone = {name: value for name, value in rows[4].items() if name != "run"}
    child.handler({"Items": [alone], "BatchInput": {"run": told["run"]}}, Context())
    for row in rows[5:]:
        child.handler(row, Context())
    assert place.to() == [f"r{n}@example.com" for n in range(7)]
    assert {mail["Subject"] for mail in place.sent()} == {f"Hi R{n}" for n in range(7)}
    assert {str(mail["From"]) for mail in place.sent()} == {"Shop <news@example.com>"}
    account = ended(told)
    assert (account["missing"], account["done"]) == (0, True)
    assert place.rows("hello") == {"read": 7, "sent": 7}


def test_the_same_event_again_sends_nothing_new(place: Place, held: Store) -> None:
    """Neither a child that runs again, nor the whole execution, before and after its end."""
    told = planned(held=held)
    for _ in range(2):
        child.handler({"Items": items(told)}, Context())
    assert ended(told)["missing"] == 0
    again = planned(held=held)
    assert (again["missing"], again["to_send"], again["run"]) == (0, 0, told["run"])
    child.handler({"Items": items(again)}, Context())
    assert ended(again)["missing"] == 0 and len(place.sent()) == 7


def test_duplicates_and_bad_rows_are_counted_once(place: Place, held: Store) -> None:
    """What has no good address, or not the header's fields, gets nothing, whoever fills it up; the account is whole."""
    text = "email,name\na@example.com,A\nnobody,B\nA@EXAMPLE.com,A2\nshort@example.com\nlast@example.com,L\n"
    told = planned(text, held=held)
    assert (told["rows"], told["invalid"], told["duplicate"], told["run"]["skip"]) == (5, 2, 1, [3])
    for _ in range(2):
        child.handler({"Items": items(told, text)}, Context())
    assert ended(told)["missing"] == 0
    assert place.to() == ["a@example.com", "last@example.com"]
    assert place.rows("hello") == {"read": 5, "invalid": 2, "duplicate": 1, "sent": 2}


def test_rows_that_never_came_are_missing(place: Place, held: Store) -> None:
    """A child that failed: the account says how many, and the next execution sends to those alone."""
    told = planned(held=held)
    child.handler({"Items": items(told)[:3]}, Context())
    account = ended(told)
    assert (account["missing"], account["done"]) == (4, False)
    child.handler({"Items": items(planned(held=held))}, Context())
    assert ended(told)["missing"] == 0 and len(place.sent()) == 7


def test_a_child_without_time_leaves_its_rows_to_the_workers(place: Place, held: Store) -> None:
    """They wait in the ledger; whoever is rung for sends them."""
    told = planned(held=held)
    assert child.handler({"Items": items(told)}, Context(left=8_000))["waiting"] == 7
    assert place.sent() == [] and place.rows("hello") == {"read": 7, "queued": 7}
    assert ended(told)["missing"] == 0
    assert worker.handler({"Records": [{"messageId": "1", "body": "ring"}]}, Context()) == {"batchItemFailures": []}
    assert len(place.sent()) == 7


def test_what_missed_its_slot_is_rung_for(place: Place, held: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child on a slow machine claims its rows and begins none of them: nobody else knows that they wait."""
    told = planned(held=held)
    rung: list[str] = []

    async def missed(run: Run, lane: Lane, _: object, hands: Hands, __: object, supply: Supply) -> Batch:
        there, _nothing = await supply.look(lane, 9)
        claims = await supply.claim(lane, there, hands.clock.now() + 1000, hands.clock.now())
        return Batch(len(claims), returned=len(claims))

    async def rings(_: object, word: str) -> None:
        rung.append(word)

    monkeypatch.setattr(errand, "deliver", missed)
    place.ask(lambda here: _patched(here, monkeypatch, rings))
    assert child.handler({"Items": items(told)}, Context())["waiting"] == 7
    assert rung == ["bulk"]


async def _patched(here: Here, patch: pytest.MonkeyPatch, rings: object) -> None:
    patch.setattr(type(here.instance.queue), "ring", rings)


def test_a_mail_of_html_and_a_sender_of_its_own(place: Place, held: Store) -> None:
    """An item as the console shows it: its `from` wins, and elements make it HTML."""
    mail = {"mail_id": {"S": "rich"}, "subject": {"S": "お知らせ"}, "body": {"S": "<p>{{ name }}さん"}}
    told = planned(mail=mail | {"from": {"S": "Own <own@example.com>"}}, held=held)
    child.handler({"Items": items(told)[:1]}, Context())
    [sent] = place.sent()
    html = sent.get_body(("html",))
    assert html is not None and "R0さん" in html.get_content()
    assert (str(sent["From"]), str(sent["Subject"])) == ("Own <own@example.com>", "お知らせ")


def test_another_text_needs_another_name(place: Place, held: Store) -> None:
    """Whoever has the mail gets no second one under its name; the old text is still the same mail."""
    told = planned(held=held)
    child.handler({"Items": items(told)}, Context())
    with pytest.raises(StateError, match="another text"):
        planned(mail=MAIL | {"body": {"S": "New {{ name }}"}}, held=held)
    assert planned(held=held)["run"] == told["run"]


@pytest.mark.parametrize(
    ("change", "text", "error", "says"),
    [
        ({"body": {"S": " "}}, LIST, Refused, "no body"),
        ({"body": {"L": []}}, LIST, Refused, "no string"),
        ({"body": {"S": "Dear {{ surname }}"}}, LIST, TemplateError, "surname"),
        ({}, LIST.replace(",", ";"), ListError, "commas"),
        ({}, "name\nR\n", ListError, "address"),
        ({}, "email,name\n" + "a@example.com\n" * 51, ListError, "as many fields"),
    ],
)
def test_what_cannot_be_sent_fails_before_the_first_row(
    place: Place, held: Store, change: dict[str, Any], text: str, error: type[Exception], says: str
) -> None:
    """In words for people; and no campaign is there afterwards."""
    with pytest.raises(error, match=says):
        planned(text, MAIL | change, held=held)
    assert place.ask(lambda here: here.instance.ledger.runs.list()) == []


def test_a_list_that_is_not_there_fails(place: Place, held: Store) -> None:
    """It says which one."""
    event = {"file_name": "none.csv", "mail_id": "hello", "mail": MAIL, "bucket": PLAIN, "execution": ""}
    with pytest.raises(ListError, match=f"s3://{PLAIN}/none.csv"):
        plan.handler(event, None)


def test_the_lists_version_is_pinned(place: Place, held: Store) -> None:
    """As S3 names it where it keeps versions, and as it calls none."""
    assert planned(held=held)["version"] == "null"
    version = planned(held=held, bucket=VERSIONED)["version"]
    there = held.client.get_object(Bucket=VERSIONED, Key="list.csv")
    assert version == there["VersionId"] != "null"
