"""AWS's own keys, a key that is given, or one of the stack's own that SES and SNS may use."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from kakitome_infra.parameters import Parameters


def key(scope: Construct, parameters: Parameters) -> kms.IKey | None:
    """A given key's policy must allow `ses.amazonaws.com`, `sns.amazonaws.com` and the region's logs, as ours does."""
    if parameters.given.key:
        return kms.Key.from_key_arn(scope, "Key", parameters.given.key)
    if parameters.encryption == "aws":
        return None
    made = kms.Key(scope, "Key", enable_key_rotation=True, removal_policy=RemovalPolicy.RETAIN)
    stack = Stack.of(scope)
    for service in ("ses.amazonaws.com", "sns.amazonaws.com"):
        made.add_to_resource_policy(
            iam.PolicyStatement(
                principals=[iam.ServicePrincipal(service)],
                actions=["kms:GenerateDataKey", "kms:Decrypt"],
                resources=["*"],  # in a key's policy: this key
                conditions={"StringEquals": {"aws:SourceAccount": stack.account}},
            )
        )
    groups = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:/kakitome/{parameters.name}/*"
    made.add_to_resource_policy(
        iam.PolicyStatement(
            principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
            actions=["kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
            resources=["*"],
            conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": groups}},
        )
    )
    return made
