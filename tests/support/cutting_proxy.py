"""A TCP proxy on 127.0.0.1 that breaks connections where it is told to."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

_PIECE = 65536


class CuttingProxy:
    """Passes bytes on to a port; each of ``cuts`` ends one connection after as many bytes."""

    def __init__(self, port: int) -> None:
        self.cuts: list[int] = []
        self.broken = 0
        self.passed = 0
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._handle, args=(client,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _handle(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            back.start()
            with contextlib.suppress(OSError):
                self._forward(client, server)
            for side in (client, server):
                with contextlib.suppress(OSError):
                    side.shutdown(socket.SHUT_RDWR)
            back.join(5)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        while piece := client.recv(_PIECE):
            server.sendall(piece)
            sent += len(piece)
            with self._lock:
                self.passed += len(piece)
                due = bool(self.cuts) and sent >= self.cuts[0]
                if due:
                    self.cuts.pop(0)
                    self.broken += 1
            if due:
                return

    def _pump(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(_PIECE):
                client.sendall(piece)


@contextlib.contextmanager
def cutting_proxy(port: int) -> Iterator[CuttingProxy]:
    """A proxy for the time of the context."""
    proxy = CuttingProxy(port)
    thread = threading.Thread(target=proxy.serve, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.close()
        thread.join(5)
