"""Templates of SES: `{{name}}` in subject, text and html, and the data that comes in its place.

"SES doesn't escape HTML content when rendering the HTML template for a message" (developer guide, "Advanced email
personalization"), and what was put in is not looked at again. Stored templates may also name nested values
(`{{meta.name}}`); helpers of Handlebars are not played.
"""

from __future__ import annotations

import re

import msgspec

from .api_error import already_exists, bad_request, not_found

DATA_LIMIT = 262_144  # characters
TEMPLATE_LIMIT = 500 * 1024  # bytes, text and html together
_NAME = re.compile(r"\{\{\{?\s*([A-Za-z_][\w.-]*)\s*\}?\}\}")


class TemplateContent(msgspec.Struct, rename="pascal", omit_defaults=True):
    subject: str | None = None
    text: str | None = None
    html: str | None = None


class MissingAttribute(Exception):
    """The data has no value for a name: SES has taken the mail and tells of a rendering failure."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Attribute '{name}' is not present in the rendering data.")


def data_of(text: str | None) -> dict[str, object]:
    """The replacement data, which is JSON inside of JSON. Raises `ApiError`."""
    if text is None:
        return {}
    if len(text) > DATA_LIMIT:
        raise bad_request(f"Template data is longer than {DATA_LIMIT} characters.")
    try:
        return msgspec.json.decode(text, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise bad_request(f"Template data is no JSON object: {error}") from error


def filled(text: str, data: dict[str, object]) -> str:
    """One pass over the text. Raises `MissingAttribute`."""
    return _NAME.sub(lambda found: _text(_value(found[1], data)), text)


def filled_content(template: TemplateContent, data: dict[str, object]) -> TemplateContent:
    parts = (template.subject or "", template.text, template.html)
    return TemplateContent(*(None if part is None else filled(part, data) for part in parts))


class Templates:
    """The stored ones, by name."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._stored: dict[str, tuple[TemplateContent, int]] = {}

    def create(self, name: str, content: TemplateContent, now: int) -> None:
        if name in self._stored:
            raise already_exists(f"Template {name} already exists.")
        if content.text is None and content.html is None:
            raise bad_request("A template needs Text or Html.")
        if len(((content.text or "") + (content.html or "")).encode()) > TEMPLATE_LIMIT:
            raise bad_request("The template is larger than 500 KB.")
        self._stored[name] = (content, now)

    def get(self, name: str) -> TemplateContent:
        if name not in self._stored:
            raise not_found(f"Template {name} does not exist.")
        return self._stored[name][0]

    def delete(self, name: str) -> None:
        self.get(name)
        del self._stored[name]

    def list(self) -> list[dict[str, object]]:
        return [{"TemplateName": name, "CreatedTimestamp": at / 1000} for name, (_, at) in self._stored.items()]


def _value(name: str, data: dict[str, object]) -> object:
    if name in data:
        return data[name]
    value: object = data
    for step in name.split("."):
        if not isinstance(value, dict) or step not in value:
            raise MissingAttribute(name)
        value = value[step]
    return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
