"""A worker: who waits for whom, which lane, what one trouble costs the others, and an end in good order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import pytest
from machine import Hosts
from workshop import HOUR, LANE, VirtualClock, Workshop

from kakitome import worker
from kakitome.accept import Desk, Handed, accept
from kakitome.core.ids import MessageId, RunId
from kakitome.core.lane import Lane
from kakitome.core.lifecycle import State
from kakitome.core.message import Admitted
from kakitome.core.outcome import Accepted, Outcome, Released
from kakitome.core.policy import Kind, Policy
from kakitome.core.submission import MessageRequest
from kakitome.hands import Hands
from kakitome.ports.transport import Capabilities, Parcel, Wire
from kakitome.ports.workers import WorkerRecord
from kakitome.worker import Worker

LANES = {name: msgspec.structs.replace(LANE, name=name, account=f"account-{name}") for name in ("first", "second")}
POLICIES = {"booking": Policy(), "otp": Policy(), "letter": Policy(kind=Kind.BULK)}


class Ticking(VirtualClock):
    """Short sleeps pass; the sweeper's pause ends when the test says `tick`."""

    def __init__(self) -> None:
        super().__init__()
        self.ticks = asyncio.Semaphore(0)

    async def sleep(self, seconds: float) -> None:
        if seconds >= 1.0:
            await self.ticks.acquire()
        await super().sleep(seconds)


class Post:
    """What all transports of a worker share: `before` is asked before each write, and every write is told."""

    def __init__(self) -> None:
        self.before: Callable[[Parcel], Awaitable[None]] | None = None
        self.answer: Callable[[str, Parcel], Outcome] = lambda _, parcel: Accepted(f"p-{parcel.message}")
        self.written: list[tuple[str, str]] = []
        self.lines: list[Line] = []
        self.news = asyncio.Condition()

    def connect(self, lane: str) -> Line:
        self.lines.append(Line(lane, self))
        return self.lines[-1]

    async def until(self, recipient: str) -> None:
        """Until this mail is written."""
        async with self.news:
            await self.news.wait_for(lambda: recipient in {to for _, to in self.written})


class Line:
    capabilities = Capabilities(places=1, events=True, envelope_differs=True, raw=True, timeout=10.0)

    def __init__(self, lane: str, post: Post) -> None:
        self.lane = lane
        self.is_closed = False
        self._post = post

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        for index, parcel in enumerate(parcels):
            if self._post.before is not None:
                await self._post.before(parcel)
            if not (await wire.ready(index) and await wire.turn(index) and wire.begin(index)):
                yield index, Released("withdrawn")
                continue
            async with self._post.news:
                self._post.written.append((self.lane, parcel.recipient))
                self._post.news.notify_all()
            yield index, self._post.answer(self.lane, parcel)

    async def close(self) -> None:
        self.is_closed = True


class Shift(Workshop):
    """A worker with two lanes, over a workshop's ledger."""

    def __init__(self, route: Sequence[str] = ("first", "second"), only: RunId | None = None) -> None:
        super().__init__()
        self.clock = Ticking()
        self.post = Post()
        self.hosts = Hosts()
        self.lanes: dict[str, Lane] = dict(LANES)
        self.route: Callable[[str], Sequence[str]] = lambda _: route
        self.worker = self._worker(only)

    def _worker(self, only: RunId | None) -> Worker:
        values = {name: getattr(self.hands, name) for name in Hands.__slots__}
        hands = Hands(**values | {"stopping": lambda: self.worker.stopping})
        return Worker(hands, self.hosts, self.queue, self.lanes, lambda s: self.route(s), self.post.connect, only)

    async def hand_in(self, stream: str, *recipients: str) -> list[MessageId]:
        """A mail to each, and the bell."""
        desk = Desk(self.ledger, self.renderer, self.queue, self.clock, lambda name: (POLICIES[name], "a@example.com"))
        mails = [MessageRequest(to=[to], subject="Hi", text="x", stream=stream) for to in recipients]
        ids: list[MessageId] = []
        for answer in await accept([Handed(mail) for mail in mails], desk):
            assert isinstance(answer, Admitted), answer
            for id in answer.messages:
                self.numbers[id] = len(self.numbers) + 1
            ids += answer.messages
        return ids

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None, None]:
        task = asyncio.create_task(self.worker.run())
        try:
            yield
        except BaseException:
            task.cancel()
            raise
        self.worker.stop()
        await task


