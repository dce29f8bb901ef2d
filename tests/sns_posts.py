"""What a provider tells of its mails: a server that takes what SNS posts."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kakitome_simulator.remote import Remote


@contextmanager
def heard(provider: Remote) -> Iterator[queue.Queue[str]]:
    """What the provider tells of its mails from now on, each as it wrote it."""
    told: queue.Queue[str] = queue.Queue()

    class Heard(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["Message"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Heard) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        provider.events_to(f"http://127.0.0.1:{server.server_port}/")
        try:
            yield told
        finally:
            server.shutdown()
