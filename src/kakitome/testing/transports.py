"""What every transport must keep, whoever the provider is.

Subclass `TransportContract` (something that takes mail) or `providers.ProviderContract` (something that may also
refuse it, lose its reply, or not be there) in a test module under a name that begins with `Test`, and say how your
transport is made and what stands at its far side. Nothing here needs pytest or a ledger.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

from kakitome.core.errors import LedgerUnavailable
from kakitome.core.ids import message_text
from kakitome.core.outcome import Accepted, Outcome, Released
from kakitome.ports.transport import Parcel, Transport
from kakitome.testing.parcels import FarSide, ScriptedWire, only_batch, outcomes, parcel, parcels


class TransportContract:
    """The contract of everything that takes mail."""

    MANY = 40

    def transport(self, *, places: int = 4, timeout: float = 10.0) -> Transport:
        """A new one, on its way to the far side."""
        raise NotImplementedError

    def far_side(self) -> FarSide:
        """Where it leads to: empty at the start of each test."""
        raise NotImplementedError

    def handed_in(self, parcel: Parcel) -> bytes:
        """The bytes that the far side is handed: ours, and before them what the provider takes out again."""
        return parcel.raw

    # ── Sending ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(
        self, mails: Sequence[Parcel], wire: ScriptedWire | None = None, *, places: int = 4, timeout: float = 10.0
    ) -> list[Outcome]:
        """Send one batch and close; the outcomes in the order of the parcels, each of them exactly once."""

        return asyncio.run(only_batch(self.transport(places=places, timeout=timeout), mails, wire or ScriptedWire()))

    @asynccontextmanager
    async def _open(self, places: int = 4, timeout: float = 10.0) -> AsyncIterator[Transport]:
        transport = self.transport(places=places, timeout=timeout)
        try:
            yield transport
        finally:
            await transport.close()

    def assert_taken(self, mails: Sequence[Parcel]) -> None:
        """The far side has these and nothing else, each of them once."""
        assert sorted(t.recipient for t in self.far_side().accepted()) == sorted(m.recipient for m in mails)

    # ── What arrives ────────────────────────────────────────────────────────────────────────────────────────────────

    def test_what_is_accepted_is_with_the_provider_once(self) -> None:
        """`Accepted` for each, with an id of its own where the far side names one, and nothing sent twice."""
        mails = parcels(self.MANY)
        outcomes = self.send(mails)
        assert all(isinstance(o, Accepted) for o in outcomes), outcomes
        named = [o.provider_message_id for o in outcomes if isinstance(o, Accepted) and o.provider_message_id]
        assert len(set(named)) == len(named)
        self.assert_taken(mails)

    def takes_bytes(self) -> bool:
        """Whether our bytes arrive as they are; if not, what they say must, and is compared instead."""

        async def raw() -> bool:
            async with self._open() as transport:
                return transport.capabilities.raw

        return asyncio.run(raw())

    def test_bytes_arrive_as_they_are(self) -> None:
        """Size, digest and subject at the far side are those of our bytes; or text and subject those of our content."""
        mails = [parcel(1), parcel(2, text="一行目\n\n..\nFrom here on\n" + "長い本文" * 50_000)]
        self.send(mails)
        taken = {t.recipient: t for t in self.far_side().accepted()}
        for mail in mails:
            there, ours = taken[mail.recipient], self.handed_in(mail)
            if self.takes_bytes():
                assert (there.size, there.sha256) == (len(ours), hashlib.sha256(ours).hexdigest())
            else:
                assert there.text == _ended(mail.content.text)
            assert there.subject == mail.content.subject

    def test_dots_at_line_starts_survive(self) -> None:
        """A line that is a dot ends no mail, and no dot is lost or doubled, wherever the mail comes from."""
        if not self.takes_bytes():
            return self.assert_texts_survive(".\n..\n...three\nno dot\n.\n", "no line end at all", ".")
        head = b"From: news@example.com\r\nTo: reader-1@example.com\r\nSubject: dots\r\n\r\n"
        tails = (b".\r\n..\r\n...three\r\nno dot\r\n.\r\n", b"no line end at all", b".")
        mails = [parcel(n, raw=head + tail + b"\r\n") for n, tail in enumerate(tails, 1)]
        self.send(mails)
        digests = {t.recipient: t.sha256 for t in self.far_side().accepted()}
        assert digests == {m.recipient: hashlib.sha256(self.handed_in(m)).hexdigest() for m in mails}

    def assert_texts_survive(self, *texts: str) -> None:
        mails = [parcel(n, text=text) for n, text in enumerate(texts, 1)]
        self.send(mails)
        there = {taken.recipient: taken.text for taken in self.far_side().accepted()}
        assert there == {mail.recipient: _ended(mail.content.text) for mail in mails}

    def test_old_carrier_addresses_arrive_quoted(self) -> None:
        """`"a..b."@docomo.ne.jp` reaches the far side as it is; its owner has had it since 2001."""
        odd = ['"a..b."@docomo.ne.jp', '"taro."@ezweb.ne.jp', "-taro-@docomo.ne.jp"]
        mails = [parcel(n, recipient=address) for n, address in enumerate(odd, 1)]
        assert all(isinstance(o, Accepted) for o in self.send(mails))
        self.assert_taken(mails)

    def test_correlation_arrives(self) -> None:
        """Where the provider tells events, message and attempt have come along with each mail."""

        async def events() -> bool:
            async with self._open() as transport:
                return transport.capabilities.events

        mails = parcels(3)
        self.send(mails)
        for taken in self.far_side().accepted():
            told = (taken.message, taken.attempt)
            number = int(taken.recipient.split("@")[0].removeprefix("reader-"))
            assert told == (message_text(number), "3") or not asyncio.run(events())

    # ── The wire ────────────────────────────────────────────────────────────────────────────────────────────────────

    def test_the_wire_is_asked_in_its_order(self) -> None:
        """ready, turn, begin; `turn` again only where a connection had to be opened again."""
        wire = ScriptedWire()
        self.send(parcels(self.MANY), wire)
        for index in range(self.MANY):
            first, *turns, last = wire.questions(index)
            assert (first, set(turns), last) == ("ready", {"turn"}, "begin")

    def test_begin_comes_before_the_provider_has_it(self) -> None:
        """At `begin`, the far side does not have the mail: the mark is there first, and it is there once."""
        mails, early = parcels(6), []

        def watch(index: int) -> None:
            if mails[index].recipient in {t.recipient for t in self.far_side().accepted()}:
                early.append(index)

        wire = ScriptedWire(watch=watch)
        self.send(mails, wire)
        assert not early
        assert sorted(wire.asked.count(("begin", index)) for index in range(6)) == [1] * 6

    def assert_withdrawn(self, question: str) -> None:
        mails, refused = parcels(12), {0, 5, 6, 11}
        wire = ScriptedWire(dict.fromkeys(refused, question))
        outcomes = self.send(mails, wire)
        for index, outcome in enumerate(outcomes):
            assert isinstance(outcome, Released if index in refused else Accepted), (index, outcome)
            assert index not in refused or wire.questions(index)[-1] == question
        self.assert_taken([mail for index, mail in enumerate(mails) if index not in refused])

    def test_withdrawn_before_the_first_word(self) -> None:
        """No at `ready`: `Released`, not asked again, nothing sent, and the others go on."""
        self.assert_withdrawn("ready")

    def test_withdrawn_before_its_turn(self) -> None:
        """No at `turn`: the same, although the connection may have heard of the mail."""
        self.assert_withdrawn("turn")

    def test_withdrawn_at_the_last_moment(self) -> None:
        """No at `begin`: the same, and nothing of the completing write is out."""
        self.assert_withdrawn("begin")

    def test_a_wire_that_breaks_is_heard_of(self) -> None:
        """What the wire raises (the ledger is away) blames no mail: it comes out of `send`, and nothing is begun."""

        class Broken(ScriptedWire):
            async def ready(self, index: int) -> bool:
                raise LedgerUnavailable("The ledger is away.")

        wire = Broken()
        try:
            self.send(parcels(3), wire)
        except LedgerUnavailable:
            assert not wire.asked
        else:
            raise AssertionError("the ledger's absence was swallowed")
        self.assert_taken([])

    # ── Batches ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def test_an_empty_batch_is_nothing(self) -> None:
        """No parcels, no outcomes."""
        assert self.send([]) == []

    def test_batches_share_their_connections(self) -> None:
        """Several batches open no more connections than one."""

        async def batches() -> None:
            async with self._open(places=2) as transport:
                for batch in (mails[:8], mails[8:16], mails[16:]):
                    assert all(isinstance(o, Accepted) for o in await outcomes(transport, batch, ScriptedWire()))

        mails, before = parcels(24), self.far_side().connections()
        asyncio.run(batches())
        assert self.far_side().connections() - before <= 2
        self.assert_taken(mails)

    def test_a_batch_that_is_cut_off_begins_nothing_more(self) -> None:
        """After `aclose` the wire is not asked again, and the next batch finds a transport that works."""

        async def cut() -> int:
            async with self._open(places=1) as transport:
                async with aclosing(transport.send(mails, wire)) as batch:
                    await anext(batch)
                    asked = len(wire.asked)
                await outcomes(transport, [parcel(99)], ScriptedWire())
                return asked

        mails, wire = parcels(10), ScriptedWire()
        assert asyncio.run(cut()) == len(wire.asked)
        begun = {index for question, index in wire.asked if question == "begin"}
        there = {t.recipient for t in self.far_side().accepted()}
        assert there <= {mails[index].recipient for index in begun} | {"reader-99@example.com"}
        assert "reader-99@example.com" in there

    def test_closing_twice_is_closing(self) -> None:
        """`close` may come again, and before anything was sent."""

        async def twice() -> None:
            transport = self.transport()
            await transport.close()
            await transport.close()

        asyncio.run(twice())

    def test_capabilities_are_true(self) -> None:
        """No more parcels are begun at a time than `places` says, and the timeout is what was asked for or none."""

        class Counting(ScriptedWire):
            most = open = 0

            def begin(self, index: int) -> bool:
                self.open += 1
                self.most = max(self.most, self.open)
                return super().begin(index)

        async def most() -> None:
            async with self._open(places=3) as transport:
                async with aclosing(transport.send(parcels(12), wire)) as batch:
                    async for _ in batch:
                        wire.open -= 1
                assert wire.most <= transport.capabilities.places
                assert transport.capabilities.timeout > 0

        wire = Counting()
        asyncio.run(most())
        assert wire.most


def _ended(text: str | None) -> str:
    """A mail's text ends in a line end, whoever adds it."""
    return text if text is not None and text.endswith("\n") else f"{text}\n"
