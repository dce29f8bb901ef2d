"""Workers as containers: off unless they are asked for, with the rights of the functions and no more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from template import Template, many, text


@pytest.fixture
def given(templates: Mapping[str, Template]) -> Template:
    return templates["given"]


def test_containers_are_there_when_they_are_asked_for(plain: Template, given: Template) -> None:
    """None by default; else so many, in the network that is given, with no address in public."""
    assert not plain.of("ECS::Service") and not plain.of("ECS::Cluster")
    service = given.only("ECS::Service")
    assert service["DesiredCount"] == 2 and service["LaunchType"] == "FARGATE"
    network = service["NetworkConfiguration"]["AwsvpcConfiguration"]
    assert network == {"AssignPublicIp": "DISABLED", "Subnets": ["subnet-1"], "SecurityGroups": ["sg-1"]}


def test_a_bad_image_is_taken_back(given: Template) -> None:
    """New tasks come before old ones go, and what does not start is rolled back."""
    how = given.only("ECS::Service")["DeploymentConfiguration"]
    assert how["DeploymentCircuitBreaker"] == {"Enable": True, "Rollback": True}
    assert (how["MinimumHealthyPercent"], how["MaximumPercent"]) == (100, 200)


def test_a_container_is_a_worker_with_the_functions_settings(given: Template) -> None:
    """Nothing secret among them; it has a minute to end, and SIGTERM reaches it."""
    (one,) = given.only("ECS::TaskDefinition")["ContainerDefinitions"]
    function = given.properties("Lambda::Function")[0]["Environment"]["Variables"]
    words = {entry["Name"]: entry["Value"] for entry in one["Environment"]}
    assert one["Command"] == ["worker"] and "Secrets" not in one
    assert words == function | {"AWS_REGION": {"Ref": "AWS::Region"}}
    assert one["StopTimeout"] == 60 and one["LinuxParameters"]["InitProcessEnabled"] is True
    assert one["LogConfiguration"]["LogDriver"] == "awslogs"


def test_a_container_may_do_what_a_worker_may(given: Template) -> None:
    """Send by the identities and from both doorbells; it reads no table whole and starts nothing. Who starts it may
    pull one image and write one log."""
    task = rights([one for id, one in given.role_statements() if id.startswith("ContainersRole")])
    beside = ("logs:", "ec2:")  # what a function has, and ECS has from elsewhere
    worker = rights(given.of_function("worker"))
    assert task == {one for one in worker if not one[0].startswith(beside)} != set()
    starting = [one for id, one in given.role_statements() if id.startswith("ContainersStarting")]
    pulled = [one for one in starting if "ecr:BatchGetImage" in many(one["Action"])]
    assert len(pulled) == 1 and "repository/kakitome" in text(pulled[0]["Resource"])


def test_it_grows_only_where_it_is_asked_to(given: Template) -> None:
    """By CPU: who waits for slots needs none, so that more workers come only where they help."""
    target = given.only("ApplicationAutoScaling::ScalableTarget")
    assert (target["MinCapacity"], target["MaxCapacity"]) == (2, 5)
    policy = given.only("ApplicationAutoScaling::ScalingPolicy")["TargetTrackingScalingPolicyConfiguration"]
    assert policy["PredefinedMetricSpecification"]["PredefinedMetricType"] == "ECSServiceAverageCPUUtilization"


def test_functions_leave_the_doorbells_to_containers(given: Template, plain: Template) -> None:
    """`workers=0`: no function is woken by them; events and the stream go on as they are."""
    assert len(given.of("Lambda::EventSourceMapping")) == len(plain.of("Lambda::EventSourceMapping")) - 2


def rights(statements: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Each action with the resource that it is allowed on; the CDK puts statements together."""
    allowed = [one for one in statements if one["Effect"] == "Allow"]
    return {(action, text(on)) for one in allowed for action in many(one["Action"]) for on in many(one["Resource"])}
