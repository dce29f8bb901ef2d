"""What somebody sets up at SES, and what it does to mails and events: lists, sets, suppression, identities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from playground import READER, SENDER, HandClock, Stage, Subscriber, mail, stage, subscriber

TOPIC = "arn:aws:sns:us-east-1:123456789012:bounces"
OTHER = "arn:aws:sns:us-east-1:123456789012:deliveries"
PLAY = "bounce+1@simulator.example"


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Stage, Any]]:
    with stage() as simulator, simulator.sesv2() as client:
        yield simulator, client


@pytest.fixture
def simulator(shared: tuple[Stage, Any]) -> Stage:
    shared[0].remote.reset()
    shared[0].remote.events_to()
    return shared[0]


@pytest.fixture
def ses(simulator: Stage, shared: tuple[Stage, Any]) -> Any:
    return shared[1]


def entry(number: int, data: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    replaced = json.dumps({"name": f"読者 {number}"} if data is None else data)
    content = {"ReplacementTemplate": {"ReplacementTemplateData": replaced}}
    to = {"ToAddresses": [f"reader-{number}@example.com"]}
    return {"Destination": to, "ReplacementEmailContent": content} | more


def bulk(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    template = {"TemplateContent": {"Subject": "{{name}} 様", "Html": "<p>{{ name }}</p>"}}
    default = {"Template": template | more.pop("Template", {})}
    return {"FromEmailAddress": SENDER, "DefaultContent": default, "BulkEmailEntries": list(entries)} | more


def statuses(answer: dict[str, Any]) -> list[str]:
    return [result["Status"] for result in answer["BulkEmailEntryResults"]]


def send(ses: Any, to: str = READER, **more: Any) -> str:
    return str(
        ses.send_email(Content={"Raw": {"Data": mail()}}, Destination={"ToAddresses": [to]}, **more)["MessageId"]
    )


def route(ses: Any, name: str, topic: str, *kinds: str) -> None:
    destination = {"Enabled": True, "MatchingEventTypes": list(kinds), "SnsDestination": {"TopicArn": topic}}
    ses.create_configuration_set_event_destination(
        ConfigurationSetName="set", EventDestinationName=name, EventDestination=destination
    )


def topics(inbox: Subscriber, count: int) -> list[tuple[str, str]]:
    """Topic and type of the next events."""
    envelopes = [json.loads(inbox.post()[1]) for _ in range(count)]
    return sorted((one["TopicArn"], json.loads(one["Message"])["eventType"]) for one in envelopes)


# ── Lists ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_each_entry_is_a_mail_with_its_own_data_and_tags(ses: Any, simulator: Stage) -> None:
    """One request, as many mails; an entry's tags go before the request's."""
    tags = [{"Name": "kakitome_message", "Value": "m2"}]
    both = [entry(1), entry(2, ReplacementTags=tags)]
    answer = ses.send_bulk_email(**bulk(*both, DefaultEmailTags=[{"Name": "kakitome_message", "Value": "m"}]))
    assert statuses(answer) == ["SUCCESS", "SUCCESS"]
    lines = simulator.remote.accepted()
    assert [line.provider_message_id for line in lines] == [one["MessageId"] for one in answer["BulkEmailEntryResults"]]
    assert [(line.subject, line.message) for line in lines] == [("読者 1 様", "m"), ("読者 2 様", "m2")]


def test_what_is_wrong_with_one_entry_costs_the_others_nothing(ses: Any, simulator: Stage) -> None:
    """Bad address, bad tag, too many headers, a header field that is not for the caller: a status each."""
    wrong: list[dict[str, Any]] = [
        {"Destination": {"ToAddresses": ["a..b@docomo.ne.jp"]}},
        {"ReplacementTags": [{"Name": "a b", "Value": "x"}]},
        {"ReplacementHeaders": [{"Name": f"X-{place}", "Value": "x"} for place in range(16)]},
        {"ReplacementHeaders": [{"Name": "Subject", "Value": "x"}]},
    ]
    answer = ses.send_bulk_email(**bulk(entry(1), *(entry(2, **one) for one in wrong), entry(3)))
    assert statuses(answer) == ["SUCCESS", *["INVALID_PARAMETER"] * 4, "SUCCESS"]
    assert [line.recipient for line in simulator.remote.accepted()] == ["reader-1@example.com", "reader-3@example.com"]


def test_the_rate_counts_entries(ses: Any, simulator: Stage) -> None:
    """Three a second: the first three are taken, the rest throttled, each for itself."""
    simulator.remote.limit(rate=3)
    answer = ses.send_bulk_email(**bulk(*(entry(number) for number in range(5))))
    simulator.remote.limit(rate=None)
    assert statuses(answer) == ["SUCCESS"] * 3 + ["ACCOUNT_THROTTLED"] * 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("throttle", "ACCOUNT_THROTTLED"),
        ("daily_quota", "ACCOUNT_DAILY_QUOTA_EXCEEDED"),
        ("suspend", "ACCOUNT_SUSPENDED"),
        ("sandbox", "MESSAGE_REJECTED"),
        ("error:MessageRejected", "MESSAGE_REJECTED"),
        ("error:SendingPausedException", "ACCOUNT_SENDING_PAUSED"),
        ("error:TRANSIENT_FAILURE", "TRANSIENT_FAILURE"),
        ("error:TEMPLATE_NOT_FOUND", "TEMPLATE_NOT_FOUND"),
    ],
)
def test_faults_hit_entries(ses: Any, simulator: Stage, fault: str, status: str) -> None:
    """What is about a mail hits each entry by itself."""
    simulator.remote.faults([f"{fault}@recipient=reader-2@*"])
    assert statuses(ses.send_bulk_email(**bulk(entry(1), entry(2), entry(3)))) == ["SUCCESS", status, "SUCCESS"]


def test_faults_of_the_request_hit_it_once(ses: Any, simulator: Stage) -> None:
    """An HTTP status is an answer to the whole request: before or after all of it is accepted."""
    for fault, taken in (("error:500@count=1", 0), ("error_after_accept:502@count=1", 2)):
        simulator.remote.faults([fault])
        with pytest.raises(ClientError):
            ses.send_bulk_email(**bulk(entry(1), entry(2)))
        assert len(simulator.remote.accepted()) == taken
        assert statuses(ses.send_bulk_email(**bulk(entry(3)))) == ["SUCCESS"]
        simulator.remote.reset()


def test_what_the_data_lacks_is_told_as_an_event(ses: Any, simulator: Stage) -> None:
    """SES says yes, and that it could not render comes later."""
    with subscriber() as inbox:
        simulator.remote.events_to(inbox.url)
        assert statuses(ses.send_bulk_email(**bulk(entry(1, {})))) == ["SUCCESS"]
        event = inbox.event()
    assert event["eventType"] == "Rendering Failure"
    assert event["failure"]["errorMessage"] == "Attribute 'name' is not present in the rendering data."


def test_what_is_put_in_is_not_looked_at_again(ses: Any, simulator: Stage) -> None:
    """Neither escaped nor filled a second time."""
    ses.send_bulk_email(**bulk(entry(1, {"name": "<b>{{name}}</b> & co"})))
    assert simulator.remote.accepted()[0].subject == "<b>{{name}}</b> & co 様"


# ── Configuration sets ──────────────────────────────────────────────────────────────────────────────────────────────


def test_destinations_decide_where_events_go(ses: Any, simulator: Stage) -> None:
    """By type, to one topic or two; what no destination wants goes nowhere; only its set is concerned."""
    ses.create_configuration_set(ConfigurationSetName="set")
    route(ses, "bounces", TOPIC, "BOUNCE", "COMPLAINT")
    route(ses, "all", OTHER, "BOUNCE", "SEND")
    with subscriber() as inbox:
        simulator.remote.events_to(inbox.url)
        send(ses, PLAY, ConfigurationSetName="set")
        assert topics(inbox, 3) == [(TOPIC, "Bounce"), (OTHER, "Bounce"), (OTHER, "Send")]
        send(ses, ConfigurationSetName="set")
        assert topics(inbox, 1) == [(OTHER, "Send")]
        send(ses)
        assert [kind for _, kind in topics(inbox, 2)] == ["Delivery", "Send"]


def test_a_topic_is_told_that_it_was_validated(ses: Any, simulator: Stage) -> None:
    """A text and no JSON: every reader of the topic meets it once."""
    ses.create_configuration_set(ConfigurationSetName="set")
    with subscriber() as inbox:
        simulator.remote.events_to(inbox.url)
        route(ses, "bounces", TOPIC, "BOUNCE")
        envelope = json.loads(inbox.post()[1])
    assert envelope["TopicArn"] == TOPIC
    assert envelope["Message"] == "Successfully validated SNS topic for Amazon SES event publishing."


def test_an_unknown_set_is_refused_once_there_are_some(ses: Any, simulator: Stage) -> None:
    """Both ways in; with none set up, any name is taken. A set that is switched off refuses too."""
    send(ses, ConfigurationSetName="any")
    ses.create_configuration_set(ConfigurationSetName="set")
    send(ses, ConfigurationSetName="set")
    with pytest.raises(ses.exceptions.NotFoundException):
        send(ses, ConfigurationSetName="any")
    with simulator.smtp() as client:
        client.mail(SENDER)
        client.rcpt(READER)
        assert client.data(mail(X_SES_CONFIGURATION_SET="any"))[0] == 554
    ses.put_configuration_set_sending_options(ConfigurationSetName="set", SendingEnabled=False)
    with pytest.raises(ses.exceptions.SendingPausedException):
        send(ses, ConfigurationSetName="set")
    answer = ses.send_bulk_email(**bulk(entry(1), ConfigurationSetName="set"))
    assert statuses(answer) == ["CONFIGURATION_SET_SENDING_PAUSED"]


# ── Suppression ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_is_on_the_list_bounces_without_being_written_to(ses: Any, simulator: Stage) -> None:
    """Accepted, told as sent, and then Permanent/OnAccountSuppressionList; taken off, the mail arrives."""
    ses.put_suppressed_destination(EmailAddress="Reader@example.com", Reason="COMPLAINT")
    with subscriber() as inbox:
        simulator.remote.events_to(inbox.url)
        send(ses)
        events = {event["eventType"]: event for event in inbox.events(2)}
        assert set(events) == {"Send", "Bounce"}
        bounce = events["Bounce"]["bounce"]
        assert (bounce["bounceType"], bounce["bounceSubType"]) == ("Permanent", "OnAccountSuppressionList")
        ses.delete_suppressed_destination(EmailAddress=READER)
        send(ses)
        assert {event["eventType"] for event in inbox.events(2)} == {"Send", "Delivery"}


@pytest.mark.parametrize(
    ("reasons", "listed"), [(["BOUNCE", "COMPLAINT"], 2), (["BOUNCE"], 1), (["COMPLAINT"], 1), ([], 0)]
)
def test_the_list_learns_as_its_reasons_say(ses: Any, simulator: Stage, reasons: list[str], listed: int) -> None:
    """Own hard bounces and complaints; soft ones and the mailbox simulator never."""
    ses.put_account_suppression_attributes(SuppressedReasons=reasons)
    simulator.send(PLAY, "complaint+1@simulator.example", "soft+1@simulator.example", "bounce@simulator.amazonses.com")
    found = ses.list_suppressed_destinations()["SuppressedDestinationSummaries"]
    assert [one["Reason"] for one in found] == reasons
    assert simulator.remote.state()["suppressed"] == listed


def test_a_set_may_have_reasons_of_its_own(ses: Any, simulator: Stage) -> None:
    """Its mails go by them and not by the account's."""
    ses.create_configuration_set(ConfigurationSetName="set", SuppressionOptions={"SuppressedReasons": []})
    send(ses, PLAY, ConfigurationSetName="set")
    assert simulator.remote.state()["suppressed"] == 0
    send(ses, PLAY)
    assert ses.get_suppressed_destination(EmailAddress=PLAY)["SuppressedDestination"]["Attributes"]["MessageId"]


