"""Where things are kept: lists, mails written by hand, the ledger. All of it outlives the stack."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from kakitome.ledgers.dynamodb import schema
from kakitome_infra.parameters import Parameters

TEXT = dynamodb.AttributeType.STRING
OLD_LISTS = 30  # days that replaced versions are kept: no run lasts so long
RESULTS = 90  # days


class Storage(Construct):
    """Point-in-time recovery and deletion protection for both tables; a bucket that only TLS reaches."""

    def __init__(self, scope: Construct, parameters: Parameters, key: kms.IKey | None) -> None:
        super().__init__(scope, "Storage")
        given = parameters.given
        self._key = key
        self.bucket = s3.Bucket.from_bucket_name(self, "Lists", given.bucket) if given.bucket else self._lists()
        self.ledger: dynamodb.ITable = (
            dynamodb.Table.from_table_attributes(self, "Ledger", table_name=given.ledger, table_stream_arn=given.stream)
            if given.ledger
            else self._ledger(f"{parameters.name}-ledger")
        )
        self.mails = (
            dynamodb.Table.from_table_name(self, "Mails", given.mails)
            if given.mails
            else self._table("Mails", f"{parameters.name}-mails", partition="mail_id")
        )

    def _lists(self) -> s3.Bucket:
        """Versioned, so that a run reads the list that it counted, whatever is put in its place."""
        return s3.Bucket(
            self,
            "Lists",
            versioned=True,
            encryption=s3.BucketEncryption.KMS if self._key else s3.BucketEncryption.S3_MANAGED,
            encryption_key=self._key,
            bucket_key_enabled=True if self._key else None,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            removal_policy=RemovalPolicy.RETAIN,
            lifecycle_rules=[
                s3.LifecycleRule(
                    noncurrent_version_expiration=Duration.days(OLD_LISTS),
                    abort_incomplete_multipart_upload_after=Duration.days(1),
                ),
                s3.LifecycleRule(prefix="results/", expiration=Duration.days(RESULTS)),
            ],
        )

    def _ledger(self, name: str) -> dynamodb.Table:
        table = self._table(
            "Ledger",
            name,
            partition=schema.TABLE.pk,
            sort=schema.TABLE.sk,
            stream=dynamodb.StreamViewType.NEW_AND_OLD_IMAGES,
            time_to_live_attribute=schema.EXPIRES,
        )
        for index, keys in schema.INDEXES.items():
            table.add_global_secondary_index(
                index_name=index,
                partition_key=dynamodb.Attribute(name=keys.pk, type=TEXT),
                sort_key=dynamodb.Attribute(name=keys.sk, type=TEXT),
                projection_type=dynamodb.ProjectionType.INCLUDE,
                non_key_attributes=list(schema.INCLUDED),
            )
        return table

    def _table(self, id: str, name: str, *, partition: str, sort: str = "", **more: object) -> dynamodb.Table:
        return dynamodb.Table(
            self,
            id,
            table_name=name,
            partition_key=dynamodb.Attribute(name=partition, type=TEXT),
            sort_key=dynamodb.Attribute(name=sort, type=TEXT) if sort else None,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=True,
            removal_policy=RemovalPolicy.RETAIN,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED if self._key else dynamodb.TableEncryption.DEFAULT,
            encryption_key=self._key,
            **more,
        )
