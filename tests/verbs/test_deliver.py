"""The send protocol, step by step: what is durable before what, and what stops a mail at the last moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from email import message_from_bytes

import msgspec
import pytest
from workshop import HOUR, LANE, MINUTE, PACED, SECOND, Scripted, Workshop, nothing

from kakitome.core.content import Content, Mailbox
from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.core.outcome import Accepted, Deferred, Outcome, Rejected, Unavailability, Unavailable, Uncertain
from kakitome.core.pacing import LATEST_MS, spacing_ms
from kakitome.core.policy import InDoubt, Kind, Policy
from kakitome.core.reply import Reply
from kakitome.core.submission import Stored
from kakitome.ports.transport import Parcel, Wire
from kakitome.ports.workers import MarkKind

BULK = Policy(kind=Kind.BULK)
REPLY = Reply(code=451, text="451 4.3.0 not now")


# ── Intent before effect ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_order_of_one_mail() -> None:
    """Claimed, looked at, marked, written, noted, settled, and only then is the mark taken away."""

    async def run() -> None:
        shop = Workshop(BULK)
        [id] = await shop.mail()
        await shop.deliver()
        assert [word for word in shop.log if word not in ("due", "contents")] == [
            *("claim", "check", "mark 1", "write 1", "note accepted 1", "settle", "clear 1"),
        ]
        assert await shop.states([id]) == [State.SENT]
        assert shop.slate.places == {}

    asyncio.run(run())


def test_every_claim_is_durable_before_the_first_write() -> None:
    """At the first byte the ledger knows of all attempts of the batch, and of this worker's lease."""

    async def run() -> None:
        shop = Workshop(BULK)
        ids = await shop.mail(3)
        seen: list[list[State]] = []

        async def look(_: int) -> None:
            seen.append(await shop.states(ids))

        shop.transport.before_begin = look
        await shop.deliver()
        assert seen[0] == [State.SENDING] * 3
        assert [(a.fence, a.worker, a.lane) for a in await shop.attempts(ids)] == [(1, "w1", "ses")] * 3

    asyncio.run(run())


def test_a_mark_stays_until_its_settlement_is_committed() -> None:
    """While the ledger does not answer, the mark knows the reply: a kill in this moment leaves no doubt."""

    async def run() -> None:
        shop = Workshop()
        [id] = await shop.mail()
        shop.watched.trouble["settle"] = [LedgerUnavailable("The disk is full.")] * 3
        kept: list[MarkKind] = []
        shop.at_step = lambda name: kept.extend(m.kind for m in shop.slate.places.values() if name == "after_settle")
        await shop.deliver()
        assert shop.log[-6:] == ["note accepted 1", *["settle fails"] * 3, "settle", "clear 1"]
        assert (kept, shop.clock.slept[-3:]) == ([MarkKind.ACCEPTED], [1.0] * 3)
        assert await shop.states([id]) == [State.SENT]

    asyncio.run(run())


def test_bulk_settles_once_a_second_and_single_mails_much_sooner() -> None:
    """Until then the marks know the replies, so nothing is at stake but a commit per mail."""

    async def settles(policy: Policy) -> int:
        shop = Workshop(policy)
        await shop.mail(20)

        async def wait(_: int) -> None:
            shop.clock.pass_by(0.06)

        shop.transport.before_begin = wait
        await shop.deliver()
        return shop.log.count("settle")

    assert asyncio.run(settles(BULK)) == 2
    assert asyncio.run(settles(Policy())) == 20


# ── The last look ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_no_write_on_a_look_that_is_older_than_a_second() -> None:
    """Time that passes between the last look and the write makes it no look at all: the mail goes back unwritten."""

    async def run(seconds: float) -> tuple[int, list[State]]:
        shop = Workshop()
        ids = await shop.mail()

        async def dawdle(_: int) -> None:
            shop.clock.pass_by(seconds)

        shop.transport.before_begin = dawdle
        await shop.deliver()
        [view] = await shop.views(ids)
        assert view.attempts == len(shop.transport.written)
        return len(shop.transport.written), await shop.states(ids)

    assert asyncio.run(run(1.0)) == (1, [State.SENT])
    assert asyncio.run(run(1.001)) == (0, [State.QUEUED])


