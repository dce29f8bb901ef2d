"""A synthesised template, asked as one would ask the account."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Template:
    body: dict[str, Any]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Resources by logical id: `of("SQS::Queue")`."""
        return {id: one for id, one in self.body["Resources"].items() if one["Type"] == f"AWS::{kind}"}

    def properties(self, kind: str) -> list[dict[str, Any]]:
        return [one.get("Properties", {}) for one in self.of(kind).values()]

    def only(self, kind: str) -> dict[str, Any]:
        (found,) = self.properties(kind)
        return found

    def named(self, kind: str, key: str, name: str) -> dict[str, Any]:
        (found,) = [one for one in self.properties(kind) if one.get(key) == name]
        return found

    def id(self, kind: str, key: str, name: str) -> str:
        (found,) = [id for id, one in self.of(kind).items() if one["Properties"].get(key) == name]
        return found

    def role_statements(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each statement that a role of the stack has, with the role's or the policy's logical id."""
        for id, role in self.of("IAM::Role").items():
            for policy in role["Properties"].get("Policies", []):
                for statement in policy["PolicyDocument"]["Statement"]:
                    yield id, statement
        for id, policy in self.of("IAM::Policy").items():
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
                yield id, statement

    def of_function(self, word: str) -> list[dict[str, Any]]:
        """What the role of one function may do."""
        return [one for id, one in self.role_statements() if id.startswith(f"Lambda{word.capitalize()}Role")]


def many(value: Any) -> list[Any]:
    """IAM writes one as itself."""
    return value if isinstance(value, list) else [value]


def text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
