"""What somebody has set up in this account: identities, configuration sets, templates, the suppression list.

A simulator in which nothing is set up takes any sender and any configuration set, and its events go to every
subscriber; from the first set on, what is not there is refused as SES refuses it.
"""

from __future__ import annotations

from . import refusal
from .event_sets import EventSets
from .identities import Identities
from .letter import Letter
from .refusal import Refusal
from .suppression import Reason, Suppressed, Suppression
from .templates import Templates


class Setup:
    def __init__(self, identities: Identities) -> None:
        self.identities = identities
        self.sets = EventSets()
        self.suppression = Suppression()
        self.templates = Templates()

    def reset(self) -> None:
        for part in (self.identities, self.sets, self.suppression, self.templates):
            part.reset()

    def refuses(self, letter: Letter) -> Refusal | None:
        """Why a mail cannot be taken: its sender, or the set that it names."""
        if self.identities.waits_for(letter.reverse_path):
            return refusal.not_verified([letter.reverse_path])
        name = letter.configuration_set
        if name is None or not self.sets.names():
            return None
        found = self.sets.find(name)
        if found is None:
            return refusal.no_set(name)
        return None if found.sending else refusal.SET_PAUSED

    def suppresses(self, address: str, letter: Letter) -> bool:
        return self.suppression.holds(address, self._reasons(letter))

    def learn(self, suppressed: Suppressed, letter: Letter) -> None:
        """A hard bounce or a complaint of a mail puts its recipient on the list, where that is wanted."""
        self.suppression.learn(suppressed, self._reasons(letter))

    def topics(self, letter: Letter, kind: str) -> list[str] | None:
        """Where an event of that kind goes by the mail's set; `None` where no set says anything."""
        found = self.sets.find(letter.configuration_set or "")
        return None if found is None else found.topics(kind)

    def _reasons(self, letter: Letter) -> frozenset[Reason]:
        found = self.sets.find(letter.configuration_set or "")
        return self.suppression.reasons if found is None or found.reasons is None else found.reasons
