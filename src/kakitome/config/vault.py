"""Secrets that AWS keeps: asked for by whoever needs one as it starts, once in a process, and kept in its memory alone.

*AWS Secrets Manager API Reference*, "GetSecretValue"; *AWS Systems Manager API Reference*, "GetParameter". Keys, region
and endpoint are those of the SDK's own chain; an ARN says its region itself.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Final

from kakitome.core.errors import ConfigurationError

KINDS: Final = ("secretsmanager", "ssm")
PERMISSION: Final = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_NOT_THERE: Final = ("ResourceNotFoundException", "ParameterNotFound", "ParameterVersionNotFound")


class Unread(Exception):
    """Why a secret was not found, and what to do; without the key that asks for it."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what, self.remedy = what, remedy


def kept(reference: str, key: str) -> str:
    """What AWS keeps under `secretsmanager:ARN` or `ssm:NAME`. Raises `ConfigurationError`, which names the reference,
    the permission that is missing, and never the secret. What was found holds until the process ends."""
    try:
        return _found(reference)
    except Unread as error:
        raise ConfigurationError(f"{key} is {reference}, {error.what}", error.remedy, key=key) from error.__cause__


def forget() -> None:
    """For tests: the next one asks again."""
    _found.cache_clear()


@cache
def _found(reference: str) -> str:
    kind, _, name = reference.partition(":")
    try:
        from botocore.exceptions import BotoCoreError, ClientError  # takes a tenth of a second
    except ImportError as error:
        raise Unread("and the AWS SDK is not installed.", "pip install 'kakitome[server,aws]'") from error
    try:
        return (_secret(name) if kind == "secretsmanager" else _parameter(name)).strip()
    except ClientError as error:
        raise refused(kind, name, error.response.get("Error", {})) from error
    except BotoCoreError as error:
        remedy = "AWS_REGION says where AWS is asked; keys come from the role of the machine, or AWS_PROFILE."
        raise Unread(f"and AWS could not be asked ({type(error).__name__}: {error}).", remedy) from error


def _secret(arn: str) -> str:
    found = _client("secretsmanager", arn).get_secret_value(SecretId=arn)
    if "SecretString" not in found:
        raise Unread("which holds bytes and no text.", "Store it as text: aws secretsmanager put-secret-value.")
    return str(found["SecretString"])


def _parameter(name: str) -> str:
    return str(_client("ssm", name).get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])


def _client(service: str, name: str) -> Any:
    from botocore.config import Config
    from botocore.session import Session

    parts = name.split(":")
    said = os.environ.get("AWS_REGION")  # as other SDKs, and Lambda, spell it; botocore knows AWS_DEFAULT_REGION only
    region = parts[3] if name.startswith("arn:") and len(parts) > 3 else said
    patience = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 4})
    return Session().create_client(service, region_name=region, config=patience)


def refused(kind: str, name: str, error: dict[str, str]) -> Unread:
    """AWS's answer; its own words name who asked, and hold no secret."""
    code, said = error.get("Code", ""), error.get("Message", "")
    if code in _DENIED and ("kms" in said.lower() or "ciphertext" in said.lower()):
        remedy = "Allow whoever runs this kms:Decrypt on the key that it is encrypted with."
        return Unread(f"and its key may not be used ({said}).", remedy)
    if code in _DENIED:
        return Unread(f"and AWS does not show it ({said}).", f"Allow whoever runs this {PERMISSION[kind]} on {name}.")
    if code in _NOT_THERE:
        return Unread("and there is none of this name.", "Look at its name, its region and its account.")
    return Unread(f"and AWS answers {code}: {said}", "The next start asks again.")
