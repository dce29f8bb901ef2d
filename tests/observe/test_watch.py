"""The watch over a real ledger, by a clock that is moved: one message at ten minutes, one at the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from standin import StandIn, standing_in

from kakitome.core.alert import Alert, Belongs, Facts
from kakitome.core.alert import Kind as Topic
from kakitome.core.alert_rules import Rules
from kakitome.core.lifecycle import Cause
from kakitome.core.policy import Kind
from kakitome.ledgers.memory.ledger import MemoryLedger
from kakitome.ledgers.sqlite.ledger import SqliteLedger
from kakitome.observe.alerts import Watch
from kakitome.observe.channels import Channel, House
from kakitome.observe.post import NotTold
from kakitome.observe.slack import Slack
from kakitome.observe.wording import Owner, Text
from kakitome.ports.accounts import Limits, Wanted
from kakitome.ports.ledger import Ledger
from kakitome.testing.ledger_world import HOUR, MINUTE, START, World

SECOND = 1_000
HOUSE = House(
    streams={"booking": Belongs("hotel", (("ses", "ses-tokyo"),)), "bulk": Belongs("", (("ses", "ses-tokyo"),))},
    accounts={"ses": "ses-tokyo"},
    owners={"hotel": Owner("Hotel", "Sato")},
    channels=("slack",),
)


class Ear:
    """A channel that hears, or does not."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.tries = 0
        self.deaf = False
        self.during: Callable[[], Awaitable[None]] | None = None

    async def tell(self, text: Text, alert: Alert, part: str, now: int) -> str:
        self.tries += 1
        if self.during is not None:
            await self.during()
        if self.deaf:
            raise NotTold("503 nobody listens")
        self.heard.append(text.title)
        return "200 ok"


class Tower:
    """A ledger that is watched, and the time. The world's clock is everybody's."""

    def __init__(self, ledger: Ledger) -> None:
        self.world = World(ledger)
        self.ear = Ear()

    def now(self) -> int:
        return self.world.now

    def monotonic(self) -> float:
        return self.world.now / 1000

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody waits here")

    def watch(self, channels: dict[str, Channel] | None = None, house: House = HOUSE) -> Watch:
        ears: dict[str, Channel] = {"slack": self.ear}
        return Watch(self.world.ledger, self, house, Rules(), ears if channels is None else channels, 15.0)

    async def until(self, watch: Watch, at: int) -> None:
        """Look as `Watch.run` does, up to (and at) this moment."""
        while True:
            wait = round(await watch.once() * 1000)
            if self.world.now + wait > at:
                self.world.now = at
                return
            self.world.now += wait


@pytest.fixture(params=["memory", "sqlite"])
def played(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[Callable[[Tower], Awaitable[None]]], None]]:
    def play(scene: Callable[[Tower], Awaitable[None]]) -> None:
        async def run() -> None:
            ledger: Ledger = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.db")
            try:
                await scene(Tower(ledger))
            finally:
                await ledger.close()

        asyncio.run(run())

    yield play


Played = Callable[[Callable[[Tower], Awaitable[None]]], None]


def test_an_outage(played: Played) -> None:
    """Nothing at 9:59, one message at 10:00, nothing for as long as it lasts, one when it is over."""

    async def scene(t: Tower) -> None:
        w, watch = t.world, t.watch()
        await w.begin()
        mails = [await w.admit(run=await w.stream()) for _ in range(3)]
        detail = "nobody listens, not even for a@example.jp"
        await w.ledger.accounts.stop("lane:ses", "refused_connection", START + HOUR, detail, START)
        for minute in range(9):
            w.now = START + minute * MINUTE
            await w.ledger.workers.beat("w1", w.now)
            await watch.once()
        w.now = START + 9 * MINUTE + 59 * SECOND
        await w.ledger.workers.beat("w1", w.now)
        assert await watch.once() == 1.0
        assert t.ear.heard == []
        w.now = START + 10 * MINUTE
        await watch.once()
        assert t.ear.heard == ["Mail is late: 3 wait in stream booking"]
        [alert] = await w.ledger.alerts.list(10)
        assert (alert.facts.why, alert.facts.causes) == ("provider", ("ses-tokyo",))
        assert "example.jp" not in repr(alert)
        for minute in range(11, 30):
            w.now = START + minute * MINUTE
            await w.ledger.workers.beat("w1", w.now)
            await watch.once()
        assert len(t.ear.heard) == 1
        await w.ledger.accounts.resume("lane:ses", "sato", w.now)
        for [mail] in mails:
            [claimed] = await w.claim(mail)
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p{mail}")
        await watch.once()
        assert t.ear.heard[1:] == ["Over: mail of stream booking is late no more"]
        [alert] = await w.ledger.alerts.list(10)
        assert (alert.facts.gone, alert.facts.count) == (3, 0)

    played(scene)


