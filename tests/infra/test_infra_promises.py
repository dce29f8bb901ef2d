"""What the stack makes, and what it leaves alone. The emulator applies neither TTL nor recovery: here they are read."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from template import Template, text

from kakitome.ledgers.dynamodb import schema

KEPT = ("DynamoDB::Table", "S3::Bucket", "Logs::LogGroup", "KMS::Key")
S2 = {
    "BounceComplaintDestination": {"bounce", "complaint", "reject"},
    "EmailActionDestination": {"open", "click"},
    "EmailDeliveryDestination": {"delivery"},
}


def test_the_ledger_can_be_brought_back(plain: Template) -> None:
    """Both tables: recovery to any second of 35 days, protected from deletion, paid by request."""
    tables = plain.properties("DynamoDB::Table")
    assert len(tables) == 2
    for table in tables:
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["DeletionProtectionEnabled"] is True
        assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_the_ledgers_table_is_the_one_of_its_schema(plain: Template) -> None:
    """Keys, indexes, stream and expiry as the ledger itself would make it."""
    made = plain.named("DynamoDB::Table", "TableName", "kakitome-ledger")
    asked = schema.definition("kakitome-ledger")
    assert made["KeySchema"] == asked["KeySchema"]
    assert sorted(map(text, made["GlobalSecondaryIndexes"])) == sorted(map(text, asked["GlobalSecondaryIndexes"]))
    assert made["StreamSpecification"]["StreamViewType"] == asked["StreamSpecification"]["StreamViewType"]
    assert made["TimeToLiveSpecification"] == schema.expiry("")["TimeToLiveSpecification"]


def test_a_mail_is_found_by_its_id(plain: Template) -> None:
    """One key, so that an item can be put by hand in the console."""
    made = plain.named("DynamoDB::Table", "TableName", "kakitome-mails")
    assert made["KeySchema"] == [{"AttributeName": "mail_id", "KeyType": "HASH"}]


def test_what_holds_data_outlives_the_stack(templates: Mapping[str, Template]) -> None:
    """Tables, lists, logs and the key are kept when the stack is removed or replaces them."""
    kept = [one for template in templates.values() for kind in KEPT for one in template.of(kind).values()]
    assert {(one["DeletionPolicy"], one["UpdateReplacePolicy"]) for one in kept} == {("Retain", "Retain")}


def test_lists_are_versioned_and_closed(plain: Template) -> None:
    """Versions (a run reads what it counted), encrypted, not public, and old ones go."""
    bucket = plain.only("S3::Bucket")
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert "NoncurrentVersionExpiration" in text(bucket["LifecycleConfiguration"])


def test_destinations_are_those_of_the_published_account(plain: Template) -> None:
    """Three with its names and kinds, each to its own topic, and ours for the evidence that settles doubts."""
    made = [one["EventDestination"] for one in plain.properties("SES::ConfigurationSetEventDestination")]
    kinds = {one["Name"]: set(one["MatchingEventTypes"]) for one in made}
    assert {name: kinds[name] for name in S2} == S2
    assert "send" in kinds["EmailEvidenceDestination"] and len(kinds) == 4
    assert len({text(one["SnsDestination"]) for one in made}) == 4
    assert plain.only("SES::ConfigurationSet")["Name"] == "MarketingMailsConfigurationSet"


def test_an_identity_is_signed(plain: Template) -> None:
    """DKIM with 2,048 bits, its three records as outputs to be put into the DNS."""
    identity = plain.only("SES::EmailIdentity")
    assert identity["EmailIdentity"] == "example.com" and identity["DkimAttributes"] == {"SigningEnabled": True}
    assert identity["DkimSigningAttributes"]["NextSigningKeyLength"] == "RSA_2048_BIT"
    assert len([one for one in plain.body["Outputs"].values() if " CNAME " in text(one)]) == 3


def test_events_keep_the_envelope_that_is_signed(templates: Mapping[str, Template]) -> None:
    """No raw delivery, to the queue; what cannot be delivered goes to the dead letters."""
    told = templates["plain"].properties("SNS::Subscription")
    assert len(told) == 4
    for one in told:
        assert (one["Protocol"], one["RawMessageDelivery"]) == ("sqs", False) and one["RedrivePolicy"]
    assert {one["SignatureVersion"] for one in templates["plain"].properties("SNS::Topic")} == {"2"}


def test_events_may_go_straight_to_the_function(templates: Mapping[str, Template]) -> None:
    """SNS → Lambda, by its alias, and SNS may call it for our topics and account only."""
    template = templates["own-key"]
    told = template.properties("SNS::Subscription")
    assert {one["Protocol"] for one in told} == {"lambda"}
    allowed = [one for one in template.properties("Lambda::Permission") if one["Principal"] == "sns.amazonaws.com"]
    assert len(allowed) == 4
    assert all(one["SourceArn"] and one["SourceAccount"] == {"Ref": "AWS::AccountId"} for one in allowed)


def test_every_queue_has_dead_letters_and_every_dead_letter_an_alarm(plain: Template) -> None:
    """Whatever could not be worked off is seen."""
    queues = plain.properties("SQS::Queue")
    dead = {one["QueueName"] for one in queues if one["QueueName"].endswith("-dead")}
    assert {f"{one['QueueName']}-dead" for one in queues if "RedrivePolicy" in one} | {"kakitome-feed-dead"} == dead
    assert all("RedrivePolicy" in one for one in queues if one["QueueName"] not in dead)
    depth = [one for one in plain.properties("CloudWatch::Alarm") if "dead-letters" in one["AlarmName"]]
    watched = {text(dimension["Value"]) for one in depth for dimension in one["Dimensions"]}
    ids = {plain.id("SQS::Queue", "QueueName", name) for name in dead}
    assert watched == {text({"Fn::GetAtt": [id, "QueueName"]}) for id in ids}


@pytest.mark.parametrize(
    "alarm",
    ["bounces", "complaints", "feed-behind", "lists-failed", "errors-worker", "errors-child"],
)
def test_a_person_is_told(plain: Template, alarm: str) -> None:
    """Each alarm says what it means."""
    assert plain.named("CloudWatch::Alarm", "AlarmName", f"kakitome-{alarm}")["AlarmDescription"]
    assert plain.only("CloudWatch::Dashboard")["DashboardName"] == "kakitome"


def test_functions_are_called_by_their_alias(plain: Template) -> None:
    """Every mapping, the clock and the state machine: a roll-back moves an alias, and nothing else."""
    aliases = plain.of("Lambda::Alias")
    assert {one["Name"] for one in plain.properties("Lambda::Alias")} == {"live"}
    mapped = [text(one["FunctionName"]) for one in plain.properties("Lambda::EventSourceMapping")]
    clock = text(plain.only("Scheduler::Schedule")["Target"]["Arn"])
    assert len(mapped) == 4
    assert all(any(text({"Ref": id}) in one for id in aliases) for one in [*mapped, clock])


def test_a_batch_fails_in_part_only(plain: Template) -> None:
    """What was worked off does not come again with what was not; the stream's bad batches are halved and put aside."""
    mappings = plain.properties("Lambda::EventSourceMapping")
    assert all(one["FunctionResponseTypes"] == ["ReportBatchItemFailures"] for one in mappings)
    (feed,) = [one for one in mappings if "StartingPosition" in one]
    assert feed["BisectBatchOnFunctionError"] is True and feed["DestinationConfig"]["OnFailure"]["Destination"]


