"""SES API v2, judged with boto3's own client and botocore's service model."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.exceptions import ClientError
from playground import READER, SENDER, Stage, mail, stage

SIMPLE = {
    "Simple": {"Subject": {"Data": "件名 ①"}, "Body": {"Text": {"Data": "本文"}, "Html": {"Data": "<p>本文</p>"}}}
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Stage]:
    with stage() as simulator:
        yield simulator


@pytest.fixture
def simulator(shared: Stage) -> Stage:
    shared.remote.reset()
    return shared


@pytest.fixture(scope="module")
def client(shared: Stage) -> Iterator[Any]:
    with shared.sesv2() as client:
        yield client


@pytest.fixture
def ses(simulator: Stage, client: Any) -> Any:
    return client


def request(content: dict[str, Any] = SIMPLE, **more: Any) -> dict[str, Any]:
    return {"FromEmailAddress": SENDER, "Destination": {"ToAddresses": [READER]}, "Content": content} | more


def refused(ses: Any, **asked: Any) -> tuple[int, str]:
    with pytest.raises(ClientError) as caught:
        ses.send_email(**asked)
    answer = caught.value.response
    return answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]


def said(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content()).strip()


def test_simple_content_with_tags(ses: Any, simulator: Stage) -> None:
    """SendEmail answers a MessageId; tags named ours stand in the judge's line."""
    tags = [{"Name": "kakitome_message", "Value": "m1"}, {"Name": "kakitome_attempt", "Value": "a1"}]
    answer = ses.send_email(**request(EmailTags=tags, ConfigurationSetName="set"))
    (line,) = simulator.simulator.accepted
    assert line.provider_message_id == answer["MessageId"]
    assert answer["ResponseMetadata"]["RequestId"]
    assert (line.message, line.attempt, line.subject) == ("m1", "a1", "件名 ①")
    assert (line.sender, line.recipient, line.header_message_id) == (SENDER, READER, None)


def test_raw_content_keeps_its_bytes(ses: Any, simulator: Stage) -> None:
    """Raw content is hashed as it came; recipients come from the header when Destination is absent, Bcc among them."""
    body = mail(Bcc='"a..b."@docomo.ne.jp', Message_ID="<ours@example.com>")
    ses.send_email(Content={"Raw": {"Data": body}})
    lines = simulator.simulator.accepted
    assert [line.recipient for line in lines] == [READER, '"a..b."@docomo.ne.jp']
    assert {line.size for line in lines} == {len(body)}
    assert {line.header_message_id for line in lines} == {"<ours@example.com>"}


def test_the_destination_goes_before_the_header(ses: Any, simulator: Stage) -> None:
    """With Destination the header's recipients get nothing; To, Cc and Bcc all count, each address once."""
    destination = {"ToAddresses": ["A <a@example.com>"], "CcAddresses": ["b@example.com"]}
    destination["BccAddresses"] = ["c@example.com", "a@example.com"]
    ses.send_email(Content={"Raw": {"Data": mail()}}, Destination=destination)
    assert [line.recipient for line in simulator.simulator.accepted] == [f"{name}@example.com" for name in "abc"]


def test_equal_simple_content_has_equal_hashes(ses: Any, simulator: Stage) -> None:
    """A mail that was sent twice can be told from two mails."""
    attachment = {"RawContent": b"%PDF", "FileName": "請求書.pdf", "ContentType": "application/pdf"}
    content = {"Simple": SIMPLE["Simple"] | {"Attachments": [attachment]}}
    for _ in range(2):
        ses.send_email(**request(content))
    ses.send_email(**request())
    one, two, other = (line.sha256 for line in simulator.simulator.accepted)
    assert one == two != other


def test_the_mailbox_shows_the_mail_that_ses_would_send(tmp_path: Path) -> None:
    """Simple content arrives whole: subject, both bodies, own header field, attachment with its name."""
    attachment = {"RawContent": b"\x00\xff", "FileName": "請求書.bin"}
    simple = SIMPLE["Simple"] | {"Attachments": [attachment], "Headers": [{"Name": "List-Id", "Value": "<x.example>"}]}
    with stage(mailbox=tmp_path) as simulator, simulator.sesv2() as ses:
        sent = ses.send_email(**request({"Simple": simple}, ReplyToAddresses=["help@example.com"]))
    seen = message_from_bytes((tmp_path / f"{sent['MessageId']}.eml").read_bytes(), policy=policy.default)
    assert (seen["subject"], seen["to"], seen["reply-to"], seen["list-id"]) == (
        "件名 ①",
        READER,
        "help@example.com",
        "<x.example>",
    )
    assert seen["message-id"] == f"<{sent['MessageId']}@email.amazonses.com>"
    assert said(seen, "plain") == "本文"
    assert said(seen, "html") == "<p>本文</p>"
    assert [(part.get_filename(), part.get_content()) for part in seen.iter_attachments()] == [
        ("請求書.bin", b"\x00\xff")
    ]


