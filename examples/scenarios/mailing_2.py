"""The mailing of scenario 2: its list, its mail, what must become of each row, and what it is reckoned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("demo/scenario-2")
SET = "MarketingMailsConfigurationSet"
BAD = ("nobody", "no address here", "a@@example.jp")
EARLIER = "bounce+earlier@simulator.amazonses.com"

CONFIGURATION = """\
# Written by examples/scenarios/scenario_2.py: the ledger of the stack, to ask it from here. Nothing is sent by this.
[ledger]
url = "dynamodb://{table}?region={region}&endpoint={url}"
folder = "demo/scenario-2"
feed = "elsewhere"               # the stack's own function folds what happens

[lanes.ses]                      # as the stack calls it
provider = "ses"
region = "{region}"
"""


@dataclass(frozen=True)
class Mailing:
    """Of `rows` rows 5 % bounce; one in a hundred is there twice, one in a hundred is no address, and one has bounced
    in an earlier campaign."""

    rows: int

    @property
    def bouncing(self) -> list[str]:
        return [f"bounce+{n}@simulator.amazonses.com" for n in range(self.rows // 20)]

    @property
    def twice(self) -> int:
        return max(1, self.rows // 100)

    @property
    def bad(self) -> int:
        return max(1, self.rows // 100)

    @property
    def good(self) -> list[str]:
        n = self.rows - len(self.bouncing) - self.twice - self.bad - 1
        return [f"reader-{k:05}@example.jp" for k in range(n)]

    @property
    def due(self) -> Counter[str]:
        """Who gets it, once each."""
        return Counter([*self.good, *self.bouncing])

    def csv(self) -> str:
        """As a spreadsheet saves it, everybody in between everybody else."""
        people = [*self.good, *self.bouncing, *(one.upper() for one in self.good[: self.twice]), EARLIER]
        people += [BAD[k % len(BAD)] for k in range(self.bad)]
        order = sorted(range(len(people)), key=lambda k: (k * 7919) % 10_007)
        return "email,name\n" + "".join(f"{people[k]},読者{k}\n" for k in order)

    @property
    def account(self) -> dict[str, int]:
        """What `campaign report` must say of the rows."""
        sent = len(self.good) + len(self.bouncing)
        return {
            "read": self.rows,
            "invalid": self.bad,
            "duplicate": self.twice,
            "suppressed": 1,
            "sent": sent,
        }


def list_of(people: Sequence[str]) -> str:
    return "email,name\n" + "".join(f"{one},読者{k}\n" for k, one in enumerate(people))
