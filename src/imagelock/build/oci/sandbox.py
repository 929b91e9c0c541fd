"""Sandboxes: jobs over the trees in a folder, in the best tier this machine allows."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from collections.abc import Generator, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final, Self

from imagelock.build.oci.program import PATH, ended, refuse_failed, start_program
from imagelock.build.oci.scratch import ScratchFolders
from imagelock.build.oci.stamps import TreesInUse, locked_stamp, read_seal, write_seal
from imagelock.build.oci.tiers import IdMaps, Tier, id_maps, why_not
from imagelock.build.oci.work import Bind, Work
from imagelock.layers.untar import Readable
from imagelock.model.errors import BuildError

__all__ = ["PATH", "Bind", "Sandbox", "Tier", "Unpacking", "Work", "open_sandbox"]

_CHUNK: Final = 1 << 20


class Sandbox:
    """Jobs of one tier over the trees in a folder; a ``with`` closes it."""

    def __init__(self, *, tier: Tier, trees: Path, maps: IdMaps | None = None) -> None:
        self.tier = tier
        self.trees = trees
        self.maps = maps or {}
        self.sealed: set[str] = set()
        """The trees that were made here, or whose seal was found whole."""
        self.in_use = TreesInUse()
        self._scratch = ScratchFolders(trees)
        self._removing: list[subprocess.Popen[bytes]] = []

    def run(self, work: Work, scratch: Path, *, interactive: bool = False) -> tuple[int, str]:
        """Run the commands over an overlay in ``scratch``; the status and the output's end."""
        job = self._job("run", root=_made(scratch / "root"), lower=list(work.lower))
        job |= {
            "upper": _made(scratch / "upper"),
            "work": _made(scratch / "work"),
            "commands": [list(command) for command in work.commands],
            "env": dict(work.env),
            "files": [list(item) for item in work.files],
            "renames": [list(item) for item in work.renames],
            "links": [list(item) for item in work.links],
            "remove": list(work.remove),
            "binds": [[str(b.source), b.target, b.source.is_dir()] for b in work.binds],
            "network": work.network,
            "workdir": work.workdir,
            "identity": work.user,
        }
        # `upper` must be the root folder's own mode; mkdir went through the umask.
        (scratch / "upper").chmod(0o755)
        if interactive:
            with ended(start_program(job, stdin=None, stdout=None, stderr=None)) as process:
                return process.wait(), ""
        with ended(start_program(job, stderr=subprocess.STDOUT)) as process:
            output = _tail(process)
            return process.wait(), output

    @contextlib.contextmanager
    def unpacking(self, *, where: str) -> Iterator[Unpacking]:
        """Unpack a layer's tar while it is written; kept only under the name it is then given."""
        with self.scratch() as scratch:
            job = self._job("unpack", folder=str(scratch / "tree"), where=where)
            with ended(start_program(job, stdin=subprocess.PIPE)) as process:
                yield Unpacking(self, process, scratch / "tree", where)

    def unpack(self, tar: Readable, name: str, *, where: str) -> None:
        """Unpack a layer's tar as the tree of that name; whole or not at all."""
        with self.unpacking(where=where) as target:
            while chunk := tar.read(_CHUNK):
                target.write(chunk)
            target.keep(name)

    @contextlib.contextmanager
    def changes(
        self, lower: tuple[str, ...], scratch: Path, *, epoch: int
    ) -> Iterator[Iterator[bytes]]:
        """The tar of what :meth:`run` wrote in ``scratch``; no member is newer than ``epoch``."""
        with contextlib.closing(self._changes(lower, scratch, epoch)) as chunks:
            yield chunks

    def _changes(self, lower: tuple[str, ...], scratch: Path, epoch: int) -> Generator[bytes]:
        job = self._job("diff", root=_made(scratch / "diff"), lower=list(lower))
        job |= {"upper": str(scratch / "upper"), "epoch": epoch}
        with ended(start_program(job)) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            while chunk := process.stdout.read(_CHUNK):
                yield chunk
            error = process.stderr.read()
            self.refuse_failed(process.wait(), error, "diff")

    def survey(self, lower: tuple[str, ...]) -> dict[str, object]:
        """Links, folders and dpkg's files of the tree that the layers make together."""
        with self.scratch() as scratch:
            job = self._job("survey", root=_made(scratch / "root"), lower=list(lower))
            answer: dict[str, object] = json.loads(self._answer(job))
            return answer

    def seals(self, names: Sequence[str]) -> list[str]:
        """What each tree's seal is now (:mod:`imagelock.build.oci.inside.seal`)."""
        answer: list[str] = json.loads(self._answer(self._job("seals", names=list(names))))
        return answer

    @contextlib.contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder beside the trees, so that renames stay on one file system; then removed.

        It is locked while we live: what a killed build left is known by its free lock.
        """
        folder = self._scratch.new()
        try:
            yield folder
        finally:
            self._remove(folder)

    def sweep(self) -> None:
        """Remove what killed builds left."""
        for folder in self._scratch.left():
            self._remove(folder)

    def _remove(self, folder: Path) -> None:
        """Begin to remove a folder, whoever owns what is in it; :meth:`close` waits for the end."""
        for inner in ("root", "diff"):  # where overlays were mounted
            with contextlib.suppress(OSError):
                (folder / inner).rmdir()
        try:
            folder.rmdir()
        except FileNotFoundError:
            return
        except OSError:
            job = self._job("remove", folder=str(folder))
            self._removing.append(start_program(job, stdout=None, stderr=None))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Wait until all removed folders are gone; the trees are no longer used."""
        while self._removing:
            self._removing.pop().wait()
        self._scratch.forget()
        self.in_use.release_all()

    def probe(self) -> bool:
        """Whether this machine allows the tier."""
        quiet = subprocess.DEVNULL
        with self, self.scratch() as folder:
            job = self._job("probe", folder=str(folder))
            with ended(start_program(job, stdout=quiet, stderr=quiet)) as process:
                return process.wait() == 0

    def refuse_failed(self, code: int, error: bytes, where: str) -> None:
        """Raise what a job failed with; nothing when it did not."""
        refuse_failed(code, error, where=where, tier=self.tier, folder=self.trees)

    def _answer(self, job: dict[str, object]) -> bytes:
        with ended(start_program(job)) as process:
            answer, error = process.communicate()
        self.refuse_failed(process.returncode, error, str(job["task"]))
        return answer

    def _job(self, task: str, **values: object) -> dict[str, object]:
        return {
            "task": task,
            "maps": self.maps,
            "user": self.tier.user,
            "single": self.tier is Tier.SINGLE,
            "trees": str(self.trees),
            **values,
        }


