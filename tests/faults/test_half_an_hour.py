"""An outage of the first provider: no mail lost, none doubled, one alert, and back to it when it is over."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from outage import MINUTE, World, arm, world

from kakitome.core.lifecycle import State

BEFORE, DURING, AFTER = 1_000, 3_000, 1_000

WAYS = {
    "500": "error:500",
    "429": "throttle",
    "refused": "",
    "suspended": "suspend",
    "lost replies": "lose_reply",
}


@pytest.mark.parametrize(
    ("way", "in_doubt"), [*((way, "evidence") for way in WAYS), ("500", "resend"), ("lost replies", "resend")]
)
def test_half_an_hour_without_the_first_provider(
    way: str, in_doubt: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """5,000 mails: all are in the union of both records; twice only where a reply was lost and the policy is to send
    again. One alert, at ten minutes, and its end; then the first lane has mail again."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")

    async def run() -> None:
        async with world(tmp_path, in_doubt, monkeypatch.setenv) as w:
            began = await play(w, way)
            await judge(w, way, in_doubt, began)

    asyncio.run(run())


async def play(w: World, way: str) -> int:
    """Mail before, in and after half an hour of the fault. Answers when that began."""
    await w.hand_in(BEFORE)
    await w.underway()
    began = w.clock.now()
    await fail(w, way)
    for _ in range(6):
        w.clock.hurry(1)
        await w.hand_in(DURING // 6)
        await w.underway()
        w.clock.hurry(100)
        await w.clock.sleep(290)
    await w.clock.sleep(max(0, 1800 - (w.clock.now() - began) / 1000))
    await mend(w, way)
    await w.clock.sleep(600)
    w.clock.hurry(1)
    await w.hand_in(AFTER)
    await w.underway()
    w.clock.hurry(100)
    while any(view.state is not State.SENT for view in await w.messages()):
        await w.clock.sleep(60)
        assert w.clock.now() - began < 180 * MINUTE, [v for v in await w.messages() if v.state is not State.SENT][:3]
    await w.clock.sleep(120)
    return began


async def fail(w: World, way: str) -> None:
    if way == "refused":
        await w.gate.shut()
    else:
        await arm(w.first, WAYS[way])


async def mend(w: World, way: str) -> None:
    if way == "refused":
        await w.gate.open(w.first.http_port)
    else:
        await arm(w.first)


async def judge(w: World, way: str, in_doubt: str, began: int) -> None:
    copies = w.copies
    assert len(copies) == BEFORE + DURING + AFTER
    doubled = {recipient for recipient, n in copies.items() if n > 1}
    assert max(copies.values()) <= 2
    doubts = {a.message for a in await w.attempts() if a.cause is not None and a.cause.value == "uncertain"}
    recipients = {view.address for view in await w.messages() if view.id in doubts}
    if (way, in_doubt) == ("lost replies", "resend"):
        assert doubled and doubled <= recipients
    else:
        assert not doubled
    after = {f"r{k}@example.com" for k in range(BEFORE + DURING, w.handed_in)}
    assert after & {mail.recipient for mail in w.first.accepted}, "nothing came back to the first lane"
    [stop] = [e for e in await w.journal("stopped") if e.data["gate"] == gate(way)]
    assert stop.data["detail"], "the journal does not say what the provider answered"
    assert not await w.journal("worker_reaped"), "the journal blames a worker"
    assert [e.data["gate"] for e in await w.journal("resumed")].count(gate(way)) == 1
    raised, ended = w.channel.messages
    assert 10 * MINUTE <= raised[0] - began < 11 * MINUTE, (raised, began)
    assert ended[0] > began + 30 * MINUTE


def gate(way: str) -> str:
    return "account:first" if way in ("429", "suspended") else "lane:first"
