"""What every event source must keep, whoever the provider is.

Subclass `SourceContract` in a test module under a name that begins with `Test`, say how your source parses, and give it
the provider's documented examples. Nothing here needs pytest, a ledger or a network.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce

import msgspec

from kakitome.core.delivery import NOTHING, Delivery, fold
from kakitome.core.errors import KakitomeError
from kakitome.core.event import Event, EventKind

_YEAR_2000, _YEAR_2100 = 946_684_800_000, 4_102_444_800_000


class SourceContract:
    """The contract. `NOW` is the time of arrival that parsing is told, in milliseconds."""

    NOW = 1_700_000_000_000
    CUTS = 40

    def parse(self, payload: bytes, now: int) -> list[Event]:
        """What the source makes of one verified payload that came at `now`."""
        raise NotImplementedError

    def samples(self) -> Mapping[str, bytes]:
        """The documented payloads by name, about different happenings; together they show every kind of event."""
        raise NotImplementedError

    def unknown(self) -> bytes:
        """A payload of a type that the provider may invent tomorrow."""
        raise NotImplementedError

    def malformed(self) -> Iterable[bytes]:
        """Payloads that are not the provider's."""
        raise NotImplementedError

    def correlation(self) -> tuple[str, str]:
        """The message and attempt that every sample carries."""
        raise NotImplementedError

    def all_events(self) -> list[Event]:
        return [event for payload in self.samples().values() for event in self.parse(payload, self.NOW)]

    def test_every_sample_tells_something(self) -> None:
        """Each documented payload yields at least one event of a known kind."""
        for name, payload in self.samples().items():
            events = self.parse(payload, self.NOW)
            assert events, name
            assert all(event.kind is not EventKind.UNKNOWN for event in events), name

    def test_a_copy_is_the_same_event(self) -> None:
        """Providers repeat themselves: a later copy of the payload gives equal events with equal keys."""
        for name, payload in self.samples().items():
            first, again = self.parse(payload, self.NOW), self.parse(bytes(payload), self.NOW + 86_400_000)
            assert [e.key for e in first] == [e.key for e in again], name
            assert first == again, name

    def test_different_happenings_have_different_keys(self) -> None:
        """What is not a copy is never taken for one."""
        keys = [event.key for event in self.all_events()]
        assert len(set(keys)) == len(keys)
        assert all(0 < len(key) <= 200 for key in keys)

    def test_keys_hold_no_address(self) -> None:
        """Keys go into logs and outlive an erasure."""
        assert not any("@" in event.key for event in self.all_events())

    def test_events_belong_to_their_attempt(self) -> None:
        """Our own correlation comes back, and the provider's id for the mail with it."""
        for event in self.all_events():
            assert (event.message, event.attempt) == self.correlation()
            assert event.provider_message_id

    def test_times_are_the_providers_in_milliseconds(self) -> None:
        """Neither seconds nor the time of arrival."""
        for event in self.all_events():
            assert _YEAR_2000 < event.at < _YEAR_2100
            assert event.at != self.NOW

    def test_an_event_of_tomorrow_is_of_now(self) -> None:
        """Time passes as the event stream shows it: a clock that is ahead must not make what is still to come look
        lost. The key stays, so that a copy counts once."""
        for name, payload in self.samples().items():
            first = self.parse(payload, self.NOW)
            early = min(event.at for event in first) - 3_600_000
            again = self.parse(payload, early)
            assert {event.at for event in again} == {early}, name
            assert [e.key for e in again] == [e.key for e in first], name

    def test_judgements_are_complete(self) -> None:
        """A bounce says how final it is and why; what is no bounce has no permanence."""
        for event in self.all_events():
            assert (event.permanence is not None) == (event.kind is EventKind.BOUNCED)
            assert event.kind is not EventKind.BOUNCED or (event.bounce_class is not None and event.recipient)

    def test_an_unknown_type_survives(self) -> None:
        """Tomorrow's types are kept whole, under a key of their own, and change nothing in the fold."""
        (event,) = self.parse(self.unknown(), self.NOW)
        assert event.kind is EventKind.UNKNOWN
        assert event.key == self.parse(self.unknown(), self.NOW + 1)[0].key
        assert event.key not in {known.key for known in self.all_events()}
        assert bytes(event.raw) in self.unknown()
        assert fold(NOTHING, event) == NOTHING

    def test_the_providers_words_are_kept(self) -> None:
        """`raw` is the provider's own JSON, cut out of the payload and not written anew."""
        for name, payload in self.samples().items():
            for event in self.parse(payload, self.NOW):
                assert bytes(event.raw) in payload, name
                assert isinstance(msgspec.json.decode(event.raw), dict), name

    def test_the_order_does_not_matter(self) -> None:
        """Backwards, turned by any number of places, and everything twice: the fold is the same."""
        events = self.all_events()
        told = _folded(events)
        assert told != NOTHING
        assert _folded(events[::-1]) == told
        assert _folded(events + events) == told
        for turn in range(len(events)):
            assert _folded(events[turn:] + events[:turn] + events[:1]) == told

    def test_malformed_is_refused(self) -> None:
        """What is not the provider's raises an error of ours, which somebody can act on."""
        for payload in self.malformed():
            self.assert_refused(payload)

    def test_a_cut_payload_never_crashes(self) -> None:
        """A payload that ends too early is refused, wherever it ends."""
        for payload in self.samples().values():
            step = max(1, len(payload) // self.CUTS)
            for end in range(0, len(payload.rstrip()), step):
                self.assert_refused(payload[:end])

    def assert_refused(self, payload: bytes) -> None:
        try:
            events = self.parse(payload, self.NOW)
        except KakitomeError as refused:
            assert refused.what
        else:
            raise AssertionError(f"{payload[:200]!r} was taken for {events!r}")


def _folded(events: list[Event]) -> Delivery:
    return reduce(fold, events, NOTHING)