class Unpacking:
    """A tar on its way into a tree."""

    def __init__(
        self, sandbox: Sandbox, process: subprocess.Popen[bytes], tree: Path, where: str
    ) -> None:
        assert process.stdin is not None
        self._sandbox = sandbox
        self._process = process
        self._pipe = process.stdin
        self._tree = tree
        self._where = where
        self._ended = False
        self._seal = ""
        with contextlib.suppress(OSError):  # a user may have used up what pipes may hold
            fcntl.fcntl(self._pipe, fcntl.F_SETPIPE_SZ, _CHUNK)

    def write(self, data: bytes) -> None:
        """The next bytes of the tar. IntegrityError or BuildError when it cannot be unpacked."""
        if self._ended:
            return
        try:
            self._pipe.write(data)
            self._pipe.flush()
        except BrokenPipeError:
            self._finish()  # it refused what it read, or needs nothing after an archive's end

    def keep(self, name: str) -> None:
        """All was written: wait for the end, and keep the tree unless another made it meanwhile."""
        seal = self._finish()
        sandbox = self._sandbox
        target = sandbox.trees / name
        with locked_stamp(sandbox.trees, name) as stamp:
            there = target.is_dir()
            if there and not read_seal(stamp) and sandbox.in_use.is_free(target):
                # A kill came between the two, or it was made before there were seals.
                target.rename(self._tree.with_name("unsealed"))
                there = False
            if not there:
                self._tree.rename(target)
                sandbox.in_use.hold(target)
                write_seal(sandbox.trees, name, seal)
            else:
                sandbox.in_use.hold(target)
        sandbox.sealed.add(name)

    def _finish(self) -> str:
        if not self._ended:
            self._ended = True
            answer, error = self._process.communicate()
            self._sandbox.refuse_failed(self._process.returncode, error, self._where)
            self._seal = answer.decode()
        return self._seal


def open_sandbox(root: Path) -> Sandbox:
    """The best sandbox this machine allows, its trees below ``root``. BuildError for none."""
    tried = []
    for tier in Tier:
        maps = id_maps(tier)
        if maps is None:
            tried.append(f"{tier}: {why_not(tier)}")
            continue
        sandbox = Sandbox(tier=tier, trees=root / "trees" / tier, maps=maps)
        if _probed(tier, str(sandbox.trees)):
            sandbox.sweep()
            return sandbox
        tried.append(f"{tier}: the kernel refused")
    raise BuildError(
        "no sandbox can be made here (" + "; ".join(tried) + ")",
        where="sandbox",
        hint="run as root, or allow user namespaces with overlayfs (Linux 5.11 or later)",
    )


@cache
def _probed(tier: Tier, trees: str) -> bool:
    maps = id_maps(tier)
    return maps is not None and Sandbox(tier=tier, trees=Path(trees), maps=maps).probe()


def _made(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _tail(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    kept = b""
    with process.stdout as stream:
        while chunk := os.read(stream.fileno(), 1 << 16):
            kept = (kept + chunk)[-64 * 1024 :]
    return kept.decode("utf-8", "replace")
