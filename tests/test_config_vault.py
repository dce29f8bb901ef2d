"""Secrets that AWS keeps, and roles that AWS lends: asked of an emulator that obeys its own policies."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import pytest

from emulator import KEYS, REGION, emulator
from kakitome.config import load, secret, vault
from kakitome.core.errors import ConfigurationError
from kakitome.core.outcome import Unavailability
from kakitome.lanes import lanes_of, transport_of
from kakitome.transports.aws_credentials import AwsCredentials, Role
from kakitome.transports.opening import Unreached

PASSWORD = "correct horse"


class Place(NamedTuple):
    url: str
    arn: str
    ours: str
    nobody: tuple[str, str]
    """Keys of a user who may do nothing."""

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        return boto3.client(service, region_name=REGION, endpoint_url=self.url, **keys)


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTH", "true")  # the emulator obeys policies
        with emulator(tmp_path_factory.mktemp("vault")) as there:
            place = Place(there.url, "", "", ("", ""))
            arn = place.client("secretsmanager").create_secret(Name="kakitome/office", SecretString=PASSWORD)["ARN"]
            place.client("ssm").put_parameter(Name="/kakitome/office", Value=PASSWORD + "\n", Type="SecureString")
            iam = place.client("iam")
            iam.create_user(UserName="nobody")
            key = iam.create_access_key(UserName="nobody")["AccessKey"]
            trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}}
            policy = json.dumps({"Version": "2012-10-17", "Statement": [trust | {"Action": "sts:AssumeRole"}]})
            ours = iam.create_role(RoleName="mail", AssumeRolePolicyDocument=policy)["Role"]["Arn"]
            yield place._replace(arn=arn, ours=ours, nobody=(key["AccessKeyId"], key["SecretAccessKey"]))


@pytest.fixture
def place(_place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": _place.url, "AWS_REGION": REGION}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    vault.forget()
    return _place


def as_nobody(place: Place, patch: pytest.MonkeyPatch) -> None:
    patch.setenv("AWS_ACCESS_KEY_ID", place.nobody[0])
    patch.setenv("AWS_SECRET_ACCESS_KEY", place.nobody[1])


def unread(reference: str) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        secret(reference, "lanes.office.password")
    assert PASSWORD not in str(caught.value) and caught.value.data["key"] == "lanes.office.password"
    return caught.value


def test_a_secret_is_where_its_reference_says(place: Place) -> None:
    """In Secrets Manager by its ARN, in the Parameter Store by its name or ARN; a line end behind it is not part of
    it."""
    parameter = f"arn:aws:ssm:{REGION}:000000000000:parameter/kakitome/office"
    for reference in (f"secretsmanager:{place.arn}", "ssm:/kakitome/office", f"ssm:{parameter}"):
        assert secret(reference, "lanes.office.password") == PASSWORD


def test_a_region_is_that_of_the_arn(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the one who asks may be."""
    monkeypatch.delenv("AWS_REGION")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nowhere")
    assert secret(f"secretsmanager:{place.arn}", "lanes.office.password") == PASSWORD
    assert "AWS_REGION" in str(unread("ssm:/kakitome/office"))


def test_a_secret_is_asked_for_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process: who is gone meanwhile is not missed."""
    assert secret("ssm:/kakitome/office", "queue.password") == PASSWORD
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert secret("ssm:/kakitome/office", "queue.password") == PASSWORD


def test_what_was_not_found_is_asked_for_again(place: Place) -> None:
    """A person may have put it there meanwhile."""
    assert "none of this name" in str(unread("ssm:/kakitome/late"))
    place.client("ssm").put_parameter(Name="/kakitome/late", Value="here", Type="SecureString")
    assert secret("ssm:/kakitome/late", "queue.password") == "here"


@pytest.mark.parametrize(
    ("kind", "permission"), [("secretsmanager", "secretsmanager:GetSecretValue"), ("ssm", "ssm:GetParameter")]
)
def test_an_error_says_what_to_allow(place: Place, monkeypatch: pytest.MonkeyPatch, kind: str, permission: str) -> None:
    """The permission by its name, and on what."""
    as_nobody(place, monkeypatch)
    name = {"secretsmanager": place.arn, "ssm": "/kakitome/office"}[kind]
    error = unread(f"{kind}:{name}")
    assert f"Allow whoever runs this {permission} on {name}" in str(error)


def test_a_key_that_may_not_be_used_is_another_permission() -> None:
    """Secrets Manager and the Parameter Store say it in words of their own."""
    for said in ("Access to KMS is not allowed", "The ciphertext refers to a customer master key that does not exist"):
        told = vault.refused("ssm", "/x", {"Code": "AccessDeniedException", "Message": said})
        assert "kms:Decrypt" in told.remedy and said in told.what


def test_a_secret_is_in_no_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    """Of ours at any level; of the SDK's at those that anybody sees."""
    caplog.set_level(logging.DEBUG, "kakitome")
    caplog.set_level(logging.INFO)
    secret(f"secretsmanager:{place.arn}", "lanes.office.password")
    secret("ssm:/kakitome/office", "lanes.office.password")
    assert PASSWORD not in caplog.text


def test_a_lane_has_the_password_that_aws_keeps(place: Place, tmp_path: Path) -> None:
    """The configuration is read without asking AWS; who opens the lane asks."""
    file = tmp_path / "kakitome.toml"
    lane = '[lanes.office]\nprovider = "smtp"\nhost = "127.0.0.1"\nusername = "k"\npassword = "ssm:/kakitome/none"\n'
    file.write_text(lane)
    config = load(file, {})
    with pytest.raises(ConfigurationError, match=r"lanes\.office\.password is ssm:/kakitome/none"):
        transport_of(config, lanes_of(config)["office"], tmp_path, None)  # type: ignore[arg-type]


def test_a_role_is_taken_on(place: Place) -> None:
    """With the chain's keys; the keys are AWS's for that role, and kept while they are good."""
    credentials = AwsCredentials(role=Role(place.ours, REGION))

    async def twice() -> list[str]:
        return [(await credentials.keys()).access for _ in range(2)]

    first, second = asyncio.run(twice())
    assert first == second and first.startswith("ASIA")


def test_a_role_that_is_not_given_is_an_illness(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the lane, which says what it takes."""
    as_nobody(place, monkeypatch)
    with pytest.raises(Unreached) as caught:
        asyncio.run(AwsCredentials(role=Role(place.ours, REGION)).keys())
    outcome = caught.value.outcome
    assert outcome.reason is Unavailability.CREDENTIALS and outcome.reply is not None
    assert f"sts:AssumeRole on {place.ours}" in outcome.reply.text


@pytest.mark.parametrize(
    ("lines", "key"),
    [
        (['provider = "smtp"', 'host = "127.0.0.1"', 'password = "hush"'], "password"),
        (['provider = "smtp"', 'host = "127.0.0.1"', 'password = "secretsmanager:kakitome/office"'], "password"),
        (['provider = "ses"', 'region = "us-east-1"', 'assume_role = "mail"'], "assume_role"),
        (['provider = "outbox"', 'assume_role = "arn:aws:iam::000000000000:role/mail"'], "assume_role"),
    ],
)
def test_what_leads_nowhere_is_said_at_the_start(tmp_path: Path, lines: list[str], key: str) -> None:
    """With the key, and before AWS is asked; a secret that stands there itself is not shown."""
    file = tmp_path / "kakitome.toml"
    file.write_text("\n".join(["[lanes.out]", *lines]))
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    assert caught.value.data["key"] == f"lanes.out.{key}" and "hush" not in str(caught.value)
