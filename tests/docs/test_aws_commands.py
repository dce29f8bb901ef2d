"""Commands of AWS's and the CDK's command line in the documents: each exists, with the options that it is given."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterator
from dataclasses import fields
from itertools import pairwise
from typing import Any

import botocore.session
from botocore import xform_name
from documents import DOCUMENTS, ROOT, fences

sys.path.append(str(ROOT / "infra"))  # behind PYTHONPATH, where a mutant stands

from kakitome.ledgers.dynamodb.schema import EXPIRES
from kakitome_infra.parameters import Given, Parameters

GLOBAL = {"query", "region", "output", "profile"}
FILES = {("s3", "cp"), ("s3", "ls"), ("s3", "sync")}  # of the command line's own


def commands(program: str) -> Iterator[list[str]]:
    """Each use of the program in a fence for a shell."""
    for document in DOCUMENTS:
        for fence in fences(document, "sh", "console"):
            text = fence.text.replace("\\\n", " ")
            for found in re.finditer(rf"^(?:\$ )?({program} (?:'[^']*'|\"[^\"]*\"|[^\n'\"])*)", text, re.MULTILINE):
                yield shlex.split(found[1])


def options(service: Any, verb: str) -> set[str]:
    """As the command line spells the members of an operation's input."""
    names = {xform_name(name, "-"): name for name in service.operation_names}
    members = service.operation_model(names[verb]).input_shape.members
    spelt = {xform_name(name, "-") for name in members}
    booleans = {xform_name(name, "-") for name, shape in members.items() if shape.type_name == "boolean"}
    return spelt | {f"no-{name}" for name in booleans} | GLOBAL


def test_every_command_of_aws_exists() -> None:
    """Service, operation or waiter, and each option."""
    session, seen = botocore.session.Session(), 0
    for _, service, verb, *rest in commands("aws"):
        seen += 1
        if (service, verb) in FILES:
            continue
        if verb == "wait":
            waiters = session.get_waiter_model(service).waiter_names
            assert rest[0] in {xform_name(name, "-") for name in waiters}, rest
            continue
        given = {word[2:] for word in rest if word.startswith("--")}
        assert given <= options(session.get_service_model(service), verb), (service, verb, given)
    assert seen >= 10


def test_every_parameter_of_the_stack_exists() -> None:
    """Of each `-c key=value`."""
    known = {one.name for one in fields(Parameters)} | {f"given.{one.name}" for one in fields(Given)}
    given = [word for command in commands("cdk") for before, word in pairwise(command) if before == "-c"]
    assert len(given) >= 4
    assert {word.partition("=")[0] for word in given} <= known


def test_a_restored_table_forgets_by_the_ledgers_attribute() -> None:
    """What expires is told by the schema's own name for it, and not by one that nothing has."""
    told = [word for command in commands("aws") for word in command if "AttributeName=" in word]
    assert told == [f"Enabled=true,AttributeName={EXPIRES}"]
