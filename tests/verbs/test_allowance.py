"""The provider's word about rate and quota: followed minute by minute, kept where it is not said, never guessed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from machine import Hosts
from workshop import HOUR, LANE, MINUTE, VirtualClock, Workshop

from kakitome.allowance import EVERY, SWITCHED_OFF, Allowances, Followed
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import State
from kakitome.hands import Hands
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.limits import AccountLimits, LimitsUnread
from kakitome.worker import FIRST_LOOK, Worker

GATE = f"account:{LANE.account}"
USUAL = AccountLimits(rate=14.0, quota=50_000, used=3, read_at=0)
TROUBLE = LimitsUnread("The limits cannot be read: no network.", "Write numbers.")


def but(**changes: object) -> AccountLimits:
    return msgspec.structs.replace(USUAL, **changes)


class Provider:
    """A source that says what it is told to; `asked` counts."""

    def __init__(self, says: AccountLimits | Exception = USUAL) -> None:
        self.says = says
        self.asked = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self) -> AccountLimits:
        self.asked += 1
        await self.answers.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


class StillClock(VirtualClock):
    """Time stands until `pass_by`; who sleeps wakes when it has come."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        waiting = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.seconds + seconds, waiting))
        await waiting

    def pass_by(self, seconds: float) -> None:
        super().pass_by(seconds)
        for until, waiting in self.sleepers:
            if until <= self.seconds and not waiting.done():
                waiting.set_result(None)
        self.sleepers = [(until, waiting) for until, waiting in self.sleepers if not waiting.done()]


async def until(true: Callable[[], object]) -> None:
    """A few turns of the loop; a worker's idle loops take a quarter of a second."""
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - what is waited for rings nobody
            await asyncio.sleep(0.001)


class Follower:
    """Allowances that are followed, in a ledger in memory. `minute` lets one pass, to the end of its look."""

    def __init__(self, provider: Provider, **how: Any) -> None:
        self.provider = provider
        self.clock = StillClock()
        self.ledger = MemoryLedger()
        self.allowances = Allowances({LANE.account: Followed(source=provider, **how)}, self.ledger, self.clock)

    def limits(self, lane: Lane = LANE) -> tuple[float | None, int | None]:
        lane = self.allowances.lane(lane)
        return lane.rate, lane.quota

    async def minute(self, says: AccountLimits | Exception | None = None) -> None:
        self.provider.says = says or self.provider.says
        self.clock.pass_by(EVERY)
        await self.looked()

    async def looked(self) -> None:
        await until(lambda: self.clock.sleepers)

    async def gates(self) -> list[tuple[str, str]]:
        return [(gate.gate, gate.reason) for gate in await self.ledger.accounts.stopped(self.clock.now())]

    async def journal(self) -> list[str]:
        return [entry.kind for entry in await self.ledger.journal.read(0, 1000)]


@asynccontextmanager
async def following(says: AccountLimits | Exception = USUAL, /, **how: Any) -> AsyncIterator[Follower]:
    """Behind its first look."""
    follower = Follower(Provider(says), **how)
    task = asyncio.create_task(follower.allowances.follow())
    await follower.looked()
    try:
        yield follower
    finally:
        task.cancel()
        await asyncio.wait([task])


# ── Rate and quota ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_provider_says_and_the_lane_obeys() -> None:
    """From the first look on, and from each next one with what is said then."""

    async def run() -> None:
        async with following() as it:
            assert it.limits() == (14.0, 50_000)
            await it.minute(but(rate=50.0, quota=200))
            assert it.limits() == (50.0, 200)
            await it.minute(but(rate=None, quota=None))
            assert it.limits() == (None, None)

    asyncio.run(run())


def test_it_is_asked_once_a_minute() -> None:
    """Not with every batch; AWS allows one such question a second, for everybody who uses the account."""

    async def run() -> None:
        async with following() as it:
            it.clock.pass_by(EVERY - 0.001)
            await asyncio.sleep(0)
            assert it.provider.asked == 1
            it.clock.pass_by(0.001)
            await it.looked()
            assert it.provider.asked == 2

    asyncio.run(run())


