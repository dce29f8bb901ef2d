"""What is said about a person's newest message: verdict, reason, advice. One function for each word of status."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from kakitome.core.event import EventKind
from kakitome.core.ids import message_text
from kakitome.core.lifecycle import Cause, State
from kakitome.core.message import Run
from kakitome.core.reason import UNTRIED
from kakitome.ports.records import Released, Suppression
from kakitome.standing import RUN, Obstacle, told
from kakitome.story import Story, when


@dataclass(frozen=True, slots=True)
class Scene:
    """The newest message, and what surrounds it now."""

    story: Story
    run: Run | None
    suppressions: tuple[Suppression, ...]
    in_the_way: list[Obstacle]  # where no lane of the route is free
    now: int


Told = tuple[str, str, tuple[str, ...]]
"""Verdict, reason, advice."""


def verdict(scene: Scene) -> Told:
    """Of the newest message."""
    story = scene.story
    said, why, advice = _VERDICTS[story.status](scene)
    if story.status in ("sent", "delivered") and story.view.copies_possible:
        why += " A second copy is possible: an attempt before it was in doubt."
    return said, why, advice


def _named(scene: Scene) -> str:
    view = scene.story.view
    return f"“{view.run_name}”" if view.campaign else f"the mail {message_text(view.id)}"


def _delivered(scene: Scene) -> Told:
    story = scene.story
    d = story.delivery
    seen = d.clicked or d.opened
    at = seen or d.delivered or d.complained
    done = "its reader opened it" if seen else "the recipient's server took it"
    event = story.told(EventKind.DELIVERED)
    said = f"The server said: {event.diagnostic}" if event and event.diagnostic else "The provider reported it."
    return (
        f"Yes: {_named(scene)} arrived; {done} on {when(at)}.",
        said,
        () if seen else ("If it is not in the inbox, look into the spam folder and the filters of that mailbox.",),
    )


def _sent(scene: Scene) -> Told:
    story = scene.story
    return (
        f"It was sent: the provider took {_named(scene)}{_on(story.settled)}.",
        "No event has said yet what became of it.",
        ("Look into the spam folder. If other mail has no events either, the event path is broken.",),
    )


def _delayed(scene: Scene) -> Told:
    event = scene.story.told(EventKind.DELAYED)
    return (
        f"Not yet: the recipient's server has put {_named(scene)} off since {when(scene.story.delivery.delayed)}.",
        (event and event.diagnostic) or "The provider goes on trying.",
        ("Nothing: the provider tries for up to three days, and says what came of it.",),
    )


def _bounced(scene: Scene) -> Told:
    event, bounce = scene.story.told(EventKind.BOUNCED), scene.story.delivery.bounce
    assert bounce is not None
    kind, why = bounce.permanence.value, bounce.why.value.replace("_", " ")
    return (
        f"No: {_named(scene)} came back on {when(bounce.at)}.",
        f"A {kind} bounce ({why}). {event.diagnostic if event else ''}".strip(),
        ("Ask for another address.",) if kind == "permanent" else ("Later mail is still sent.",),
    )


def _complained(scene: Scene) -> Told:
    return (
        f"Yes, and its reader reported {_named(scene)} as spam on {when(scene.story.delivery.complained)}.",
        "A complaint is the reader's word; it counts against your reputation.",
        ("Do not write to this person again unless they ask.",),
    )


def _failed(scene: Scene) -> Told:
    event = scene.story.told(EventKind.REJECTED)
    if event is not None:
        return (
            f"No: the provider took {_named(scene)} and then would not send it ({when(event.at)}).",
            event.diagnostic or "The provider gave no reason.",
            ("Read the provider's reason; it is mostly the content.",),
        )
    story = scene.story
    return (
        f"No: {_named(scene)} was refused for good{_on(story.settled)}.",
        f"The answer was: {scene.story.why.sentence}",
        ("Correct what the answer names, and hand it in again.",),
    )


def _suppressed_message(scene: Scene) -> Told:
    of = next(iter(scene.suppressions), None)
    return (
        f"No: {_named(scene)} was not sent, because the address is suppressed.",
        suppressed(of) if of else "The suppression has been removed since.",
        () if of else ("Hand it in again.",),
    )


def _queued(scene: Scene) -> Told:
    view, run = scene.story.view, scene.run
    verdict = f"Not yet: {_named(scene)} waits."
    if run is not None and run.state == "paused":
        kind, name = ("campaign", run.name) if run.campaign else ("stream", run.stream)
        return verdict, f"The {kind} is paused.", (f"kakitome {kind} resume {shlex.quote(name)}",)
    if run is not None and run.state != "running":
        return verdict, f"The campaign is {run.state}.", ("Start it (again): kakitome campaign start …",)
    if view.due > scene.now:
        tried = f" The answer before was: {scene.story.why.sentence}" if scene.story.attempts else ""
        return verdict, f"Its time is {when(view.due)}.{tried}", ()
    if gates := [one for one in scene.in_the_way if one.gate != RUN]:
        return verdict, told(gates[0], scene.now, when), ("kakitome unsent",)
    return verdict, f"It has been due since {when(view.due)}.", ("Is a worker running? kakitome worker",)


def _sending(scene: Scene) -> Told:
    story = scene.story
    if scene.story.view.state is State.IN_DOUBT:
        return (
            f"Perhaps: the answer to {_named(scene)} was lost{_on(story.begun)}.",
            f"{scene.story.why.sentence} Events are being waited for.",
            ("Nothing yet: proof, evidence or the deadline settles it (kakitome doubt list).",),
        )
    return f"Any moment: {_named(scene)} is being sent{_on(story.begun)}.", scene.story.why.sentence, ()


def _needs_attention(scene: Scene) -> Told:
    view, why = scene.story.view, scene.story.why
    id = message_text(view.id)
    if view.state is State.UNRESOLVED:
        note = scene.story.noted("note", Cause.DEADLINE)
        return (
            f"Nobody knows: {_named(scene)} may have gone out, and nothing proves it.",
            f"{why.sentence} {note}".strip(),
            (f"Ask the person, then: kakitome doubt resolve {id} --as sent|resend|closed --who YOU",),
        )
    never = "could not be made" if why.key.startswith("unrenderable") else "was given up after its last try"
    return (
        f"No: {_named(scene)} {never}.",
        f"{'' if never.startswith('could') else 'The last answer was: '}{why.sentence}",
        (f"When the cause is mended: kakitome recover --id {id}",),
    )


def _cancelled(scene: Scene) -> Told:
    who = scene.story.noted("who")
    done = "closed" if scene.story.view.state is State.CLOSED else "withdrawn"
    by = f" by {who}" if who else ""
    return f"No: {_named(scene)} was {done}{by} before it went.", "A person decided so.", ("Hand it in again.",)


def _expired(scene: Scene) -> Told:
    view = scene.story.view
    said = "" if scene.story.why is UNTRIED else f" The last answer was: {scene.story.why.sentence}"
    return (
        f"No: {_named(scene)} was still waiting when its time was over ({when(view.expires)}).",
        f"It was tried {view.attempts} times.{said}" if view.attempts else "It was never tried.",
        (f"If it still makes sense: kakitome recover --id {message_text(view.id)} --include-expired",),
    )


_VERDICTS: dict[str, Callable[[Scene], Told]] = {
    "queued": _queued,
    "sending": _sending,
    "sent": _sent,
    "delivered": _delivered,
    "delayed": _delayed,
    "bounced": _bounced,
    "complained": _complained,
    "failed": _failed,
    "suppressed": _suppressed_message,
    "cancelled": _cancelled,
    "expired": _expired,
    "needs_attention": _needs_attention,
}


def suppressed(s: Suppression) -> str:
    source = f" Source: {s.source}." if s.source else ""
    return f"Suppressed{_where(s)} on {when(s.at)}{_who(s.who)} ({s.reason}){_note(s.note)}.{source}"


def in_history(s: Suppression) -> str:
    """The same, behind its time."""
    source = f", from {s.source}" if s.source else ""
    return f"suppressed{_where(s)}{_who(s.who)} ({s.reason}{source}){_note(s.note)}"


def released(r: Released) -> str:
    return f"no longer suppressed{_where(r.was)}, removed{_who(r.who)}{_note(r.note)}"


def _where(s: Suppression) -> str:
    return "" if s.scope == "all" else f" for {s.scope.replace(':', ' ')}"


def _who(name: str) -> str:
    return f" by {name}" if name else ""


def _note(text: str) -> str:
    return f": {text}" if text else ""


def _on(at: int | None) -> str:
    return "" if at is None else f" on {when(at)}"
