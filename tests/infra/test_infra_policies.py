"""Who may do what, as the template says it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from node import APP  # puts the app where it can be imported
from template import Template, many, text

ACCOUNT = {"Ref": "AWS::AccountId"}
LEDGER = APP.parent / "src" / "kakitome" / "ledgers" / "dynamodb"
WORDS = ("plan", "child", "finish", "worker", "events", "feed", "sweep")


def reasons() -> Mapping[str, str]:
    """`WHOLE` of grants.py, which imports the CDK: asked for where the CDK is there."""
    from kakitome_infra.grants import WHOLE

    assert APP.is_dir()
    return WHOLE


def actions(statements: list[dict[str, Any]], service: str) -> set[str]:
    return {action for one in statements for action in many(one["Action"]) if action.startswith(f"{service}:")}


def test_no_wildcard_stands_without_a_reason(templates: Mapping[str, Template]) -> None:
    """No action is one, and beside the resource `*` stand only actions that have no resource, each with its reason."""
    for name, template in templates.items():
        for role, statement in template.role_statements():
            asked = many(statement["Action"])
            assert not [action for action in asked if "*" in action], (name, role)
            if "*" in many(statement["Resource"]):
                assert set(asked) <= set(reasons()), (name, role, asked)


def test_no_reason_is_left_over(templates: Mapping[str, Template]) -> None:
    """Each action that may stand beside `*` does so somewhere."""
    every = [one for template in templates.values() for _, one in template.role_statements()]
    whole = [many(one["Action"]) for one in every if "*" in many(one["Resource"])]
    assert {action for asked in whole for action in asked} == set(reasons())


def test_a_function_can_be_joined_to_a_network(templates: Mapping[str, Template]) -> None:
    """By Lambda, for each function where a network is given; the function's own code may not."""
    assert not actions(templates["plain"].of_function("child"), "ec2")
    for word in WORDS:
        joining = [one for one in templates["given"].of_function(word) if "ec2:CreateNetworkInterface" in one["Action"]]
        allowed, denied = sorted(joining, key=lambda one: str(one["Effect"]))
        assert (allowed["Effect"], denied["Effect"]) == ("Allow", "Deny")
        assert f"function:kakitome-{word}" in text(denied["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"])


def test_who_works_with_the_ledger_may_ask_it_all_that_the_ledger_asks(plain: Template) -> None:
    """Each operation by its own name, a batch too; those of a transaction are its parts'."""
    ledger = "".join(file.read_text("utf-8") for file in LEDGER.glob("*.py"))
    asked = set(re.findall(r'"(query|(?:batch_get|batch_write|get|put|update|delete)_item)"', ledger))
    assert {"query", "get_item", "batch_write_item"} <= asked
    needed = {"dynamodb:" + name.title().replace("_", "") for name in asked}
    for word in WORDS:
        assert needed <= actions(plain.of_function(word), "dynamodb"), word


def test_nobody_scans(templates: Mapping[str, Template]) -> None:
    """Neither the ledger nor any other table is ever read whole."""
    for template in templates.values():
        assert not [one for _, one in template.role_statements() if "dynamodb:Scan" in many(one["Action"])]


def test_every_function_has_a_role_of_its_own(plain: Template) -> None:
    """No two functions share one, and none has a policy of AWS's making."""
    roles = [text(one["Role"]) for one in plain.properties("Lambda::Function")]
    assert len(set(roles)) == len(roles) == len(WORDS) + 1
    assert not [one for one in plain.properties("IAM::Role") if one.get("ManagedPolicyArns")]


def test_only_who_sends_may_send(plain: Template) -> None:
    """By an identity and the configuration set of the stack; nobody else asks SES for more than the quota."""
    for word in WORDS:
        may = actions(plain.of_function(word), "ses")
        senders = {"ses:SendEmail", "ses:SendRawEmail", "ses:SendBulkEmail"}
        assert (senders <= may) is (word in ("child", "worker")), word
        assert may - senders <= {"ses:GetAccount"}
    (send,) = [one for one in plain.of_function("child") if "ses:SendEmail" in many(one["Action"])]
    assert "identity/example.com" in text(send["Resource"])
    assert "configuration-set/MarketingMailsConfigurationSet" in text(send["Resource"])