def test_the_list_comes_in_pages(ses: Any) -> None:
    """Each address once, over as many requests as it takes."""
    names = [f"a{number}@example.com" for number in range(5)]
    for name in names:
        ses.put_suppressed_destination(EmailAddress=name, Reason="BOUNCE")
    pages = []
    token: dict[str, str] = {}
    while True:
        page = ses.list_suppressed_destinations(PageSize=2, **token)
        pages.append([one["EmailAddress"] for one in page["SuppressedDestinationSummaries"]])
        if "NextToken" not in page:
            break
        token = {"NextToken": page["NextToken"]}
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [name for page in pages for name in page] == names


# ── Identities ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_domain_is_verified_when_its_records_are_found(ses: Any, simulator: Stage) -> None:
    """Three tokens, the same at every asking; nothing may be sent from it before."""
    made = ses.create_email_identity(EmailIdentity="example.com")
    assert len(set(made["DkimAttributes"]["Tokens"])) == 3
    assert (made["VerifiedForSendingStatus"], made["DkimAttributes"]["Status"]) == (False, "PENDING")
    with pytest.raises(ses.exceptions.MessageRejected, match="not verified"):
        send(ses)
    simulator.remote.find_identity("example.com")
    found = ses.get_email_identity(EmailIdentity="example.com")
    assert (found["VerifiedForSendingStatus"], found["DkimAttributes"]["Status"]) == (True, "SUCCESS")
    assert found["DkimAttributes"]["Tokens"] == made["DkimAttributes"]["Tokens"]
    assert send(ses)


