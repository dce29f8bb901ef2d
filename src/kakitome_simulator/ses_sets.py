"""SES API v2, configuration sets and their event destinations."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from aiohttp import web

from .aws_answer import Answers, asked, authorized
from .event_sets import EventDestination, EventSet, EventSets
from .suppression import Reason

SET = "/v2/email/configuration-sets/{set}"


class Sending(msgspec.Struct, rename="pascal", frozen=True):
    sending_enabled: bool = False


class Suppressing(msgspec.Struct, rename="pascal", frozen=True):
    suppressed_reasons: list[Reason] | None = None


class Create(msgspec.Struct, rename="pascal"):
    configuration_set_name: str
    sending_options: Sending = Sending(True)
    suppression_options: Suppressing = Suppressing()


class CreateDestination(msgspec.Struct, rename="pascal"):
    event_destination_name: str
    event_destination: EventDestination


class UpdateDestination(msgspec.Struct, rename="pascal"):
    event_destination: EventDestination


class SesSets:
    """`validate` is called with the topic of each destination that is made: SES says so on the topic."""

    def __init__(self, sets: EventSets, answers: Answers, validate: Callable[[str], None]) -> None:
        self._sets = sets
        self._answers = answers
        self._validate = validate

    def routes(self) -> list[web.RouteDef]:
        destinations = f"{SET}/event-destinations"
        return [
            web.post("/v2/email/configuration-sets", self._create),
            web.get("/v2/email/configuration-sets", self._list),
            web.post("/v2/email/list-configuration-sets", self._list),
            web.get(SET, self._get),
            web.delete(SET, self._delete),
            web.put(f"{SET}/sending", self._put_sending),
            web.put(f"{SET}/suppression-options", self._put_suppression),
            web.post(destinations, self._create_destination),
            web.get(destinations, self._list_destinations),
            web.put(destinations + "/{name}", self._update_destination),
            web.delete(destinations + "/{name}", self._delete_destination),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await asked(request, Create)
        reasons = wanted.suppression_options.suppressed_reasons
        self._sets.create(
            EventSet(
                wanted.configuration_set_name,
                sending=wanted.sending_options.sending_enabled,
                reasons=None if reasons is None else frozenset(reasons),
            )
        )
        return self._answers.json({})

    async def _list(self, request: web.Request) -> web.Response:
        """All on one page."""
        authorized(request)
        return self._answers.json({"ConfigurationSets": self._sets.names()})

    async def _get(self, request: web.Request) -> web.Response:
        found = self._found(request)
        options = {} if found.reasons is None else {"SuppressionOptions": {"SuppressedReasons": sorted(found.reasons)}}
        told = {"ConfigurationSetName": found.name, "SendingOptions": {"SendingEnabled": found.sending}, "Tags": []}
        return self._answers.json(told | options)

    async def _delete(self, request: web.Request) -> web.Response:
        self._sets.delete(self._found(request).name)
        return self._answers.json({})

    async def _put_sending(self, request: web.Request) -> web.Response:
        self._found(request).sending = (await asked(request, Sending)).sending_enabled
        return self._answers.json({})

    async def _put_suppression(self, request: web.Request) -> web.Response:
        reasons = (await asked(request, Suppressing)).suppressed_reasons
        self._found(request).reasons = None if reasons is None else frozenset(reasons)
        return self._answers.json({})

    async def _create_destination(self, request: web.Request) -> web.Response:
        found = self._found(request)
        wanted = await asked(request, CreateDestination)
        found.add(wanted.event_destination_name, wanted.event_destination)
        return self._validated(wanted.event_destination)

    async def _list_destinations(self, request: web.Request) -> web.Response:
        named = self._found(request).destinations.items()
        return self._answers.json(
            {"EventDestinations": [{"Name": name} | msgspec.to_builtins(one) for name, one in named]}
        )

    async def _update_destination(self, request: web.Request) -> web.Response:
        found = self._found(request)
        wanted = await asked(request, UpdateDestination)
        found.update(request.match_info["name"], wanted.event_destination)
        return self._validated(wanted.event_destination)

    async def _delete_destination(self, request: web.Request) -> web.Response:
        self._found(request).remove(request.match_info["name"])
        return self._answers.json({})

    def _validated(self, destination: EventDestination) -> web.Response:
        assert destination.sns_destination is not None
        self._validate(destination.sns_destination.topic_arn)
        return self._answers.json({})

    def _found(self, request: web.Request) -> EventSet:
        """Raises `ApiError`."""
        authorized(request)
        return self._sets.get(request.match_info["set"])