def test_who_takes_events_rings_and_sends_nothing(plain: Template) -> None:
    """Of SQS it may receive and delete, and of its own queue only."""
    may = actions(plain.of_function("events"), "sqs")
    assert may and "sqs:SendMessage" not in may
    (taken,) = [one for one in plain.of_function("events") if "sqs:ReceiveMessage" in many(one["Action"])]
    queue = plain.id("SQS::Queue", "QueueName", "kakitome-events")
    assert taken["Resource"] == {"Fn::GetAtt": [queue, "Arn"]}


def test_the_feed_may_ask_which_stream_there_is(plain: Template) -> None:
    """What it is handed does not name its shard: it reads the stream itself, and finds it by its table."""
    may = actions(plain.of_function("feed"), "dynamodb")
    assert {"dynamodb:DescribeTable", "dynamodb:DescribeStream", "dynamodb:GetRecords"} <= may
    assert "dynamodb:DescribeTable" not in actions(plain.of_function("child"), "dynamodb")


def of_campaigns(template: Template, word: str) -> dict[str, set[str]]:
    """What a function may do with tables that campaigns have for themselves, by what follows their names."""
    found: dict[str, set[str]] = {}
    for one in template.of_function(word):
        for arn in many(one["Resource"]):
            _, star, rest = (
                text(arn).replace("/index/open", "/index/*").replace("/index/address", "/index/*").rpartition("-*")
            )
            if star and "dynamodb" in text(one["Action"]):
                found.setdefault(rest.strip('"]}'), set()).update(many(one["Action"]))
    return found


