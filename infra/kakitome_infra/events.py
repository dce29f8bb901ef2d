"""The way of what SES tells: configuration set → four destinations → four topics → one queue."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_ses as ses
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from kakitome_infra.parameters import Parameters
from kakitome_infra.queues import only_from_topics, queue
from kakitome_infra.sending import Sending

DESTINATIONS = {
    "BounceComplaintDestination": ("bounce", "complaint", "reject"),
    "EmailActionDestination": ("open", "click"),
    "EmailDeliveryDestination": ("delivery",),
    # `send` is the evidence that settles doubts; the rest says why a mail is not yet, or never, delivered.
    "EmailEvidenceDestination": ("send", "renderingFailure", "deliveryDelay", "subscription"),
}
"""The first three are named, and divided, as in the account S2."""

EVENTS_SECONDS = 30
VISIBLE = 6 * EVENTS_SECONDS + 60  # and the time that they are waited for
TRIES = 20  # an hour of a ledger that cannot be written; then the dead letters


class Events(Construct):
    """A destination is made where its topic is made; a queue that is given is fed already."""

    def __init__(self, scope: Construct, parameters: Parameters, sending: Sending, key: kms.IKey | None) -> None:
        super().__init__(scope, "Events")
        given = parameters.given
        if given.topics:
            self.topics = [sns.Topic.from_topic_arn(self, f"Topic{n}", arn) for n, arn in enumerate(given.topics)]
        else:
            self.topics = [self._topic(parameters.name, word, sending, key) for word in DESTINATIONS]
        self.made = (
            None
            if given.queue
            else queue(self, "Queue", f"{parameters.name}-events", key, tries=TRIES, visible=VISIBLE)
        )
        self.queue: sqs.IQueue = self.made or sqs.Queue.from_queue_arn(self, "Queue", given.queue)
        if self.made is not None and parameters.events_by == "queue":
            self._subscribe(self.made, self.topics)

    def _topic(self, name: str, destination: str, sending: Sending, key: kms.IKey | None) -> sns.ITopic:
        word = destination.removesuffix("Destination")
        topic = sns.Topic(
            self, word, topic_name=f"{name}-{word}", master_key=key, enforce_ssl=True, signature_version="2"
        )
        topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OnlyOurConfigurationSet",
                principals=[iam.ServicePrincipal("ses.amazonaws.com")],
                actions=["sns:Publish"],
                resources=[topic.topic_arn],
                conditions={
                    "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                    "ArnEquals": {"aws:SourceArn": sending.set_arn},
                },
            )
        )
        made = ses.CfnConfigurationSetEventDestination(
            self,
            destination,
            configuration_set_name=sending.set_name,
            event_destination=ses.CfnConfigurationSetEventDestination.EventDestinationProperty(
                name=destination,
                enabled=True,
                matching_event_types=list(DESTINATIONS[destination]),
                sns_destination=ses.CfnConfigurationSetEventDestination.SnsDestinationProperty(
                    topic_arn=topic.topic_arn
                ),
            ),
        )
        if sending.set is not None:
            made.add_resource_dependency(sending.set)
        made.node.add_dependency(topic)  # and its policy: SES tries the topic when the destination is made
        return topic

    def _subscribe(self, to: sqs.Queue, topics: Sequence[sns.ITopic]) -> None:
        """With SNS's envelope around each event, for its signature is checked."""
        arns = [topic.topic_arn for topic in topics]
        assert to.dead_letter_queue is not None
        dead = to.dead_letter_queue.queue
        only_from_topics(to, arns)
        only_from_topics(dead, arns)
        for n, topic in enumerate(topics):
            subscription = sns.CfnSubscription(
                self,
                f"Subscription{n}",
                topic_arn=topic.topic_arn,
                protocol="sqs",
                endpoint=to.queue_arn,
                raw_message_delivery=False,
                redrive_policy={"deadLetterTargetArn": dead.queue_arn},
            )
            subscription.node.add_dependency(to)
