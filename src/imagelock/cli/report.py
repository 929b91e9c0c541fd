"""What a person or a machine is shown: results on stdout, everything else on stderr."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, TextIO

from imagelock.cli.streams import silence
from imagelock.model.errors import ImagelockError

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_RED = "31"
_GREEN = "32"
_CYAN = "36"
_DIM = "2"


class Report:
    """One command's output. Colours and progress only where they are wanted."""

    def __init__(self, *, json: bool = False, color: str = "auto", quiet: bool = False) -> None:
        self.json = json
        self.quiet = quiet
        self._color = color
        self._progress: RichProgress | None = None
        self._mutex = Lock()

    def colored(self, stream: TextIO) -> bool:
        """Whether this stream takes colours (NO_COLOR: no-color.org)."""
        if self._color != "auto":
            return self._color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR")

    def line(self, text: str = "") -> None:
        """A line of the result; nothing under --json."""
        if not self.json:
            self._result(text + "\n")

    def raw(self, data: bytes) -> None:
        """Bytes that are the result as they are, also under --json."""
        with _reader_may_go():
            sys.stdout.flush()
            sys.stdout.buffer.write(data)

    def flush(self) -> None:
        """Hand over all of the result so far."""
        with _reader_may_go():
            sys.stdout.flush()

    def value(self, value: object) -> None:
        """The result for machines; only under --json."""
        if self.json:
            self._result(json_module.dumps(value, indent=2, ensure_ascii=False) + "\n")

    def note(self, text: str) -> None:
        """Something worth knowing that is not the result."""
        if not (self.quiet or self.json):
            self._write(self._styled(text, _DIM))

    def done(self, text: str) -> None:
        """Something that was achieved and is not the result."""
        if not (self.quiet or self.json):
            self._write(self._styled(text, _GREEN))

    def error(self, error: ImagelockError) -> None:
        """An expected error, as text or as the contract's JSON, on stderr."""
        if self.json:
            self._write(json_module.dumps({"error": error.as_json()}, ensure_ascii=False))
            return
        head, _, hint = str(error).partition("\nhint: ")
        self._write(self._styled("error:", _RED) + f" {head}")
        if hint:
            self._write(self._styled("hint:", _CYAN) + f" {hint}")

    @contextmanager
    def task(self, title: str, total: int | None = None) -> Iterator[ProgressTask]:
        """A progress line while the context is open; only on a terminal."""
        if self.quiet or self.json or not sys.stderr.isatty():
            yield ProgressTask(None, None)
            return
        with self._mutex:
            progress = self._shown()
            task = progress.add_task(title, total=total)
        try:
            yield ProgressTask(progress, task)
        finally:
            with self._mutex:
                progress.remove_task(task)
                if not progress.tasks:
                    progress.stop()
                    self._progress = None

    def _shown(self) -> RichProgress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                console=Console(file=sys.stderr, no_color=not self.colored(sys.stderr)),
                transient=True,
            )
            self._progress.start()
        return self._progress

    def _result(self, text: str) -> None:
        with _reader_may_go():
            sys.stdout.write(text)

    def _write(self, text: str) -> None:
        try:
            if self._progress is not None:
                # Lines go above the bars.
                from rich.text import Text

                self._progress.console.print(Text.from_ansi(text), soft_wrap=True)
                return
            sys.stderr.write(text + "\n")
            sys.stderr.flush()
        except OSError:
            # Nobody can be told; the exit code still says it.
            silence(sys.stderr)

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{style}m{text}\x1b[0m" if self.colored(sys.stderr) else text


@contextmanager
def _reader_may_go() -> Iterator[None]:
    """A reader that is gone (`| head`) ends the output, not the work nor its exit code."""
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)


class ProgressTask:
    """One progress line, or none."""

    def __init__(self, progress: RichProgress | None, task: TaskID | None) -> None:
        self._progress = progress
        self._task = task

    def advance(self, amount: int) -> None:
        """Say that ``amount`` more is done; from any thread."""
        if self._progress is not None and self._task is not None:
            self._progress.advance(self._task, amount)
