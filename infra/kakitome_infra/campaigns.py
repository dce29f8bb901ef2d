"""The tables that campaigns have for themselves: made and thrown away by the ledger, known here by their names.

They begin with the name of the ledger's own table; those of a ledger that was restored with that of the table it was
restored from. Of none of them anything is asked but by name: nobody lists the account's tables.
"""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms

from kakitome.ledgers.dynamodb import schema
from kakitome_infra.parameters import Parameters
from kakitome_infra.storage import Storage

ITEMS = ("GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")
STREAM = ("DescribeStream", "GetRecords", "GetShardIterator")
MAKING = (
    *("CreateTable", "DeleteTable", "DescribeTable"),  # of two who begin one campaign the second deletes its own
    *("DescribeTimeToLive", "UpdateTimeToLive", "UpdateContinuousBackups"),
)
SEALING = ("Encrypt", "Decrypt", "ReEncryptFrom", "ReEncryptTo", "GenerateDataKey", "DescribeKey", "CreateGrant")


class CampaignTables:
    """Statements; none where campaigns have no tables."""

    def __init__(self, parameters: Parameters, storage: Storage, key: kms.IKey | None) -> None:
        self._ledger, self._key = storage.ledger.table_arn, key
        self._stack = Stack.of(storage)
        self._made = [f"{self._ledger}-*"] if parameters.campaign_tables == "own" else []
        self._arns = [*self._made, *self._of(parameters.given.origin)]

    def _of(self, origin: str) -> list[str]:
        named = f"{origin}-*"
        return [self._stack.format_arn(service="dynamodb", resource="table", resource_name=named)] if origin else []

    def items(self) -> list[iam.PolicyStatement]:
        """What every function does with rows."""
        indexes = [f"{arn}/index/{name}" for arn in self._arns for name in schema.INDEXES]
        return [*_allow(ITEMS, self._arns), *_allow(("Query",), indexes)]

    def streams(self) -> list[iam.PolicyStatement]:
        """For who counts."""
        found = [f"{arn}/stream/*" for arn in self._arns]
        return [*_allow(STREAM, found), *_allow(("DescribeTable",), self._arns)]

    def making(self) -> list[iam.PolicyStatement]:
        """For who begins campaigns: like the ledger's own table, which is asked how it is made. Nobody in the stack
        throws one away that was in use; that is a person's."""
        if not self._made:
            return []
        asked = _allow(("DescribeTable", "DescribeContinuousBackups"), [self._ledger])
        return [*_allow(MAKING, self._made), *asked, *self._sealing()]

    def _sealing(self) -> list[iam.PolicyStatement]:
        """*Amazon DynamoDB Developer Guide*, "Authorizing use of your customer managed key". By DynamoDB alone."""
        if self._key is None:
            return []
        by = {"StringEquals": {"kms:ViaService": f"dynamodb.{self._stack.region}.amazonaws.com"}}
        verbs = [f"kms:{verb}" for verb in SEALING]
        return [iam.PolicyStatement(actions=verbs, resources=[self._key.key_arn], conditions=by)]


def _allow(verbs: tuple[str, ...], arns: list[str]) -> list[iam.PolicyStatement]:
    return [iam.PolicyStatement(actions=[f"dynamodb:{verb}" for verb in verbs], resources=arns)] if arns else []
