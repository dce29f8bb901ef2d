"""Every answer of the simulator's SES is what the SDK's own service models say, member by member."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.model import ListShape, Shape, StructureShape
from playground import READER, SENDER, Stage, mail, stage

TOPIC = "arn:aws:sns:us-east-1:123456789012:events"
DESTINATION = {"Enabled": True, "MatchingEventTypes": ["SEND"], "SnsDestination": {"TopicArn": TOPIC}}
TEMPLATE = {"TemplateContent": {"Subject": "{{a}}", "Text": "{{b}}"}, "TemplateData": '{"a": "x", "b": "y"}'}
SIMPLE = {"Simple": {"Subject": {"Data": "x"}, "Body": {"Text": {"Data": "y"}}}}
TO = {"ToAddresses": [READER]}
BULK = {"FromEmailAddress": SENDER, "DefaultContent": {"Template": TEMPLATE}, "BulkEmailEntries": [{"Destination": TO}]}
NAMED = {"TemplateName": "t", "TemplateData": '{"a": "x"}'}
SET = {"ConfigurationSetName": "set"}
V1_MESSAGE = {"Subject": {"Data": "件名"}, "Body": {"Text": {"Data": "x"}, "Html": {"Data": "<p>"}}}

# In an order in which each call finds what it needs.
V2: list[tuple[str, dict[str, Any]]] = [
    ("GetAccount", {}),
    ("SendEmail", {"FromEmailAddress": SENDER, "Destination": TO, "Content": SIMPLE}),
    ("SendBulkEmail", BULK),
    ("CreateEmailTemplate", {"TemplateName": "t", "TemplateContent": {"Subject": "{{a}}", "Html": "<p>"}}),
    ("GetEmailTemplate", {"TemplateName": "t"}),
    ("ListEmailTemplates", {}),
    ("SendEmail", {"FromEmailAddress": SENDER, "Destination": TO, "Content": {"Template": NAMED}}),
    ("DeleteEmailTemplate", {"TemplateName": "t"}),
    ("CreateEmailIdentity", {"EmailIdentity": "example.org"}),
    ("CreateEmailIdentity", {"EmailIdentity": "someone@example.net"}),
    ("GetEmailIdentity", {"EmailIdentity": "example.org"}),
    ("GetEmailIdentity", {"EmailIdentity": "someone@example.net"}),
    ("ListEmailIdentities", {}),
    ("DeleteEmailIdentity", {"EmailIdentity": "example.org"}),
    ("CreateConfigurationSet", SET),
    ("GetConfigurationSet", SET),
    ("ListConfigurationSets", {}),
    ("PutConfigurationSetSendingOptions", SET | {"SendingEnabled": True}),
    ("PutConfigurationSetSuppressionOptions", SET | {"SuppressedReasons": ["BOUNCE"]}),
    ("GetConfigurationSet", SET),
    ("CreateConfigurationSetEventDestination", SET | {"EventDestinationName": "d", "EventDestination": DESTINATION}),
    ("GetConfigurationSetEventDestinations", SET),
    ("UpdateConfigurationSetEventDestination", SET | {"EventDestinationName": "d", "EventDestination": DESTINATION}),
    ("DeleteConfigurationSetEventDestination", SET | {"EventDestinationName": "d"}),
    ("DeleteConfigurationSet", SET),
    ("PutSuppressedDestination", {"EmailAddress": "a+b@example.com", "Reason": "BOUNCE"}),
    ("GetSuppressedDestination", {"EmailAddress": "a+b@example.com"}),
    ("ListSuppressedDestinations", {"Reasons": ["BOUNCE"], "PageSize": 1}),
    ("DeleteSuppressedDestination", {"EmailAddress": "a+b@example.com"}),
    ("PutAccountSuppressionAttributes", {"SuppressedReasons": ["COMPLAINT"]}),
    ("PutAccountSendingAttributes", {"SendingEnabled": True}),
]
V1: list[tuple[str, dict[str, Any]]] = [
    ("SendEmail", {"Source": SENDER, "Destination": TO, "Message": V1_MESSAGE, "Tags": [{"Name": "a", "Value": "b"}]}),
    ("SendRawEmail", {"RawMessage": {"Data": mail()}}),
    ("GetSendQuota", {}),
    ("GetSendStatistics", {}),
    ("VerifyEmailIdentity", {"EmailAddress": "me@example.com"}),
    ("VerifyEmailAddress", {"EmailAddress": "me@example.com"}),
    ("ListIdentities", {"IdentityType": "EmailAddress"}),
    ("ListVerifiedEmailAddresses", {}),
]

MISSING: list[tuple[str, dict[str, Any], str]] = [
    ("GetEmailTemplate", {"TemplateName": "none"}, "NotFoundException"),
    ("DeleteEmailTemplate", {"TemplateName": "none"}, "NotFoundException"),
    ("CreateEmailTemplate", {"TemplateName": "t", "TemplateContent": {"Subject": "x"}}, "BadRequestException"),
    ("GetEmailIdentity", {"EmailIdentity": "none.example"}, "NotFoundException"),
    ("DeleteEmailIdentity", {"EmailIdentity": "none.example"}, "NotFoundException"),
    ("CreateEmailIdentity", {"EmailIdentity": "no domain"}, "BadRequestException"),
    ("GetConfigurationSet", SET, "NotFoundException"),
    ("DeleteConfigurationSet", SET, "NotFoundException"),
    ("GetConfigurationSetEventDestinations", SET, "NotFoundException"),
    ("GetSuppressedDestination", {"EmailAddress": READER}, "NotFoundException"),
    ("DeleteSuppressedDestination", {"EmailAddress": READER}, "NotFoundException"),
    ("PutSuppressedDestination", {"EmailAddress": "nobody", "Reason": "BOUNCE"}, "BadRequestException"),
    ("ListSuppressedDestinations", {"NextToken": "x"}, "InvalidNextTokenException"),
    ("ListSuppressedDestinations", {"PageSize": 100_000}, "BadRequestException"),
    ("SendBulkEmail", BULK | {"BulkEmailEntries": []}, "BadRequestException"),
    ("SendBulkEmail", BULK | {"BulkEmailEntries": [{"Destination": TO}] * 51}, "BadRequestException"),
    ("SendBulkEmail", BULK | {"DefaultContent": {"Template": {"TemplateName": "none"}}}, "NotFoundException"),
]


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage() as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: Stage) -> Stage:
    shared.remote.reset()
    return shared


@pytest.fixture(scope="module")
def sesv2(shared: Stage) -> Iterator[Any]:
    with shared.sesv2() as client:
        yield client


@pytest.fixture(scope="module")
def ses(shared: Stage) -> Iterator[Any]:
    session = boto3.Session("key", "secret", region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, proxies={})
    with closing(session.client("ses", endpoint_url=shared.remote.url, config=config)) as client:
        yield client


def call(client: Any, operation: str, asked: dict[str, Any]) -> Any:
    names = {name: method for method, name in client.meta.method_to_api_mapping.items()}
    return getattr(client, names[operation])(**asked)


def wrong(shape: Shape, value: Any, at: str = "") -> list[str]:
    """Where a value is not what its shape says: absent members, unknown ones, other types, values of no enum."""
    if isinstance(shape, StructureShape):
        if not isinstance(value, dict):
            return [f"{at}: no structure"]
        absent = [f"{at}.{name}: absent" for name in shape.required_members if name not in value]
        unknown = [f"{at}.{name}: unknown" for name in value if name not in shape.members]
        inner = [
            w for name, one in value.items() if name in shape.members for w in wrong(shape.members[name], one, name)
        ]
        return absent + unknown + inner
    if isinstance(shape, ListShape):
        return [w for one in value for w in wrong(shape.member, one, f"{at}[]")] if isinstance(value, list) else [at]
    kinds: dict[str, type | tuple[type, ...]] = {
        "string": str, "boolean": bool, "double": float, "integer": int, "long": int, "map": dict,
        "timestamp": (int, float, datetime.datetime),
    }  # fmt: skip
    if not isinstance(value, kinds[shape.type_name]):
        return [f"{at}: {value!r} is no {shape.type_name}"]
    enum = getattr(shape, "enum", None)
    return [f"{at}: {value!r} is none of {enum}"] if enum and value not in enum else []


def test_the_walk_finds_what_is_wrong(sesv2: Any) -> None:
    """The judge of the next tests is no yes-man."""
    shape = sesv2.meta.service_model.operation_model("GetSuppressedDestination").output_shape
    right = {"SuppressedDestination": {"EmailAddress": "a", "Reason": "BOUNCE", "LastUpdateTime": 1.0}}
    assert wrong(shape, right) == []
    for change in ({"Reason": "X"}, {"LastUpdateTime": "soon"}, {"Other": 1}):
        assert len(wrong(shape, {"SuppressedDestination": right["SuppressedDestination"] | change})) == 1
    assert len(wrong(shape, {})) == 1


def test_every_answer_of_v2_has_its_shape(simulator: Stage, sesv2: Any) -> None:
    """The bytes on the wire, before the SDK reads them leniently."""
    bodies: list[bytes] = []
    sesv2.meta.events.register("before-parse", lambda response_dict, **_: bodies.append(response_dict["body"]))
    for operation, asked in V2:
        answer = call(sesv2, operation, asked)
        assert answer["ResponseMetadata"]["RequestId"]
        shape = sesv2.meta.service_model.operation_model(operation).output_shape
        assert wrong(shape, json.loads(bodies[-1])) == [], operation
    assert len(bodies) == len(V2)


def test_every_answer_of_v1_has_its_shape(simulator: Stage, ses: Any) -> None:
    """As the SDK parses the XML; what must be there is."""
    for operation, asked in V1:
        answer = call(ses, operation, asked)
        assert answer["ResponseMetadata"]["RequestId"]
        shape = ses.meta.service_model.operation_model(operation).output_shape
        told = {name: value for name, value in answer.items() if name != "ResponseMetadata"}
        assert (wrong(shape, told) if shape is not None else list(told)) == [], operation


@pytest.mark.parametrize(("operation", "asked", "error"), MISSING)
def test_errors_of_v2_are_those_of_the_model(
    simulator: Stage, sesv2: Any, operation: str, asked: dict[str, Any], error: str
) -> None:
    """By name and HTTP status, and only those that the model names for the operation."""
    model = sesv2.meta.service_model.operation_model(operation)
    known = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in model.error_shapes}
    with pytest.raises(ClientError) as caught:
        call(sesv2, operation, asked)
    answer = caught.value.response
    assert (answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]) == (error, known[error])


def test_what_is_there_already_is_not_made_twice(simulator: Stage, sesv2: Any) -> None:
    """AlreadyExistsException, for each kind of thing."""
    made: list[tuple[str, dict[str, Any]]] = [
        ("CreateEmailIdentity", {"EmailIdentity": "example.org"}),
        ("CreateConfigurationSet", SET),
        (
            "CreateConfigurationSetEventDestination",
            SET | {"EventDestinationName": "d", "EventDestination": DESTINATION},
        ),
        ("CreateEmailTemplate", {"TemplateName": "t", "TemplateContent": {"Text": "x"}}),
    ]
    for operation, asked in made:
        call(sesv2, operation, asked)
        with pytest.raises(ClientError) as caught:
            call(sesv2, operation, asked)
        assert caught.value.response["Error"]["Code"] == "AlreadyExistsException"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("throttle", "Throttling"),
        ("suspend", "AccountSendingPausedException"),
        ("error:NotFoundException", "ConfigurationSetDoesNotExist"),
        ("error:MessageRejected", "MessageRejected"),
        ("error:MailFromDomainNotVerifiedException", "MailFromDomainNotVerifiedException"),
        ("error:503", "ServiceUnavailable"),
    ],
)
def test_faults_have_the_names_of_v1(simulator: Stage, ses: Any, fault: str, code: str) -> None:
    """Where the old API calls the same thing otherwise, its own name is said; nothing is accepted."""
    simulator.remote.faults([fault])
    with pytest.raises(ClientError) as caught:
        ses.send_raw_email(RawMessage={"Data": mail()})
    assert caught.value.response["Error"]["Code"] == code
    known = {s.metadata["error"]["code"] for s in ses.meta.service_model.operation_model("SendRawEmail").error_shapes}
    assert code in known | {"Throttling", "ServiceUnavailable"}
    assert simulator.remote.accepted() == []


def test_v1_takes_what_v2_takes(simulator: Stage, ses: Any) -> None:
    """Simple and raw, with tags and configuration set; the judge shows both."""
    ids = [call(ses, operation, asked)["MessageId"] for operation, asked in V1[:2]]
    assert [line.provider_message_id for line in simulator.remote.accepted()] == ids
    assert [line.subject for line in simulator.remote.accepted()] == ["件名", "Hello"]


def test_statistics_are_not_sorted(simulator: Stage, ses: Any) -> None:
    """As SES gives them: whoever wants them in order sorts them; and 431 of 200 is a figure that SES does show."""
    simulator.remote.limit(quota=200, sent=431)
    quota = ses.get_send_quota()
    simulator.remote.limit(quota=None)
    assert (quota["Max24HourSend"], quota["SentLast24Hours"]) == (200.0, 431.0)
    simulator.send("bounce@simulator.amazonses.com", "complaint@simulator.amazonses.com")
    (point,) = ses.get_send_statistics()["SendDataPoints"]
    counts = {name: point[name] for name in ("DeliveryAttempts", "Bounces", "Complaints", "Rejects")}
    assert counts == {"DeliveryAttempts": 2, "Bounces": 1, "Complaints": 1, "Rejects": 0}
