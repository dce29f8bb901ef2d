"""The state machine as data; and the validator of Amazon States Language, where Node is there."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from node import environment, program

from kakitome_infra.definition import CHILD_SECONDS, definition
from kakitome_infra.parameters import Parameters

S2 = Parameters(rows_per_child=1, concurrency=10, wait=1, child="standard")
FORMS = {"usual": Parameters(), "S2": S2, "until-done": Parameters(wait_until_done=True)}
EXPRESS_SECONDS = 300  # "Choosing workflow type in Step Functions"


def machine(parameters: Parameters) -> dict[str, Any]:
    arns = {
        word: f"arn:aws:lambda:eu-west-1:111122223333:function:k-{word}:live" for word in ("plan", "child", "finish")
    }
    return definition(parameters, bucket="lists", mails="mails", **arns)


@pytest.mark.parametrize("form", FORMS)
def test_the_definition_is_valid(form: str, tmp_path: Path) -> None:
    """As the validator reads the language, paths included: the emulator passes over what it does not know."""
    validator = program("asl-validator")
    file = tmp_path / "machine.json"
    file.write_text(json.dumps(machine(FORMS[form])))
    run = subprocess.run(
        [validator, "--json-path", str(file)], env=environment(tmp_path), capture_output=True, text=True
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_the_mail_is_read_by_its_id() -> None:
    """Strongly, so that what was put in the console a moment ago is there."""
    words = machine(Parameters())["States"]["Mail"]["Parameters"]
    assert words["Key"] == {"mail_id": {"S.$": "$.mail_id"}} and words["ConsistentRead"] is True


def test_the_list_is_the_one_that_was_counted() -> None:
    """The rows are read from the version that the plan pinned."""
    rows = machine(Parameters())["States"]["Rows"]
    assert rows["ItemReader"]["Parameters"]["VersionId.$"] == "$.plan.version"
    assert rows["ItemReader"]["ReaderConfig"] == {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"}


def test_rows_travel_in_batches_to_express_children() -> None:
    """By default, for that is what costs least; results beside the lists, a share of failed children tolerated."""
    rows = machine(Parameters())["States"]["Rows"]
    assert rows["ItemBatcher"] == {"MaxItemsPerBatch": 100}
    assert rows["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"}
    assert rows["ResultWriter"]["Parameters"] == {"Bucket": "lists", "Prefix": "results"}
    assert rows["ToleratedFailurePercentage"] == 5


def test_the_form_of_the_published_account_remains() -> None:
    """One row a standard child, ten at once, each waits for a second."""
    rows = machine(S2)["States"]["Rows"]
    assert "ItemBatcher" not in rows and rows["MaxConcurrency"] == 10
    child = rows["ItemProcessor"]
    assert child["ProcessorConfig"]["ExecutionType"] == "STANDARD"
    assert child["States"]["Pause"] == {"Type": "Wait", "Seconds": 1, "End": True}


def test_an_express_child_ends_in_time() -> None:
    """With all its retries and their longest pauses it ends before an express workflow must."""
    send = machine(Parameters())["States"]["Rows"]["ItemProcessor"]["States"]["Send"]
    (retry,) = send["Retry"]
    pauses = sum(min(retry["MaxDelaySeconds"], retry["BackoffRate"] ** n) for n in range(retry["MaxAttempts"]))
    assert send["TimeoutSeconds"] >= CHILD_SECONDS
    assert send["TimeoutSeconds"] * (1 + retry["MaxAttempts"]) + pauses < EXPRESS_SECONDS


def test_a_child_is_tried_again() -> None:
    """Whatever its error was: what a child did is in the ledger, and a second one does it to nobody twice."""
    send = machine(Parameters())["States"]["Rows"]["ItemProcessor"]["States"]["Send"]
    assert {"States.TaskFailed", "States.Timeout", "Lambda.TooManyRequestsException"} <= set(
        send["Retry"][0]["ErrorEquals"]
    )


def test_as_many_children_as_the_rate_keeps_busy() -> None:
    """By default the plan says how many, for only then the account's rate is known; a number of one's own holds."""
    rows = machine(Parameters())["States"]["Rows"]
    assert rows["MaxConcurrencyPath"] == "$.plan.children" and "MaxConcurrency" not in rows
    rows = machine(Parameters(concurrency=3))["States"]["Rows"]
    assert rows["MaxConcurrency"] == 3 and "MaxConcurrencyPath" not in rows


def test_a_finished_list_starts_no_child() -> None:
    """All rows are in the ledger: its end is accounted for at once."""
    states = machine(Parameters())["States"]
    assert states["Plan"]["Next"] == "AnyToCome" and states["AnyToCome"]["Default"] == "Rows"
    assert states["AnyToCome"]["Choices"] == [{"Variable": "$.plan.missing", "NumericEquals": 0, "Next": "Finish"}]


@pytest.mark.parametrize("state", ["Plan", "Finish"])
def test_a_ledger_that_was_away_is_asked_again(state: str) -> None:
    """Both ends of a run, with growing pauses."""
    (retry,) = machine(Parameters())["States"][state]["Retry"]
    assert "States.TaskFailed" in retry["ErrorEquals"]
    assert retry["BackoffRate"] > 1 and retry["MaxAttempts"] >= 4


def test_missing_rows_end_as_a_failure() -> None:
    """Tolerated children are counted at the end, by the ledger."""
    states = machine(Parameters())["States"]
    assert states["AllRows"]["Choices"][0] == {
        "Variable": "$.finish.account.missing",
        "NumericGreaterThan": 0,
        "Next": "RowsMissing",
    }
    assert states["RowsMissing"]["Type"] == "Fail"


def test_waiting_for_done_is_a_parameter() -> None:
    """The end means "all rows are in the ledger", or, if asked for, "the campaign is done"."""
    assert "NotDone" not in machine(Parameters())["States"]
    assert machine(Parameters(wait_until_done=True))["States"]["NotDone"]["Next"] == "Finish"