def shift(body: Callable[[Shift], Awaitable[None]]) -> Callable[[], None]:
    """A test over a shift. It ends in ten seconds whatever happens, and nobody waits that long."""

    def test() -> None:
        async def run() -> None:
            async with asyncio.timeout(10):
                await body(Shift())

        asyncio.run(run())

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@shift
async def test_a_single_mail_never_waits_behind_a_list(s: Shift) -> None:
    """Both loops for lists hang on their connections, and the single mail goes."""
    gate = asyncio.Event()
    hanging = asyncio.Semaphore(0)

    async def hang(parcel: Parcel) -> None:
        if parcel.recipient.startswith("list"):
            hanging.release()
            await gate.wait()

    s.post.before = hang
    await s.hand_in("letter", *(f"list-{n}@example.com" for n in range(300)))  # more than one batch
    async with s.working():
        await hanging.acquire()
        await hanging.acquire()
        await s.hand_in("booking", "single@example.com")
        await s.post.until("single@example.com")
        assert [to for _, to in s.post.written] == ["single@example.com"]
        gate.set()
        await s.post.until("list-299@example.com")


@pytest.mark.parametrize("stream", ["booking", "letter"])
def test_an_answer_that_does_not_come_holds_nobody_up(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may take ten minutes for the final dot. What is handed in meanwhile goes; in the end all is settled."""
    monkeypatch.setattr(worker, "PATIENCE", 0.01)

    async def run() -> None:
        s, gate, hangs = Shift(), asyncio.Event(), asyncio.Event()

        async def hang(parcel: Parcel) -> None:
            if parcel.recipient.startswith("hanging"):
                hangs.set()
                await gate.wait()

        s.post.before = hang
        async with asyncio.timeout(10):
            ids = await s.hand_in(stream, *(f"hanging-{n}@example.com" for n in range(3)))
            async with s.working():
                await hangs.wait()
                ids += await s.hand_in(stream, "next@example.com")
                await s.post.until("next@example.com")
                assert [to for _, to in s.post.written] == ["next@example.com"]
                gate.set()
                await s.post.until("hanging-2@example.com")
        assert await s.states(ids) == [State.SENT] * 4

    asyncio.run(run())


@shift
async def test_each_loop_has_connections_of_its_own(s: Shift) -> None:
    """Else a single mail would wait for a list's on the same one. All are closed in the end."""
    async with s.working():
        await s.hand_in("letter", "list@example.com")
        await s.hand_in("booking", "single@example.com")
        await s.post.until("list@example.com")
        await s.post.until("single@example.com")
    assert len(s.post.lines) == 2
    assert all(line.is_closed for line in s.post.lines)


@shift
async def test_stop_ends_in_good_order(s: Shift) -> None:
    """What is on the wire is settled, the rest is queued at once, the ledger and the host know nothing of it more."""
    ids = await s.hand_in("letter", *(f"list-{n}@example.com" for n in range(5)))

    async def stop(parcel: Parcel) -> None:
        if parcel.recipient == "list-2@example.com":
            s.worker.stop()

    s.post.before = stop
    s.hosts.slates["w1"] = s.slate
    async with s.working():
        await s.post.until("list-1@example.com")
    assert await s.states(ids) == [State.SENT] * 2 + [State.QUEUED] * 3
    assert (await s.ledger.workers.all(), s.hosts.slates) == ([], {})


@shift
async def test_a_worker_is_known_before_it_claims(s: Shift) -> None:
    """A claim of a worker that the ledger does not know would be reaped by nobody."""
    await s.hand_in("booking", "a@example.com")
    known: list[str] = []

    async def look(_: Parcel) -> None:
        known.extend(worker.id for worker in await s.ledger.workers.all())

    s.post.before = look
    async with s.working():
        await s.post.until("a@example.com")
    assert known == ["w1"]


@shift
async def test_the_first_lane_of_the_route_that_takes_something(s: Shift) -> None:
    """The second only where the first is stopped; and back as soon as it is open again."""
    now = s.clock.now()
    await s.ledger.accounts.stop("lane:first", "credentials", now + HOUR, "", now)
    async with s.working():
        await s.hand_in("booking", "a@example.com")
        await s.post.until("a@example.com")
        await s.ledger.accounts.resume("lane:first", "aya", now)
        await s.hand_in("booking", "b@example.com")
        await s.post.until("b@example.com")
    assert s.post.written == [("second", "a@example.com"), ("first", "b@example.com")]


@shift
async def test_a_lane_at_its_pace_is_waited_for(s: Shift) -> None:
    """Full for this second is not stopped: the second lane is for when the first takes nothing."""
    slow = msgspec.structs.replace(LANES["first"], rate=1.0)
    s.lanes["first"] = slow
    async with s.working():
        await s.hand_in("booking", "a@example.com", "b@example.com")
        while s.worker.waiting != "rate" and len(s.post.written) < 2:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0)
    assert {lane for lane, _ in s.post.written} == {"first"}


