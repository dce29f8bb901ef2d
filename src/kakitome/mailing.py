"""What the configuration says about a stream's mail: its letterhead, who sends it, how one leaves it, who guards it."""

from __future__ import annotations

from typing import Literal

from kakitome.config import Config, StreamTable, milliseconds, public_url, stays_here
from kakitome.core.content import Mailbox
from kakitome.core.errors import Refused
from kakitome.core.footer import Imprint, unknown
from kakitome.core.guard import Level, Limit, Rules
from kakitome.core.unsubscribe import Leaving, Letterhead
from kakitome.lanes import table_of
from kakitome.ports.lists import ListReader
from kakitome.ports.records import TemplateVersion
from kakitome.ports.renderer import Renderer
from kakitome.start import check_footer, samples

Law = Literal["warn", "jp", "off"]

_LEVELS = {"pause": Level.PAUSED, "warn": Level.WARNED, "off": Level.QUIET}


class Mailing:
    def __init__(self, config: Config) -> None:
        self._config = config

    def letterhead(self, stream: str) -> Letterhead:
        imprint = self.imprint(stream)
        words = {"name": imprint.name, "address": imprint.address, "contact": imprint.contact, "page": imprint.page}
        return Letterhead(
            public=public_url(self._config),
            listed=self.leaving(stream) is not Leaving.NONE,
            given={f"sender_{key}": value for key, value in words.items() if value},
        )

    def imprint(self, stream: str) -> Imprint:
        """The owner's, and where it says nothing that of `[sender]`."""
        everyone, owner = self._config.sender, self._config.owners.get(self._table(stream).owner or "")
        return Imprint(
            name=(owner and owner.sender_name) or everyone.name,
            address=(owner and owner.sender_address) or everyone.address,
            contact=(owner and owner.sender_contact) or everyone.contact,
            page=(owner and owner.sender_page) or everyone.page,
        )

    def leaving(self, stream: str) -> Leaving:
        """Lists can be left; single mails cannot, unless their stream says so."""
        set_ = self._table(stream).unsubscribe
        return Leaving(set_) if set_ else (Leaving.STREAM if self._is_bulk(stream) else Leaving.NONE)

    def title(self, stream: str) -> str:
        """What readers know the list as; "" if nobody has named it."""
        return self._table(stream).title

    def law(self, stream: str) -> Law:
        return self._table(stream).law or ("warn" if self._is_bulk(stream) else "off")

    def rules(self, stream: str) -> Rules:
        """A list is paused. Single mails go on unless their stream says otherwise: a lost booking is worse."""
        table = self._config.guards
        action = self._table(stream).guard or ("pause" if self._is_bulk(stream) else "warn")
        return Rules(
            bounces=Limit(table.bounces_warn, table.bounces_pause, table.bounces_least),
            complaints=Limit(table.complaints_warn, table.complaints_pause, table.complaints_least),
            sample=table.sample,
            most=_LEVELS[action],
            window=milliseconds(table.window, "guards.window"),
        )

    def stays_here(self, stream: str) -> bool:
        """Whether no lane of the stream's leads away from this machine."""
        return all(stays_here(table_of(self._config, lane)) for lane in self._route(stream))

    def check_reachable(self, stream: str) -> None:
        """A list must not reach people who cannot leave it. Raises `Refused`."""
        if self.leaving(stream) is Leaving.NONE or self._config.http.public_url or self.stays_here(stream):
            return
        raise Refused(
            f"Mail of the stream {stream!r} says how one unsubscribes, and readers could not reach this instance at "
            f"{public_url(self._config)}. Nothing was sent.",
            'Set [http] public_url = "https://mail.example.com" and let a proxy lead its /u/ to `kakitome serve`; or '
            f'set [streams.{stream}] unsubscribe = "none" if you carry a List-Unsubscribe of your own.',
            key="http.public_url",
        )

    def lacks(self, reader: ListReader, version: TemplateVersion, stream: str, renderer: Renderer) -> list[str]:
        """What the mail of a list lacks of who sends it and how one leaves, a sentence each. Raises `Refused` where the
        stream's law does not let it pass.

        On this machine nobody needs an imprint yet: what `[sender]` does not say is not asked for there.
        """
        imprint, renderer = self.imprint(stream), renderer.of(stream)
        rows = samples(reader)
        contents = [renderer.preview(version, row.variables, Mailbox(row.address.given)) for row in rows]
        found = check_footer(contents, imprint, self.letterhead(stream).sample, self.law(stream))
        return found[: len(found) - len(unknown(imprint))] if self.stays_here(stream) else found

    def _route(self, stream: str) -> list[str]:
        return self._table(stream).route or list(self._config.lanes)[:1]

    def _table(self, stream: str) -> StreamTable:
        return self._config.streams.get(stream) or StreamTable(kind="bulk" if stream == "bulk" else "transactional")

    def _is_bulk(self, stream: str) -> bool:
        return self._table(stream).kind == "bulk"