def test_a_process_that_was_stopped_writes_nothing_after_its_lease() -> None:
    """SIGSTOP for the length of the lease, wherever it hits: the claim may be somebody else's by now."""

    async def run(seconds: float) -> None:
        shop = Workshop()
        [id] = await shop.mail()

        async def stopped(_: int) -> None:
            shop.clock.pass_by(seconds)

        shop.transport.before_turn = stopped  # the look that follows is fresh: only the lease says no
        await shop.deliver()
        assert (shop.transport.written, shop.slate.places) == ([], {})
        [attempt] = await shop.attempts([id])
        assert msgspec.json.decode(attempt.outcome) == {"outcome": "released", "reason": "lease"}
        assert await shop.states([id]) == [State.QUEUED]

    asyncio.run(run((LANE.margin + 1) / 1000))  # less is left than the reply may take
    asyncio.run(run(HOUR / 1000))


def test_what_is_left_of_the_lease_covers_the_wait_for_the_reply() -> None:
    """Up to the margin the mail may still go: the lease is the last slot, the transport's timeout and the margin."""

    async def run() -> None:
        shop = Workshop()
        [id] = await shop.mail()

        async def slow(_: int) -> None:
            shop.clock.pass_by(LANE.margin / 1000)

        shop.transport.before_turn = slow
        await shop.deliver()
        assert await shop.states([id]) == [State.SENT]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("step", "jump"),
    [
        (step, jump)
        for step in ("before_claim", "after_claim", "after_render", "after_check", "after_reply")
        for jump in (HOUR, -HOUR)
        if (step, jump) != ("before_claim", -HOUR)  # then it is an hour too early for them, by that clock
    ],
)
def test_a_wall_clock_that_jumps_an_hour_changes_nothing(step: str, jump: int) -> None:
    """Wherever it jumps: the paced batch goes out at its pace, once, without an hour's wait."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        ids = await shop.mail(5)
        left = [step]

        def jumps(name: str) -> None:
            if name in left:
                left.remove(name)
                shop.clock.jump(jump)

        shop.at_step = jumps
        began = shop.clock.monotonic()
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT] * 5
        gaps = [b - a for a, b in zip(shop.transport.begun_at, shop.transport.begun_at[1:], strict=False)]
        assert min(gaps) >= spacing_ms(10.0) / 1000 - 1e-6
        assert shop.clock.monotonic() - began < 1.0

    asyncio.run(run())


def _halfway(shop: Workshop, change: str, ids: Sequence[int]) -> None:
    """Before the third mail of a batch that takes two seconds, somebody decides something about the rest."""

    async def decide(index: int) -> None:
        now = shop.clock.now()
        if index != 2:
            return
        if change == "suppressed":
            for number in range(3, 9):
                await shop.suppress(f"reader-{number}@example.com")
        elif change == "cancelled":
            await shop.ledger.messages.cancel(ids[2:], "aya", now)  # type: ignore[arg-type]
        elif change == "paused":
            await shop.ledger.runs.move((await shop.run()).id, "paused", "aya", now)

    shop.transport.before_turn = decide


@pytest.mark.parametrize(
    ("change", "left"),
    [("suppressed", State.SUPPRESSED), ("cancelled", State.CANCELLED), ("paused", State.QUEUED)],
)
def test_a_word_in_the_middle_of_a_paced_batch_stops_the_rest_of_it(change: str, left: State) -> None:
    """What was committed is seen by the next look, at most half a second later; what is on the wire is not undone."""

    async def run() -> None:
        shop = Workshop(BULK, msgspec.structs.replace(PACED, rate=4.0))
        ids = await shop.mail(4)
        _halfway(shop, change, ids)
        while await shop.ledger.runnable.runnable(shop.clock.now()):
            if not (batch := await shop.deliver()).claimed:
                shop.clock.pass_by(max(0, batch.until - shop.clock.now()) / 1000)
            if change == "paused":
                break
        states = await shop.states(ids)
        assert states[:2] == [State.SENT] * 2
        assert states[3] is left
        late = [p for p in shop.transport.written if p.message == ids[3]]
        assert late == []
        assert [view.attempts for view in await shop.views(ids)][3] == 0

    asyncio.run(run())


def test_what_expires_while_it_waits_for_its_slot_does_not_go() -> None:
    """Expiry counts at the look before the write, not at the claim."""

    async def run() -> None:
        shop = Workshop(Policy(kind=Kind.BULK, expires_after=500), PACED)
        ids = await shop.mail(9)
        await shop.deliver()
        states = await shop.states(ids)
        assert states[0] is State.SENT
        assert states[-1] is State.EXPIRED
        assert len(shop.transport.written) == states.count(State.SENT)

    asyncio.run(run())


def test_a_newer_claim_stops_an_older_one() -> None:
    """The look is by fence: whose lease was declared over writes nothing, though the message is being sent."""

    async def run() -> None:
        shop = Workshop()
        [id] = await shop.mail()

        async def taken_away(_: int) -> None:
            later = shop.clock.now() + HOUR
            await shop.ledger.sweeps.lease_over(10, later)
            await shop.ledger.messages.resolve([id], Cause.SILENCE, "sweep", "", later)
            shop.clock.jump(HOUR)
            await shop.claim([id], "w2")
            shop.clock.jump(-HOUR)
            shop.clock.pass_by(0.6)

        shop.transport.before_turn = taken_away
        await shop.deliver()
        assert shop.transport.written == []
        assert await shop.states([id]) == [State.SENDING]

    asyncio.run(run())


# ── Slots ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_nothing_begins_before_its_slot() -> None:
    """Ten a second: each at (1 + ε)/10 s behind the one before, by the monotonic clock."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        await shop.mail(9)
        first = shop.clock.monotonic()
        await shop.deliver()
        wanted = [first + k * spacing_ms(10.0) / 1000 for k in range(9)]
        assert shop.transport.begun_at == pytest.approx(wanted, abs=1e-6)
        assert all(at >= due for at, due in zip(shop.transport.begun_at, [w - 1e-9 for w in wanted], strict=True))

    asyncio.run(run())


