"""The stack of scenario 2 as its users have it: bucket, table of mails, state machine, and what the ledger says."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from emulated_aws import Aws
from mailing_2 import list_of

from kakitome_simulator.remote import Remote
from stage import Stage, wait_until

ROWS = int(os.environ.get("KAKITOME_ROWS", "10000"))
SECONDS = 60 + ROWS  # until the play gives up: a second for each row
BODY = '<p>{{ name }}さん、こんにちは。</p><p><a href="https://example.com/winter">冬の宿</a></p>'


class Stack:
    def __init__(self, stage: Stage, aws: Aws, provider: Remote) -> None:
        self.stage, self.aws, self.provider = stage, aws, provider

    def write(self, mail: str, file: str, people: Sequence[str]) -> dict[str, str]:
        """A list and its mail; answers the state machine's input."""
        self.upload(file, list_of(people))
        self.item(mail, "お知らせ")
        return {"file_name": file, "mail_id": mail}

    def upload(self, file: str, text: str) -> None:
        self.aws.client("s3").put_object(Bucket=self.aws.outputs["BucketName"], Key=file, Body=text.encode())

    def item(self, mail: str, subject: str) -> None:
        """The plain API's: what the console writes."""
        item = {"mail_id": {"S": mail}, "subject": {"S": subject}, "body": {"S": BODY}}
        self.aws.client("dynamodb").put_item(TableName=self.aws.outputs["MailsTable"], Item=item)

    def ended(self, given: dict[str, str], how: str = "SUCCEEDED", execution: str = "") -> dict[str, Any]:
        """The end of an execution, which begins here unless it is told; `SystemExit` where it is another one."""
        told = self.aws.ended(execution or self.aws.start(given), SECONDS)
        if told["status"] != how:
            raise SystemExit(f"The execution with {given} has {told['status']}: {told.get('cause')}")
        return told

    def wait(self, holds: Callable[[], bool], otherwise: str) -> None:
        wait_until(holds, SECONDS, otherwise, look=0.5)

    def sweep(self) -> None:
        """What the clock does each minute."""
        done = self.aws.client("lambda").invoke(FunctionName="kakitome-sweep")
        if "FunctionError" in done:
            raise SystemExit(f"The sweep failed: {done['Payload'].read().decode()}")

    def arrived(self) -> list[str]:
        """Whom SES has taken mail for, by its own record."""
        return [line["recipient"] for line in self.stage.accepted("accepted")]

    def report(self, mail: str) -> Any:
        return self.stage.ask("campaign", "report", mail)

    def rows(self, mail: str) -> dict[str, int]:
        return {word: n for word, n in self.report(mail)["rows"].items() if n}
