"""A Slack channel of this machine: takes what an incoming webhook is sent, and shows it as the channel would."""

from __future__ import annotations

import json
import re
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class SlackChannel(ThreadingHTTPServer):
    """`messages` in the order in which they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Hook)
        self.messages: list[dict[str, Any]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/services/T/B/hotel"

    def titled(self, words: str) -> list[dict[str, Any]]:
        return [message for message in self.messages if words in message["text"]]


def shown(message: dict[str, Any]) -> str:
    """A message as a person reads it, in 80 columns."""
    texts = [unescape(block["text"]["text"]) for block in message["blocks"]]
    lines = [re.sub(r"^\*(.+?)\*", r"\1", line) for text in texts for line in text.splitlines()]
    return "\n".join(
        textwrap.fill(line, 78, initial_indent="  │ ", subsequent_indent="  │   ", break_on_hyphens=False)
        for line in lines
    )


class _Hook(BaseHTTPRequestHandler):
    server: SlackChannel

    def do_POST(self) -> None:
        self.server.messages.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def slack_channel() -> Iterator[SlackChannel]:
    with SlackChannel() as channel:
        threading.Thread(target=channel.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield channel
        finally:
            channel.shutdown()
