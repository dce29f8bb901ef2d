"""SES API v2, stored templates: create, get, list, delete."""

from __future__ import annotations

import msgspec
from aiohttp import web

from .aws_answer import Answers, asked, authorized
from .clock import Clock
from .templates import TemplateContent, Templates


class Create(msgspec.Struct, rename="pascal"):
    template_name: str
    template_content: TemplateContent


class SesTemplates:
    def __init__(self, templates: Templates, clock: Clock, answers: Answers) -> None:
        self._templates = templates
        self._clock = clock
        self._answers = answers

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v2/email/templates", self._create),
            web.get("/v2/email/templates", self._list),
            web.get("/v2/email/templates/{name}", self._get),
            web.delete("/v2/email/templates/{name}", self._delete),
        ]

    async def _create(self, request: web.Request) -> web.Response:
        wanted = await asked(request, Create)
        self._templates.create(wanted.template_name, wanted.template_content, self._clock.now())
        return self._answers.json({})

    async def _list(self, request: web.Request) -> web.Response:
        authorized(request)
        return self._answers.json({"TemplatesMetadata": self._templates.list()})

    async def _get(self, request: web.Request) -> web.Response:
        authorized(request)
        name = request.match_info["name"]
        return self._answers.json({"TemplateName": name, "TemplateContent": self._templates.get(name)})

    async def _delete(self, request: web.Request) -> web.Response:
        authorized(request)
        self._templates.delete(request.match_info["name"])
        return self._answers.json({})
