"""Keys come through the SDK's own chain, when they are needed, and their absence is the lane's illness."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials

from kakitome.core.outcome import Unavailability
from kakitome.core.sigv4 import Keys
from kakitome.transports.aws_credentials import AwsCredentials
from kakitome.transports.opening import Unreached


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", raising=False)
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", raising=False)
    return tmp_path


def _reason(credentials: AwsCredentials) -> Unavailability:
    with pytest.raises(Unreached) as caught:
        asyncio.run(credentials.keys())
    return caught.value.outcome.reason


def test_keys_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the session token, where there is one."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert asyncio.run(AwsCredentials().keys()) == Keys("AKIA1", "secret", "token")


def test_keys_of_a_profile(_nothing_of_this_machine: Path) -> None:
    """`aws:PROFILE`; what was found is kept until AWS refuses it, and then looked for again."""
    file = _nothing_of_this_machine / "credentials"
    file.write_text("[hotel]\naws_access_key_id = AKIA1\naws_secret_access_key = one\n")
    credentials = AwsCredentials("hotel")
    assert asyncio.run(credentials.keys()) == Keys("AKIA1", "one")
    file.write_text("[hotel]\naws_access_key_id = AKIA2\naws_secret_access_key = two\n")
    assert asyncio.run(credentials.keys()).access == "AKIA1"
    credentials.forget()
    assert asyncio.run(credentials.keys()) == Keys("AKIA2", "two")


def test_no_keys_are_an_illness_until_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of a search that found nothing."""
    credentials = AwsCredentials()
    assert _reason(credentials) is Unavailability.CREDENTIALS
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIA1")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    assert asyncio.run(credentials.keys()).access == "AKIA1"


def test_a_profile_that_is_not_there_is_an_illness(_nothing_of_this_machine: Path) -> None:
    """As is half a pair of keys; both can be put right while we run."""
    assert _reason(AwsCredentials("nobody")) is Unavailability.CREDENTIALS
    (_nothing_of_this_machine / "credentials").write_text("[half]\naws_access_key_id = AKIA1\n")
    assert _reason(AwsCredentials("half")) is Unavailability.CREDENTIALS


def test_keys_that_end_are_renewed_outside_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role's keys are asked for over the network: the mails on the wire do not wait for that."""
    asked_in: list[int] = []

    def role() -> dict[str, str]:
        asked_in.append(threading.get_ident())
        soon = datetime.now(UTC) + timedelta(minutes=5)  # within the SDK's window for renewal
        key = f"AKIA{len(asked_in)}"
        return {"access_key": key, "secret_key": "s", "token": "t", "expiry_time": soon.isoformat()}

    found = RefreshableCredentials.create_from_metadata(role(), role, "assume-role")
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: found)

    async def twice() -> tuple[Keys, Keys]:
        credentials = AwsCredentials()
        return await credentials.keys(), await credentials.keys()

    first, second = asyncio.run(twice())
    assert (first.access, second.access) == ("AKIA2", "AKIA3")
    assert threading.get_ident() not in asked_in[1:]
