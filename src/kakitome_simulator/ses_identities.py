"""SES API v2, identities: create, get, list, delete. Verified they are by `/_simulator/identities`."""

from __future__ import annotations

import msgspec
from aiohttp import web

from .aws_answer import Answers, asked, authorized
from .identities import Identities, Identity

Json = dict[str, object]


class Create(msgspec.Struct, rename="pascal"):
    email_identity: str


class SesIdentities:
    def __init__(self, identities: Identities, answers: Answers) -> None:
        self._identities = identities
        self._answers = answers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/email/identities", self._create),
            web.get("/v2/email/identities", self._list),
            web.post("/v2/email/list-identities", self._list),
            web.get("/v2/email/identities/{name}", self._get),
            web.delete("/v2/email/identities/{name}", self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        identity = self._identities.create((await asked(request, Create)).email_identity)
        return self._answers.json(_told(identity))

    async def _get(self, request: web.Request) -> web.Response:
        authorized(request)
        identity = self._identities.get(request.match_info["name"])
        told = _told(identity) | {"VerificationStatus": identity.status, "FeedbackForwardingStatus": True}
        return self._answers.json(told | {"Policies": {}, "Tags": []})

    async def _list(self, request: web.Request) -> web.Response:
        """All on one page."""
        authorized(request)
        found = [
            {
                "IdentityType": identity.kind,
                "IdentityName": identity.name,
                "SendingEnabled": identity.verified,
                "VerificationStatus": identity.status,
            }
            for identity in self._identities.all()
        ]
        return self._answers.json({"EmailIdentities": found})

    async def _delete(self, request: web.Request) -> web.Response:
        authorized(request)
        self._identities.delete(request.match_info["name"])
        return self._answers.json({})


def _told(identity: Identity) -> Json:
    dkim: Json = {"SigningEnabled": False, "Status": "NOT_STARTED", "SigningAttributesOrigin": "AWS_SES"}
    if identity.tokens:
        dkim |= {
            "SigningEnabled": True,
            "Status": identity.status,
            "Tokens": identity.tokens,
            "NextSigningKeyLength": "RSA_2048_BIT",
            "CurrentSigningKeyLength": "RSA_2048_BIT",
        }
    return {
        "IdentityType": identity.kind,
        "VerifiedForSendingStatus": identity.verified,
        "DkimAttributes": dkim,
    }
