"""A function: its own role, its own log, and an alias that everything else calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from constructs import Construct

from kakitome_infra.parameters import Given, Parameters

ALIAS = "live"
JOINING = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
JOINING += ["ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all functions stand on."""

    parameters: Parameters
    code: lambdas.Code
    environment: Mapping[str, str]
    key: kms.IKey | None
    vpc: ec2.IVpc | None


def ground(scope: Construct, parameters: Parameters, environment: Mapping[str, str], key: kms.IKey | None) -> Ground:
    code = lambdas.Code.from_asset(parameters.code, exclude=["**/__pycache__", "**/*.pyc"])
    vpc = _vpc(scope, parameters.given) if parameters.given.vpc else None
    return Ground(parameters=parameters, code=code, environment=environment, key=key, vpc=vpc)


class Function(Construct):
    """`kakitome.aws.WORD.handler` by the alias `live`: an upgrade moves the alias, a roll-back moves it back."""

    def __init__(
        self,
        scope: Construct,
        word: str,
        on: Ground,
        allowed: Sequence[iam.PolicyStatement],
        *,
        seconds: int,
        memory: int,
    ) -> None:
        super().__init__(scope, f"Lambda{word.capitalize()}")
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/kakitome/{on.parameters.name}/{word}",
            retention=retention(on.parameters.log_days),
            encryption_key=on.key,
            removal_policy=RemovalPolicy.RETAIN,
        )
        write = ["logs:CreateLogStream", "logs:PutLogEvents"]
        statements = [*allowed, iam.PolicyStatement(actions=write, resources=[log.log_group_arn])]
        if on.vpc is not None:
            statements += _joining(self, f"{on.parameters.name}-{word}")
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
            inline_policies={"Own": iam.PolicyDocument(statements=statements)},
        )
        self.function = lambdas.Function(
            self,
            "Function",
            function_name=f"{on.parameters.name}-{word}",
            handler=f"kakitome.aws.{word}.handler",
            code=on.code,
            runtime=lambdas.Runtime(on.parameters.runtime, lambdas.RuntimeFamily.PYTHON),
            architecture=lambdas.Architecture.ARM_64
            if on.parameters.architecture == "arm64"
            else lambdas.Architecture.X86_64,
            timeout=Duration.seconds(seconds),
            memory_size=memory,
            environment=dict(on.environment),
            role=self.role,
            log_group=log,
            vpc=on.vpc,
            security_groups=groups_of(self, on.parameters.given) or None if on.vpc else None,
        )
        self.alias = lambdas.Alias(self, "Alias", alias_name=ALIAS, version=self.function.current_version)


def _joining(scope: Construct, name: str) -> list[iam.PolicyStatement]:
    """What Lambda needs to join the function to a network, and the function itself may not do. *AWS Lambda Developer
    Guide*, "Giving Lambda functions access to resources in an Amazon VPC"."""
    stack = Stack.of(scope)
    itself = f"arn:{stack.partition}:lambda:{stack.region}:{stack.account}:function:{name}"
    never = {"ArnEquals": {"lambda:SourceFunctionArn": itself}}
    return [
        iam.PolicyStatement(actions=JOINING, resources=["*"]),
        iam.PolicyStatement(effect=iam.Effect.DENY, actions=JOINING, resources=["*"], conditions=never),
    ]


def groups_of(scope: Construct, given: Given) -> list[ec2.ISecurityGroup]:
    return [ec2.SecurityGroup.from_security_group_id(scope, id, id) for id in given.security_groups]


def _vpc(scope: Construct, given: Given) -> ec2.IVpc:
    return ec2.Vpc.from_vpc_attributes(
        scope,
        "Vpc",
        vpc_id=given.vpc,
        availability_zones=list(given.zones),
        private_subnet_ids=list(given.subnets),
    )


def retention(days: int) -> logs.RetentionDays:
    names = {7: "ONE_WEEK", 14: "TWO_WEEKS", 30: "ONE_MONTH", 90: "THREE_MONTHS", 180: "SIX_MONTHS", 365: "ONE_YEAR"}
    if days not in names:
        raise ValueError(f"log_days is {days}; it must be one of {', '.join(map(str, names))}.")
    found: logs.RetentionDays = getattr(logs.RetentionDays, names[days])
    return found
