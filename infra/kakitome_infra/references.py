"""What settings name and do not hold: secrets that AWS keeps, roles that AWS lends. Who needs one may have it."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

PERMISSIONS = {"secretsmanager": "secretsmanager:GetSecretValue", "ssm": "ssm:GetParameter"}


def secrets(scope: Construct, settings: Mapping[str, str], *tables: str) -> list[iam.PolicyStatement]:
    """To read exactly those that settings of these tables name (`KAKITOME_LANES__…` is of the table `lanes`)."""
    found: dict[str, set[str]] = {}
    for key, value in settings.items():
        if _table(key) not in tables:
            continue
        for kind, _, name in (part.strip().partition(":") for part in value.split(",")):
            if kind in PERMISSIONS:
                found.setdefault(kind, set()).add(_arn(scope, kind, name))
    return [
        iam.PolicyStatement(actions=[PERMISSIONS[kind]], resources=sorted(arns)) for kind, arns in sorted(found.items())
    ]


def roles(settings: Mapping[str, str]) -> list[iam.PolicyStatement]:
    """To take on exactly the roles of the lanes."""
    named = {value for key, value in settings.items() if _table(key) == "lanes" and key.endswith("__ASSUME_ROLE")}
    return [iam.PolicyStatement(actions=["sts:AssumeRole"], resources=sorted(named))] if named else []


def _table(key: str) -> str:
    return key.removeprefix("KAKITOME_").partition("__")[0].lower()


def _arn(scope: Construct, kind: str, name: str) -> str:
    if kind == "secretsmanager" or name.startswith("arn:"):
        return name
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:ssm:{stack.region}:{stack.account}:parameter/{name.removeprefix('/')}"
