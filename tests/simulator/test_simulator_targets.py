"""Where events are brought, and in which form: SNS and SQS of an AWS endpoint, both signatures, raw, confirmations."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from playground import READER, stage, subscriber, verify

from kakitome_simulator import OptionError
from kakitome_simulator.clock import Accelerated, SystemClock, real
from kakitome_simulator.fate import Turn
from kakitome_simulator.targets import target

TOPIC = "arn:aws:sns:us-east-1:123456789012:events"
DOMAIN = "simulator.example"


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """An emulator of SNS and SQS, on a port of its own; its whole process group ends with the tests."""
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    command = Path(sys.executable).with_name("ministack")
    with subprocess.Popen(
        [command], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            until = time.monotonic() + 30
            while not _listens(port):
                assert process.poll() is None and time.monotonic() < until, "the emulator did not start"
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _listens(port: int) -> bool:
    with closing(socket.socket()) as connection:
        connection.settimeout(0.2)
        return connection.connect_ex(("127.0.0.1", port)) == 0


def client(service: str, endpoint: str) -> Any:
    session = boto3.Session("key", "secret", region_name="us-east-1")
    return session.client(service, endpoint_url=endpoint, config=Config(proxies={}))


def received(sqs: Any, queue: str, count: int) -> list[str]:
    """The bodies of the next messages."""
    bodies: list[str] = []
    for _ in range(50):
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=1)
        bodies += [message["Body"] for message in answer.get("Messages", [])]
        if len(bodies) >= count:
            return bodies
    pytest.fail(f"only {len(bodies)} of {count} messages came")


def kinds(bodies: list[str]) -> list[str]:
    return sorted(json.loads(json.loads(body)["Message"])["eventType"] for body in bodies)


def test_events_go_to_a_queue_as_sns_brings_them(aws: str) -> None:
    """The envelope in SQS is signed and the certificate is served; the same events as over HTTP."""
    with closing(client("sqs", aws)) as sqs:
        queue = sqs.create_queue(QueueName="direct")["QueueUrl"]
        with stage(events_urls=(f"sqs:{queue}@{aws}",)) as simulator:
            simulator.send(f"bounce+1@{DOMAIN}")
            bodies = received(sqs, queue, 2)
            certificate = simulator.remote.certificate()
    assert kinds(bodies) == ["Bounce", "Send"]
    for body in bodies:
        verify(json.loads(body), certificate)


def test_events_go_to_a_topic_and_from_there_to_its_queues(aws: str) -> None:
    """Published by SigV4: to the topic that was named, and to those of event destinations where there are some."""
    with closing(client("sns", aws)) as sns, closing(client("sqs", aws)) as sqs:
        arns, queues = {}, {}
        for name in ("usual", "bounces"):
            arns[name] = sns.create_topic(Name=name)["TopicArn"]
            queues[name] = sqs.create_queue(QueueName=name)["QueueUrl"]
            arn = sqs.get_queue_attributes(QueueUrl=queues[name], AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
            sns.subscribe(TopicArn=arns[name], Protocol="sqs", Endpoint=arn)
        with stage(events_urls=(f"sns:{arns['usual']}@{aws}",)) as simulator, simulator.sesv2() as ses:
            simulator.send()
            assert kinds(received(sqs, queues["usual"], 2)) == ["Delivery", "Send"]
            ses.create_configuration_set(ConfigurationSetName="set")
            destination = {
                "Enabled": True,
                "MatchingEventTypes": ["BOUNCE"],
                "SnsDestination": {"TopicArn": arns["bounces"]},
            }
            ses.create_configuration_set_event_destination(
                ConfigurationSetName="set", EventDestinationName="d", EventDestination=destination
            )
            (validated,) = received(sqs, queues["bounces"], 1)
            assert json.loads(validated)["Message"].startswith("Successfully validated SNS topic")
            simulator.send(f"bounce+1@{DOMAIN}", X_SES_CONFIGURATION_SET="set")
            assert kinds(received(sqs, queues["bounces"], 1)) == ["Bounce"]


def test_both_signature_versions_verify() -> None:
    """Version 1 is SHA-1 over the same text; each verifies with its own hash only."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,), signature_version=1) as simulator:
        simulator.send()
        first = json.loads(inbox.post()[1])
        inbox.post()
        simulator.remote.events_as(signature_version=2)
        simulator.send()
        second = json.loads(inbox.post()[1])
        certificate = simulator.remote.certificate()
    assert (first["SignatureVersion"], second["SignatureVersion"]) == ("1", "2")
    verify(second, certificate)
    key = x509.load_pem_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    names = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
    signed = "".join(f"{name}\n{first[name]}\n" for name in names).encode()
    key.verify(base64.b64decode(first["Signature"]), signed, padding.PKCS1v15(), hashes.SHA1())


