"""What a list needs: a public address, a sender that is named, limits that make sense; and where mail goes to."""

from __future__ import annotations

from urllib.parse import urlsplit

from kakitome.config.tables import Config, GuardsTable, LaneTable
from kakitome.config.values import is_loopback, is_safe, milliseconds, place
from kakitome.core.errors import ConfigurationError

GENERATIONS = 255


def host_of(lane: LaneTable) -> str:
    """Where its mail goes, by that of `endpoint` and `host` which its mail takes; "" is the provider's own place."""
    return place(lane.endpoint or "")[1] if lane.provider in ("ses", "sendgrid") else lane.host or ""


def stays_here(lane: LaneTable) -> bool:
    """Whether what goes through the lane stays on this machine: a folder, or a server of this machine's."""
    return lane.provider == "outbox" or is_loopback(host_of(lane))


def public_url(config: Config) -> str:
    """Where readers reach this instance: `[http] public_url`, else where it serves on this machine."""
    return (config.http.public_url or f"http://{config.http.address}").rstrip("/")


def check_mailing(config: Config) -> None:
    """Raises `ConfigurationError`."""
    url = config.http.public_url
    if url is not None and (not is_safe(url) or urlsplit(url).query or urlsplit(url).fragment):
        raise ConfigurationError(
            f"http.public_url = {url!r} is no https:// address; mail programs unsubscribe by nothing else (RFC 8058).",
            'Write it as readers reach this instance: "https://mail.example.com".',
            key="http.public_url",
        )
    if not 1 <= config.http.unsubscribe_key <= GENERATIONS:
        what = f"http.unsubscribe_key = {config.http.unsubscribe_key} makes no sense."
        raise ConfigurationError(what, f"Write a number from 1 to {GENERATIONS}.", key="http.unsubscribe_key")
    for name, owner in config.owners.items():
        _check_page(f"owners.{name}.sender_page", owner.sender_page)
    _check_page("sender.page", config.sender.page)
    _check_guards(config.guards)


def _check_page(key: str, page: str) -> None:
    if page and place(page)[0] not in ("http", "https"):
        what = f"{key} = {page!r} is not the address of a page."
        raise ConfigurationError(what, 'Write "https://www.example.com/about".', key=key)


def _check_guards(table: GuardsTable) -> None:
    milliseconds(table.window, "guards.window")
    if not milliseconds(table.every, "guards.every"):
        raise ConfigurationError("guards.every is no time at all.", "Write 5s.", key="guards.every")
    for kind in ("bounces", "complaints"):
        warn, pause, least = (getattr(table, f"{kind}_{word}") for word in ("warn", "pause", "least"))
        if not 0 < warn <= pause <= 100:
            raise ConfigurationError(
                f"guards.{kind}_warn = {warn} and {kind}_pause = {pause} make no sense.",
                "Both are percentages above 0, and the warning comes first.",
                key=f"guards.{kind}_warn",
            )
        if least < 1:
            raise ConfigurationError(
                f"guards.{kind}_least = {least} makes no sense.", "Write 1 or more.", key=f"guards.{kind}_least"
            )
    if table.sample < 1:
        what = f"guards.sample = {table.sample} makes no sense."
        raise ConfigurationError(what, "Write 1 or more.", key="guards.sample")
