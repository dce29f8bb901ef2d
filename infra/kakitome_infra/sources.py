"""What makes functions run: doorbells, events, the ledger's stream, the clock, HTTP."""

from __future__ import annotations

from collections.abc import Mapping

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from kakitome_infra.events import Events
from kakitome_infra.grants import allow
from kakitome_infra.sending import Sending
from kakitome_infra.storage import Storage

BATCH = 10  # what one SQS request brings
EVENTS = 100  # together: a mail's events that come together are one write of it, and share the batch's
WINDOW_SECONDS = 10  # that events are waited for; doubts are settled by minutes
FEED = 500


def rings(scope: Construct, worker: lambdas.Alias, sending: Sending, workers: int) -> None:
    """Each doorbell by itself, so that a list keeps no booking waiting."""
    if not workers:
        return
    for id, queue in (("Bulk", sending.bulk), ("Transactional", sending.transactional)):
        _messages(scope, f"Ring{id}", worker, queue, workers)


def provider_events(scope: Construct, function: lambdas.Alias, events: Events, by: str) -> None:
    """By the queue, which waits as long as it must; or by SNS itself, which gives up after its retries (to the dead
    letters)."""
    if by == "queue":
        _messages(scope, "EventsQueued", function, events.queue, None, together=EVENTS, window=WINDOW_SECONDS)
        return
    for n, topic in enumerate(events.topics):
        lambdas.CfnPermission(
            scope,
            f"EventsAllowed{n}",
            action="lambda:InvokeFunction",
            function_name=function.function_arn,
            principal="sns.amazonaws.com",
            source_arn=topic.topic_arn,
            source_account=Stack.of(scope).account,
        )
        sns.CfnSubscription(
            scope, f"EventsTold{n}", topic_arn=topic.topic_arn, protocol="lambda", endpoint=function.function_arn
        )


def _messages(
    scope: Construct,
    id: str,
    function: lambdas.Alias,
    queue: sqs.IQueue,
    most: int | None,
    *,
    together: int = BATCH,
    window: int = 0,
) -> None:
    """What fails comes back alone: a batch's other messages are not seen twice for it."""
    lambdas.EventSourceMapping(
        scope,
        id,
        target=function,
        event_source_arn=queue.queue_arn,
        batch_size=together,
        max_batching_window=Duration.seconds(window) if window else None,
        report_batch_item_failures=True,
        max_concurrency=most,
    )


def feed(scope: Construct, function: lambdas.Alias, storage: Storage, dead: sqs.IQueue) -> None:
    """Every change of the ledger, in each item's order. A batch that cannot be read is halved; what is left goes to the
    dead letters, so that one bad record does not stop the feed for a day."""
    made = lambdas.EventSourceMapping(
        scope,
        "Feed",
        target=function,
        event_source_arn=storage.ledger.table_stream_arn,
        starting_position=lambdas.StartingPosition.TRIM_HORIZON,
        batch_size=FEED,
        max_batching_window=Duration.seconds(1),
        bisect_batch_on_error=True,
        retry_attempts=10,
        report_batch_item_failures=True,
    )
    # CDK's own way would put the grant into a second policy, for which the mapping does not wait.
    made.node.default_child.add_property_override("DestinationConfig.OnFailure.Destination", dead.queue_arn)


def each_minute(scope: Construct, name: str, functions: Mapping[str, lambdas.Alias]) -> None:
    """Those functions, each by a schedule of its own."""
    every = [one.function_arn for one in functions.values()]
    role = iam.Role(
        scope,
        "ClockRole",
        assumed_by=iam.ServicePrincipal(
            "scheduler.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(scope).account}}
        ),
        inline_policies={"Own": iam.PolicyDocument(statements=[allow(["lambda:InvokeFunction"], *every)])},
    )
    for word, function in functions.items():
        scheduler.CfnSchedule(
            scope,
            "Clock" if word == "sweep" else f"Clock{word.capitalize()}",
            name=f"{name}-{word}",
            schedule_expression="rate(1 minute)",
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                # The next minute comes anyway; a pass of an hour ago is of no use.
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_retry_attempts=0, maximum_event_age_in_seconds=60
                ),
            ),
        )


def address(scope: Construct, function: lambdas.Alias) -> None:
    """An address of its own for the API, whose bearer keys are checked by the API itself."""
    url = function.add_function_url(auth_type=lambdas.FunctionUrlAuthType.NONE)
    CfnOutput(scope, "ApiUrl", value=url.url)
