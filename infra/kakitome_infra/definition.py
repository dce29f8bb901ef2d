"""The run of a list as a state machine: mail → plan → rows → finish. Data only.

*AWS Step Functions Developer Guide*, "Using Map state in Distributed mode".

What the functions are handed, and what they answer:

- `plan` gets `{file_name, mail_id, mail, bucket, execution}`, `mail` being the item as DynamoDB spells it
  (`{"subject": {"S": …}}`). It answers `{run, version, missing, children}`; what else it says goes no further.
  `version` is the list's S3 version ("null" where the bucket keeps none), `run` whatever children need to find the run;
  each row has it. `missing`: rows that are not in the ledger yet; without any no child is started. `children`: how many
  at once the account's rate keeps busy.
- `child` gets `{"Items": [row, …]}`, or one `row` alone where there is no batch: `{index, row, run}`, `row` being the
  CSV's line by its header. What it answers is written beside the list and read by nobody but people.
- `finish` gets `{file_name, mail_id, plan}` and answers `{missing, done, …}`.
"""

from __future__ import annotations

from typing import Any

from kakitome_infra.parameters import Parameters

LAMBDA = "arn:aws:states:::lambda:invoke"
THROTTLED = ["Lambda.TooManyRequestsException", "Lambda.ServiceException", "Lambda.AWSLambdaException"]
THROTTLED += ["Lambda.SdkClientException", "States.Timeout"]
CHILD_SECONDS = 90  # three of them and their pauses end before an express workflow must, at 300
PLAN_SECONDS = 900
CHILDREN = "$.plan.children"
LOOK_SECONDS = 60  # between two looks at whether the campaign is done: 25,000 history events last for two days


def definition(
    parameters: Parameters, *, bucket: str, mails: str, plan: str, child: str, finish: str
) -> dict[str, Any]:
    """`bucket` and `mails` are names, the rest ARNs of aliases."""
    return {
        "Comment": "Sends the mail of `mail_id` to each row of `file_name`. The same input again sends nothing new.",
        "StartAt": "Mail",
        "States": {
            "Mail": _mail(mails),
            "MailKnown": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.mail.Item", "IsPresent": True, "Next": "Plan"}],
                "Default": "UnknownMail",
            },
            "UnknownMail": {
                "Type": "Fail",
                "Error": "UnknownMail",
                "Cause": "The table of mails has no item with this mail_id. Nothing was sent.",
            },
            "Plan": _plan(plan, bucket),
            "AnyToCome": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.plan.missing", "NumericEquals": 0, "Next": "Finish"}],
                "Default": "Rows",
            },
            "Rows": _rows(parameters, child, bucket),
            **_end(parameters, finish),
        },
    }


def _mail(table: str) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::dynamodb:getItem",
        "Parameters": {"TableName": table, "Key": {"mail_id": {"S.$": "$.mail_id"}}, "ConsistentRead": True},
        "ResultPath": "$.mail",
        "Retry": [_retry(["DynamoDB.ProvisionedThroughputExceededException", "DynamoDB.InternalServerError"], 5)],
        "Next": "MailKnown",
    }


def _plan(function: str, bucket: str) -> dict[str, Any]:
    words = {
        "file_name.$": "$.file_name",
        "mail_id.$": "$.mail_id",
        "mail.$": "$.mail.Item",
        "bucket": bucket,
        "execution.$": "$$.Execution.Id",
    }
    select = {f"{word}.$": f"$.Payload.{word}" for word in ("run", "version", "missing", "children")}
    # A ledger that was away for a moment is no reason to end; what a plan began it finds again.
    task = _task(function, words, PLAN_SECONDS, [_retry([*THROTTLED, "States.TaskFailed"], 4)])
    return task | {"ResultSelector": select, "ResultPath": "$.plan", "Next": "AnyToCome"}


