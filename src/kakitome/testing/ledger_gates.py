"""Gates: one entry for one stop, one mail that tries, and a slow way back."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from kakitome.core.breaker import LONGEST, RETURN_FLOOR
from kakitome.core.pacing import FASTEST
from kakitome.ports.accounts import GateState, Limits, Pace
from kakitome.testing.ledger_accounts import Asking, most_in_a_second
from kakitome.testing.ledger_world import DAY, HOUR, MINUTE, World, clause

SECOND = 1000


class Gates(Asking):
    async def _stop(self, w: World, gate: str = "lane:ses", lasts: int = 5 * SECOND, reason: str = "dns") -> bool:
        return await w.ledger.accounts.stop(gate, reason, w.now + lasts, "", w.now, doubling=True)

    async def _pass(self, w: World, lane: str = "ses") -> None:
        await w.ledger.accounts.passed("ses-tokyo", lane, w.now)

    @clause
    async def test_a_stop_is_one_entry_and_ends_by_a_probe(self, w: World) -> None:
        """Stopping what is stopped is no news; at `until` one mail tries, and what works again may stop again."""
        until = w.now + HOUR
        stop = w.ledger.accounts.stop
        assert await stop("lane:ses", "throttled", until, "slow down", w.now)
        assert not await stop("lane:ses", "throttled", until, "slow down", w.now + 1)
        assert await w.ledger.accounts.stopped(w.now) == [GateState("lane:ses", "throttled", until, w.now, "slow down")]
        refused = await self._slots(w)
        assert (refused.count, refused.until, refused.reason) == (0, until, "throttled")
        assert (await self._slots(w, lane="smtp")).count == 10
        w.now = until
        assert (await w.ledger.accounts.stopped(w.now))[0].until == until
        granted = await self._slots(w)
        assert (granted.count, granted.probe) == (1, True)
        await self._pass(w)
        assert await w.ledger.accounts.stopped(w.now) == []
        assert await stop("lane:ses", "throttled", w.now + 1, "", w.now)
        assert [e.kind for e in await w.journal()] == ["stopped", "resumed", "stopped"]

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

    @clause
    async def test_one_mail_tries_at_a_time(self, w: World) -> None:
        """Whoever asks while a probe is out gets nothing; if nobody hears of it, the next one may try."""
        await self._stop(w)
        w.now += 5 * SECOND
        assert (await self._slots(w, 50)).probe
        refused = await self._slots(w, 50)
        assert (refused.count, refused.reason, refused.until) == (0, "dns", w.now + MINUTE)
        w.now = refused.until - 1
        assert (await self._slots(w, 50)).count == 0
        w.now += 1
        again = await self._slots(w, 50)
        assert (again.count, again.probe) == (1, True)

    @clause
    async def test_a_probe_that_was_not_begun_is_the_next_ones(self, w: World) -> None:
        """Only that probe: of one that somebody else is trying with meanwhile nothing is taken away."""
        await self._stop(w)
        w.now += 5 * SECOND
        assert (await self._slots(w)).probe
        await w.ledger.accounts.untried("ses-tokyo", "ses", w.now + MINUTE - 1)
        assert (await self._slots(w)).count == 0
        await w.ledger.accounts.untried("ses-tokyo", "ses", w.now + MINUTE)
        assert (await self._slots(w)).probe

    @clause
    async def test_a_probe_that_missed_its_slot_goes_on_trying(self, w: World) -> None:
        """Whoever tries may have another slot; the others still wait, and behind a new stop so does the probe."""
        await self._stop(w)
        granted = w.now = w.now + 5 * SECOND
        assert (await self._slots(w, rate=14.0)).probe
        w.now += 300
        limits = Limits(14.0)
        assert (await self._of(w, "ses-tokyo", limits, 1, instead=granted)).count == 1
        assert (await self._slots(w, rate=14.0)).count == 0
        await self._stop(w)
        w.now += 1
        assert (await self._of(w, "ses-tokyo", limits, 1, instead=granted)).count == 0

    @clause
    async def test_who_was_not_trying_has_no_slot_instead_of_a_missed_one(self, w: World) -> None:
        """What was granted before the stop, and missed: behind a half-open gate it is not for these mails to go on."""
        granted = w.now
        await self._stop(w)
        w.now += 5 * SECOND
        assert (await self._of(w, "ses-tokyo", Limits(14.0), 5, instead=granted)).reason == "dns"
        assert (await self._slots(w, rate=14.0)).probe

    @clause
    async def test_slots_instead_of_missed_ones_keep_the_rate_and_nothing_else(self, w: World) -> None:
        """The mails are in the quota and in the pace of their domain already."""
        limits, pace, granted = Limits(14.0, 3), Pace("docomo", 1.0), w.now
        first = await self._of(w, "ses-tokyo", limits, 1, pace=pace)
        w.now += 30
        again = await self._of(w, "ses-tokyo", limits, 1, pace=pace, instead=granted)
        assert (again.count, again.begin) == (1, first.begin + first.spacing)
        w.now += DAY // 2
        assert (await self._of(w, "ses-tokyo", limits, 9)).count == 2

    @clause
    async def test_who_may_not_try_waits(self, w: World) -> None:
        """Where a canary tries, nobody's mail does, before it and behind it."""
        await self._stop(w)
        w.now += 5 * SECOND
        for _ in range(2):
            refused = await self._of(w, "ses-tokyo", Limits(), 5, probe=False)
            assert (refused.count, refused.reason) == (0, "dns")
            assert refused.until > w.now
        assert (await self._slots(w)).probe
        assert (await self._of(w, "ses-tokyo", Limits(), 5, probe=False)).count == 0

    @clause
    async def test_a_probe_costs_what_a_mail_costs(self, w: World) -> None:
        """It keeps to the quota and the rate, and where they refuse it no probe is out."""
        assert (await self._slots(w, 5, quota=5)).count == 5
        await self._stop(w)
        w.now += 5 * SECOND
        assert (await self._slots(w, 1, quota=5)).reason == "quota"
        assert (await self._slots(w, 9, quota=9, rate=14.0)).probe
        assert (await self._slots(w, 9, quota=9, rate=14.0)).reason == "dns"

    @clause
    async def test_a_failed_probe_doubles_the_pause(self, w: World) -> None:
        """With no entry of its own, up to five minutes; other failures meanwhile change nothing."""
        assert await self._stop(w)
        pauses = []
        for strike in range(2, 10):
            [gate] = await w.ledger.accounts.stopped(w.now)
            assert gate.until is not None
            w.now = gate.until
            assert (await self._slots(w)).probe
            assert not await self._stop(w)
            assert not await self._stop(w)
            [gate] = await w.ledger.accounts.stopped(w.now)
            assert gate.until is not None
            assert gate.strikes == strike
            pauses.append(gate.until - w.now)
        assert pauses[:3] == [10 * SECOND, 20 * SECOND, 40 * SECOND]
        assert pauses[-2:] == [LONGEST] * 2
        assert [e.kind for e in await w.journal()] == ["stopped"]

    @clause
    async def test_a_probe_that_passed_says_how_long_it_was_shut(self, w: World) -> None:
        """Both gates open that were half open, with an entry each; one that is stopped stays so."""
        began = w.now
        await self._stop(w)
        await self._stop(w, "account:ses-tokyo", reason="suspended")
        await self._stop(w, "lane:smtp", HOUR)
        w.now += 5 * SECOND
        await self._stop(w)
        w.now += HOUR
        assert (await self._slots(w)).probe
        w.now += 300
        await self._pass(w)
        assert [gate.gate for gate in await w.ledger.accounts.stopped(w.now)] == ["lane:smtp"]
        entries = [e for e in await w.journal() if e.kind == "resumed"]
        assert [(e.data["gate"], e.data["strikes"]) for e in entries] == [("account:ses-tokyo", 1), ("lane:ses", 2)]
        assert all(e.data["who"] == "probe" and e.data["shut_ms"] == w.now - began for e in entries)
        await self._stop(w, "lane:smtp", HOUR)
        await self._pass(w, "smtp")
        assert (await self._slots(w, lane="smtp")).count == 0

    @clause
    async def test_a_lane_comes_back_slowly(self, w: World) -> None:
        """Little at first, twice as much each minute, all after six; what it does not take, another lane may."""
        await self._stop(w)
        w.now += MINUTE
        await self._slots(w)
        await self._pass(w)
        minutes = []
        for _ in range(8):
            taken = 0
            for _ in range(60):
                granted = await self._slots(w, 9999)
                assert not granted.probe
                taken += granted.count
                w.now += SECOND
            minutes.append(taken)
        assert 60 * FASTEST * RETURN_FLOOR < minutes[0] < 2.5 * 60 * FASTEST * RETURN_FLOOR
        assert all(1.8 * before < after < 2.2 * before for before, after in pairwise(minutes[1:6]))
        assert minutes[7] == 60 * 9999

    @clause
    async def test_a_blip_is_no_outage(self, w: World) -> None:
        """A server that was started again has all its mail back at once: shut for less than a minute is no reason."""
        await self._stop(w)
        w.now += MINUTE - 1
        await self._slots(w)
        await self._pass(w)
        w.now += SECOND
        assert (await self._slots(w, 9999)).count == 9999

    @clause
    async def test_a_returning_lane_says_so(self, w: World) -> None:
        """The refusal's reason is `returning`, and at its `until` there is a slot; the account's other lane has all."""
        await self._stop(w)
        w.now += MINUTE
        await self._slots(w, rate=14.0)
        await self._pass(w)
        w.now += SECOND
        assert (await self._slots(w, 50, rate=14.0)).count == 1
        refused = await self._slots(w, 50, rate=14.0)
        assert (refused.count, refused.reason) == (0, "returning")
        assert (await self._slots(w, 50, lane="smtp", rate=14.0)).count >= 10
        w.now = refused.until
        assert (await self._slots(w, 50, rate=14.0)).count == 1
        await w.ledger.accounts.stop("lane:ses", "person", None, "", w.now)
        await w.ledger.accounts.resume("lane:ses", "aya", w.now)
        w.now += SECOND
        assert (await self._slots(w, 50, rate=14.0)).count >= 10

    @clause
    async def test_a_throttle_slows_the_account_down(self, w: World) -> None:
        """Each one by three tenths, also where no rate is known; a tenth comes back each minute, and never less than
        one mail a second is left."""
        for limits in (Limits(rate=100.0), Limits()):
            account = f"account-{limits.rate}"
            full = (await self._of(w, account, limits, FASTEST)).count
            for strike in range(1, 20):
                await w.ledger.accounts.stop(f"account:{account}", "throttled", w.now + SECOND, "", w.now)
                await w.ledger.accounts.stop(f"account:{account}", "throttled", w.now + SECOND, "", w.now)
                w.now += SECOND
                await w.ledger.accounts.passed(account, "ses", w.now)
                taken = (await self._of(w, account, limits, FASTEST)).count
                if strike in (1, 2):
                    assert 0.6**strike * full < taken < 0.8**strike * full, (strike, taken, full)
            assert 1 <= taken < 0.1 * full
            slots, w.now = [], w.now + SECOND
            for _ in range(12):
                granted = await self._of(w, account, limits, FASTEST)
                slots.append(granted.count)
                w.now += MINUTE
            assert slots[:10] == sorted(slots[:10])
            assert 0.45 * full < slots[5] < 0.65 * full
            assert slots[11] == full

    @clause
    async def test_a_lane_s_throttle_is_not_the_account_s(self, w: World) -> None:
        """Only a throttle of the account slows the account; other stops of it do not."""
        await w.ledger.accounts.stop("lane:smtp", "throttled", w.now + HOUR, "", w.now)
        await w.ledger.accounts.stop("account:ses-tokyo", "quota", w.now + SECOND, "", w.now)
        await w.ledger.accounts.resume("account:ses-tokyo", "aya", w.now)
        assert (await self._slots(w, 999, rate=100.0)).count >= 95

    @clause
    async def test_whatever_happens_one_mail_tries(self, w: World) -> None:
        """A random walk: from a stop to its end no mail goes but one that tries, and never two within the time that
        is left to its outcome."""
        random, shut, out, slots = Random(3), False, 0, []
        for _ in range(400):
            w.now += random.choice((0, 10, SECOND, 5 * SECOND, MINUTE))
            match random.choice(("stop", "pass", "ask", "ask", "ask", "resume")):
                case "stop":
                    await self._stop(w)
                    shut, out = True, 0
                case "pass":
                    await self._pass(w)
                    shut = bool(await w.ledger.accounts.stopped(w.now))
                case "resume" if random.random() < 0.3:
                    await w.ledger.accounts.resume("lane:ses", "aya", w.now)
                    shut = False
                case "ask":
                    granted = await self._slots(w, 20, rate=14.0)
                    slots += [granted.slot(k) for k in range(granted.count)]
                    assert granted.probe == (shut and granted.count == 1)
                    if shut and granted.count:
                        assert (granted.count, out <= w.now) == (1, True)
                        out = w.now + MINUTE
        assert most_in_a_second(slots) <= 14
