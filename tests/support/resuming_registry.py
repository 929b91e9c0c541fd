"""The upload half of a registry that keeps what arrived of a chunk that broke (distribution-spec).

Debian's docker-registry gives such a session up, so this fault cannot be ordered from a real one.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class ResumingRegistry:
    """``breaks`` holds numbers of bytes; each ends one connection when as many have arrived."""

    def __init__(self) -> None:
        self.sessions: dict[str, bytearray] = {}
        self.blobs: dict[str, bytes] = {}
        self.breaks: list[int] = []
        self.received = 0
        self.starts: list[int] = []
        self.lose_last_answer = False
        self.host = ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    registry: ResumingRegistry

    def reply(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def session(self) -> tuple[str, bytearray]:
        name = urlsplit(self.path).path
        return name, self.registry.sessions[name]

    def do_HEAD(self) -> None:
        digest = self.path.rpartition("/")[2]
        self.reply(200 if digest in self.registry.blobs else 404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = f"/v2/uploads/{len(self.registry.sessions)}"
        self.registry.sessions[name] = bytearray()
        self.reply(202, Location=name)

    def do_GET(self) -> None:
        name, data = self.session()
        self.reply(204, Location=name, Range=f"0-{max(0, len(data) - 1)}")

    def do_PATCH(self) -> None:
        name, data = self.session()
        first = int(self.headers["Content-Range"].partition("-")[0])
        if first != len(data):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.reply(416, Location=name, Range=f"0-{max(0, len(data) - 1)}")
            return
        self.registry.starts.append(first)
        left = int(self.headers["Content-Length"])
        while left:
            piece = self.rfile.read1(min(left, 10_000))
            data += piece
            left -= len(piece)
            self.registry.received += len(piece)
            if self.registry.breaks and self.registry.received >= self.registry.breaks[0]:
                self.registry.breaks.pop(0)
                self.close_connection = True
                self.connection.close()
                return
        self.reply(202, Location=name, Range=f"0-{len(data) - 1}")

    def do_PUT(self) -> None:
        name, data = self.session()
        data += self.rfile.read(int(self.headers["Content-Length"]))
        digest = parse_qs(urlsplit(self.path).query)["digest"][0]
        found = "sha256:" + hashlib.sha256(data).hexdigest()
        if found != digest:
            self.reply(400)
            return
        self.registry.blobs[digest] = bytes(data)
        if self.registry.lose_last_answer:
            self.registry.lose_last_answer = False
            del self.registry.sessions[name]
            self.registry.sessions[name] = bytearray()
            self.close_connection = True
            self.connection.close()
            return
        self.reply(201)

    def log_message(self, *_arguments: object) -> None:
        """Stay quiet."""


@contextlib.contextmanager
def resuming_registry() -> Iterator[ResumingRegistry]:
    """A registry for the time of the context."""
    registry = ResumingRegistry()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Bound", (_Handler,), {"registry": registry})
    )
    server.daemon_threads = True
    server.handle_error = lambda *_arguments: None  # type: ignore[method-assign]
    registry.host = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