def test_a_sleep_that_ends_too_early_begins_nothing_too_early() -> None:
    """A timer may fire early; the slot is waited out all the same."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        await shop.mail(3)
        whole = shop.clock.sleep

        async def half(seconds: float) -> None:
            await whole(seconds / 2 if seconds > 0.001 else seconds)

        shop.clock.sleep = half  # type: ignore[method-assign]
        first = shop.clock.monotonic()
        await shop.deliver()
        for k, at in enumerate(shop.transport.begun_at):
            assert at >= first + k * spacing_ms(10.0) / 1000 - 1e-6

    asyncio.run(run())


@pytest.mark.parametrize(("late_ms", "written"), [(LATEST_MS - 1, 1), (LATEST_MS + 1, 0)])
def test_a_slot_is_forfeited_after_half_of_epsilon(late_ms: float, written: int) -> None:
    """The other half is for the way to the provider. The mail goes back and takes another slot."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        [id] = await shop.mail()

        async def late(_: int) -> None:
            shop.clock.pass_by(late_ms / 1000)

        shop.transport.before_begin = late
        await shop.deliver()
        assert len(shop.transport.written) == written
        if not written:
            [attempt] = await shop.attempts([id])
            assert msgspec.json.decode(attempt.outcome) == {"outcome": "released", "reason": "slot"}

    asyncio.run(run())


def test_who_missed_a_slot_keeps_its_place() -> None:
    """A mail that was given back goes before all those that were behind it, and at once."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        [first] = await shop.mail()
        shop.clock.pass_by(1)
        await shop.mail(20)

        async def late(_: int) -> None:
            shop.clock.pass_by(LATEST_MS / 1000 + 2)

        shop.transport.before_begin = late
        await shop.deliver()
        assert not shop.transport.written
        shop.transport.before_begin = nothing
        await shop.deliver()
        assert shop.transport.written[0].message == first

    asyncio.run(run())


def test_who_missed_a_slot_takes_the_next() -> None:
    """A connection that took too long to open costs the batch one slot, not each of its mails a new claim. Nothing
    begins before or long after a slot, and the one for whom none is left is given back before a word is said of it."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        ids = await shop.mail(9)
        spacing = spacing_ms(10.0) / 1000
        asked: list[int] = []

        async def slow(index: int) -> None:
            asked.append(index)
            shop.clock.pass_by(spacing if index == 0 else 0.0)

        shop.transport.before_turn = slow
        first = shop.clock.monotonic()
        await shop.deliver()
        assert shop.transport.begun_at == pytest.approx([first + k * spacing for k in range(1, 9)], abs=1e-6)
        assert asked == list(range(8))
        assert await shop.states(ids) == [State.SENT] * 8 + [State.QUEUED]

    asyncio.run(run())


