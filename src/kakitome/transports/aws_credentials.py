"""Where AWS keys come from: the SDK's own chain (environment, profile, SSO, role of the machine), asked when needed.

With a role they are the ones that AWS lends for it (*AWS STS API Reference*, "AssumeRole"), an hour at a time.
Nothing is looked for before the first mail, and what was found is renewed before it ends, as the SDK does it: AWS's
chain has too many links to have a second one.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, NamedTuple

from kakitome.core.outcome import Unavailability, Unavailable
from kakitome.core.reply import Reply
from kakitome.core.sigv4 import Keys
from kakitome.transports.opening import Unreached

SESSION = "kakitome"
"""What CloudTrail calls us while we have a role."""


class Role(NamedTuple):
    """To be taken on with the chain's keys, by the STS of this region."""

    arn: str
    region: str


class AwsCredentials:
    """The keys to sign with now."""

    def __init__(self, profile: str | None = None, role: Role | None = None) -> None:
        self._profile = profile
        self._role = role
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
                self._found = self._assumed(Session(profile=self._profile))
            if self._found is not None:
                return self._frozen()
        except (BotoCoreError, ClientError) as error:
            self._found = None
            needs = f" It takes sts:AssumeRole on {self._role.arn}, and that role's trust." if self._role else ""
            raise _none(f"{type(error).__name__}: {error}{needs}") from error
        raise _none("No AWS credentials in the environment, the profile files or the role of this machine.")

    def _assumed(self, session: Any) -> Any:
        """The chain's keys, or the role's: those are fetched when they are asked for."""
        from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials

        found = session.get_credentials()
        if found is None or self._role is None:
            return found
        sts = partial(session.create_client, region_name=self._role.region or None)
        lent = AssumeRoleCredentialFetcher(sts, found, self._role.arn, extra_args={"RoleSessionName": SESSION})
        return DeferredRefreshableCredentials(lent.fetch_credentials, "assume-role")

    def _frozen(self) -> Keys:
        keys = self._found.get_frozen_credentials()
        return Keys(keys.access_key, keys.secret_key, keys.token or None)


def _none(why: str) -> Unreached:
    return Unreached(Unavailable(Unavailability.CREDENTIALS, Reply(code=0, text=why, protocol="http")))