@shift
async def test_where_no_lane_takes_anything_the_reason_is_told(s: Shift) -> None:
    """For whoever watches, with the time when it is looked at again."""
    now = s.clock.now()
    for lane in LANES:
        await s.ledger.accounts.stop(f"lane:{lane}", "suspended", now + HOUR, "", now)
    ids = await s.hand_in("booking", "a@example.com")
    async with s.working():
        while not s.worker.waiting:  # noqa: ASYNC110 - nobody is told of it
            await asyncio.sleep(0)
        assert (s.worker.waiting, s.worker.waiting_until) == ("suspended", now + HOUR)
    assert await s.states(ids) == [State.QUEUED]


@shift
async def test_trouble_of_one_stream_does_not_hold_the_next_one_up(s: Shift) -> None:
    """The first has a lane without its password; the second has nothing to do with it."""

    def route(stream: str) -> Sequence[str]:
        if stream == "otp":
            raise RuntimeError("a bug, or a variable that is not set")
        return ["first"]

    s.route = route
    await s.hand_in("otp", "a@example.com")
    async with s.working():
        await s.hand_in("booking", "b@example.com")
        await s.post.until("b@example.com")
    assert s.post.written == [("first", "b@example.com")]


@shift
async def test_the_sweeper_outlives_every_error(s: Shift) -> None:
    """An error in looking after others must not end our own heartbeat: our claims would become doubts."""

    def broken(worker: WorkerRecord) -> bool:
        raise OSError("a folder that cannot be read")

    s.hosts.certainly_gone = broken  # type: ignore[method-assign]
    beats: list[int] = []
    beat = s.ledger.workers.beat
    sweeps = asyncio.Semaphore(0)
    expire = s.ledger.sweeps.expire

    async def beating(worker: str, now: int) -> None:
        beats.append(now)
        await beat(worker, now)

    async def swept(n: int, now: int) -> int:
        sweeps.release()
        return await expire(n, now)

    s.ledger.workers.beat = beating  # type: ignore[method-assign]
    s.ledger.sweeps.expire = swept  # type: ignore[method-assign]
    async with s.working():
        for _ in range(3):
            await sweeps.acquire()
            s.clock.ticks.release()  # type: ignore[attr-defined]
    assert len(beats) >= 3


@shift
async def test_what_runs_beside_begins_again(s: Shift) -> None:
    """A door that an error of ours closed is opened again, with a word, and the worker ends in good order."""
    begun: list[int] = []

    async def door() -> None:
        begun.append(s.clock.now())
        raise RuntimeError("a mail that nobody foresaw")

    s.worker._beside = [door]
    async with s.working():
        while len(begun) < 3:
            s.clock.ticks.release()  # type: ignore[attr-defined]
            await asyncio.sleep(0)


def test_a_worker_for_one_campaign_leaves_everything_else_alone() -> None:
    """`kakitome campaign` works on its list and on nobody's mail beside it."""

    async def run() -> None:
        async with asyncio.timeout(10):
            s = Shift()
            await s.hand_in("letter", "mine@example.com")
            wanted = await s.ledger.runs.find("stream:letter")
            assert wanted is not None
            other = await s.hand_in("booking", "other@example.com")
            s.worker = s._worker(wanted.id)
            async with s.working():
                await s.post.until("mine@example.com")
            assert await s.states(other) == [State.QUEUED]

    asyncio.run(run())


@pytest.mark.parametrize("kind", Kind)
def test_a_bell_ends_the_rest_at_once(kind: Kind) -> None:
    """Nobody waits for the next look."""

    async def run() -> None:
        async with asyncio.timeout(10):
            s = Shift()
            resting = asyncio.Event()
            wait = s.queue.wait

            async def waiting(bell: str, seconds: float) -> bool:
                if bell == kind:
                    resting.set()
                return await wait(bell, 3_600)

            s.queue.wait = waiting  # type: ignore[method-assign]
            stream = "booking" if kind is Kind.TRANSACTIONAL else "letter"
            async with s.working():
                await resting.wait()
                await s.hand_in(stream, "a@example.com")
                await s.post.until("a@example.com")

    asyncio.run(run())
