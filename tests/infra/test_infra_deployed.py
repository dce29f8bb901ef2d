"""The stack where functions run: handlers of this test stand in for the project's, and say what they get."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from deployed import deployed, ran, until
from emulated_aws import Aws

SAMPLE = {"file_name": "s3_key_path", "mail_id": "mail_id_on_dynamo_db"}
KEYS = json.dumps({"KAKITOME_HTTP__KEYS": "ssm:/kakitome/api-key"})
LIST = "email,name\na@example.com,あい\nb@example.com,B\n"

NOTE = """
import boto3, json, os, uuid
def note(word, event):
    item = {"mail_id": {"S": f"seen/{word}/{uuid.uuid4()}"}, "event": {"S": json.dumps(event)}}
    boto3.client("dynamodb").put_item(TableName=os.environ["KAKITOME_MAILS_TABLE"], Item=item)
"""
PLAN = """
import boto3
from kakitome.aws.note import note
def handler(event, context):
    note("plan", event)
    found = boto3.client("s3").get_object(Bucket=event["bucket"], Key=event["file_name"])
    missing = 0 if event["file_name"] == "finished" else 2
    return {"run": "r1", "version": found.get("VersionId", "null"), "missing": missing, "children": 1}
"""
FINISH = """
from kakitome.aws.note import note
def handler(event, context):
    note("finish", event)
    return {"missing": 1 if event["file_name"] == "torn" else 0, "done": True}
"""
ANY = """
from kakitome.aws.note import note
def handler(event, context):
    note("{word}", event)
    return {{"batchItemFailures": []}}
"""


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    folder = tmp_path_factory.mktemp("deployed")
    package = folder / "code" / "kakitome" / "aws"
    package.mkdir(parents=True)
    for file in (package.parent / "__init__.py", package / "__init__.py"):
        file.write_text("")
    words = ("child", "worker", "events", "feed", "sweep", "api")
    sources = {"note": NOTE, "plan": PLAN, "finish": FINISH} | {word: ANY.format(word=word) for word in words}
    for word, source in sources.items():
        (package / f"{word}.py").write_text(source)
    with deployed(folder, folder / "code", identities="news@example.com", api="url", settings=KEYS) as it:
        it.client("s3").put_object(Bucket=it.outputs["BucketName"], Key=SAMPLE["file_name"], Body=LIST.encode())
        for other in ("torn", "finished"):
            it.client("s3").put_object(Bucket=it.outputs["BucketName"], Key=other, Body=LIST.encode())
        mail = {"mail_id": SAMPLE["mail_id"], "subject": "お知らせ", "body": "<p>こんにちは"}
        it.client("dynamodb").put_item(
            TableName=it.outputs["MailsTable"], Item={key: {"S": value} for key, value in mail.items()}
        )
        yield it


def seen(there: Aws, word: str) -> list[dict[str, Any]]:
    """What the functions of that name were handed."""
    items = there.client("dynamodb").scan(TableName=there.outputs["MailsTable"])["Items"]
    return [json.loads(one["event"]["S"]) for one in items if one["mail_id"]["S"].startswith(f"seen/{word}/")]


def forget(there: Aws) -> None:
    table, dynamodb = there.outputs["MailsTable"], there.client("dynamodb")
    for one in dynamodb.scan(TableName=table)["Items"]:
        if one["mail_id"]["S"].startswith("seen/"):
            dynamodb.delete_item(TableName=table, Key={"mail_id": one["mail_id"]})


def the_published_input_runs_a_list(there: Aws) -> None:
    """The sample as it is: the plan gets the mail as the console wrote it, each row comes with the run, and the end has
    the account."""
    forget(there)
    ended = ran(there, SAMPLE)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", {"missing": 0, "done": True})
    (plan,) = seen(there, "plan")
    assert plan["mail"]["subject"] == {"S": "お知らせ"} and plan["execution"] == ended["executionArn"]
    rows = sorted(seen(there, "child"), key=lambda one: one["index"])
    assert [one["row"] for one in rows] == [
        {"email": "a@example.com", "name": "あい"},
        {"email": "b@example.com", "name": "B"},
    ]
    assert {one["run"] for one in rows} == {"r1"}
    (finish,) = seen(there, "finish")
    assert finish["plan"]["run"] == "r1" and finish["mail_id"] == SAMPLE["mail_id"]


def an_unknown_mail_fails_before_anything(there: Aws) -> None:
    """The execution says which item is not there; no function was called."""
    forget(there)
    ended = ran(there, SAMPLE | {"mail_id": "nobody-wrote-this"})
    assert (ended["status"], ended["error"]) == ("FAILED", "UnknownMail")
    assert [seen(there, word) for word in ("plan", "child", "finish")] == [[], [], []]


def a_missing_list_fails_before_the_first_row(there: Aws) -> None:
    """The plan looks for the file first."""
    forget(there)
    ended = ran(there, SAMPLE | {"file_name": "not-there.csv"})
    assert ended["status"] == "FAILED" and "NoSuchKey" in ended["cause"]
    assert seen(there, "child") == []


def missing_rows_are_a_failure(there: Aws) -> None:
    """Tolerated children are not forgotten: the account at the end says that rows are missing, and so does the run."""
    ended = ran(there, SAMPLE | {"file_name": "torn"})
    assert (ended["status"], ended["error"]) == ("FAILED", "RowsMissing")


def a_finished_list_starts_no_child(there: Aws) -> None:
    """All its rows are there: the same input again is read once, and accounted for."""
    forget(there)
    assert ran(there, SAMPLE | {"file_name": "finished"})["status"] == "SUCCEEDED"
    assert seen(there, "child") == [] and len(seen(there, "finish")) == 1


def every_topic_reaches_the_events(there: Aws) -> None:
    """SES → SNS → SQS → Lambda, with SNS's envelope around the event, so that its signature can be checked."""
    forget(there)
    topics = there.outputs["TopicArns"].split(",")
    for topic in topics:
        there.client("sns").publish(TopicArn=topic, Message=json.dumps({"topic": topic}))

    def came() -> set[str]:
        records = [record for event in seen(there, "events") for record in event["Records"]]
        return {json.loads(json.loads(record["body"])["Message"])["topic"] for record in records}

    until(lambda: came() == set(topics), "not every topic's event came")