def test_a_number_of_the_configuration_stays() -> None:
    """Only what is the provider's to say comes from there."""
    numbers = msgspec.structs.replace(LANE, rate=2.0, quota=7)

    async def run(**how: bool) -> tuple[float | None, int | None]:
        async with following(**how) as it:
            return it.limits(numbers)

    assert asyncio.run(run(quota=False)) == (14.0, 7)
    assert asyncio.run(run(rate=False)) == (2.0, 50_000)


def test_other_accounts_are_as_configured() -> None:
    """And without anybody to follow nobody waits for a look."""

    async def run() -> None:
        async with following() as it:
            other = msgspec.structs.replace(LANE, account="other")
            assert it.allowances.lane(other) is other
        nobody = Allowances({}, MemoryLedger(), StillClock())
        await nobody.follow()
        assert nobody.looked.is_set()

    asyncio.run(run())


def test_what_was_used_is_reported() -> None:
    """The provider also counts what others send: 431 of 200 leaves nothing, and breaks nothing."""

    async def run() -> None:
        async with following(but(quota=200, used=431)) as it:
            lane, now = it.allowances.lane(LANE), it.clock.now()
            limits = Limits(lane.rate, lane.quota)
            wanted = Wanted(account=LANE.account, lane=LANE.name, limits=limits, count=5)
            refused = await it.ledger.accounts.slots(wanted, now)
            assert (refused.count, refused.reason) == (0, "quota")
            await it.minute(but(quota=200, used=None))
            await it.minute(but(quota=500, used=431))
            now, more = it.clock.now(), msgspec.structs.replace(wanted, limits=Limits(None, 500), count=99)
            assert (await it.ledger.accounts.slots(more, now)).count == 69

    asyncio.run(run())


# ── Trouble ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_before_the_first_answer_mail_goes_as_in_the_sandbox(caplog: pytest.LogCaptureFixture) -> None:
    """One a second: no account has less. It is said once, and over as soon as the provider answers."""

    async def run() -> None:
        async with following(TROUBLE) as it:
            assert it.limits() == (1.0, None)
            for _ in range(3):
                await it.minute()
            assert it.limits() == (1.0, None)
            await it.minute(USUAL)
            assert it.limits() == (14.0, 50_000)

    asyncio.run(run())
    [record] = caplog.records
    assert record.getMessage() == f"{TROUBLE} Until then one mail a second goes out, as in the sandbox."


def test_who_need_not_be_asked_slows_nobody_down(caplog: pytest.LogCaptureFixture) -> None:
    """A lane that sends by SMTP may have no keys for the API: then it is as it was, and nobody is troubled."""

    async def run() -> None:
        async with following(TROUBLE, careful=False) as it:
            assert it.limits() == (None, None)

    asyncio.run(run())
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_the_last_figures_stay(caplog: pytest.LogCaptureFixture) -> None:
    """However long nobody answers; each silence is told once."""

    async def run() -> None:
        async with following() as it:
            for _ in range(5):
                await it.minute(TROUBLE)
                assert it.limits() == (14.0, 50_000)
            await it.minute(but(rate=15.5))
            await it.minute(TROUBLE)
            assert it.limits() == (15.5, 50_000)

    asyncio.run(run())
    assert [record.getMessage().partition("numbers. ")[2] for record in caplog.records] == [
        "The last known figures hold: 14 a second, 50,000 a day.",
        "The last known figures hold: 15.5 a second, 50,000 a day.",
    ]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), LedgerUnavailable("The disk is full.")], ids=repr)
