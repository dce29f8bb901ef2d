"""Accounts: the rate in every second, the quota in every day, and what lists leave to transactional mail."""

from __future__ import annotations

from math import ceil
from random import Random
from typing import Any

from kakitome.core.pacing import LONGEST_LEAD, QUOTA_BUCKET, Grant
from kakitome.ports.accounts import Limits, Parking, Wanted
from kakitome.testing.ledger_world import DAY, HOUR, Clauses, World, clause


def most_in_a_second(slots: list[float]) -> int:
    """The fullest window of one second, over all positions of the window."""
    slots = sorted(slots)
    return max((sum(begin <= other < begin + 1000 for other in slots[k:]) for k, begin in enumerate(slots)), default=0)


class Asking(Clauses):
    """Short words for asking for slots."""

    async def _slots(self, w: World, wanted: int = 10, lane: str = "ses", **limits: float | int | None) -> Grant:
        return await self._of(w, "ses-tokyo", Limits(**limits), wanted, lane)  # type: ignore[arg-type]

    async def _of(self, w: World, account: str, limits: Limits, wanted: int, lane: str = "ses", **more: Any) -> Grant:
        return await w.ledger.accounts.slots(
            Wanted(account=account, lane=lane, limits=limits, count=wanted, **more), w.now
        )


class Accounts(Asking):
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
    async def test_the_rate_holds_whoever_needs_how_long(self, w: World) -> None:
        """Some ask for slots that begin later than now, as long as they need to be there: they get none earlier, and
        those who are there at once do not get the same ones."""
        for rate in (1.0, 14.0, 200.0):
            random, slots, account = Random(11), [], f"account-{rate}"
            for _ in range(150):
                w.now += random.choice((0, 0, 1, 30, 200, 999))
                lead = random.choice((0, 0, 40, 600, LONGEST_LEAD))
                granted = await self._of(w, account, Limits(rate=rate), random.randrange(1, 40), lead=lead)
                given = [granted.slot(k) for k in range(granted.count)]
                assert all(w.now + lead <= slot <= w.now + lead + 1000 for slot in given)
                slots += given
            assert most_in_a_second(slots) <= rate, rate

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
    async def test_a_used_up_quota_is_noted_once(self, w: World) -> None:
        """It stops nothing and is over by itself: one entry for one parking, however often it was asked, and one at
        its end. A list that waits is no news of single mails; where a list goes again, single mails do."""
        limits, accounts = Limits(quota=10, reserve=0.3), w.ledger.accounts
        await self._of(w, "a", limits, 50)
        assert await accounts.parked(w.now) == []
        until = (await self._of(w, "a", limits, 1)).until
        began, w.now = w.now, w.now + 250
        await self._of(w, "a", limits, 1)
        assert await accounts.parked(w.now) == [Parking("a", True, began, until)]
        assert (await self._of(w, "a", limits, 2, transactional=True)).count == 2
        await self._of(w, "a", limits, 1, transactional=True)
        await self._of(w, "a", limits, 1, transactional=True)
        assert [p.lists for p in await accounts.parked(w.now)] == [True, False]
        assert (await accounts.stopped(w.now), await accounts.parked(until)) == ([], [])
        assert (await self._of(w, "a", Limits(quota=15), 5)).count == 5
        assert len(await accounts.parked(w.now)) == 2, "what came was taken at once, and nothing is left"
        assert (await self._of(w, "a", Limits(quota=20), 3)).count == 3
        assert await accounts.parked(w.now) == []
        entries = [(e.kind, e.data["lists"]) for e in await w.journal()]
        assert entries == [("parked", True), ("parked", False), ("unparked", True), ("unparked", False)]

    @clause
    async def test_a_quota_that_is_no_more_parks_nobody(self, w: World) -> None:
        """Taken out of the configuration, or only moved: the note follows."""
        await self._slots(w, 5, quota=5)
        await self._slots(w, 1, quota=5)
        assert len(await w.ledger.accounts.parked(w.now)) == 1
        assert (await self._slots(w, 1)).count == 1
        assert await w.ledger.accounts.parked(w.now) == []

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
    async def test_groups_keep_to_the_rate(self, w: World) -> None:
        """Requests of many mails and single ones, through two lanes: no window of one second has more than the rate."""
        for rate in (1.0, 14.0, 75.0, 200.0):
            random, slots, account = Random(11), [], f"account-{rate}"
            for _ in range(80):
                w.now += random.choice((0, 1, 200, 1000, 5000))
                group = random.choice((1, 1, 10, 50))
                granted = await self._of(w, account, Limits(rate=rate), random.choice((1, 20, 120)), group=group)
                slots += [granted.slot(k) for k in range(granted.count)]
                assert granted.group <= min(group, rate)
            assert most_in_a_second(slots) <= rate, rate

    @clause
    async def test_groups_lose_nothing_of_the_rate(self, w: World) -> None:
        """Who always asks for groups gets as many mails as who always asks for single ones."""
        got = dict.fromkeys((1, 50), 0)
        for _ in range(60):
            for group in got:
                got[group] += (await self._of(w, f"by-{group}", Limits(rate=100.0), 300, group=group)).count
            w.now += 1000
        assert got[50] >= got[1] - 50 > 5000

    @clause
    async def test_an_unlimited_account_fills_its_requests(self, w: World) -> None:
        """Without a rate a group is as large as a request takes it, and all begin now."""
        granted = await self._of(w, "free", Limits(), 120, group=50)
        assert (granted.count, granted.group, granted.slot(119)) == (120, 50, w.now)

    @clause
    async def test_lists_stand_back_while_transactional_mail_asks(self, w: World) -> None:
        """A list's slots begin within a second, and within a quarter of it for ten seconds behind a transactional ask:
        so that mail waits no longer, whatever the list has taken."""
        rate = Limits(rate=100.0)
        assert (await self._of(w, "a", rate, 300)).count > 90
        refused = await self._of(w, "a", rate, 1, transactional=True)
        assert (refused.count, refused.reason) == (0, "rate")
        w.now += 1000
        for _ in range(20):
            w.now += 400
            granted = await self._of(w, "a", rate, 300)
            assert not granted.count or granted.slot(granted.count - 1) < w.now + 250
            mail = await self._of(w, "a", rate, 1, transactional=True)
            assert not mail.count or mail.slot(0) < w.now + 270
        assert mail.count == 1
        w.now += 10_000
        assert (await self._of(w, "a", rate, 300)).count > 90
        assert (await self._of(w, "another", rate, 300)).count > 90

    @clause
    async def test_lists_leave_a_share_of_the_quota(self, w: World) -> None:
        """The last of the day's quota is transactional mail's; a quota of one is whoever's comes first."""
        limits = Limits(quota=10, reserve=0.3)
        assert (await self._of(w, "a", limits, 50)).count == 7
        refused = await self._of(w, "a", limits, 1)
        assert (refused.count, refused.reason) == (0, "quota")
        assert (await self._of(w, "a", limits, 2, transactional=True)).count == 2
        assert (await self._of(w, "a", limits, 50)).count == 0
        assert (await self._of(w, "a", limits, 50, transactional=True)).count == 1
        assert (await self._of(w, "b", Limits(quota=1, reserve=0.9), 5)).count == 1
