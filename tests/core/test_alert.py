"""When alerts begin and end: pinned sequences, and a walk over everything that may happen."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from kakitome.core.alert import Alert, Belongs, Finding, GaveUp, Kind, Level, RunSeen, Seen, Stopped, Why
from kakitome.core.alert_rules import Decision, Rules, decide

MINUTE, HOUR = 60_000, 3_600_000
T = 1_800_000_000_000
BOOKING = RunSeen(run=1, name="stream:booking", stream="booking", since=T)
LIST = RunSeen(run=2, name="letter", stream="news", campaign=True, listed=True, since=T)
SES = Stopped("lane:ses", "ses-tokyo", "refused_connection", T, "nobody listens", T + MINUTE)
SUSPENDED = Stopped("account:ses-tokyo", "ses-tokyo", "suspended", T, "ask us", T + HOUR)
ONE_WAY = {"booking": Belongs("hotel", (("ses", "ses-tokyo"),)), "news": Belongs("press", (("ses", "ses-tokyo"),))}
TWO_WAYS = {"booking": Belongs("hotel", (("ses", "ses-tokyo"), ("sg", "sendgrid")))}


class Book:
    """Carries decisions out as a ledger does."""

    def __init__(self, streams: dict[str, Belongs] | None = None, rules: Rules | None = None) -> None:
        self.streams = ONE_WAY if streams is None else streams
        self.rules = rules or Rules()
        self.open: list[Alert] = []
        self.told: list[str] = []
        self.next_at: int | None = None

    def look(self, at: int, *runs: RunSeen, **more: Any) -> Decision:
        seen = Seen(at=at, runs=runs, **more)
        decision = decide(seen, self.open, self.streams, self.rules)
        for ending in decision.ended:
            self.open.remove(ending.alert)
            self.told += [] if ending.silent else [f"over {ending.alert.key}"]
        for alert, facts in decision.renewed:
            self.open[self.open.index(alert)] = msgspec.structs.replace(alert, facts=facts)
        for finding in decision.raised:
            self._raise(finding, at)
        self.next_at = decision.next_at
        return decision

    def _raise(self, finding: Finding, at: int) -> None:
        assert finding.key not in {alert.key for alert in self.open}
        fields = msgspec.structs.asdict(finding)
        del fields["lasting"]
        self.open.append(Alert(id=len(self.told) + 1, raised=at, **fields))
        self.told.append(finding.key)


def since(run: RunSeen, at: int | None, **more: Any) -> RunSeen:
    return msgspec.structs.replace(run, since=at, **more)


def test_silent_at_nine_minutes_fifty_nine() -> None:
    """It speaks at ten minutes, to the millisecond, and says before when that will be."""
    book = Book()
    book.look(T + 10 * MINUTE - 1, BOOKING)
    assert (book.told, book.next_at) == ([], T + 10 * MINUTE)
    book.look(T + 10 * MINUTE, BOOKING)
    assert book.told == ["late:hotel:unknown:"]


def test_told_once_and_ended_once() -> None:
    """However long it lasts; what it says is whose mail it is, since when, and why."""
    book = Book()
    for minute in range(40):
        book.look(T + minute * MINUTE, BOOKING, stopped=(SES,))
    [alert] = book.open
    assert (alert.since, alert.raised, alert.facts.owners) == (T, T + 10 * MINUTE, ("hotel",))
    assert (alert.facts.why, alert.facts.causes, alert.facts.stopped) == (Why.PROVIDER, ("ses-tokyo",), (SES,))
    for minute in range(40, 60):
        book.look(T + minute * MINUTE)
    assert book.told == ["late:hotel:provider:ses-tokyo", "over late:hotel:provider:ses-tokyo"]


def test_a_mail_that_is_being_tried_still_waits() -> None:
    """The moment between claim and answer is no end, and what begins behind it no second incident."""
    book = Book()
    book.look(T + 10 * MINUTE, BOOKING)
    book.look(T + 11 * MINUTE, since(BOOKING, None, in_hand=T))
    book.look(T + 12 * MINUTE, BOOKING)
    assert len(book.told) == 1


def test_it_is_not_over_before_something_went() -> None:
    """A first try makes what waited look young; only what went, or a queue that is empty, ends a delay."""
    book = Book()
    at = T + 20 * MINUTE
    book.look(T + 10 * MINUTE, BOOKING)
    book.look(at, since(BOOKING, at - MINUTE))
    assert len(book.told) == 1
    book.look(at, since(BOOKING, at - MINUTE, went=at))
    assert book.told[1:] == ["over late:hotel:unknown:"]


def test_an_outage_is_one_alert_until_the_lane_works() -> None:
    """Late mail names the lane; the lane says nothing of its own, not even when the mail has gone another way."""
    book = Book()
    for minute in range(31):
        runs = () if minute > 20 else (BOOKING,)
        book.look(T + minute * MINUTE, *runs, stopped=(SES,))
    book.look(T + 31 * MINUTE)
    assert book.told == ["late:hotel:provider:ses-tokyo", "over late:hotel:provider:ses-tokyo"]


def test_an_outage_with_another_way_is_one_alert() -> None:
    """Nothing is late, so the lane is told: at ten minutes, whatever the reason."""
    for gate in (SES, SUSPENDED):
        book = Book(TWO_WAYS)
        for second in range(0, 31 * 60, 15):
            at = T + second * 1000
            tried = msgspec.structs.replace(gate, until=at + MINUTE)  # each mail asks the first way first
            book.look(at, since(BOOKING, at), stopped=(tried,))
            assert book.told == ([] if at < T + 10 * MINUTE else ["lane:ses-tokyo"])
        book.look(T + 31 * MINUTE)
        assert book.told == ["lane:ses-tokyo", "over lane:ses-tokyo"]


def test_who_must_act_is_told_at_once_where_mail_waits() -> None:
    """A suspension that mail has no way around cannot wait for ten minutes."""
    book = Book()
    book.look(T, BOOKING, stopped=(SUSPENDED,))
    assert book.told == ["lane:ses-tokyo"]


def test_a_way_that_nobody_tries_is_no_alert_without_end() -> None:
    """The network was away for a moment, for both ways. The first works again, so no mail ever comes to the second."""
    book = Book(TWO_WAYS)
    second = Stopped("lane:sg", "sendgrid", "dns", T, "no such name", T + 5_000)
    for minute in range(60):
        book.look(T + minute * MINUTE, since(BOOKING, T + minute * MINUTE), stopped=(second,))
    assert book.told == []
    suspended = msgspec.structs.replace(second, reason="suspended")
    book.look(T + HOUR, stopped=(suspended,))
    assert book.told == ["lane:sendgrid"]


def test_an_outage_of_both_ways_ends_with_the_first() -> None:
    """The second is not tried any more; what was late has gone."""
    book = Book(TWO_WAYS)
    second = Stopped("lane:sg", "sendgrid", "dns", T, "no such name", T + 9 * MINUTE)
    for minute in range(11):
        book.look(T + minute * MINUTE, BOOKING, stopped=(SES, second))
    assert len(book.open) == 1
    went = since(BOOKING, None, went=T + 11 * MINUTE)
    for minute in range(11, 20):
        book.look(T + minute * MINUTE, went, stopped=(second,))
    assert book.open == []


def test_lanes_of_one_account_are_one_incident() -> None:
    """API and SMTP of one provider fail together."""
    book = Book(TWO_WAYS)
    other = Stopped("lane:ses-smtp", "ses-tokyo", "circuit_open", T + MINUTE, "", None)
    book.look(T + 10 * MINUTE, stopped=(SES, other))
    book.look(T + 15 * MINUTE, stopped=(SES, other))
    book.look(T + 16 * MINUTE, stopped=(other,))
    assert book.told == ["lane:ses-tokyo"]


def test_streams_of_one_cause_and_owner_are_one_incident() -> None:
    """What joins later is not told again; another owner is told, and another cause is."""
    book = Book({**ONE_WAY, "invoices": Belongs("hotel", (("ses", "ses-tokyo"),))})
    invoices = RunSeen(run=3, name="stream:invoices", stream="invoices", since=T + 5 * MINUTE)
    book.look(T + 10 * MINUTE, BOOKING, stopped=(SES,))
    book.look(T + 15 * MINUTE, BOOKING, invoices, stopped=(SES,))
    assert book.told == ["late:hotel:provider:ses-tokyo"]
    assert list(book.open[0].facts.were) == ["stream:invoices", "stream:booking"]
    book.look(T + 16 * MINUTE, BOOKING, invoices, LIST, stopped=(SES,))
    assert book.told[1:] == ["late:press:provider:ses-tokyo"]


def test_a_list_waits_by_design() -> None:
    """Only a list of which nothing went for ten minutes is late; who has just started it has all of them again."""
    book = Book()
    book.look(T + 50 * MINUTE, since(LIST, T, went=T + 41 * MINUTE))
    book.look(T + 50 * MINUTE, since(LIST, T, begun=T + 41 * MINUTE))
    assert (book.told, book.next_at) == ([], T + 51 * MINUTE)
    book.look(T + 51 * MINUTE, since(LIST, T, went=T + 41 * MINUTE))
    assert book.told == ["late:press:unknown:"]
    book.look(T + 52 * MINUTE, since(LIST, T, went=T + 52 * MINUTE))
    assert book.told[1:] == ["over late:press:unknown:"]


def test_a_used_up_quota_is_information_for_a_list() -> None:
    """It goes on by itself; a booking that waits for the same quota is an alarm."""
    quota = Stopped("account:ses-tokyo", "ses-tokyo", "quota", T, "", T + MINUTE)
    book = Book()
    book.look(T + 10 * MINUTE, LIST, BOOKING, stopped=(quota,))
    assert {alert.key: alert.level for alert in book.open} == {
        "late:press:quota:ses-tokyo": Level.INFORMATION,
        "late:hotel:quota:ses-tokyo": Level.ALARM,
    }
    own = Book()
    tokyo = frozenset({"ses-tokyo"})
    own.look(T + 10 * MINUTE, LIST, BOOKING, parked_lists=tokyo)
    assert {a.key: a.level for a in own.open} == {
        "late:press:quota:": Level.INFORMATION,
        "late:hotel:unknown:": Level.ALARM,
    }
    whole = Book()
    whole.look(T + 10 * MINUTE, LIST, BOOKING, parked=tokyo, parked_lists=tokyo)
    assert {a.key: a.level for a in whole.open} == {
        "late:press:quota:": Level.INFORMATION,
        "late:hotel:quota:": Level.ALARM,
    }


def test_our_own_faults_come_first() -> None:
    """Without a worker, or held, the provider is not the one to ask."""
    for why, more in ((Why.NO_WORKER, {"workers": 0}), (Why.HELD, {"held": True}), (Why.LEDGER, {"slow": True})):
        book = Book()
        stopped = () if why is Why.LEDGER else (SES,)
        book.look(T + 10 * MINUTE, BOOKING, stopped=stopped, **more)
        assert book.open[0].facts.why == why


def test_what_gave_up_is_told_at_once_and_new_ones_hourly() -> None:
    """By stream; those that a person has decided make room for news; it ends when none is left."""
    book = Book()

    def look(minute: int, dead: int, unresolved: int = 0) -> None:
        one = GaveUp(run=1, name="stream:booking", stream="booking", dead=dead, unresolved=unresolved)
        book.look(T + minute * MINUTE, gave_up=(one,) if dead or unresolved else ())

    look(0, 1)
    look(1, 2)
    look(59, 3)
    assert book.told == ["dead:booking"]
    look(60, 3, 1)
    assert (book.told, book.open[0].facts.count) == (["dead:booking"] * 2, 4)
    look(61, 1)
    look(119, 2)
    assert len(book.told) == 2
    look(120, 2)
    look(121, 0)
    assert book.told == ["dead:booking"] * 3 + ["over dead:booking"]
    assert Book(rules=Rules(dead=False)).look(T, gave_up=(GaveUp(run=1, name="x", stream="x", dead=1),)).raised == []


ages = st.one_of(st.none(), st.integers(0, 30 * MINUTE))
gates = st.lists(st.sampled_from((SES, SUSPENDED)), max_size=2, unique=True).map(tuple)
looks = st.tuples(st.integers(0, 12 * MINUTE), ages, ages, ages, ages, gates, st.integers(0, 1), st.integers(0, 3))


@given(st.lists(looks, max_size=30), st.sampled_from((ONE_WAY, TWO_WAYS)))
def test_whatever_happens(steps: list[Any], streams: dict[str, Belongs]) -> None:
    """Every incident is raised once and ended once, in turn; nothing young is told; what is late is told; deciding
    again at the same time decides nothing; and when nothing is wrong any more, nothing stays open."""
    book, at = Book(streams), T
    for wait, age, in_hand, went, age_of_list, stopped, workers, dead in steps:
        at += wait
        booking, news = (
            since(BOOKING, _ago(at, age), in_hand=_ago(at, in_hand), went=_ago(at, went)),
            since(LIST, _ago(at, age_of_list), went=_ago(at, went)),
        )
        gave_up = (GaveUp(run=1, name="stream:booking", stream="booking", dead=dead),) if dead else ()
        more = {"stopped": stopped, "workers": workers, "gave_up": gave_up}
        before = {alert.key for alert in book.open}
        decision = book.look(at, booking, news, **more)
        for finding in decision.raised:
            assert finding.kind is not Kind.LATE or finding.since + 10 * MINUTE <= at
            assert finding.key not in before or finding.kind is Kind.DEAD
        if age is not None and age >= 10 * MINUTE:
            assert any("stream:booking" in alert.facts.late for alert in book.open)
        again = book.look(at, booking, news, **more)
        assert (again.raised, again.ended, again.renewed) == ([], [], [])
        assert again.next_at is None or again.next_at > at
    book.look(at)
    assert book.open == []
    for key in {told.removeprefix("over ") for told in book.told}:
        turns = [told.startswith("over ") for told in book.told if told.removeprefix("over ") == key]
        assert key.startswith("dead:") or turns == [False, True] * (len(turns) // 2)


def _ago(at: int, age: int | None) -> int | None:
    return None if age is None else at - age
