"""What every transport to a provider must keep: somebody who may say no, or nothing, or not be there."""

from __future__ import annotations

import asyncio

import msgspec

from kakitome.core.outcome import (
    Accepted,
    Deferred,
    Outcome,
    Rejected,
    Released,
    Unavailability,
    Unavailable,
    Uncertain,
)
from kakitome.ports.transport import Parcel, Transport
from kakitome.testing.parcels import ScriptedWire, Trouble, only_batch, parcel, parcels
from kakitome.testing.transports import TransportContract

_U = Unavailability


class ProviderContract(TransportContract):
    """The contract of what goes over a network to somebody who may say no, or nothing."""

    def nowhere(self) -> Transport:
        """A transport to a place where nobody listens."""
        raise NotImplementedError

    def stranger(self) -> Transport:
        """A transport whose credentials the far side does not take; may be the one that `far_side` is told of."""
        raise NotImplementedError

    def meet(self, trouble: Trouble, *, timeout: float = 10.0) -> tuple[Outcome, Outcome]:
        """The outcomes of a mail that met `trouble` and of the one behind it on the same line."""
        self.far_side().trouble(trouble)
        first, second = self.send(parcels(2), places=1, timeout=timeout)
        return first, second

    def test_refused_for_good(self) -> None:
        """`Rejected` with the reply; the next mail is not to blame for it."""
        first, second = self.meet(Trouble.REFUSED)
        assert isinstance(first, Rejected)
        assert first.reply.code >= 400 or first.reply.error  # of one in a group, a status of its own
        assert isinstance(second, Accepted)
        self.assert_taken([parcel(2)])

    def test_refused_for_now(self) -> None:
        """`Deferred` with the reply."""
        first, second = self.meet(Trouble.DEFERRED)
        assert isinstance(first, Deferred)
        assert first.reply.code >= 400
        assert isinstance(second, Accepted)
        self.assert_taken([parcel(2)])

    def test_a_throttled_lane_stops(self) -> None:
        """`Unavailable`, and what was not begun yet is given back: it would only be refused as well."""
        first, second = self.meet(Trouble.THROTTLED)
        assert isinstance(first, Unavailable)
        assert first.reason in (_U.THROTTLED, _U.TOO_MANY_CONNECTIONS)
        assert isinstance(second, Released)
        self.assert_taken([])

    def test_wrong_credentials(self) -> None:
        """`Unavailable`: no mail is to blame, and none is there."""
        outcomes = asyncio.run(only_batch(self.stranger(), parcels(3), ScriptedWire()))
        assert any(isinstance(o, Unavailable) and o.reason is _U.CREDENTIALS for o in outcomes)
        assert all(isinstance(o, Unavailable | Released) for o in outcomes)
        self.assert_taken([])

    def test_nobody_listens(self) -> None:
        """`Unavailable`, and `begin` is never asked: there was nothing to write on."""
        wire = ScriptedWire()
        outcomes = asyncio.run(only_batch(self.nowhere(), parcels(3), wire))
        assert any(isinstance(o, Unavailable) and o.reason is _U.REFUSED_CONNECTION for o in outcomes)
        assert all(isinstance(o, Unavailable | Released) for o in outcomes)
        assert not [question for question, _ in wire.asked if question == "begin"]

    def test_a_lost_reply_is_a_doubt(self) -> None:
        """`Uncertain`, the far side has it, and it has it once: nothing is sent again behind our back."""
        first, second = self.meet(Trouble.REPLY_LOST)
        assert isinstance(first, Uncertain)
        assert isinstance(second, Accepted)
        self.assert_taken(parcels(2))

    def test_a_reset_is_a_doubt(self) -> None:
        """`Uncertain` although the far side does not have it: from here both look the same."""
        first, second = self.meet(Trouble.RESET)
        assert isinstance(first, Uncertain)
        assert isinstance(second, Accepted)
        self.assert_taken([parcel(2)])

    def test_an_error_after_the_accept_is_a_doubt(self) -> None:
        """`Uncertain`: an answer that proves nothing is none."""
        first, second = self.meet(Trouble.ERROR_AFTER_ACCEPT)
        assert isinstance(first, Uncertain)
        assert isinstance(second, Accepted)
        self.assert_taken(parcels(2))

    def test_a_reply_that_is_too_late_is_a_doubt(self) -> None:
        """`Uncertain` after the timeout; what comes later is never taken for the next mail's reply."""
        first, second = self.meet(Trouble.SLOW, timeout=0.3)
        assert isinstance(first, Uncertain)
        assert isinstance(second, Accepted)
        self.assert_taken(parcels(2))

    def test_one_bad_parcel_stays_one(self) -> None:
        """What cannot be said costs itself an attempt, smuggles nothing in, and takes no other mail with it."""
        bad = ["reader@例え.example", "a@example.com>\r\nRCPT TO:<victim@example.com", "a@example.com, b@example.com"]
        mails = [parcel(1), *(_to(address, n) for n, address in enumerate(bad, 2)), parcel(9)]
        first, *between, last = self.send(mails, places=1)
        assert isinstance(first, Accepted)
        assert isinstance(last, Accepted)
        assert all(isinstance(o, Deferred | Rejected) for o in between), between
        self.assert_taken([mails[0], mails[-1]])


def _to(recipient: str, number: int) -> Parcel:
    return msgspec.structs.replace(parcel(number), recipient=recipient)
