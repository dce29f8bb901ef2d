"""Does the mail of a list say who sends it, and how one leaves? Looked at before anything is sent."""

from __future__ import annotations

from kakitome import start as verb
from kakitome.app import Instance
from kakitome.cli.out import Out
from kakitome.core.content import Mailbox
from kakitome.core.footer import unknown
from kakitome.lists import ListFile
from kakitome.ports.records import TemplateVersion


def checked(instance: Instance, reader: ListFile, version: TemplateVersion, stream: str, out: Out) -> list[str]:
    """What is missing, said on stderr. Raises `Refused` where the stream's law does not let it pass.

    On this machine nobody needs an imprint yet: what `[sender]` does not say is not asked for there.
    """
    mailing, renderer = instance.mailing, instance.renderer.of(stream)
    law, imprint, link = mailing.law(stream), mailing.imprint(stream), mailing.letterhead(stream).sample
    rows = verb.samples(reader)
    contents = [renderer.preview(version, row.variables, Mailbox(row.address.given)) for row in rows]
    found = verb.check_footer(contents, imprint, link, law)
    if mailing.stays_here(stream):
        found = found[: len(found) - len(unknown(imprint))]
    for sentence in found:
        out.note(sentence)
    return found
