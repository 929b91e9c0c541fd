"""Pages read by a second process, so that a large resolution uses two cores.

Reading pages of megabytes is most of a cold resolution's work, and one interpreter does one thing
at a time. The process is asked for names and answers with releases; whatever goes wrong with it
(it cannot start, it dies), its names are fetched by the threads of this process instead.

    parent → child   one pickle (:class:`_Order`), then a name a line
    child → parent   frames: four bytes of length, then JSON ``[name, index, releases]``,
                     ``[name, error]`` with the fields of an error, or ``[name]`` for what nobody
                     expected, which the parent then meets itself; the first frame is ``[]``
"""

from __future__ import annotations

import contextlib
import pickle
import signal
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any, Final

from imagelock.fetch.pypi.page_source import PageSource, Releases
from imagelock.model import errors
from imagelock.model.names import PipName

_THREADS: Final = 12
_LENGTH: Final = struct.Struct(">I")
_START: Final = """
import pickle, sys
sys.path[:] = pickle.load(sys.stdin.buffer)
from imagelock.fetch.pypi.page_process import serve
serve()
"""


@dataclass(frozen=True, slots=True)
class _Order:
    store_root: str
    http: Any
    indexes: tuple[str, ...]
    targets: tuple[Any, ...]
    find_links: tuple[str, ...]
    folder: Any


class PageProcess:
    """The parent's end: names in, futures out; used from several threads."""

    def __init__(
        self, source: PageSource, fallback: Callable[[PipName, Future[Any]], None]
    ) -> None:
        """Start it; ``fallback`` is called with every name that it left without an answer."""
        self._fallback = fallback
        self._waiting: dict[PipName, Future[tuple[str, Releases]]] = {}
        self._lock = threading.Lock()
        self._open = False
        order = _Order(
            str(source.store.root),
            source.http,
            source.indexes,
            source.targets,
            source.find_links,
            source.folder,
        )
        text = pickle.dumps(sys.path) + pickle.dumps(order)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _START],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._reader = threading.Thread(target=self._read, args=(text,), name="pypi-pages")
        self._reader.start()

    def ask(self, name: PipName, future: Future[tuple[str, Releases]]) -> bool:
        """Let it fetch a project; False when it is not there (yet, or any more)."""
        with self._lock:
            if not self._open:
                return False
            self._waiting[name] = future
            try:
                assert self._process.stdin is not None
                self._process.stdin.write(f"{name}\n".encode())
                self._process.stdin.flush()
            except OSError:
                self._open = False
                del self._waiting[name]
                return False
        return True

    def close(self) -> None:
        """Stop it; what it has not answered is nobody's any more."""
        with self._lock:
            self._open = False
            self._waiting.clear()
        self._process.kill()
        self._reader.join()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                assert pipe is not None
                pipe.close()

    def _read(self, order: bytes) -> None:
        from imagelock.fetch.pypi.simple_json import decode_frame

        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(order)
            self._process.stdin.flush()
            while (frame := _frame(self._process.stdout)) is not None:
                self._answered(decode_frame(frame))
        with self._lock:
            self._open = False
            left, self._waiting = self._waiting, {}
        for name, future in left.items():
            self._fallback(name, future)

    def _answered(self, parts: list[Any]) -> None:
        if not parts:
            with self._lock:
                self._open = True
            return
        with self._lock:
            future = self._waiting.pop(parts[0], None)
        if future is None:
            return
        if len(parts) == 1:
            self._fallback(parts[0], future)
        elif len(parts) == 2:
            future.set_exception(_error_of(parts[1]))
        else:
            future.set_result((parts[1], parts[2]))


def start(
    source: PageSource, fallback: Callable[[PipName, Future[Any]], None]
) -> PageProcess | None:
    """The process, or None where none can be started (or be told of these credentials)."""
    try:
        return PageProcess(source, fallback)
    except (OSError, pickle.PicklingError, TypeError, AttributeError):
        return None


def _frame(stream: IO[bytes]) -> bytes | None:
    """The next frame, None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length = _LENGTH.unpack(head)[0]
    body = stream.read(length)
    return body if len(body) == length else None


def _error_of(fields: list[str]) -> errors.ImagelockError:
    kind, message, where, hint = fields
    made: errors.ImagelockError = getattr(errors, kind)(message, where=where, hint=hint)
    return made


def serve() -> None:
    """The child: answer names on stdin until it ends."""
    from imagelock.fetch.pypi.simple_json import encode
    from imagelock.fetch.store import Store

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    order: _Order = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our parent's pipe
    from pathlib import Path

    source = PageSource(
        Store(Path(order.store_root)),
        order.http,
        order.indexes,
        order.targets,
        find_links=order.find_links,
        folder=order.folder,
    )
    output, writing = sys.stdout.buffer, threading.Lock()

    def send(parts: list[Any]) -> None:
        text = encode(parts)
        with writing:
            output.write(_LENGTH.pack(len(text)) + text)
            output.flush()

    def answer(name: PipName) -> None:
        try:
            index, releases = source.releases(name)
        except errors.ImagelockError as error:
            send([name, [type(error).__name__, error.message, error.where, error.hint]])
        except Exception:  # noqa: BLE001 - a name without an answer would be waited for
            send([name])
        else:
            send([name, index, releases])

    send([])
    with ThreadPoolExecutor(_THREADS) as pool, contextlib.suppress(BrokenPipeError):
        for line in sys.stdin.buffer:
            pool.submit(answer, PipName(line.decode().rstrip("\n")))
