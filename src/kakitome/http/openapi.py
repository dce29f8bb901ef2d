"""The API's description (OpenAPI 3.1), made of the very types that read requests and write answers."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from litestar import Response, get

from kakitome.core.submission import MessageRequest
from kakitome.http.alerts import AlertsFound
from kakitome.http.edge import Asked
from kakitome.http.events import Taken
from kakitome.http.messages import BatchAnswer, BatchEntry, Submitted
from kakitome.http.problems import TABLE
from kakitome.http.search import PARAMETERS, STATUSES, Found
from kakitome.http.suppressions import PARAMETERS as LOOKING
from kakitome.http.suppressions import REMOVING, SuppressionPage, SuppressionRequest, SuppressionsAdded
from kakitome.status import Status

REFERENCE = "#/components/schemas/{name}"
_TYPES = (MessageRequest, BatchEntry, Submitted, BatchAnswer, Status, Found, Taken, AlertsFound)
_SUPPRESSING = (SuppressionPage, SuppressionRequest, SuppressionsAdded)

Json = dict[str, Any]


@get("/openapi.json")
async def describe(request: Asked) -> Response[bytes]:
    return Response(document(), media_type="application/json")


@cache
def document() -> bytes:
    _, schemas = msgspec.json.schema_components(_TYPES + _SUPPRESSING, ref_template=REFERENCE)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "Kakitome", "version": "1", "description": "Registered mail for services."},
            "security": [{"key": []}],
            "paths": _paths(),
            "components": {
                "schemas": {**schemas, "Batch": _batch(), "Problem": _problem()},
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _paths() -> Json:
    asked = _parameter("id", "path", {"type": "string"}, "A submission, a message, or a provider's message id.")
    key = _parameter("Idempotency-Key", "header", {"type": "string", "maxLength": 256}, "Kept for seven days.")
    return {
        "/v1/messages": {
            "post": _operation("Hand a mail in.", "202", "Submitted", body="MessageRequest", parameters=[key]),
            "get": _operation("Look for messages.", "200", "Found", parameters=[_filter(name) for name in PARAMETERS]),
        },
        "/v1/messages/batch": {"post": _operation("Hand up to 500 mails in.", "200", "BatchAnswer", body="Batch")},
        "/v1/messages/{id}": {"get": _operation("What became of it.", "200", "Status", parameters=[asked])},
        "/v1/messages/{id}/cancel": {
            "post": _operation("Withdraw what is not out yet.", "200", "Status", parameters=[asked])
        },
        "/v1/suppressions": {
            "get": _operation(
                "Who is not written to.", "200", "SuppressionPage", parameters=[_filter(name) for name in LOOKING]
            ),
            "post": _operation("Do not write to these.", "200", "SuppressionsAdded", body="SuppressionRequest"),
            "delete": _operation(
                "Write to this address again.", "204", parameters=[_filter(name) for name in REMOVING]
            ),
        },
        "/events/ses": {"post": _operation("Events of SES, in SNS's envelope.", "200", "Taken") | {"security": []}},
        "/v1/alerts": {"get": _operation("What is wrong now, and was lately.", "200", "AlertsFound")},
        "/events/sendgrid": {"post": _operation("SendGrid's signed events.", "200", "Taken") | {"security": []}},
        "/u/{token}": {
            "get": _operation("A page for readers; changes nothing.", "200") | {"security": []},
            "head": _operation("As GET.", "200") | {"security": []},
            "post": _operation("Leave the list (RFC 8058).", "200") | {"security": []},
        },
        "/healthz": {"get": _operation("The process lives.", "200") | {"security": []}},
        "/readyz": {"get": _operation("The ledger can take mail.", "200") | {"security": []}},
    }


def _operation(
    summary: str, status: str, answer: str = "", body: str = "", parameters: list[Json] | None = None
) -> Json:
    told: Json = {"description": summary}
    if answer:
        told["content"] = {"application/json": {"schema": _named(answer)}}
    refused = {
        "description": "A problem (RFC 9457).",
        "content": {"application/problem+json": {"schema": _named("Problem")}},
    }
    operation: Json = {"summary": summary, "responses": {status: told, "default": refused}}
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _named(body)}}}
    if parameters:
        operation["parameters"] = parameters
    return operation


def _filter(name: str) -> Json:
    return _parameter(name, "query", {"enum": STATUSES} if name == "status" else {"type": "string"}, "")


def _parameter(name: str, where: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": where, "required": where == "path", "schema": schema, "description": description}


def _named(name: str) -> Json:
    return {"$ref": REFERENCE.format(name=name)}


def _batch() -> Json:
    entries = {"type": "array", "items": _named("BatchEntry"), "maxItems": 500}
    return {"type": "object", "properties": {"messages": entries}, "required": ["messages"]}


def _problem() -> Json:
    slugs = sorted({kind.slug for kind in TABLE} | {"too-large", "no-such-route", "internal"})
    return {
        "type": "object",
        "properties": {
            "type": {"type": "string", "examples": slugs},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {"type": "array", "items": {"type": "object"}},
        },
        "required": ["type", "title", "status", "detail"],
    }