def test_the_watch_looks_when_a_rule_will_speak(played: Played) -> None:
    """By its own sleeping, and not by every quarter of a minute, it is there at ten minutes to the millisecond."""

    async def scene(t: Tower) -> None:
        await t.world.begin()
        t.world.now += 7
        await t.world.admit()
        t.world.now -= 7
        watch = t.watch()
        await t.until(watch, START + 10 * MINUTE + 6)
        assert t.ear.heard == []
        await watch.once()
        assert t.ear.heard == []
        t.world.now += 1
        await watch.once()
        assert len(t.ear.heard) == 1

    played(scene)


def test_several_workers_tell_once(played: Played) -> None:
    """Whichever of them looks first."""

    async def scene(t: Tower) -> None:
        watches = [t.watch() for _ in range(4)]
        await t.world.admit()
        for second in range(0, 700, 15):
            t.world.now = START + second * SECOND
            await asyncio.gather(*(watch.once() for watch in watches))
        assert t.ear.heard == ["Mail is late: 1 wait in stream booking"]

    played(scene)


def test_who_was_killed_while_telling_is_replaced(played: Played) -> None:
    """Raised and not marked as told for a minute: whoever sees it tells it. What was marked is not told again."""

    async def scene(t: Tower) -> None:
        async def killed() -> None:
            raise asyncio.CancelledError

        await t.world.admit()
        t.world.now += 10 * MINUTE
        t.ear.during = killed
        with pytest.raises(asyncio.CancelledError):
            await t.watch().once()
        t.ear.during = None
        other = t.watch()
        t.world.now += MINUTE - 1
        await other.once()
        assert t.ear.heard == []
        t.world.now += 1
        await other.once()
        await t.until(other, t.world.now + HOUR)
        assert len(t.ear.heard) == 1

    played(scene)


def test_a_deaf_slack_is_tried_ever_more_seldom(played: Played, caplog: pytest.LogCaptureFixture) -> None:
    """It is logged and told once it hears; nothing else waits for it."""

    async def scene(t: Tower) -> None:
        await t.world.admit()
        t.world.now += 10 * MINUTE
        t.ear.deaf = True
        with caplog.at_level(logging.ERROR, "kakitome.alerts"):
            await t.until(t.watch(), t.world.now + HOUR)
        assert 5 <= t.ear.tries <= 10
        assert "503 nobody listens" in caplog.text
        t.ear.deaf = False
        await t.until(t.watch(), t.world.now + 20 * MINUTE)
        assert len(t.ear.heard) == 1

    played(scene)


def test_without_a_channel_it_is_raised_all_the_same(played: Played, caplog: pytest.LogCaptureFixture) -> None:
    """Logged, in the journal, and in the list: nobody is told, and that is known."""

    async def scene(t: Tower) -> None:
        await t.world.admit()
        t.world.now += 10 * MINUTE
        with caplog.at_level(logging.WARNING, "kakitome.alerts"):
            await t.watch({}, House(streams=HOUSE.streams)).once()
        assert "Mail is late: 1 wait in stream booking." in caplog.text
        assert "alert_raised" in [entry.kind for entry in await t.world.journal()]
        [alert] = await t.world.ledger.alerts.list(10)
        assert (alert.ended, alert.told) == (None, ())

    played(scene)


def test_a_lane_that_is_configured_no_more_is_no_news(played: Played) -> None:
    """It is stopped in the ledger, and as nobody tries it any more, it would be so for ever."""

    async def scene(t: Tower) -> None:
        for gate in ("lane:old", "account:ses-osaka"):
            await t.world.ledger.accounts.stop(gate, "tls", t.world.now + MINUTE, "", t.world.now)
        t.world.now += HOUR
        await t.watch({}).once()
        assert await t.world.ledger.alerts.list(10) == []

    played(scene)


def test_no_worker_is_our_own_fault(played: Played) -> None:
    """A watch needs no worker: it says that none is alive, and since when."""

    async def scene(t: Tower) -> None:
        await t.world.begin()
        await t.world.admit()
        t.world.now += 10 * MINUTE
        await t.watch().once()
        [alert] = await t.world.ledger.alerts.list(10)
        assert (alert.facts.why, alert.facts.last_beat) == ("no-worker", START)

    played(scene)