def test_nothing_ends_the_following(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An error of ours, or a ledger that is away, is logged, and the next look comes."""

    async def run() -> None:
        async with following(error) as it:
            assert it.allowances.looked.is_set()
            await it.minute(USUAL)
            assert it.limits() == (14.0, 50_000)

    asyncio.run(run())
    assert len(caplog.records) == 1


def test_one_account_does_not_wait_for_another() -> None:
    """They are asked at the same time: ten silent ones cost ten seconds, not a hundred."""

    async def run() -> None:
        silent, other = Provider(), Provider()
        silent.answers.clear()
        both = {"silent": Followed(source=silent), LANE.account: Followed(source=other)}
        allowances = Allowances(both, MemoryLedger(), StillClock())
        task = asyncio.create_task(allowances.follow())
        await until(lambda: allowances.lane(LANE).rate == 14.0)
        assert not allowances.looked.is_set()
        task.cancel()
        await asyncio.wait([task])

    asyncio.run(run())


# ── Sandbox, switched off ───────────────────────────────────────────────────────────────────────────────────────────


def test_the_sandbox_is_told_before_the_first_mail(caplog: pytest.LogCaptureFixture) -> None:
    """Once in the log and the journal; and once more only if the account falls back into it."""
    inside = but(sandbox=True, quota=200, rate=1.0)

    async def run() -> list[str]:
        async with following(inside) as it:
            await it.minute()
            await it.minute(TROUBLE)
            await it.minute(inside)
            assert await it.journal() == ["sandbox"]
            [entry] = await it.ledger.journal.read(0, 10)
            assert entry.data == {"account": LANE.account, "quota": 200, "rate": 1.0}
            await it.minute(USUAL)
            await it.minute(inside)
            return await it.journal()

    assert asyncio.run(run()) == ["sandbox", "sandbox"]
    assert "only verified recipients, 200 a day, 1 a second" in caplog.records[0].getMessage()


def test_what_the_provider_refused_goes_on_with_its_word() -> None:
    """Out of the sandbox, or with more quota than before, the account goes on at the next look, once for each word; not
    while it says the same, and not for a stop of another kind."""
    full, inside = but(quota=200, used=431), but(sandbox=True, quota=200)

    async def run() -> None:
        for reason, refused, more in (("quota", full, but(quota=500)), ("sandbox", inside, but(quota=200))):
            async with following(refused) as it:
                for stop in (reason, "suspended"):
                    await it.ledger.accounts.stop(GATE, reason, it.clock.now() + HOUR, "", it.clock.now())
                    await it.minute()
                    assert await it.gates() == [(GATE, reason)]
                    await it.minute(more)
                    assert await it.gates() == []
                    await it.minute(refused)
                    await it.ledger.accounts.stop(GATE, stop, it.clock.now() + HOUR, "", it.clock.now())
                assert await it.gates() == [(GATE, "suspended")]
                await it.minute(more)
                assert await it.gates() == [(GATE, "suspended")]
                await it.ledger.accounts.resume(GATE, "aya", it.clock.now())
                await it.ledger.accounts.stop(GATE, reason, it.clock.now() + HOUR, "", it.clock.now())
                await it.minute(more)
                assert await it.gates() == [(GATE, reason)], "it has said so before, and refused all the same"

    asyncio.run(run())


def test_each_account_is_asked_in_its_own_time() -> None:
    """`look` of the configuration."""

    async def run() -> None:
        async with following(every=5.0) as it:
            it.clock.pass_by(4.9)
            await it.looked()
            assert it.provider.asked == 1
            it.clock.pass_by(0.1)
            await until(lambda: it.provider.asked == 2)

    asyncio.run(run())


def test_switched_off_stops_the_account_until_it_is_on_again() -> None:
    """One stop and one resumption in the journal, however many looks there are in between."""

    async def run() -> None:
        async with following(but(sending_enabled=False)) as it:
            for _ in range(30):
                await it.minute()
                assert await it.gates() == [(GATE, "paused")]
            await it.minute(USUAL)
            assert await it.gates() == []
            assert await it.journal() == ["stopped", "resumed"]

    asyncio.run(run())


def test_a_stop_that_nobody_watches_any_more_ends_by_itself() -> None:
    """The worker is gone: after ten minutes one mail tries, and the provider answers for itself."""

    async def run() -> None:
        async with following(but(sending_enabled=False)) as it:
            [stop] = await it.ledger.accounts.stopped(it.clock.now())
            assert stop.until == it.clock.now() + 10 * MINUTE
            wanted = Wanted(account=LANE.account, lane=LANE.name, limits=Limits(), count=9)
            assert (await it.ledger.accounts.slots(wanted, stop.until - 1)).count == 0
            grant = await it.ledger.accounts.slots(wanted, stop.until)
            assert (grant.count, grant.probe) == (1, True)

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reason", "until", "detail"),
    [("suspended", HOUR, "454 suspended"), ("paused", None, "aya: not today"), ("person", None, SWITCHED_OFF)],
)
def test_only_its_own_stop_is_resumed(reason: str, until: int | None, detail: str) -> None:
    """A suspension, and a person's word, stay."""

    async def run() -> None:
        async with following() as it:
            now = it.clock.now()
            await it.ledger.accounts.stop(GATE, reason, until and now + until, detail, now)
            await it.minute(but(sending_enabled=False))
            await it.minute(USUAL)
            assert await it.gates() == [(GATE, reason)]

    asyncio.run(run())


# ── The worker ──────────────────────────────────────────────────────────────────────────────────────────────────────


class Working(Workshop):
    """A worker whose only account is followed; its clock stands."""

    worker: Worker

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self.clock = self.still = StillClock()
        values = {name: getattr(self.hands, name) for name in Hands.__slots__}
        hands = Hands(**values | {"stopping": lambda: self.worker.stopping})
        self.worker = Worker(
            *(hands, Hosts(), self.queue, {LANE.name: LANE}, lambda _: [LANE.name], lambda _: self.transport),
            followed={LANE.account: Followed(source=provider)},
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.worker.run())
        try:
            yield
        finally:
            self.worker.stop()
            await task


def test_a_changed_quota_is_followed_at_the_next_minute() -> None:
    """Two of five go; the provider raises the quota; the others go a minute later, and nothing was lost in between."""

    async def run() -> None:
        provider = Provider(but(rate=None, quota=2, used=0))
        shop = Working(provider)
        ids = await shop.mail(5)
        async with shop.working():
            await until(lambda: shop.worker.waiting == "quota")
            assert len(shop.transport.written) == 2
            provider.says = but(rate=None, quota=50, used=2)
            shop.clock.pass_by(EVERY)
            await until(lambda: len(shop.transport.written) == 5)
        assert await shop.states(ids) == [State.SENT] * 5
        assert len({parcel.message for parcel in shop.transport.written}) == 5

    asyncio.run(run())


def test_mail_waits_for_the_first_look_but_not_for_long() -> None:
    """With the figures it goes at its pace from the start; without them, after two seconds, as in the sandbox."""

    async def run() -> None:
        provider = Provider()
        provider.answers.clear()
        shop = Working(provider)
        await shop.mail(9)
        async with shop.working():
            await until(lambda: len(shop.still.sleepers) == 2)  # the heartbeat's, and the wait for the look
            assert shop.transport.written == []
            shop.clock.pass_by(FIRST_LOOK)
            await until(lambda: shop.worker.waiting == "rate")
            assert len(shop.transport.written) == 1
            provider.answers.set()

    asyncio.run(run())


def test_a_worker_that_is_told_to_stop_does_not_wait_for_the_look() -> None:
    """Nothing was claimed, nothing is open, and the question is given up."""

    async def run() -> None:
        provider = Provider()
        provider.answers.clear()
        shop = Working(provider)
        ids = await shop.mail()
        async with shop.working():
            await until(lambda: provider.asked == 1)
        assert await shop.states(ids) == [State.QUEUED]

    asyncio.run(run())
