"""What a deployment may choose, and what it brings along instead of having it made.

All of it is CDK context (`-c key=value`, or `context` of cdk.json), so that two deployments differ in one place. Keys
of `Given` are written `given.bucket`; lists with commas. A key that is not known is an error: a misspelt `given`
would make a second bucket in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

FOREIGN = ("aws:", "aws-cdk:", "@aws-cdk", "cdk-")  # context that CDK itself puts there
SECRET = ("password", "secret", "api_key", "token", "slack", "webhook", "__keys", "sendgrid_keys")
REFERENCES = ("secretsmanager:arn:", "ssm:")
KEYS = "KAKITOME_HTTP__KEYS"
CAMPAIGN_TABLES = "KAKITOME_LEDGER__CAMPAIGN_TABLES"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is there already. Nothing that is given is changed, encrypted anew or removed with the stack."""

    bucket: str = ""  # name
    mails: str = ""  # table's name
    ledger: str = ""  # table's name: one that was restored
    stream: str = ""  # ARN of its stream, with new and old images
    origin: str = ""  # name of the table that it was restored from, if campaigns have tables of that name
    configuration_set: str = ""  # name
    topics: tuple[str, ...] = ()  # ARNs that the set's events go to already: no destination is made then
    queue: str = ""  # ARN of the queue that the topics feed already
    identities: tuple[str, ...] = ()  # domains and addresses that are verified already
    key: str = ""  # ARN of a KMS key
    vpc: str = ""  # id; with its zones, subnets and security groups
    zones: tuple[str, ...] = ()
    subnets: tuple[str, ...] = ()
    security_groups: tuple[str, ...] = ()
    alarms: str = ""  # ARN of the topic that alarms go to


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Sizes are rows, times seconds, retention days. `rows_per_child=1, concurrency=10, wait=1, child="standard"` is
    the form of the account S2; what it costs is in docs/operate/aws.md."""

    stack: str = "Kakitome"
    name: str = "kakitome"  # begins every physical name
    code: str = "../build/lambda"
    runtime: str = "python3.13"
    architecture: Literal["arm64", "x86_64"] = "arm64"
    sender: str = ""  # of lists whose item has no `from`
    identities: tuple[str, ...] = ()  # to be made, with DKIM
    configuration_set: str = "MarketingMailsConfigurationSet"
    encryption: Literal["aws", "own"] = "aws"  # own: a KMS key of the stack's
    campaign_tables: Literal["shared", "own"] = "shared"  # own: a table for each campaign's rows
    child: Literal["express", "standard"] = "express"
    rows_per_child: int = 100
    concurrency: int = 0  # children at once; 0: as many as the account's rate keeps busy, which the plan says
    wait: int = 0
    tolerated: int = 5  # percent of children that may fail; finish counts their rows
    wait_until_done: bool = False
    events_by: Literal["queue", "function"] = "queue"
    api: Literal["none", "url"] = "none"
    workers: int = 10  # functions at most at once, for each of the two queues; 0: containers alone
    containers: int = 0  # workers as processes, on ECS
    containers_most: int = 0  # above `containers`: as many as their CPU asks for
    image: str = ""  # of the Dockerfile, where ECS can pull it
    log_days: int = 90
    alarms: bool = True
    settings: Mapping[str, str] = field(default_factory=dict)  # more `KAKITOME_…` of the functions' environment
    given: Given = field(default_factory=Given)

    def __post_init__(self) -> None:
        if self.child == "express" and self.wait:
            raise ValueError("An express child is billed by its time: with wait, take child=standard.")
        if self.given.vpc and not (self.given.zones and self.given.subnets):
            raise ValueError("given.vpc needs given.zones and given.subnets: synth asks no account for them.")
        if bool(self.given.ledger) != bool(self.given.stream):
            raise ValueError("given.ledger and given.stream go together: counters are folded from the table's stream.")
        if self.given.origin and not self.given.ledger:
            raise ValueError("given.origin says what given.ledger was restored from, and there is none.")
        if CAMPAIGN_TABLES in self.settings:
            raise ValueError("campaign_tables is a parameter, for it needs grants: -c campaign_tables=own.")
        if self.containers and not (self.image and self.given.vpc):
            raise ValueError("containers need an image, and given.vpc with its zones and subnets.")
        if not (self.workers or self.containers):
            raise ValueError("workers is 0, and there are no containers: nobody would send what waits.")
        _check(self.settings)
        if self.api == "url" and KEYS not in self.settings:
            raise ValueError(f"api=url needs {KEYS} in settings: ssm:NAME or secretsmanager:ARN. Nobody could ask it.")

    @classmethod
    def of(cls, context: Mapping[str, Any]) -> Parameters:
        """From CDK's context. Raises `ValueError`, naming the key."""
        own = {key: value for key, value in context.items() if not key.startswith(FOREIGN)}
        given = {key.removeprefix("given."): own.pop(key) for key in list(own) if key.startswith("given.")}
        return cls(**_read(cls, own), given=Given(**_read(Given, given)))


def _check(settings: Mapping[str, str]) -> None:
    """Only settings that are read as such: `KAKITOME_API_KEY=ssm:…` would be a key that everybody can guess."""
    for key, value in settings.items():
        if not key.startswith("KAKITOME_") or "__" not in key:
            raise ValueError(f"{key} is no setting; one is written KAKITOME_TABLE__KEY.")
        named = all(part.startswith(REFERENCES) for part in value.split(","))
        if key.lower().endswith(SECRET) and not named:
            raise ValueError(f"{key} would be a secret in a function's environment. Name where it is: ssm:NAME.")


def _read(table: type, context: Mapping[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(table)
    known = {one.name for one in fields(table)} - {"given"}
    if unknown := set(context) - known:
        raise ValueError(f"There is no parameter {sorted(unknown)[0]}. Known: {', '.join(sorted(known))}.")
    return {key: _value(key, hints[key], value) for key, value in context.items()}


def _value(key: str, kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal and value not in get_args(kind):
        raise ValueError(f"{key} is {value!r}; it must be one of {', '.join(get_args(kind))}.")
    if get_origin(kind) is tuple:
        return (
            tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else tuple(value)
        )
    if get_origin(kind) is not None and isinstance(value, str) and value.startswith("{"):
        return json.loads(value)
    if kind is bool:
        return str(value).lower() == "true"
    return int(value) if kind is int else value
