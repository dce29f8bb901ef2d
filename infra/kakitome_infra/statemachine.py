"""The state machine that runs lists, and what it may do: read a mail and a list, call three functions, run itself."""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambdas
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as states
from constructs import Construct

from kakitome_infra.definition import definition
from kakitome_infra.grants import allow
from kakitome_infra.parameters import Parameters
from kakitome_infra.storage import Storage


class Lists(Construct):
    def __init__(
        self,
        scope: Construct,
        parameters: Parameters,
        storage: Storage,
        functions: dict[str, lambdas.Alias],
        key: kms.IKey | None,
    ) -> None:
        super().__init__(scope, "Runs")
        stack, name = Stack.of(self), f"{parameters.name}-lists"
        arns = {word: functions[word].function_arn for word in ("plan", "child", "finish")}
        asked = definition(parameters, bucket=storage.bucket.bucket_name, mails=storage.mails.table_name, **arns)
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/aws/vendedlogs/states/{name}",
            retention=logs.RetentionDays.THREE_MONTHS,
            removal_policy=RemovalPolicy.RETAIN,
        )
        self.role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("states.amazonaws.com"),
            inline_policies={"Own": iam.PolicyDocument(statements=self._statements(name, storage, arns, key))},
        )
        self.machine = states.StateMachine(
            self,
            "Machine",
            state_machine_name=name,
            definition_body=states.DefinitionBody.from_string(stack.to_json_string(asked)),
            role=self.role,
            # Data of executions holds addresses: it stays out of the log.
            logs=states.LogOptions(destination=log, level=states.LogLevel.ERROR, include_execution_data=False),
        )

    def _statements(
        self, name: str, storage: Storage, functions: dict[str, str], key: kms.IKey | None
    ) -> list[iam.PolicyStatement]:
        """*Using Distributed Map*, "IAM policies": it starts, watches and redrives executions of itself."""
        stack = Stack.of(self)
        here = f"arn:{stack.partition}:states:{stack.region}:{stack.account}"
        watched = ["states:DescribeExecution", "states:StopExecution"]
        objects = storage.bucket.arn_for_objects
        return [
            allow(["dynamodb:GetItem"], storage.mails.table_arn),
            allow(["lambda:InvokeFunction"], *functions.values()),
            allow(["states:StartExecution"], f"{here}:stateMachine:{name}"),
            allow(watched, f"{here}:execution:{name}:*"),
            allow(["states:RedriveExecution"], f"{here}:execution:{name}/Rows:*"),
            allow(["s3:GetObject", "s3:GetObjectVersion"], objects("*")),
            allow(["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"], objects("results/*")),
            *([allow(["kms:Decrypt", "kms:GenerateDataKey"], key.key_arn)] if key else []),
        ]