@pytest.mark.parametrize(
    "asked",
    [
        request(EmailTags=[{"Name": "a b", "Value": "x"}]),
        request(EmailTags=[{"Name": "a", "Value": "x" * 257}]),
        request(Destination={"ToAddresses": ["a..b@docomo.ne.jp"]}),
        request(Destination={"ToAddresses": ["髙@example.com"]}),
        request(Destination={}),
        request(FromEmailAddress="nobody"),
        request({}),
        request({"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "Message-ID", "Value": "<a@b>"}]}}),
        request({"Simple": SIMPLE["Simple"] | {"Headers": [{"Name": "X-A", "Value": "a\r\nBcc: b@c.example"}]}}),
        request({"Simple": {"Subject": {"Data": "x"}, "Body": {}}}),
    ],
)
def test_bad_input_is_a_bad_request(ses: Any, simulator: Stage, asked: dict[str, Any]) -> None:
    """400 BadRequestException, and nothing is accepted."""
    assert refused(ses, **asked) == (400, "BadRequestException")
    assert simulator.simulator.accepted == []


def test_an_unknown_template_is_not_found(ses: Any) -> None:
    """There are no templates in this form of the simulator."""
    assert refused(ses, **request({"Template": {"TemplateName": "x"}})) == (404, "NotFoundException")


def test_faults_have_the_names_of_the_service_model(ses: Any, simulator: Stage) -> None:
    """Each refusal comes back as the exception that the SDK knows, with its status."""
    model = botocore.session.get_session().get_service_model("sesv2").operation_model("SendEmail")
    known = {shape.name: shape.metadata["error"]["httpStatusCode"] for shape in model.error_shapes}
    wanted = {"throttle": "TooManyRequestsException", "daily_quota": "TooManyRequestsException"}
    wanted |= {"suspend": "AccountSuspendedException", "sandbox": "MessageRejected"}
    wanted |= {f"error:{name}": name for name in known}
    for spec, name in wanted.items():
        simulator.remote.faults([spec])
        assert refused(ses, **request()) == (known[name], name)
    assert simulator.simulator.accepted == []


def test_get_account_has_the_shape_of_the_service_model(simulator: Stage, ses: Any) -> None:
    """GetAccount tells rate, quota and what was used; unlimited is -1 as AWS documents it."""
    ses.send_email(**request())
    simulator.remote.limit(rate=14, quota=1000)
    account = ses.get_account()
    assert account["SendQuota"] == {"Max24HourSend": 1000.0, "MaxSendRate": 14.0, "SentLast24Hours": 1.0}
    assert (account["ProductionAccessEnabled"], account["SendingEnabled"]) == (True, True)
    model = botocore.session.get_session().get_service_model("sesv2").operation_model("GetAccount")
    assert set(account) - {"ResponseMetadata"} <= set(model.output_shape.members)
    simulator.remote.limit(rate=None, quota=None)
    assert ses.get_account()["SendQuota"]["Max24HourSend"] == -1.0


def test_who_waits_for_a_look_can_count_them(simulator: Stage, ses: Any) -> None:
    """Every answer to what the account may is counted, and a change says how many there were before it."""
    ses.get_account()
    before = simulator.remote.limit(rate=14)["limits_told"]
    assert before == 1
    assert ses.get_account()["SendQuota"]["MaxSendRate"] == 14.0
    assert simulator.remote.state()["limits_told"] == before + 1


def test_other_operations_are_unknown(ses: Any) -> None:
    """What is not played is a clean 404 in AWS's form."""
    with pytest.raises(ClientError) as caught:
        ses.list_contact_lists()
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 404
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


def test_a_request_without_signature_is_forbidden(simulator: Stage) -> None:
    """403 in AWS's form; the body is not looked at."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{simulator.remote.url}/v2/email/outbound-emails", data=b"{}")
    with caught.value as answer:
        assert (answer.code, answer.headers["x-amzn-ErrorType"]) == (403, "MissingAuthenticationTokenException")
        assert json.loads(answer.read()) == {"message": "Missing Authentication Token"}


def test_a_large_mail_is_taken(ses: Any, simulator: Stage) -> None:
    """Ten megabytes of raw content pass."""
    ses.send_email(**request({"Raw": {"Data": mail() + b"x\r\n" * 3_500_000}}))
    assert simulator.simulator.accepted[0].size > 10_000_000
