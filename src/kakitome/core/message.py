"""The records that pass between the verbs and the ledger. Times are integers: milliseconds since 1970, UTC."""

from __future__ import annotations

from typing import Any

import msgspec

from kakitome.core.ids import Fence, MessageId, RunId, SubmissionId
from kakitome.core.lifecycle import Cause, State
from kakitome.core.policy import Policy


class NewMessage(msgspec.Struct, frozen=True):
    """One envelope recipient. `address` is what goes into RCPT TO; `hash` is the keyed hash of its canonical form.
    `pace` names what else the recipient's domain is paced by ("": nothing)."""

    address: str
    hash: int
    pace: str = ""


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller hands in once; becomes one message per envelope recipient.

    `content` is the stored form of what to render (JSON). With a `key`, the same key and `body_hash` within the
    key's life name the same messages; the same key with another body is refused.
    """

    run: RunId
    messages: tuple[NewMessage, ...]
    content: bytes
    key: str | None = None
    body_hash: str = ""
    key_until: int = 0
    due: int = 0
    expires: int | None = None
    reference: str | None = None


class Admitted(msgspec.Struct, frozen=True):
    """`fresh` is false where the key was known: the ids are those of the first time."""

    submission: SubmissionId
    messages: tuple[MessageId, ...]
    fresh: bool = True


class Claimed(msgspec.Struct, frozen=True):
    """A message in a worker's hands, with all that it takes to render and send it.

    `attempts` counts those before this one. `first_claimed` never changes: the Date of every copy. `submission` is
    set for single mails; `variables` (JSON, `{}` where there are none) for rows of a list.
    """

    id: MessageId
    fence: Fence
    run: RunId
    address: str
    attempts: int
    first_claimed: int
    expires: int | None
    submission: SubmissionId | None
    variables: bytes


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended. `due` is when the message may be claimed again, or when its doubt is looked at first.

    `outcome` is the outcome as JSON (with the provider's whole reply), written to the attempt whatever its fence.
    """

    id: MessageId
    fence: Fence
    cause: Cause
    due: int | None = None
    provider_id: str | None = None
    outcome: bytes = b"null"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign, or a stream's endless run of single mails."""

    id: RunId
    name: str
    stream: str
    state: str  # campaigns: importing, ready, running, paused, done, cancelled; streams: running, paused
    policy: Policy
    campaign: bool = False
    template: int | None = None  # the pinned template version
    pinned: bytes = b"{}"  # what else the run fixed at its start (JSON): sender, list, variables
    created: int = 0


class MessageView(msgspec.Struct, frozen=True, kw_only=True):
    """A message as reads show it. `address` is None once retention or erasure took it; `accepted`: when the ledger took
    it in, in milliseconds."""

    id: MessageId
    accepted: int
    run: RunId
    run_name: str
    stream: str
    campaign: bool
    submission: SubmissionId | None
    address: str | None
    line: int | None
    state: State
    due: int
    attempts: int
    fence: Fence
    first_claimed: int | None
    expires: int | None
    copies_possible: bool
    delivery: bytes
    reference: str | None = None


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    message: MessageId
    fence: Fence
    worker: str
    lane: str
    begun: int
    settled: int | None
    proved: int | None
    cause: Cause | None
    provider_id: str | None
    outcome: bytes


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A journal entry. About one message, or (on the bulk path) about a batch: then `data["ids"]` names them."""

    seq: int
    at: int
    kind: str
    run: RunId | None = None
    message: MessageId | None = None
    data: dict[str, Any]
