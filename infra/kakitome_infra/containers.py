"""Workers as processes, on ECS with Fargate: they listen to the same doorbells, with what the functions may do.

*Amazon ECS Developer Guide*, "Task definition parameters for Fargate". Nobody calls them and they have no address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_ecs as ecs
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from constructs import Construct

from kakitome_infra.functions import Ground, groups_of, retention

CPU, MEMORY = 256, 512  # a quarter of a core sends what SES lets most accounts send
BUSY = 60  # percent of CPU: who waits for slots needs none, so that more of them come only where they help
ENDING = Duration.seconds(60)  # after SIGTERM: an answer of SES (20 s), and the ledger
_ECR = re.compile(r"(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/([^:@]+)(?:[:@](.+))?").fullmatch


class Containers(Construct):
    def __init__(self, scope: Construct, on: Ground, allowed: Sequence[iam.PolicyStatement]) -> None:
        super().__init__(scope, "Containers")
        parameters, name = on.parameters, f"{on.parameters.name}-worker"
        assert on.vpc is not None
        own = iam.PolicyDocument(statements=list(allowed))
        principal = iam.ServicePrincipal(
            "ecs-tasks.amazonaws.com", conditions={"StringEquals": {"aws:SourceAccount": Stack.of(self).account}}
        )
        task = ecs.FargateTaskDefinition(
            self,
            "Task",
            family=name,
            cpu=CPU,
            memory_limit_mib=MEMORY,
            task_role=iam.Role(self, "Role", assumed_by=principal, inline_policies={"Own": own}),
            execution_role=iam.Role(self, "Starting", assumed_by=principal),
            runtime_platform=_platform(parameters.architecture),
        )
        self._container(task, on)
        self.service = ecs.FargateService(
            self,
            "Service",
            service_name=name,
            cluster=ecs.Cluster(self, "Cluster", cluster_name=parameters.name, vpc=on.vpc),
            task_definition=task,
            desired_count=parameters.containers,
            security_groups=groups_of(self, parameters.given) or None,
            min_healthy_percent=100,
            max_healthy_percent=200,
            circuit_breaker=ecs.DeploymentCircuitBreaker(rollback=True),
        )
        if parameters.containers_most > parameters.containers:
            grown = self.service.auto_scale_task_count(
                min_capacity=parameters.containers, max_capacity=parameters.containers_most
            )
            grown.scale_on_cpu_utilization("Busy", target_utilization_percent=BUSY)

    def _container(self, task: ecs.FargateTaskDefinition, on: Ground) -> None:
        log = logs.LogGroup(
            self,
            "Log",
            log_group_name=f"/kakitome/{on.parameters.name}/containers",
            retention=retention(on.parameters.log_days),
            encryption_key=on.key,
            removal_policy=RemovalPolicy.RETAIN,
        )
        task.add_container(
            "worker",
            image=_image(self, on.parameters.image),
            command=["worker"],
            environment={**on.environment, "AWS_REGION": Stack.of(self).region},
            logging=ecs.LogDrivers.aws_logs(stream_prefix="worker", log_group=log),
            stop_timeout=ENDING,
            linux_parameters=ecs.LinuxParameters(self, "Linux", init_process_enabled=True),
        )


def _platform(architecture: str) -> ecs.RuntimePlatform:
    cpu = ecs.CpuArchitecture.ARM64 if architecture == "arm64" else ecs.CpuArchitecture.X86_64
    return ecs.RuntimePlatform(cpu_architecture=cpu, operating_system_family=ecs.OperatingSystemFamily.LINUX)


def _image(scope: Construct, name: str) -> ecs.ContainerImage:
    """From the account's own registry with the grant to pull just that one; from others as it is."""
    found = _ECR(name)
    if found is None:
        return ecs.ContainerImage.from_registry(name)
    account, region, repository, tag = found.groups()
    arn = f"arn:{Stack.of(scope).partition}:ecr:{region}:{account}:repository/{repository}"
    named = ecr.Repository.from_repository_attributes(scope, "Image", repository_arn=arn, repository_name=repository)
    return ecs.ContainerImage.from_ecr_repository(named, tag)
