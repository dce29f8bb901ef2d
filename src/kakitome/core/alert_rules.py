"""When an alert is raised, goes on, and is over: a pure function of what is seen now and of the alerts that are open.

    late    mail waits for ten minutes. A list waits by design: there it means that nothing of it went for ten minutes
    dead    mail gave up, or nobody knows whether it went: a person decides
    lane    a way out is stopped
    guard, quarantine      what the journal tells once

One incident is one alert. `late` that is caused by a stopped lane lasts until the lane works again, and meanwhile
`lane` says nothing of it. All times in milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from kakitome.core.alert import Alert, Belongs, Facts, Finding, Kind, Late, Level, RunSeen, Seen, Stopped, Why
from kakitome.core.outcome import Unavailability


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """For how long. `again`: mail that newly gave up in a stream is told at most this often."""

    late: int = 600_000
    lane: int = 600_000
    dead: bool = True
    again: int = 3_600_000


class Ending(msgspec.Struct, frozen=True):
    """`silent`: a new alert takes its place."""

    alert: Alert
    silent: bool = False


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """In this order: `ended`, `renewed` (facts that changed while it lasts; nobody is told), `raised`. `next_at`: when
    a rule speaks if nothing changes."""

    ended: list[Ending] = []
    renewed: list[tuple[Alert, Facts]] = []
    raised: list[Finding] = []
    next_at: int | None = None


def decide(seen: Seen, alerts: Sequence[Alert], streams: Mapping[str, Belongs], rules: Rules) -> Decision:
    """What to raise, renew and end, given the `alerts` that are open. Deciding again on what came of it is nothing."""
    decision, times = Decision(), list[int]()
    shut = tuple(gate for gate in seen.stopped if not _is_idle(gate, seen, streams, rules))
    seen = msgspec.structs.replace(seen, stopped=shut)
    _late(seen, [a for a in alerts if a.kind is Kind.LATE], streams, rules, decision, times)
    named = {account for a in alerts if a.kind is Kind.LATE for account in a.facts.causes}
    named -= {account for e in decision.ended for account in e.alert.facts.causes}
    named |= {account for f in decision.raised for account in f.facts.causes}
    _lanes(seen, {a.key: a for a in alerts if a.kind is Kind.LANE}, named, streams, rules, decision, times)
    _dead(seen, {a.key: a for a in alerts if a.kind is Kind.DEAD}, streams, rules, decision, times)
    return msgspec.structs.replace(decision, next_at=min((at for at in times if at > seen.at), default=None))


def _is_idle(gate: Stopped, seen: Seen, streams: Mapping[str, Belongs], rules: Rules) -> bool:
    """Its pause has been over for a while, and nobody's mail came to try it. The second way of a route, shut by a blip
    of the network, may never be tried: an alert about it would have no end, and nobody could do anything."""
    if gate.person or gate.until is None or seen.at < gate.until + rules.lane // 2:
        return False
    waiting = (run for run in seen.runs if _uses(streams.get(run.stream, Belongs()), gate.account))
    return not any((since := late_since(run)) is not None and seen.at >= since + rules.late // 10 for run in waiting)


# ── late ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def late_since(run: RunSeen) -> int | None:
    """Since when the rule counts: the oldest that waits or is tried again at this moment, for a list its last sign of
    life if that is younger. Who has just set it going has the whole time again."""
    if run.oldest is None:
        return None
    return max(run.oldest, run.begun or 0, (run.went or 0) if run.listed else 0)


def _late(
    seen: Seen,
    alerts: Sequence[Alert],
    streams: Mapping[str, Belongs],
    rules: Rules,
    decision: Decision,
    times: list[int],
) -> None:
    runs, covered = {run.name: run for run in seen.runs}, set[str]()
    down = {gate.account for gate in seen.stopped}
    for alert in alerts:
        late = {
            name: f for name, f in alert.facts.late.items() if name in runs and _goes_on(runs[name], alert, seen, rules)
        }
        covered |= late.keys()
        if not late and not down.intersection(alert.facts.causes):
            decision.ended.append(Ending(alert))
        elif late.keys() != alert.facts.late.keys():
            decision.renewed.append((alert, msgspec.structs.replace(alert.facts, late=late)))
    fresh: dict[str, Finding] = {}
    for run in seen.runs:
        since = late_since(run)
        if since is None or run.name in covered:
            continue
        times.append(since + rules.late)
        if seen.at >= since + rules.late:
            found = _found(run, seen, streams.get(run.stream, Belongs()))
            fresh[found.key] = _together(fresh[found.key], found) if found.key in fresh else found
    _sort_in(fresh, alerts, decision)


def _goes_on(run: RunSeen, alert: Alert, seen: Seen, rules: Rules) -> bool:
    """A delay is over when nothing waits, or when what waits is young again and something went meanwhile. A mail that
    is being tried at this moment still waits."""
    if run.oldest is None:
        return False
    since = max(run.oldest, run.went or 0) if run.listed else run.oldest
    return seen.at >= since + rules.late or run.went is None or run.went < alert.raised


def _sort_in(fresh: Mapping[str, Finding], alerts: Sequence[Alert], decision: Decision) -> None:
    """What is late by a cause that an open alert tells joins that alert: it is the same incident."""
    open_now = {a.key: a for a in alerts if a.key not in {e.alert.key for e in decision.ended}}
    for key, found in fresh.items():
        if key not in open_now:
            decision.raised.append(found)
            continue
        known = next((facts for a, facts in decision.renewed if a.key == key), open_now[key].facts)
        decision.renewed[:] = [(a, facts) for a, facts in decision.renewed if a.key != key]
        joined = msgspec.structs.replace(
            known, late={**known.late, **found.facts.late}, were={**found.facts.late, **known.were}
        )
        decision.renewed.append((open_now[key], joined))


def _found(run: RunSeen, seen: Seen, belongs: Belongs) -> Finding:
    why, gates = likely(run, seen, belongs)
    causes = tuple(sorted({gate.account for gate in gates}))
    since = late_since(run) or 0
    late = {run.name: Late(stream=run.stream, run=run.run, campaign=run.campaign, since=since)}
    return Finding(
        key=f"late:{belongs.owner}:{why}:{'+'.join(causes)}",
        kind=Kind.LATE,
        level=Level.INFORMATION if why is Why.QUOTA and run.listed else Level.ALARM,
        since=since,
        facts=Facts(
            owners=(belongs.owner,) if belongs.owner else (),
            why=why,
            late=late,
            were=late,
            causes=causes,
            stopped=gates,
            last_beat=seen.last_beat if why is Why.NO_WORKER else None,
        ),
    )


def _together(one: Finding, other: Finding) -> Finding:
    late = {**one.facts.late, **other.facts.late}
    facts = msgspec.structs.replace(one.facts, late=late, were=late)
    level = Level.ALARM if Level.ALARM in (one.level, other.level) else Level.INFORMATION
    return msgspec.structs.replace(one, since=min(one.since, other.since), level=level, facts=facts)


def likely(run: RunSeen, seen: Seen, belongs: Belongs) -> tuple[Why, tuple[Stopped, ...]]:
    """The likely cause, ours first: who has no worker need not ask the provider."""
    accounts = {account for _, account in belongs.route}
    lanes = {f"lane:{lane}" for lane, _ in belongs.route}
    gates = tuple(
        g for g in seen.stopped if g.account in accounts and (g.gate in lanes or g.gate.startswith("account:"))
    )
    if seen.held:
        return Why.HELD, ()
    if seen.workers == 0:
        return Why.NO_WORKER, ()
    if gates:
        return (Why.QUOTA if all(g.reason == Unavailability.QUOTA for g in gates) else Why.PROVIDER), gates
    if accounts & (seen.parked_lists if run.listed else seen.parked):
        return Why.QUOTA, ()
    return (Why.LEDGER if seen.slow else Why.UNKNOWN), ()


# ── lane ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _lanes(
    seen: Seen,
    alerts: Mapping[str, Alert],
    named: set[str],
    streams: Mapping[str, Belongs],
    rules: Rules,
    decision: Decision,
    times: list[int],
) -> None:
    """Lanes of one account are one incident."""
    gates: dict[str, list[Stopped]] = {}
    for gate in seen.stopped:
        gates.setdefault(gate.account, []).append(gate)
    decision.ended.extend(Ending(a) for key, a in alerts.items() if key.removeprefix("lane:") not in gates)
    for account, stopped in gates.items():
        if account in named or f"lane:{account}" in alerts:
            continue
        since = min(gate.since for gate in stopped)
        stuck = _stuck(account, seen, streams)
        if any(gate.person for gate in stopped) and stuck:
            at = seen.at
        else:  # mail that waits behind it is told as late, with how much and whose: one alert for both
            at = since + (2 * rules.lane if stuck else rules.lane)
        times.append(at)
        if seen.at >= at:
            owners = tuple(sorted({b.owner for b in streams.values() if b.owner and _uses(b, account)}))
            facts = Facts(owners=owners, causes=(account,), stopped=tuple(stopped))
            quota = all(gate.reason == Unavailability.QUOTA for gate in stopped)
            level = Level.INFORMATION if quota else Level.ALARM
            found = Finding(key=f"lane:{account}", kind=Kind.LANE, since=since, facts=facts, level=level)
            decision.raised.append(found)


def _uses(belongs: Belongs, account: str) -> bool:
    return any(its == account for _, its in belongs.route)


def _stuck(account: str, seen: Seen, streams: Mapping[str, Belongs]) -> bool:
    """Whether mail waits that has no other way than through what is stopped."""
    shut = {gate.gate for gate in seen.stopped}
    return any(
        run.oldest is not None
        and _uses(streams.get(run.stream, Belongs()), account)
        and all(f"lane:{lane}" in shut or f"account:{its}" in shut for lane, its in streams[run.stream].route)
        for run in seen.runs
    )


# ── dead ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dead(
    seen: Seen,
    alerts: Mapping[str, Alert],
    streams: Mapping[str, Belongs],
    rules: Rules,
    decision: Decision,
    times: list[int],
) -> None:
    found: dict[str, Finding] = {}
    for stream in sorted({one.stream for one in seen.gave_up}) if rules.dead else ():
        found[f"dead:{stream}"] = _gave_up(stream, seen, streams)
    for key, alert in alerts.items():
        if key not in found:
            decision.ended.append(Ending(alert))
    for key, finding in found.items():
        known = alerts.get(key)
        if known is None:
            decision.raised.append(finding)
        elif finding.facts.count > known.facts.count:
            times.append(known.raised + rules.again)
            if seen.at >= known.raised + rules.again:
                decision.ended.append(Ending(known, silent=True))
                decision.raised.append(finding)
        elif finding.facts.count < known.facts.count:
            decision.renewed.append((known, finding.facts))


def _gave_up(stream: str, seen: Seen, streams: Mapping[str, Belongs]) -> Finding:
    of = [one for one in seen.gave_up if one.stream == stream]
    owner = streams.get(stream, Belongs()).owner
    facts = Facts(
        owners=(owner,) if owner else (),
        stream=stream,
        dead={one.name: one.dead for one in of if one.dead},
        unresolved={one.name: one.unresolved for one in of if one.unresolved},
        count=sum(one.dead + one.unresolved for one in of),
    )
    return Finding(key=f"dead:{stream}", kind=Kind.DEAD, since=seen.at, facts=facts)
