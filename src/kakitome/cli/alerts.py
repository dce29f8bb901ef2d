"""`alerts`: what is wrong, whether anybody would hear of it, and a watch where no worker is."""

from __future__ import annotations

import asyncio
from argparse import Namespace

from kakitome.alerting import channels_of, house_of, watch_of
from kakitome.cli import session
from kakitome.cli.interrupt import interruptible
from kakitome.cli.out import Out, iso, local, plural
from kakitome.cli.trouble import told
from kakitome.core.alert import Alert, Facts, Finding, Kind, Level
from kakitome.core.errors import ConfigurationError, KakitomeError
from kakitome.observe.channels import Channel
from kakitome.observe.webhook import alert_text, described
from kakitome.observe.wording import Text, plain, wording

RECENT = 20


async def listing(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        alerts = await instance.ledger.alerts.list(RECENT)
        house = house_of(instance.config, instance.lanes)
    texts = [wording(alert, "raised", house.owners, args.config) for alert in alerts]
    if out.json:
        out.document({"alerts": [_shown(alert, text) for alert, text in zip(alerts, texts, strict=True)]})
    for alert, text in zip(alerts, texts, strict=True):
        if alert.ended is None:
            out.line(plain(text))
            out.line(f"Told: {_told(alert)}\n")
    over = [(local(a.raised), local(a.ended), t.title, _told(a)) for a, t in zip(alerts, texts, strict=True) if a.ended]
    if over:
        out.table(("raised", "ended", "", "told"), over)
    if not alerts:
        out.line("Nothing is wrong, and nothing was lately.")
    if not house.channels:
        out.note("Nobody is told: no channel is configured ([alerts] slack or webhook, [owners.NAME] slack).")
    return 3 if any(a.ended is None and a.level is Level.ALARM for a in alerts) else 0


def _shown(alert: Alert, text: Text) -> dict[str, object]:
    said = [{"part": part, "channel": channel, "at": iso(at)} for part, channel, at in alert.told]
    return {"id": alert_text(alert.id), **described(alert, text), "told": said}


def _told(alert: Alert) -> str:
    if not alert.told:
        return "nobody"
    return ", ".join(f"{channel} {local(at) if at else 'not yet'} ({part})" for part, channel, at in alert.told)


_OUTCOME = {True: "arrived", False: "failed"}


async def test(args: Namespace, out: Out) -> int:
    """Nothing of it is kept."""
    async with session.instance(args, out) as instance:
        now = instance.clock.now()
        channels = channels_of(instance.config)
    answers = await asyncio.gather(*(_try(channel, now) for channel in channels.values()))
    if out.json:
        found = zip(channels, answers, strict=True)
        out.document({"channels": [{"name": name, "ok": ok, "answer": answer} for name, (ok, answer) in found]})
    if channels:
        told = zip(channels, answers, strict=True)
        out.table(("channel", "", "answer"), [(name, _OUTCOME[ok], said) for name, (ok, said) in told])
    else:
        out.note("No channel is configured, so nobody is told. Set [alerts] slack to env:NAME, for example.")
    return 0 if channels and all(ok for ok, _ in answers) else 1


async def _try(channel: Channel | ConfigurationError, now: int) -> tuple[bool, str]:
    if isinstance(channel, ConfigurationError):
        return False, str(channel)
    finding = Finding(key="test", kind=Kind.LATE, since=now, facts=Facts())
    alert = Alert(id=0, key=finding.key, kind=finding.kind, level=Level.INFORMATION, since=now, raised=now)
    text = Text("A test of Kakitome's alerts", (("What it means", "Alerts arrive here. Nothing is wrong."),))
    try:
        return True, await channel.tell(text, alert, "test", now)
    except KakitomeError as error:
        return False, str(error)


async def watch(args: Namespace, out: Out) -> int:
    async with session.instance(args, out) as instance:
        with told(out.note):
            watch = watch_of(instance.config, instance.lanes, instance.ledger, instance.clock)
            if args.once:
                await watch.once()
                return 0
            watching = asyncio.create_task(watch.run())

            def end() -> None:
                watching.cancel()

            with interruptible() as interruption:
                interruption.call(end)
                out.note(f"Watching; it sends no mail. {plural(len(instance.lanes), 'lane')}. Ctrl-C ends it.")
                await asyncio.wait([watching])
    return 0