def test_no_more_is_claimed_than_there_are_slots() -> None:
    """Slots first, then claims: what cannot go within a second is left to others."""

    async def run() -> None:
        shop = Workshop(BULK, PACED)
        ids = await shop.mail(30)
        batch = await shop.deliver()
        assert batch.claimed == 10 == len(shop.transport.written)
        assert (await shop.states(ids)).count(State.QUEUED) == 20

    asyncio.run(run())


def test_hold_claims_only_for_a_free_place() -> None:
    """Never twice: of such a stream nothing waits in a worker's hands, where a lost host would leave it in doubt."""

    async def run(in_doubt: InDoubt) -> int:
        shop = Workshop(Policy(kind=Kind.BULK, in_doubt=in_doubt))
        shop.transport = Scripted(shop, places=3)
        await shop.mail(10)
        return (await shop.deliver()).claimed

    assert asyncio.run(run(InDoubt.HOLD)) == 3
    assert asyncio.run(run(InDoubt.EVIDENCE)) == 10


def test_without_slots_nothing_is_claimed_and_the_reason_is_told() -> None:
    """A stopped account, an empty quota: the messages stay as they are."""

    async def run() -> None:
        shop = Workshop(lane=msgspec.structs.replace(LANE, quota=0))
        ids = await shop.mail()
        assert (await shop.deliver()).reason == "quota"
        now = shop.clock.now()
        await shop.ledger.accounts.stop("account:account", "suspended", now + HOUR, "", now)
        batch = await shop.deliver()
        assert (batch.claimed, batch.reason, batch.until) == (0, "suspended", now + HOUR)
        assert await shop.states(ids) == [State.QUEUED]
        assert "claim" not in shop.log

    asyncio.run(run())


# ── Outcomes ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("outcome", "state", "attempts", "note"),
    [
        (Accepted("p-1"), State.SENT, 1, "accepted"),
        (Accepted(""), State.SENT, 1, "accepted"),
        (Rejected(REPLY), State.FAILED, 1, "refused"),
        (Deferred(REPLY), State.QUEUED, 1, "refused"),
        (Uncertain("timeout"), State.IN_DOUBT, 1, None),
        (Unavailable(Unavailability.THROTTLED), State.QUEUED, 0, "refused"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, msgspec.Struct) else None,
)
def test_each_outcome_becomes_its_state(outcome: Outcome, state: State, attempts: int, note: str | None) -> None:
    """As `decide` says, with the provider's whole word kept on the attempt; only a doubt leaves the mark unnoted."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: outcome)
        [id] = await shop.mail()
        await shop.deliver()
        [view] = await shop.views([id])
        assert (view.state, view.attempts) == (state, attempts)
        [attempt] = await shop.attempts([id])
        assert attempt.outcome == msgspec.json.encode(outcome)
        assert [word for word in shop.log if word.startswith("note")] == ([f"note {note} 1"] if note else [])

    asyncio.run(run())


def test_the_last_attempt_that_is_put_off_is_dead() -> None:
    """And not one more is made."""

    async def run() -> None:
        shop = Workshop(Policy(attempts=2, first_delay=SECOND), answer=lambda _: Deferred(REPLY))
        [id] = await shop.mail()
        await shop.deliver()
        shop.clock.pass_by(60)
        await shop.deliver()
        assert await shop.states([id]) == [State.DEAD]
        shop.clock.pass_by(60)
        assert (await shop.deliver()).claimed == 0

    asyncio.run(run())


@pytest.mark.parametrize(
    ("reason", "gate"),
    [(Unavailability.SUSPENDED, "account:account"), (Unavailability.CREDENTIALS, "lane:ses")],
)
def test_unavailable_stops_the_lane_or_the_account_once(reason: Unavailability, gate: str) -> None:
    """One entry with the provider's whole word, however many mails it hits; none of them pays an attempt."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: Unavailable(reason, Reply(code=535, text="535 what they said")))
        ids = await shop.mail(3)
        await shop.deliver()
        [stopped] = await shop.journal("stopped")
        assert (stopped.data["gate"], stopped.data["reason"]) == (gate, reason.value)
        assert stopped.data["detail"] == "535 what they said"
        assert [(v.state, v.attempts) for v in await shop.views(ids)] == [(State.QUEUED, 0)] * 3
        await shop.mail()
        assert (await shop.deliver()).reason == reason.value

    asyncio.run(run())