def test_a_sandbox_writes_to_verified_identities(ses: Any, simulator: Stage) -> None:
    """Verified over there counts here, until it is deleted."""
    simulator.remote.limit(sandbox=True, rate=100)
    try:
        ses.create_email_identity(EmailIdentity=READER)
        simulator.remote.find_identity(READER)
        assert send(ses)
        ses.delete_email_identity(EmailIdentity=READER)
        with pytest.raises(ses.exceptions.MessageRejected):
            send(ses)
    finally:
        simulator.remote.limit(sandbox=False, rate=None)


def test_a_paused_account_says_so_everywhere(ses: Any, simulator: Stage) -> None:
    """PutAccountSendingAttributes, GetAccount, SendEmail."""
    ses.put_account_sending_attributes(SendingEnabled=False)
    try:
        assert ses.get_account()["SendingEnabled"] is False
        with pytest.raises(ses.exceptions.SendingPausedException):
            send(ses)
    finally:
        ses.put_account_sending_attributes(SendingEnabled=True)


def test_two_weeks_of_quarters_are_kept_and_not_in_order() -> None:
    """The clock is the simulator's: points follow it, and their order is not to be relied on."""
    clock = HandClock()
    with stage(clock=clock) as simulator:
        for _ in range(3):
            simulator.send()
            clock.seconds += 15 * 60
        points = simulator.simulator.statistics.points()
    times = [point.at for point in points]
    assert times != sorted(times)
    assert sorted(times)[1] - sorted(times)[0] == 15 * 60 * 1000
