"""Accounts: the rate in every second, the quota in every day, and gates that stop once."""

from __future__ import annotations

from math import ceil
from random import Random
from typing import Any

from kakitome.core.pacing import QUOTA_BUCKET, Grant
from kakitome.ports.accounts import GateState, Limits, Wanted
from kakitome.testing.ledger_world import DAY, HOUR, Clauses, World, clause


def most_in_a_second(slots: list[float]) -> int:
    """The fullest window of one second, over all positions of the window."""
    slots = sorted(slots)
    return max((sum(begin <= other < begin + 1000 for other in slots[k:]) for k, begin in enumerate(slots)), default=0)


class Accounts(Clauses):
    async def _slots(self, w: World, wanted: int = 10, lane: str = "ses", **limits: float | int | None) -> Grant:
        return await self._of(w, "ses-tokyo", Limits(**limits), wanted, lane)  # type: ignore[arg-type]

    async def _of(self, w: World, account: str, limits: Limits, wanted: int, lane: str = "ses", **more: Any) -> Grant:
        return await w.ledger.accounts.slots(
            Wanted(account=account, lane=lane, limits=limits, count=wanted, **more), w.now
        )

    @clause
    async def test_no_limit_no_wait(self, w: World) -> None:
        """Without rate and quota all slots begin now."""
        granted = await self._slots(w, 500)
        assert (granted.count, granted.slot(499)) == (500, w.now)

    @clause
    async def test_the_rate_holds_in_every_second(self, w: World) -> None:
        """Several askers, at random times, for random amounts: no window of one second has more than the rate."""
        for rate in (0.2, 1.0, 1.5, 14.0, 200.0):
            random, slots, account = Random(7), [], f"account-{rate}"
            for _ in range(120):
                w.now += random.choice((0, 1, 30, 200, 999, 1000, 5000))
                granted = await self._of(
                    w, account, Limits(rate=rate), lane=random.choice("ab"), wanted=random.randrange(1, 40)
                )
                slots += [granted.slot(k) for k in range(granted.count)]
                assert granted.count or granted.until > w.now - 1
                assert all(w.now <= slot <= w.now + 1000 for slot in slots[len(slots) - granted.count :])
            assert slots, rate
            assert most_in_a_second(slots) <= ceil(rate), rate

    @clause
    async def test_a_refusal_says_when_to_come_again(self, w: World) -> None:
        """`until` is early enough to lose nothing: who comes then gets a slot."""
        while (granted := await self._slots(w, 50, rate=2.0)).count:
            pass
        assert granted.reason == "rate"
        w.now = granted.until + 1
        assert (await self._slots(w, 50, rate=2.0)).count >= 1

    @clause
    async def test_the_rate_survives_a_clock_that_goes_back(self, w: World) -> None:
        """Measured by a clock that does not jump, the rate holds through a jump of an hour either way, and slots are
        granted again soon after it."""
        for rate in (1.0, 14.0):
            jumped, slots = 0, []
            account = f"account-{rate}"
            for step in range(200):
                w.now += 150
                if step in (60, 120):
                    jump = -HOUR
                    w.now, jumped = w.now + jump, jumped + jump
                granted = await self._of(w, account, Limits(rate=rate), 20)
                slots += [granted.slot(k) - jumped for k in range(granted.count)]
            assert most_in_a_second(slots) <= rate
            assert len(slots) >= 0.7 * rate * 30

    @clause
    async def test_the_quota_holds_in_every_rolling_day(self, w: World) -> None:
        """What was granted counts until it is certainly a day old; then it is free again."""
        quota, given = 10, []
        w.now += QUOTA_BUCKET * 4 // 5
        for _ in range(400):
            granted = await self._slots(w, 10, quota=quota)
            given += [w.now] * granted.count
            assert sum(w.now - DAY < at for at in given) <= quota
            if not granted.count:
                assert (granted.reason, granted.until > w.now) == ("quota", True)
            w.now += QUOTA_BUCKET * 2 // 5
        assert len(given) > quota
        w.now += DAY + QUOTA_BUCKET
        assert (await self._slots(w, 50, quota=quota)).count == quota

    @clause
    async def test_a_used_up_quota_says_when_it_is_free(self, w: World) -> None:
        """`until` of the refusal is when slots are granted again, not a moment later."""
        await self._slots(w, 5, quota=5)
        refused = await self._slots(w, 1, quota=5)
        assert (refused.count, refused.reason) == (0, "quota")
        w.now = refused.until - 1
        assert (await self._slots(w, 1, quota=5)).count == 0
        w.now += 1
        assert (await self._slots(w, 1, quota=5)).count == 1

    @clause
    async def test_what_was_not_begun_is_no_part_of_the_quota(self, w: World) -> None:
        """Slots that come back are free at once, also in the next quarter of an hour; never more than were granted."""
        give_back, granted = w.ledger.accounts.give_back, w.now
        assert (await self._slots(w, 50, quota=10)).count == 10
        await give_back("ses-tokyo", 4, granted)
        assert (await self._slots(w, 50, quota=10)).count == 4
        w.now += QUOTA_BUCKET
        await give_back("ses-tokyo", 3, granted)
        await give_back("other", 3, granted)
        assert (await self._slots(w, 50, quota=10)).count == 3
        await give_back("ses-tokyo", 99, granted)
        assert (await self._slots(w, 50, quota=10)).count == 7

    @clause
    async def test_the_larger_figure_is_believed(self, w: World) -> None:
        """The provider counts what others sent, too: its figure counts where it is larger, for a quarter of an hour."""
        await self._slots(w, 3, quota=10)
        await w.ledger.accounts.report("ses-tokyo", 1, w.now)
        assert (await self._slots(w, 1, quota=10)).count == 1
        await w.ledger.accounts.report("ses-tokyo", 8, w.now)
        assert (await self._slots(w, 50, quota=10)).count == 2
        await w.ledger.accounts.report("ses-tokyo", 431, w.now)
        assert (await self._slots(w, 50, quota=10)).count == 0
        w.now += QUOTA_BUCKET
        assert (await self._slots(w, 50, quota=10)).count == 4

    @clause
    async def test_accounts_do_not_share(self, w: World) -> None:
        """Rate and quota are an account's; its lanes share them, other accounts do not."""
        assert (await self._slots(w, 5, quota=5)).count == 5
        assert (await self._slots(w, 5, lane="smtp", quota=5)).count == 0
        assert (await self._of(w, "other", Limits(quota=5), 5)).count == 5

    @clause
    async def test_a_stop_is_one_entry_and_ends_by_itself(self, w: World) -> None:
        """Stopping what is stopped is no news; at `until` the gate is open again."""
        until = w.now + HOUR
        stop = w.ledger.accounts.stop
        assert await stop("lane:ses", "throttled", until, "slow down", w.now)
        assert not await stop("lane:ses", "throttled", until, "slow down", w.now + 1)
        assert await w.ledger.accounts.stopped(w.now) == [GateState("lane:ses", "throttled", until, w.now, "slow down")]
        refused = await self._slots(w)
        assert (refused.count, refused.until, refused.reason) == (0, until, "throttled")
        assert (await self._slots(w, lane="smtp")).count == 10
        w.now = until
        assert (await self._slots(w)).count == 10
        assert await w.ledger.accounts.stopped(w.now) == []
        assert await stop("lane:ses", "throttled", w.now + 1, "", w.now)
        assert [e.kind for e in await w.journal()] == ["stopped", "stopped"]

    @clause
    async def test_a_stop_is_only_ever_lengthened(self, w: World) -> None:
        """A short stop does not shorten a longer one, and least of all a person's, which has no end."""
        stop = w.ledger.accounts.stop
        await stop("account:ses-tokyo", "throttled", w.now + 1000, "", w.now)
        await stop("account:ses-tokyo", "quota", w.now + 5000, "", w.now)
        await stop("account:ses-tokyo", "throttled", w.now + 2000, "", w.now)
        refused = await self._slots(w)
        assert (refused.until, refused.reason) == (w.now + 5000, "quota")
        await stop("account:ses-tokyo", "person", None, "", w.now)
        await stop("account:ses-tokyo", "throttled", w.now + 9000, "", w.now)
        w.now += DAY
        refused = await self._slots(w)
        assert (refused.count, refused.reason) == (0, "person")
        assert refused.until > w.now

    @clause
    async def test_resuming(self, w: World) -> None:
        """A resumed gate is open at once; resuming an open one is nothing. Both lane and account must be open."""
        await w.ledger.accounts.stop("lane:ses", "tls", None, "", w.now)
        await w.ledger.accounts.stop("account:ses-tokyo", "suspended", None, "", w.now)
        assert await w.ledger.accounts.resume("lane:ses", "aya", w.now)
        assert not await w.ledger.accounts.resume("lane:ses", "aya", w.now)
        assert (await self._slots(w)).reason == "suspended"
        assert await w.ledger.accounts.resume("account:ses-tokyo", "aya", w.now)
        assert (await self._slots(w)).count == 10
        assert [e.kind for e in await w.journal()] == ["stopped", "stopped", "resumed", "resumed"]
