"""Children of scenario 2 that are killed while SES has their request: Step Functions runs them again, and no mail is
lost or goes twice.

Of the two that were killed one is proved by its delivery. The other's events are lost: it is in doubt when its lease is
over, and stays alone until somebody knows better; here a late event does.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

from stack_2 import Stack

from stage import check, say

MAIL, FILE = "killed", "lists/killed.csv"
PROVED, DOUBTED = "held-proved@example.jp", "held-doubted@example.jp"
PEOPLE = [PROVED, DOUBTED]
# SES takes the mail, and its answer does not come while anybody waits.
FAULTS = ["slow:300@recipient=held-*", "lose_events@recipient=held-doubted*"]


class Killed(Stack):
    def kill(self) -> None:
        say("3  Children are killed while SES has their request, and has not answered.")
        given = self.write(MAIL, FILE, PEOPLE)
        self.provider.faults(FAULTS)
        execution = self.aws.start(given)
        self.wait(lambda: {PROVED, DOUBTED} <= set(self._arrived()), "SES did not get the two that it holds")
        for process in _processes(self.stage.folder.resolve(), "kakitome-child"):
            os.kill(process, signal.SIGKILL)
        told = self.ended(given, execution=execution)
        # A child that fails for good is half of this list, and 5 % are tolerated.
        again = '"missing":0' in told["output"].replace(" ", "")
        check(again, "Step Functions' Retry runs both again, the execution succeeds, and no row is missing.")
        self.wait(lambda: self.rows(MAIL).get("sent") == 1, "The delivery did not prove that the mail was sent")
        check(self._arrived() == Counter(PEOPLE), "Both have the mail, and nobody has it twice.")
        left = self.rows(MAIL).keys() - {"read", "sent"}
        check(left <= {"sending", "in_doubt"}, "One of the two is proved by its delivery.")
        self.provider.faults([])

    def doubt(self) -> None:
        say("9  The other one's events were lost, and its lease is over by now.")
        self.wait(self._in_doubt, "The mail whose child was killed is not in doubt")
        check(True, "The ledger has it in doubt: it may have gone out, or not.")
        self.ended(self.write(MAIL, FILE, PEOPLE))
        check(self._arrived() == Counter(PEOPLE), "The same input again leaves it alone.")
        mails = {line["recipient"]: line["provider_message_id"] for line in self.stage.accepted("accepted")}
        self.provider.play("delivery", message_id=mails[DOUBTED])
        self.wait(lambda: self.rows(MAIL) == {"read": 2, "sent": 2}, "The late event did not end the doubt")
        check(True, "An event that comes late ends the doubt.")

    def _arrived(self) -> Counter[str]:
        return Counter(address for address in self.arrived() if address in PEOPLE)

    def _in_doubt(self) -> bool:
        self.sweep()
        return self.rows(MAIL) == {"read": 2, "sent": 1, "in_doubt": 1}


def _processes(folder: Path, function: str) -> list[int]:
    """The environments of a function: each is a process whose program lies in a folder of its own."""
    begun = f"{folder}/ministack-lambda-{function}-"
    if Path("/proc").is_dir():
        files = [(int(file.parent.name), file) for file in Path("/proc").glob("[0-9]*/cmdline")]
        lines = [(process, _read(file)) for process, file in files]
    else:
        told = subprocess.run(["ps", "-axo", "pid=,args="], capture_output=True, text=True, check=True).stdout
        lines = [(int(pid), words) for pid, _, words in (line.strip().partition(" ") for line in told.splitlines())]
    return [process for process, words in lines if begun in words]


def _read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:  # it has just ended
        return ""