def test_the_providers_own_time_is_believed() -> None:
    """`until` from the provider, else our pause."""

    async def run(until: int | None) -> int:
        shop = Workshop(answer=lambda _: Unavailable(Unavailability.QUOTA, until=until))
        await shop.mail()
        await shop.deliver()
        await shop.mail()
        return (await shop.deliver()).until

    later = Workshop().clock.now() + HOUR
    assert asyncio.run(run(later)) == later
    assert asyncio.run(run(None)) == later - HOUR + 10 * MINUTE


def test_a_stop_that_cannot_be_written_loses_no_outcome() -> None:
    """The ledger is away when the lane has to stop: the mail's own outcome is settled all the same."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: Unavailable(Unavailability.THROTTLED))
        ids = await shop.mail(2)
        stop = shop.ledger.accounts.stop
        trouble = [LedgerUnavailable("The disk is full.")] * 2

        async def fails(
            gate: str, reason: str, until: int | None, detail: str, now: int, doubling: bool = False
        ) -> bool:
            if trouble:
                raise trouble.pop()
            return await stop(gate, reason, until, detail, now, doubling)

        shop.ledger.accounts.stop = fails  # type: ignore[method-assign]
        await shop.deliver()
        assert await shop.states(ids) == [State.QUEUED] * 2
        assert len(await shop.journal("stopped")) == 1
        assert shop.slate.places == {}

    asyncio.run(run())


# ── Promises that others break ──────────────────────────────────────────────────────────────────────────────────────


class Broken(Scripted):
    """Writes the first mail, then breaks off: by an error, or in silence."""

    def __init__(self, shop: Workshop, error: BaseException | None) -> None:
        super().__init__(shop)
        self._error = error

    async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
        await self._one(0, parcels[0], wire)
        if self._error is not None:
            raise self._error
        for answer in list[tuple[int, Outcome]]():
            yield answer


@pytest.mark.parametrize("error", [None, RuntimeError("a bug"), asyncio.CancelledError()], ids=repr)
def test_a_transport_that_breaks_off_leaves_doubt_only_where_it_began(error: BaseException | None) -> None:
    """What was begun is in doubt, what was not goes back, and both are settled."""

    async def run() -> None:
        shop = Workshop(BULK)
        shop.transport = Broken(shop, error)
        ids = await shop.mail(3)
        if error is None:
            await shop.deliver()
        else:
            with pytest.raises(type(error)):
                await shop.deliver()
        assert await shop.states(ids) == [State.IN_DOUBT, State.QUEUED, State.QUEUED]
        assert [v.attempts for v in await shop.views(ids)] == [1, 0, 0]
        assert shop.slate.places == {}

    asyncio.run(run())


def test_a_batch_that_is_over_writes_nothing_more() -> None:
    """A transport that goes on behind a broken batch is told no: what it would write is somebody else's already."""

    async def run() -> None:
        shop = Workshop(BULK)
        wires: list[Wire] = []

        class Keeping(Broken):
            async def send(self, parcels: Sequence[Parcel], wire: Wire) -> AsyncGenerator[tuple[int, Outcome], None]:
                wires.append(wire)
                await wire.ready(1)
                async for answer in super().send(parcels, wire):
                    yield answer

        shop.transport = Keeping(shop, None)
        ids = await shop.mail(3)
        await shop.deliver()
        assert (await shop.states(ids))[1] is State.QUEUED
        assert not wires[0].begin(1)
        assert shop.slate.places == {}

    asyncio.run(run())


@pytest.mark.parametrize("where", ["contents", "check"])
def test_a_ledger_that_is_away_in_between_leaves_no_doubt(where: str) -> None:
    """Nothing was written, so everything goes back to the queue, and no lease has to run out for that."""

    async def run() -> None:
        shop = Workshop(BULK)
        ids = await shop.mail(3)
        shop.watched.trouble[where] = [LedgerUnavailable("The disk is full.")]
        with pytest.raises(LedgerUnavailable):
            await shop.deliver()
        assert await shop.states(ids) == [State.QUEUED] * 3
        assert [v.attempts for v in await shop.views(ids)] == [0] * 3
        shop.clock.pass_by(1)
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT] * 3

    asyncio.run(run())


