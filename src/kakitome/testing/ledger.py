"""The contract that every ledger keeps.

    class TestMine(LedgerContract):
        async def make(self) -> Ledger:
            return await MyLedger.open(...)     # empty, and a new one at each call

Run it with pytest. Each test is one sentence of the contract, runs on a ledger of its own, and ends with a recount.
Nothing here imports pytest, and no clause waits: time is an argument.
"""

from __future__ import annotations

from kakitome.testing.ledger_accounts import Accounts
from kakitome.testing.ledger_admission import Admission
from kakitome.testing.ledger_alerts import Alerts
from kakitome.testing.ledger_campaigns import Campaigns
from kakitome.testing.ledger_claims import Claims
from kakitome.testing.ledger_doubt import Doubt
from kakitome.testing.ledger_events import Events
from kakitome.testing.ledger_expected import Expected
from kakitome.testing.ledger_figures import Figures
from kakitome.testing.ledger_gates import Gates
from kakitome.testing.ledger_guard_streams import GuardStreams
from kakitome.testing.ledger_guards import Guards
from kakitome.testing.ledger_lifecycle import Lifecycle
from kakitome.testing.ledger_paces import Paces
from kakitome.testing.ledger_records import Records
from kakitome.testing.ledger_rows import Rows
from kakitome.testing.ledger_workers import Workers


class LedgerContract(
    Admission,
    Claims,
    Lifecycle,
    Doubt,
    Campaigns,
    Rows,
    Expected,
    Events,
    Workers,
    Accounts,
    Gates,
    Paces,
    Records,
    Guards,
    GuardStreams,
    Figures,
    Alerts,
):
    """Subclass it under a name that begins with `Test` and say how `make` opens an empty ledger."""