def test_a_message_outlasts_its_receiver(plain: Template) -> None:
    """It is hidden for six times the function's time, as Lambda asks for."""
    for queue, word in {"bulk": "worker", "transactional": "worker", "events": "events"}.items():
        hidden = plain.named("SQS::Queue", "QueueName", f"kakitome-{queue}")["VisibilityTimeout"]
        assert hidden >= 6 * plain.named("Lambda::Function", "FunctionName", f"kakitome-{word}")["Timeout"]


def test_events_are_waited_for(plain: Template) -> None:
    """Some seconds, in batches of a hundred, for what comes together is fewer writes; rings are not."""
    mappings = plain.properties("Lambda::EventSourceMapping")
    events = [one for one in mappings if one["BatchSize"] == 100]
    assert [one["MaximumBatchingWindowInSeconds"] for one in events] == [10]
    queue = plain.id("SQS::Queue", "QueueName", "kakitome-events")
    assert events[0]["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}
    rings = [one for one in mappings if one["BatchSize"] == 10]
    assert len(rings) == 2 and not [one for one in rings if one.get("MaximumBatchingWindowInSeconds")]
    hidden = plain.named("SQS::Queue", "QueueName", "kakitome-events")["VisibilityTimeout"]
    assert hidden >= 6 * plain.named("Lambda::Function", "FunctionName", "kakitome-events")["Timeout"] + 10


def test_logs_end(templates: Mapping[str, Template]) -> None:
    """They hold who was written to: none is kept for ever."""
    for template in templates.values():
        assert all(one["RetentionInDays"] for one in template.properties("Logs::LogGroup"))


def test_what_is_given_is_not_made(templates: Mapping[str, Template]) -> None:
    """Bucket, both tables, configuration set, topics, queue, identity, key and network stay whose they are."""
    given = templates["given"]
    mail = ["SES::ConfigurationSet", "SES::ConfigurationSetEventDestination", "SES::EmailIdentity"]
    kinds = [*mail, "S3::Bucket", "S3::BucketPolicy", "SNS::Topic", "SNS::TopicPolicy", "SNS::Subscription"]
    kinds += ["KMS::Key", "EC2::VPC"]
    assert [kind for kind in kinds if given.of(kind)] == []
    assert not given.of("DynamoDB::Table")
    (feed,) = [one for one in given.properties("Lambda::EventSourceMapping") if "StartingPosition" in one]
    assert "table/restored/stream/" in text(feed["EventSourceArn"])
    assert "kakitome-events" not in {one["QueueName"] for one in given.properties("SQS::Queue")}
    words = given.properties("Lambda::Function")[0]["Environment"]["Variables"]
    assert "dynamodb://restored?" in text(words["KAKITOME_LEDGER__URL"])
    assert (
        words["KAKITOME_LANES__SES__CONFIGURATION_SET"] == "Theirs" and words["KAKITOME_LISTS_BUCKET"] == "their-lists"
    )
    assert all(one["VpcConfig"]["SubnetIds"] == ["subnet-1"] for one in given.properties("Lambda::Function"))


def test_a_key_of_ones_own_seals_everything(templates: Mapping[str, Template]) -> None:
    """Tables, lists, queues, topics and the functions' logs; SES and SNS may use it for this account."""
    own = templates["own-key"]
    (key,) = own.of("KMS::Key")
    for kind in ("DynamoDB::Table", "S3::Bucket", "SQS::Queue", "SNS::Topic"):
        assert all(key in text(one) for one in own.properties(kind)), kind
    policy = text(own.only("KMS::Key")["KeyPolicy"])
    assert "ses.amazonaws.com" in policy and "sns.amazonaws.com" in policy
