"""What the API answers, as values. Members that a newer server adds are passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class KakitomeApiError(Exception):
    """The API refused, or could not be reached.

    `status` is the HTTP status, 0 where no answer came: then it is not known whether the mail was taken, and the same
    call with the same `idempotency_key` asks again without harm. `problem` has the members of the RFC 9457 problem;
    `kind` is its type, such as `address` or `idempotency-conflict`.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], idempotency_key: str | None = None) -> None:
        super().__init__(status, problem, idempotency_key)
        self.status = status
        self.problem = dict(problem)
        self.idempotency_key = idempotency_key

    @property
    def kind(self) -> str:
        return str(self.problem.get("type", ""))

    def __str__(self) -> str:
        return f"{self.status or 'No answer'}: {self.problem.get('detail') or self.problem.get('title') or self.kind}"


@dataclass(frozen=True, slots=True)
class Handle:
    """One recipient's message."""

    id: str
    recipient: str | None
    status: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The mail is durable. Store `id`: it is the way to ask for the status. It went with this `idempotency_key`."""

    id: str
    messages: tuple[Handle, ...]
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class MessageStatus:
    """`status` is one word for people (`queued, sending, sent, delivered, delayed, bounced, complained, failed,
    suppressed, cancelled, expired, needs_attention`), out of `state` and `delivery`. `timeline` is as the API tells
    it, oldest first."""

    id: str
    recipient: str | None
    status: str
    state: str
    delivery: str | None
    attempts: int
    timeline: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Status:
    id: str
    messages: tuple[MessageStatus, ...]


def read_sent(answer: Mapping[str, Any], key: str) -> Sent:
    handles = tuple(Handle(m["id"], m["recipient"], m["status"]) for m in answer["messages"])
    return Sent(answer["id"], handles, key)


def read_status(answer: Mapping[str, Any]) -> Status:
    return Status(answer["id"], tuple(_message(message) for message in answer["messages"]))


def _message(told: Mapping[str, Any]) -> MessageStatus:
    return MessageStatus(
        id=told["id"],
        recipient=told["recipient"],
        status=told["status"],
        state=told["state"],
        delivery=told["delivery"],
        attempts=told["attempts"],
        timeline=tuple(told["timeline"]),
    )