def both_doorbells_wake_the_worker(there: Aws) -> None:
    """Each queue by a mapping of its own."""
    forget(there)
    for word in ("BulkUrl", "TransactionalUrl"):
        there.client("sqs").send_message(QueueUrl=there.outputs[word], MessageBody=word)

    def rung() -> set[str]:
        return {record["body"] for event in seen(there, "worker") for record in event["Records"]}

    until(lambda: rung() == {"BulkUrl", "TransactionalUrl"}, "the worker was not woken")


def what_changes_in_the_ledger_is_fed(there: Aws) -> None:
    """The table's stream, with what was before and what is now."""
    key = {"pk": {"S": "m"}, "sk": {"S": "1"}}
    there.client("dynamodb").put_item(TableName=there.outputs["LedgerTable"], Item=key | {"state": {"S": "sent"}})

    def fed() -> list[dict[str, Any]]:
        records = [record["dynamodb"] for event in seen(there, "feed") for record in event["Records"]]
        return [one for one in records if one["NewImage"] == key | {"state": {"S": "sent"}}]

    until(lambda: len(fed()) == 1, "the change was not fed")


def destinations_are_where_ses_is_asked(there: Aws) -> None:
    """The configuration set of the account S2, with its three destinations and ours."""
    told = there.client("sesv2").get_configuration_set_event_destinations(
        ConfigurationSetName="MarketingMailsConfigurationSet"
    )
    assert {one["Name"] for one in told["EventDestinations"]} == {
        "BounceComplaintDestination",
        "EmailActionDestination",
        "EmailDeliveryDestination",
        "EmailEvidenceDestination",
    }


def test_the_deployed_stack(there: Aws) -> None:
    """All of the above holds for one deployment. One test, for two processes of pytest would make two deployments."""
    for promise in (
        the_published_input_runs_a_list,
        an_unknown_mail_fails_before_anything,
        a_missing_list_fails_before_the_first_row,
        missing_rows_are_a_failure,
        a_finished_list_starts_no_child,
        every_topic_reaches_the_events,
        both_doorbells_wake_the_worker,
        what_changes_in_the_ledger_is_fed,
        destinations_are_where_ses_is_asked,
    ):
        promise(there)
