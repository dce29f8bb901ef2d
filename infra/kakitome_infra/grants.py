"""Who may do what: one list of statements for each function, and nothing by wildcard without a reason in `WHOLE`."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from kakitome.ledgers.dynamodb import schema
from kakitome_infra.campaigns import CampaignTables
from kakitome_infra.events import Events
from kakitome_infra.parameters import Parameters
from kakitome_infra.references import roles, secrets
from kakitome_infra.sending import Sending
from kakitome_infra.storage import Storage

WHOLE = {
    "ses:GetAccount": "has no resource: an account's quota",
    "ecr:GetAuthorizationToken": "has no resource: the word at a registry's door; what is behind it is one repository",
    "ec2:CreateNetworkInterface": "Lambda joins a function to a network with it, and AWS asks for it on all",
    "ec2:DescribeNetworkInterfaces": "as above",
    "ec2:DescribeSubnets": "as above",
    "ec2:DeleteNetworkInterface": "as above",
    "ec2:AssignPrivateIpAddresses": "as above",
    "ec2:UnassignPrivateIpAddresses": "as above",
    "dynamodb:ListStreams": "has no resource, and Lambda asks for it before it reads a stream",
    "logs:CreateLogDelivery": "log deliveries have no resource; asked of Step Functions",
    "logs:GetLogDelivery": "as above",
    "logs:UpdateLogDelivery": "as above",
    "logs:DeleteLogDelivery": "as above",
    "logs:ListLogDeliveries": "as above",
    "logs:PutResourcePolicy": "as above",
    "logs:DescribeResourcePolicies": "as above",
    "logs:DescribeLogGroups": "as above",
}
"""Actions that may stand beside the resource `*`, with the reason. *Service Authorization Reference*."""

READ = ("GetItem", "BatchGetItem", "Query")
WRITE = ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "ConditionCheckItem")
# A transaction is allowed by its parts, a batch by its own name.


def allow(actions: Sequence[str], *resources: str, **conditions: object) -> iam.PolicyStatement:
    return iam.PolicyStatement(actions=list(actions), resources=list(resources), conditions=conditions)


class Grants:
    """Statements by what a function is for. `key`: what is encrypted with it must be readable, too."""

    def __init__(
        self, parameters: Parameters, storage: Storage, sending: Sending, events: Events, key: kms.IKey | None
    ) -> None:
        self._parameters, self._storage, self._sending, self._events = parameters, storage, sending, events
        self._key = key
        self._campaigns = CampaignTables(parameters, storage, key)

    def plan(self) -> list[iam.PolicyStatement]:
        """Also what its account may send: so many children are started. It begins campaigns."""
        own = [*self._ledger(), *self._campaigns.making()]
        return [*own, self._list(), _quota(), *self._named(), *self._encrypted()]

    def child(self) -> list[iam.PolicyStatement]:
        return [*self._ledger(), self._list(), *self._send(), self._ring(), *self._named("lanes"), *self._encrypted()]

    def finish(self) -> list[iam.PolicyStatement]:
        return [*self._ledger(), self._ring(), *self._named(), *self._encrypted()]

    def worker(self) -> list[iam.PolicyStatement]:
        queues = (self._sending.bulk.queue_arn, self._sending.transactional.queue_arn)
        return [*self.child(), _receive(*queues)]

    def container(self) -> list[iam.PolicyStatement]:
        """A worker as a process also does what the sweep does, and tells people."""
        return [*self.worker(), *self._secrets("alerts", "owners")]

    def events(self) -> list[iam.PolicyStatement]:
        return [*self._ledger(), _receive(self._events.queue.queue_arn), *self._named(), *self._encrypted()]

    def sweep(self) -> list[iam.PolicyStatement]:
        return [*self._ledger(), self._ring(), _quota(), *self._named("alerts", "owners"), *self._encrypted()]

    def api(self) -> list[iam.PolicyStatement]:
        return [*self._ledger(), self._ring(), *self._named("http", "events"), *self._encrypted()]

    def feed(self, dead: str) -> list[iam.PolicyStatement]:
        stream = self._storage.ledger.table_stream_arn
        assert stream is not None
        read = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
        listed = allow(["dynamodb:ListStreams"], "*")
        # Its table is asked which stream it has: IAM enforced on the emulator found this missing.
        described = allow(["dynamodb:DescribeTable"], self._storage.ledger.table_arn)
        own = [allow(read, stream), described, listed, allow(["sqs:SendMessage"], dead)]
        return [*own, *self._campaigns.streams(), *self._ledger(), *self._named(), *self._encrypted()]

    def _ledger(self) -> list[iam.PolicyStatement]:
        """No Scan: an index answers, or the question is not asked."""
        table = self._storage.ledger.table_arn
        indexes = [f"{table}/index/{name}" for name in schema.INDEXES]
        own = allow([f"dynamodb:{action}" for action in (*READ, *WRITE)], table)
        return [own, allow(["dynamodb:Query"], *indexes), *self._campaigns.items()]

    def _list(self) -> iam.PolicyStatement:
        return allow(["s3:GetObject", "s3:GetObjectVersion"], self._storage.bucket.arn_for_objects("*"))

    def _ring(self) -> iam.PolicyStatement:
        queues = (self._sending.bulk.queue_arn, self._sending.transactional.queue_arn)
        return allow(["sqs:SendMessage", "sqs:GetQueueUrl"], *queues)

    def _send(self) -> list[iam.PolicyStatement]:
        """By our identities and with our configuration set, or not at all."""
        verbs = ["ses:SendEmail", "ses:SendRawEmail", "ses:SendBulkEmail"]
        send = [allow(verbs, *self._sending.identities, self._sending.set_arn)] if self._sending.identities else []
        return [*send, _quota()]

    def _named(self, *tables: str) -> list[iam.PolicyStatement]:
        """The secrets of these tables, and what everybody opens: the doorbell, and an account of another role."""
        return [*self._secrets("queue", *tables), *roles(self._parameters.settings)]

    def _secrets(self, *tables: str) -> list[iam.PolicyStatement]:
        return secrets(self._storage, self._parameters.settings, *tables)

    def _encrypted(self) -> list[iam.PolicyStatement]:
        return [allow(["kms:Decrypt", "kms:GenerateDataKey"], self._key.key_arn)] if self._key else []


def _quota() -> iam.PolicyStatement:
    return allow(["ses:GetAccount"], "*")


def _receive(*queues: str) -> iam.PolicyStatement:
    verbs = ("ReceiveMessage", "DeleteMessage", "ChangeMessageVisibility", "GetQueueAttributes")
    return allow([f"sqs:{verb}" for verb in verbs], *queues)