def test_raw_delivery_is_the_message_alone() -> None:
    """No envelope; the header says that it is so."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,), raw_delivery=True) as simulator:
        simulator.send()
        headers, body = inbox.post()
    assert headers["x-amz-sns-rawdelivery"] == "true"
    assert json.loads(body)["mail"]["destination"] == [READER]


def test_an_identitys_notifications_have_their_own_form() -> None:
    """`notificationType`, no tags, and of bounces, complaints and deliveries only."""
    with subscriber() as inbox, stage(events_urls=(inbox.url,), event_form="notificationType") as simulator:
        simulator.send(f"complaint+1@{DOMAIN}")
        told = inbox.events(2)
    assert sorted(one["notificationType"] for one in told) == ["Complaint", "Delivery"]
    assert all("eventType" not in one and "tags" not in one["mail"] for one in told)


def test_every_type_of_event_can_be_played() -> None:
    """All ten of SES's event publishing, each with its object."""
    objects = {
        "send": "Send", "delivery": "Delivery", "delivery_delay": "DeliveryDelay", "bounce": "Bounce",
        "complaint": "Complaint", "open": "Open", "click": "Click", "reject": "Reject", "failure": "Rendering Failure",
        "subscription": "Subscription",
    }  # fmt: skip
    with subscriber() as inbox, stage() as simulator:
        simulator.send()
        simulator.remote.events_to(inbox.url)
        for turn in Turn:
            simulator.remote.play(turn.value, recipient=READER)
        told = inbox.events(len(Turn))
    assert {one["eventType"] for one in told} == set(objects.values())
    for one in told:
        inner = {"DeliveryDelay": "deliveryDelay", "Rendering Failure": "failure"}
        assert inner.get(one["eventType"], one["eventType"].lower()) in one


def test_a_subscriber_confirms_by_the_api() -> None:
    """Asked as SNS asks, signed; ConfirmSubscription with the token makes it a subscriber. Fetching the URL shows."""
    with subscriber() as inbox, stage() as simulator:
        assert simulator.remote.ask_to_confirm(inbox.url, TOPIC) == 200
        headers, body = inbox.post()
        envelope = json.loads(body)
        assert headers["x-amz-sns-message-type"] == envelope["Type"] == "SubscriptionConfirmation"
        with closing(client("sns", simulator.remote.url)) as sns:
            with pytest.raises(sns.exceptions.ClientError):
                sns.confirm_subscription(TopicArn=TOPIC, Token="another")
            answer = sns.confirm_subscription(TopicArn=TOPIC, Token=envelope["Token"])
        assert answer["SubscriptionArn"].startswith(TOPIC)
        (asked,) = simulator.remote.subscriptions()
        assert (asked["confirmed"], asked["fetched"]) == (True, False)
        simulator.send()
        assert {event["eventType"] for event in inbox.events(2)} == {"Send", "Delivery"}
        with urllib.request.urlopen(envelope["SubscribeURL"]):
            assert simulator.remote.subscriptions()[0]["fetched"]


@pytest.mark.parametrize(
    "text", ["sns:arn@http://127.0.0.1", f"sns:{TOPIC}", "sqs:queue@http://127.0.0.1", "http://example.com/", "x"]
)
def test_what_is_no_target_is_said(text: str) -> None:
    """At the start, not with the first event."""
    with pytest.raises(OptionError):
        target(text)


def test_waiting_goes_by_the_simulators_clock() -> None:
    """An hour of delay is short where the clock runs fast, and event times are the clock's."""
    clock = Accelerated(36_000)
    assert real(3600, clock) == pytest.approx(0.1)
    assert real(3600, SystemClock()) == 3600
    with subscriber() as inbox, stage(clock=clock, events_urls=(inbox.url,), event_delay=3600) as simulator:
        simulator.remote.faults(["slow:3600"])
        simulator.send()
        at = inbox.event()["mail"]["timestamp"]
        assert at == simulator.simulator.accepted[0].at