def test_what_the_journal_says_is_told_once(played: Played) -> None:
    """Each guard's word; of quarantined events one message an hour; by several readers, and over restarts."""

    async def scene(t: Tower) -> None:
        w = t.world
        await w.campaign("a@example.jp")
        for n in range(3):
            await w.ledger.journal.note("event_quarantined", {"why": f"no JSON from a{n}@example.jp"}, w.now)
        await asyncio.gather(*(t.watch().once() for _ in range(3)))
        w.now += MINUTE
        await w.ledger.journal.note("event_quarantined", {"why": "no JSON"}, w.now)
        await t.watch().once()
        assert t.ear.heard == ["3 events could not be read: quarantine"]
        [alert] = await w.ledger.alerts.list(10)
        assert alert.facts.what == "no JSON from (address)"

    played(scene)


def test_a_list_that_goes_is_not_late(played: Played) -> None:
    """One that went ten minutes ago is no trouble, however many wait; one of which nothing goes is."""

    async def scene(t: Tower) -> None:
        w, watch = t.world, t.watch()
        run = await w.campaign("a@example.jp", "b@example.jp", "c@example.jp")
        for minute, [id] in enumerate([[id] for id in await w.ledger.messages.due(run, 2, w.now)]):
            w.now = START + (9 + 9 * minute) * MINUTE
            [claimed] = await w.claim(id)
            await w.settle(claimed, Cause.PROVIDER_ACCEPTED, f"p{id}")
            await watch.once()
        await t.until(watch, START + 28 * MINUTE - 1)
        await watch.once()
        assert t.ear.heard == []
        w.now = START + 28 * MINUTE
        await watch.once()
        assert t.ear.heard == ["Mail is late: 1 wait in campaign letter (stream bulk)"]

    played(scene)


def test_a_quota_that_we_counted_ourselves(played: Played) -> None:
    """No gate says it: a list that is parked is information, and goes on by itself. A single mail that waits beside it
    has what lists leave to such mails: it waits for something else."""

    async def scene(t: Tower) -> None:
        w, watch = t.world, t.watch()
        await w.begin()
        await w.campaign("a@example.jp")
        wanted = Wanted(account="ses-tokyo", lane="ses", limits=Limits(quota=20, reserve=0.05), count=20)
        assert [(await w.ledger.accounts.slots(wanted, w.now)).count for _ in range(2)] == [19, 0]
        for minute in range(15):
            w.now = START + minute * MINUTE
            await w.ledger.workers.beat("w1", w.now)
            await watch.once()
            if minute == 4:
                await w.admit("b@example.jp")
        list_waits, mail_waits = t.ear.heard
        assert list_waits == "For information: mail is late: 1 wait in campaign letter (stream bulk)"
        assert mail_waits == "Mail is late: 1 wait in stream booking"
        assert [alert.facts.why for alert in await w.ledger.alerts.list(0)] == ["quota", "unknown"]

    played(scene)


def test_owners_hear_through_their_own_channel() -> None:
    """Each owner's Slack if it has one, else the one for all; the webhook hears everything."""
    house = House(channels=("slack", "slack:hotel", "webhook"))
    assert house.told(Topic.LATE, Facts(owners=("hotel",))) == ["slack:hotel", "webhook"]
    assert house.told(Topic.LATE, Facts(owners=("press",))) == ["slack", "webhook"]
    assert house.told(Topic.LATE, Facts()) == ["slack", "webhook"]
    assert house.told(Topic.LANE, Facts(owners=("hotel",))) == ["slack:hotel", "slack", "webhook"]


def test_slack_itself(tmp_path: Path) -> None:
    """Over a real socket: one message, although the first try is refused."""

    async def run() -> None:
        ledger = SqliteLedger(tmp_path / "ledger.db")
        async with standing_in() as slack:
            slack.answers = [500, 200]
            await _told(Tower(ledger), slack)
        await ledger.close()

    asyncio.run(run())


async def _told(t: Tower, slack: StandIn) -> None:
    await t.world.stream("booking", Kind.TRANSACTIONAL)
    await t.world.admit()
    t.world.now += 10 * MINUTE
    watch = t.watch({"slack": Slack(slack.url)})
    await t.until(watch, t.world.now + 10 * MINUTE)
    assert slack.titles == ["Mail is late: 1 wait in stream booking"] * 2
    [alert] = await t.world.ledger.alerts.list(1)
    assert [(part, channel) for part, channel, at in alert.told if at] == [("raised", "slack")]