def _rows(parameters: Parameters, function: str, bucket: str) -> dict[str, Any]:
    batches = parameters.rows_per_child > 1
    most = {"MaxConcurrency": parameters.concurrency} if parameters.concurrency else {"MaxConcurrencyPath": CHILDREN}
    return {
        "Type": "Map",
        "Label": "Rows",
        "ItemReader": {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "CSV", "CSVHeaderLocation": "FIRST_ROW"},
            "Parameters": {"Bucket": bucket, "Key.$": "$.file_name", "VersionId.$": "$.plan.version"},
        },
        "ItemSelector": {"index.$": "$$.Map.Item.Index", "row.$": "$$.Map.Item.Value", "run.$": "$.plan.run"},
        **({"ItemBatcher": {"MaxItemsPerBatch": parameters.rows_per_child}} if batches else {}),
        **most,
        "ToleratedFailurePercentage": parameters.tolerated,
        "ItemProcessor": _child(parameters, function),
        "ResultWriter": {
            "Resource": "arn:aws:states:::s3:putObject",
            "Parameters": {"Bucket": bucket, "Prefix": "results"},
        },
        "ResultPath": "$.results",  # where the result writer put them
        "Next": "Finish",
    }


def _child(parameters: Parameters, function: str) -> dict[str, Any]:
    # A child's time-out or crash doubles nothing: what it had claimed is settled by lease and evidence.
    retry = [_retry([*THROTTLED, "States.TaskFailed"], 2)]
    send = _task(function, {}, CHILD_SECONDS, retry)
    send["Parameters"]["Payload.$"] = "$"
    del send["Parameters"]["Payload"]
    send["OutputPath"] = "$.Payload"
    states: dict[str, Any] = {"Send": send | {"End": True}}
    if parameters.wait:
        states = {"Send": send | {"Next": "Pause"}, "Pause": {"Type": "Wait", "Seconds": parameters.wait, "End": True}}
    kind = {"express": "EXPRESS", "standard": "STANDARD"}[parameters.child]
    return {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind}, "StartAt": "Send", "States": states}


def _end(parameters: Parameters, function: str) -> dict[str, Any]:
    words = {"file_name.$": "$.file_name", "mail_id.$": "$.mail_id", "plan.$": "$.plan"}
    choices = [{"Variable": "$.finish.account.missing", "NumericGreaterThan": 0, "Next": "RowsMissing"}]
    look = {}
    if parameters.wait_until_done:
        choices.append({"Variable": "$.finish.account.done", "BooleanEquals": False, "Next": "NotDone"})
        look = {"NotDone": {"Type": "Wait", "Seconds": LOOK_SECONDS, "Next": "Finish"}}
    return {
        "Finish": _task(function, words, CHILD_SECONDS, [_retry([*THROTTLED, "States.TaskFailed"], 5)])
        | {"ResultSelector": {"account.$": "$.Payload"}, "ResultPath": "$.finish", "Next": "AllRows"},
        "AllRows": {"Type": "Choice", "Choices": choices, "Default": "Done"},
        "RowsMissing": {
            "Type": "Fail",
            "Error": "RowsMissing",
            "Cause": "Rows of the list are not in the ledger, for children failed. "
            "Start the same input again: it sends to those and to nobody twice.",
        },
        **look,
        "Done": {"Type": "Succeed", "OutputPath": "$.finish.account"},
    }


def _task(function: str, words: dict[str, Any], seconds: int, retry: list[dict[str, Any]]) -> dict[str, Any]:
    """The task waits a little longer than the function runs, so that the function's own end is what is seen."""
    return {
        "Type": "Task",
        "Resource": LAMBDA,
        "Parameters": {"FunctionName": function, "Payload": words},
        "TimeoutSeconds": seconds + 5,
        "Retry": retry,
    }


def _retry(errors: list[str], attempts: int) -> dict[str, Any]:
    return {
        "ErrorEquals": errors,
        "IntervalSeconds": 1,
        "BackoffRate": 2,
        "MaxDelaySeconds": 20,
        "MaxAttempts": attempts,
        "JitterStrategy": "FULL",
    }
