"""Where AWS keys come from: the SDK's own chain (environment, profile, SSO, role of the machine), asked when needed.

Nothing is looked for before the first mail, and what was found is renewed before it ends, as the SDK does it: AWS's
chain has too many links to have a second one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from kakitome.core.outcome import Unavailability, Unavailable
from kakitome.core.reply import Reply
from kakitome.transports.opening import Unreached
from kakitome.transports.sigv4 import Keys


class AwsCredentials:
    """The keys to sign with now."""

    def __init__(self, profile: str | None = None) -> None:
        self._profile = profile
        self._found: Any = None
        self._looking = asyncio.Lock()

    async def keys(self) -> Keys:
        """Valid for minutes to come. Raises `Unreached` (credentials) where the chain ends without any."""
        async with self._looking:
            if self._found is None or self._renewable():
                return await asyncio.to_thread(self._look)  # a role's keys are fetched over the network
            return self._frozen()

    def forget(self) -> None:
        """AWS did not take them: look again next time, since a person may have put them right meanwhile."""
        self._found = None

    def _renewable(self) -> bool:
        return hasattr(self._found, "refresh_needed") and bool(self._found.refresh_needed())

    def _look(self) -> Keys:
        from botocore.exceptions import BotoCoreError, ClientError  # takes a tenth of a second
        from botocore.session import Session

        try:
            if self._found is None:
                self._found = Session(profile=self._profile).get_credentials()
            if self._found is not None:
                return self._frozen()
        except (BotoCoreError, ClientError) as error:
            self._found = None
            raise _none(f"{type(error).__name__}: {error}") from error
        raise _none("No AWS credentials in the environment, the profile files or the role of this machine.")

    def _frozen(self) -> Keys:
        keys = self._found.get_frozen_credentials()
        return Keys(keys.access_key, keys.secret_key, keys.token or None)


def _none(why: str) -> Unreached:
    return Unreached(Unavailable(Unavailability.CREDENTIALS, Reply(code=0, text=why, protocol="http")))