# ── Contents ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_rendered_is_dead_and_the_others_go() -> None:
    """With the reason on its attempt; nothing of it was written."""

    async def run() -> None:
        shop = Workshop(BULK)
        ids = await shop.mail(3)
        forgotten = Stored(content=Content(sender=Mailbox("a@example.com"), to=(), subject="", text=""), template=99)
        shop.store(ids[1], msgspec.json.encode(forgotten))
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT, State.DEAD, State.SENT]
        note = msgspec.json.decode((await shop.attempts([ids[1]]))[0].outcome)
        assert (note["outcome"], note["error"]) == ("unrenderable", "not-found")
        assert "mark 2" not in shop.log

    asyncio.run(run())


def test_a_mail_that_trips_us_up_ends_alone() -> None:
    """Poison: an error of ours in making one mail is that mail's end, not that of its batch for ever."""

    async def run() -> None:
        shop = Workshop(BULK)
        ids = await shop.mail(3)
        shop.store(ids[1], b"not even JSON")
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT, State.DEAD, State.SENT]
        note = msgspec.json.decode((await shop.attempts([ids[1]]))[0].outcome)
        assert (note["outcome"], "DecodeError" in note["what"]) == ("unrenderable", True)

    asyncio.run(run())


def test_an_old_carrier_address_goes_out_quoted() -> None:
    """NTT Docomo gave out `..` and `.@`: legal only between quotes (RFC 5321 §4.1.2)."""

    async def run() -> None:
        shop = Workshop()
        await shop.mail(to=["taro..yamada.@docomo.ne.jp"])
        await shop.deliver()
        [parcel] = shop.transport.written
        assert parcel.recipient == '"taro..yamada."@docomo.ne.jp'
        assert message_from_bytes(parcel.raw)["To"] == parcel.recipient

    asyncio.run(run())


def test_the_correlation_is_the_message_and_the_attempt_and_nothing_of_the_person() -> None:
    """It comes back with events, and must not say who was written to."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: Deferred(REPLY))
        [id] = await shop.mail()
        await shop.deliver()
        shop.clock.pass_by(60)
        await shop.deliver()
        assert [p.correlation for p in shop.transport.written] == [
            {"kakitome_message": message_text(id), "kakitome_attempt": str(fence)} for fence in (1, 2)
        ]
        assert b"kakitome_" not in shop.transport.written[0].raw

    asyncio.run(run())


def test_every_attempt_sends_the_same_bytes() -> None:
    """Message-ID derives from the message, Date is that of the first claim: a receiver may fold two copies."""

    async def run() -> None:
        shop = Workshop(answer=lambda _: Deferred(REPLY))
        [id] = await shop.mail(html="<p>こんにちは</p>", subject="ご予約")
        await shop.deliver()
        shop.clock.pass_by(HOUR / 1000)
        await shop.deliver()
        first, second = shop.transport.written
        assert first.raw == second.raw
        mail = message_from_bytes(first.raw)
        assert mail["Message-ID"] == f"<{message_text(id)}@example.com>"
        assert mail["Date"] == "Fri, 15 Jan 2027 08:00:00 +0000"

    asyncio.run(run())


def test_the_lanes_sender_is_the_reverse_path() -> None:
    """Where the lane has one; From stays as it is."""

    async def run() -> None:
        shop = Workshop(lane=msgspec.structs.replace(LANE, sender="bounces@mail.example.com"))
        await shop.mail()
        await shop.deliver()
        [parcel] = shop.transport.written
        assert parcel.sender == "bounces@mail.example.com"
        assert message_from_bytes(parcel.raw)["From"] == "a@example.com"

    asyncio.run(run())


# ── An end in good order ────────────────────────────────────────────────────────────────────────────────────────────


def test_stop_gives_back_what_is_not_on_the_wire() -> None:
    """What was written is settled by its reply; the rest is queued at once, for the next worker."""

    async def run() -> None:
        shop = Workshop(BULK)
        ids = await shop.mail(5)

        async def stop(index: int) -> None:
            shop.stopping = shop.stopping or index == 2

        shop.transport.before_begin = stop
        await shop.deliver()
        assert await shop.states(ids) == [State.SENT] * 2 + [State.QUEUED] * 3
        assert [v.attempts for v in await shop.views(ids)] == [1, 1, 0, 0, 0]

    asyncio.run(run())


def test_nothing_due_is_nothing_done() -> None:
    """No slot is taken and nothing is claimed for mail whose time has not come."""

    async def run() -> None:
        shop = Workshop(lane=PACED)
        [id] = await shop.mail()
        await shop.deliver()
        assert (await shop.deliver()).claimed == 0
        assert "claim" not in shop.log
        assert await shop.states([id]) == [State.SENT]

    asyncio.run(run())
