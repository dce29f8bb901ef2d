"""Does the mail of a list say who sends it, and how one leaves? Looked at before anything is sent."""

from __future__ import annotations

from kakitome.app import Instance
from kakitome.cli.out import Out
from kakitome.lists import ListFile
from kakitome.ports.records import TemplateVersion


def checked(instance: Instance, reader: ListFile, version: TemplateVersion, stream: str, out: Out) -> list[str]:
    """What is missing, said on stderr. Raises `Refused` where the stream's law does not let it pass."""
    found = instance.mailing.lacks(reader, version, stream, instance.renderer)
    for sentence in found:
        out.note(sentence)
    return found