def test_campaigns_may_have_tables(templates: Mapping[str, Template]) -> None:
    """Whoever begins one makes its table, and the feed reads its stream; all others read and write items and no more.
    Nobody may anything of them where campaigns have none."""
    items = {
        f"dynamodb:{verb}"
        for verb in (*("GetItem", "BatchGetItem", "Query"), "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
    }
    for word in WORDS:
        assert of_campaigns(templates["plain"], word) == {}
        may = of_campaigns(templates["own-key"], word)
        assert may.pop("/index/*") == {"dynamodb:Query"}
        own = may.pop("") - items
        assert ("dynamodb:CreateTable" in own) is ("dynamodb:DeleteTable" in own) is (word == "plan"), word
        assert bool(own) is (word in ("plan", "feed")), word
        assert set(may) == ({"/stream/*"} if word == "feed" else set())
        restored = text(templates["given"].of_function(word))
        assert "table/ledger-of-old-*" in restored and "dynamodb:CreateTable" not in restored


def test_a_campaigns_table_is_made_as_the_ledgers_own_is(templates: Mapping[str, Template]) -> None:
    """Under the same key, by DynamoDB alone; and whoever makes it may ask how that is, and switch recovery on."""
    own = templates["own-key"].of_function("plan")
    (sealing,) = [one for one in own if "kms:CreateGrant" in many(one["Action"])]
    assert text(sealing["Condition"]["StringEquals"]["kms:ViaService"]).count("dynamodb.") == 1
    may = actions(own, "dynamodb")
    assert {"dynamodb:DescribeContinuousBackups", "dynamodb:UpdateContinuousBackups", "dynamodb:DescribeTable"} <= may


def test_campaigns_streams_are_read_by_the_clock(templates: Mapping[str, Template]) -> None:
    """Nothing tells the feed of them: it comes each minute, as the sweep does, and so it does in a ledger that was
    restored, whose campaigns may have tables."""
    for name, words in {"plain": {"sweep"}, "own-key": {"sweep", "feed"}, "given": {"sweep", "feed"}}.items():
        template = templates[name]
        clocks = template.properties("Scheduler::Schedule")
        assert {one["Name"] for one in clocks} == {f"kakitome-{word}" for word in words}
        (rung,) = [one["Resource"] for role, one in template.role_statements() if role.startswith("ClockRole")]
        assert {text(arn) for arn in many(rung)} == {text(one["Target"]["Arn"]) for one in clocks}


def test_ses_alone_publishes_on_the_topics(plain: Template) -> None:
    """For this account and this configuration set; nobody without TLS."""
    policies = plain.properties("SNS::TopicPolicy")
    assert len(policies) == 4
    for policy in policies:
        allowed = [one for one in policy["PolicyDocument"]["Statement"] if one["Effect"] == "Allow"]
        (statement,) = allowed
        assert statement["Principal"] == {"Service": "ses.amazonaws.com"} and statement["Action"] == "sns:Publish"
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
        arn = text(statement["Condition"]["ArnEquals"]["aws:SourceArn"])
        assert "configuration-set/MarketingMailsConfigurationSet" in arn
        assert no_plain_text(policy["PolicyDocument"])


def test_our_topics_alone_fill_the_queue(plain: Template) -> None:
    """SNS's service for our four topics of this account, also to the dead letters; not everybody with a condition."""
    topics = {text({"Ref": id}) for id in plain.of("SNS::Topic")}
    for name in ("kakitome-events", "kakitome-events-dead"):
        queue = plain.id("SQS::Queue", "QueueName", name)
        document = policy_of(plain, queue)
        (statement,) = [one for one in document["Statement"] if one["Effect"] == "Allow"]
        assert statement["Principal"] == {"Service": "sns.amazonaws.com"}
        assert statement["Action"] == "sqs:SendMessage"
        assert {text(arn) for arn in statement["Condition"]["ArnEquals"]["aws:SourceArn"]} == topics
        assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def test_nothing_is_taken_without_tls(plain: Template) -> None:
    """Of no queue and of no bucket."""
    for queue in plain.of("SQS::Queue"):
        assert no_plain_text(policy_of(plain, queue))
    assert no_plain_text(plain.only("S3::BucketPolicy")["PolicyDocument"])


def test_no_secret_stands_in_an_environment(plain: Template) -> None:
    """A function's environment can be read by whoever may look at it."""
    secret = ("PASSWORD", "SECRET", "API_KEY", "TOKEN", "KEYS", "SLACK", "WEBHOOK")
    for function in plain.properties("Lambda::Function"):
        found = {name: it for name, it in function["Environment"]["Variables"].items() if name.endswith(secret)}
        assert len(found) == 3
        assert all(part.startswith(("ssm:", "secretsmanager:arn:")) for it in found.values() for part in it.split(","))


def test_a_secret_is_read_by_who_needs_it(plain: Template) -> None:
    """Exactly those that the settings name: the API its keys, who sends its lanes', who tells people their address."""
    read = {word: named(plain, word) for word in (*WORDS, "api")}
    assert read["api"] == {"parameter/kakitome/api-key", "parameter/other"}
    assert read["child"] == read["worker"] == {"parameter/kakitome/sendgrid"}
    assert read["sweep"] == {"secret:slack-AbCdEf"}
    assert read["plan"] == read["finish"] == read["events"] == read["feed"] == set()


def test_a_role_is_taken_on_by_who_asks_the_provider(plain: Template) -> None:
    """And no other role."""
    for word in ("plan", "child", "worker", "sweep"):
        (taken,) = [one for one in plain.of_function(word) if "sts:AssumeRole" in many(one["Action"])]
        assert taken["Resource"] == "arn:aws:iam::444455556666:role/mail"


def named(template: Template, word: str) -> set[str]:
    """The last words of the ARNs of parameters and secrets that a function may read."""
    verbs = {"ssm:GetParameter", "secretsmanager:GetSecretValue"}
    asked = [one for one in template.of_function(word) if verbs & set(many(one["Action"]))]
    assert all(set(many(one["Action"])) <= verbs for one in asked)
    arns = [text(arn) for one in asked for arn in many(one["Resource"])]
    assert not [arn for arn in arns if "*" in arn]
    return {re.split(r"(?=\bparameter/|\bsecret:)", arn)[-1].strip('"]}') for arn in arns}


def test_the_state_machine_calls_aliases_only(plain: Template) -> None:
    """Of three functions, and it may start no other state machine than itself."""
    own = [one for role, one in plain.role_statements() if role.startswith("RunsRole")]
    (invoke,) = [one for one in own if "lambda:InvokeFunction" in many(one["Action"])]
    aliases = {text({"Ref": id}) for id in plain.of("Lambda::Alias")}
    assert len(invoke["Resource"]) == 3 and {text(arn) for arn in invoke["Resource"]} <= aliases
    (start,) = [one for one in own if "states:StartExecution" in many(one["Action"])]
    assert text(start["Resource"]).count("stateMachine:kakitome-lists") == 1


def policy_of(template: Template, queue: str) -> dict[str, Any]:
    (found,) = [one for one in template.properties("SQS::QueuePolicy") if one["Queues"] == [{"Ref": queue}]]
    document: dict[str, Any] = found["PolicyDocument"]
    return document


def no_plain_text(document: dict[str, Any]) -> bool:
    denied = [one for one in document["Statement"] if one["Effect"] == "Deny"]
    return any(one["Condition"] == {"Bool": {"aws:SecureTransport": "false"}} for one in denied)
