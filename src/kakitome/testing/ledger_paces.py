"""Paces of recipients' domains: kept over all accounts, and nobody else waits for them."""

from __future__ import annotations

import msgspec

from kakitome.core.ids import RunId
from kakitome.core.lifecycle import Cause
from kakitome.core.message import NewMessage
from kakitome.ports.accounts import Limits, Pace
from kakitome.ports.runs import ImportBatch, ImportRow
from kakitome.testing.ledger_accounts import Asking
from kakitome.testing.ledger_world import DAY, HOUR, World, clause, hashed

DOCOMO = Pace("docomo", 5.0)


class Paces(Asking):
    async def _list(self, w: World, *rows: tuple[str, str]) -> RunId:
        """A running campaign with these addresses, each with its pace."""
        run = await w.open()
        await w.ledger.runs.begin_import(run, "list", w.now)
        lines = tuple(ImportRow(k, address, hashed(address), "{}", pace) for k, (address, pace) in enumerate(rows))
        await w.ledger.runs.append(
            run, "list", ImportBatch(first_line=0, next_line=len(lines), rows=lines), w.now, w.now
        )
        await w.ledger.runs.seal(run, "list", w.now)
        await w.move(run, "running")
        return run

    @clause
    async def test_a_pace_is_kept_on_average(self, w: World) -> None:
        """At most a second's worth at once, and on average the rate, over all accounts and lanes."""
        for rate in (0.5, 1.0, 5.0, 30.0):
            pace, start, given = Pace(f"pace-{rate}", rate), w.now, 0
            for step in range(400):
                granted = await self._of(w, f"account-{step % 2}", Limits(), 40, pace=pace)
                given += granted.count
                assert granted.count <= max(1, rate)
                assert given <= max(1, rate) + rate * (w.now - start) / 1000 + 1e-6
                assert granted.count or (granted.reason, granted.until > w.now) == ("pace", True)
                w.now += 70 if granted.count else granted.until - w.now
            assert given >= rate * (w.now - start) / 1000 - 1

    @clause
    async def test_what_a_pace_refuses_costs_the_account_nothing(self, w: World) -> None:
        """Neither slots nor quota: the account's others have all of them."""
        limits = Limits(rate=14.0, quota=20)
        assert (await self._of(w, "a", limits, 14, pace=DOCOMO)).count == 5
        refused = await self._of(w, "a", limits, 14, pace=DOCOMO)
        assert (refused.count, refused.reason) == (0, "pace")
        rest = await self._of(w, "a", limits, 14)
        assert rest.count == 9
        w.now += 1000
        assert (await self._of(w, "a", limits, 14, transactional=True)).count == 6

    @clause
    async def test_what_an_account_refuses_costs_the_pace_nothing(self, w: World) -> None:
        """Where the quota is used up, the pace is whole for another account."""
        assert (await self._of(w, "a", Limits(quota=1), 14)).count == 1
        assert (await self._of(w, "a", Limits(quota=1), 14, pace=DOCOMO)).reason == "quota"
        assert (await self._of(w, "b", Limits(), 14, pace=DOCOMO)).count == 5

    @clause
    async def test_paces_do_not_share(self, w: World) -> None:
        """Each name has a rate of its own."""
        assert (await self._of(w, "a", Limits(), 14, pace=DOCOMO)).count == 5
        assert (await self._of(w, "a", Limits(), 14, pace=Pace("au", 3.0))).count == 3
        assert (await self._of(w, "a", Limits(), 14)).count == 14

    @clause
    async def test_a_pace_survives_a_clock_that_goes_back(self, w: World) -> None:
        """What was let go before the jump is waited out, and no hour is lost."""
        await self._of(w, "a", Limits(), 14, pace=DOCOMO)
        w.now -= HOUR
        refused = await self._of(w, "a", Limits(), 14, pace=DOCOMO)
        assert refused.reason == "pace"
        w.now += 1000
        assert (await self._of(w, "a", Limits(), 14, pace=DOCOMO)).count >= 4

    @clause
    async def test_a_list_whose_head_is_paced_keeps_nobody_waiting(self, w: World) -> None:
        """A look at one pace passes over the others, however many of them are in front."""
        rows = [(f"{k}@docomo.ne.jp", "docomo") for k in range(300)] + [("aoi@example.jp", ""), ("b@au.com", "au")]
        run = await self._list(w, *rows)
        assert list(await w.ledger.runnable.paces(run, w.now)) == ["", "au", "docomo"]
        [other] = await w.ledger.messages.due(run, 10, w.now)
        assert (await w.view(other)).address == "aoi@example.jp"
        head = await w.ledger.messages.due(run, 10, w.now, "docomo")
        assert len(head) == 10 and head == sorted(head)
        assert {str((await w.view(id)).address).partition("@")[2] for id in head} == {"docomo.ne.jp"}
        [claimed] = await w.claim(other)
        await w.settle(claimed, Cause.PROVIDER_ACCEPTED)
        assert list(await w.ledger.runnable.paces(run, w.now)) == ["au", "docomo"]
        assert [r.id for r in await w.ledger.runnable.runnable(w.now)] == [run]

    @clause
    async def test_only_what_is_due_has_a_pace(self, w: World) -> None:
        """What waits for its time, is in somebody's hands or is over is no class; single mails have theirs as well."""
        run = await w.stream()
        to = (NewMessage("a@docomo.ne.jp", 1, "docomo"), NewMessage("b@example.jp", 2))
        assert list(await w.ledger.runnable.paces(run, w.now)) == []
        await w.ledger.messages.admit([msgspec.structs.replace(w.submission(run), messages=to, due=w.now + DAY)], w.now)
        assert list(await w.ledger.runnable.paces(run, w.now)) == []
        assert await w.ledger.runnable.runnable(w.now) == []
        assert await w.ledger.runnable.next_due(w.now) == w.now + DAY
        w.now += DAY
        assert list(await w.ledger.runnable.paces(run, w.now)) == ["", "docomo"]
        [claimed] = await w.claim(*await w.ledger.messages.due(run, 9, w.now, "docomo"))
        assert list(await w.ledger.runnable.paces(run, w.now)) == [""]
        await w.settle(claimed, Cause.DEFERRED, due=w.now + HOUR)
        assert list(await w.ledger.runnable.paces(run, w.now + HOUR)) == ["", "docomo"]
