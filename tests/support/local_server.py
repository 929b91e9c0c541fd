"""A real HTTP server on 127.0.0.1 whose faults can be ordered."""

from __future__ import annotations

import contextlib
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Request:
    """What arrived; header names are lower-case."""

    method: str
    path: str
    headers: dict[str, str]


@dataclass
class Answer:
    """What to send. ``cut`` bytes are announced but withheld, and the connection closed."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0


Route = Answer | Callable[[Request], Answer]


class LocalServer:
    """Routes by path (query included); a list of answers is used up, its last one stays."""

    def __init__(self) -> None:
        self.routes: dict[str, Route | list[Route]] = {}
        self.requests: list[Request] = []
        self.ranges = True
        self.connections = 0
        self.lock = threading.Lock()
        self.url = ""

    def asked(self, path: str) -> list[Request]:
        return [request for request in self.requests if request.path == path]

    def answer(self, request: Request) -> Answer:
        with self.lock:
            self.requests.append(request)
            route = self.routes.get(request.path, Answer(status=404))
            if isinstance(route, list):
                route = route.pop(0) if len(route) > 1 else route[0]
        found = route(request) if callable(route) else route
        wanted = request.headers.get("range")
        if wanted and self.ranges and found.status == 200:
            return self._part(found, wanted)
        return found

    @staticmethod
    def _part(found: Answer, wanted: str) -> Answer:
        match = re.match(r"bytes=(\d*)-(\d*)\Z", wanted)
        assert match is not None
        size = len(found.body)
        if match[1]:
            first, last = int(match[1]), min(int(match[2] or size - 1), size - 1)
        else:
            first, last = max(0, size - int(match[2])), size - 1
        if first >= size:
            return Answer(status=416)
        headers = {**found.headers, "Content-Range": f"bytes {first}-{last}/{size}"}
        return Answer(found.body[first : last + 1], 206, headers, found.cut)


def _handler(server: LocalServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            server.connections += 1

        def do_GET(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = server.answer(Request(self.command, self.path, headers))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body[: len(answer.body) - answer.cut])
            if answer.cut:
                self.close_connection = True

        do_HEAD = do_GET  # noqa: N815 - named by http.server

        def log_message(self, *_arguments: object) -> None:
            """Stay quiet."""

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is none of ours to tell."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@contextlib.contextmanager
def local_server() -> Iterator[LocalServer]:
    """A server for the time of the context."""
    server = LocalServer()
    made = _Server(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{made.server_address[1]}"
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
