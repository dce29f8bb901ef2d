"""A queue with its dead letters, and who may put something into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

KEPT = Duration.days(14)  # the longest that SQS keeps anything: whoever comes to look has that long


def queue(scope: Construct, id: str, name: str, key: kms.IKey | None, *, tries: int, visible: int) -> sqs.Queue:
    """`tries` receptions, then the dead letters `NAME-dead`; `visible` seconds a message is its receiver's."""
    dead = dead_letters(scope, f"{id}Dead", f"{name}-dead", key)
    return sqs.Queue(
        scope,
        id,
        queue_name=name,
        visibility_timeout=Duration.seconds(visible),
        receive_message_wait_time=Duration.seconds(20),
        retention_period=KEPT,
        dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=tries),
        **_sealed(key),
    )


def dead_letters(scope: Construct, id: str, name: str, key: kms.IKey | None) -> sqs.Queue:
    return sqs.Queue(scope, id, queue_name=name, retention_period=KEPT, **_sealed(key))


def _sealed(key: kms.IKey | None) -> dict[str, Any]:
    """`enforce_ssl` is the statement that denies everybody everything without TLS."""
    if key is None:
        return {"encryption": sqs.QueueEncryption.SQS_MANAGED, "enforce_ssl": True}
    return {"encryption": sqs.QueueEncryption.KMS, "encryption_master_key": key, "enforce_ssl": True}


def only_from_topics(queue: sqs.IQueue, topics: Sequence[str]) -> None:
    """SNS's service, for these topics of this account; not everybody with a condition, as the account S4 had it."""
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            sid="OnlyOurTopics",
            principals=[iam.ServicePrincipal("sns.amazonaws.com")],
            actions=["sqs:SendMessage"],
            resources=[queue.queue_arn],
            conditions={
                "ArnEquals": {"aws:SourceArn": list(topics)},
                "StringEquals": {"aws:SourceAccount": Stack.of(queue).account},
            },
        )
    )
