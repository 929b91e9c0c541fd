"""Sandboxes: which kind this machine allows, and jobs in them.

Tiers, best first; each is tried with a small overlay before it is used:

- ``root``: we are root; owners are real.
- ``subuid``: a user namespace with a range of /etc/subuid, written by newuidmap(1).
- ``single``: a user namespace with one id. Every file is root's; what changes owners fails.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import IO, Final

import imagelock
from imagelock.fetch.store import disk_errors
from imagelock.model.errors import BuildError, IntegrityError

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_RANGE: Final = 65536
_TAIL: Final = 4000
_SCRATCH: Final = "tmp."


class Tier(StrEnum):
    """How a sandbox gets its rights."""

    ROOT = "root"
    SUBUID = "subuid"
    SINGLE = "single"

    @property
    def user(self) -> bool:
        """Whether it is a user namespace."""
        return self is not Tier.ROOT


@dataclass(frozen=True, slots=True, kw_only=True)
class Bind:
    """A file or folder of the host shown in the sandbox, read-only."""

    source: Path
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What to run.

    ``files`` (path, mode, text) are written first, ``renames`` and ``links`` (target, path) made,
    ``remove`` deleted at last.

    ``lower`` names trees, lowest first. ``user`` is as in an image's config: a name or id,
    perhaps with ``:group``; empty is root.
    """

    lower: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]
    env: tuple[tuple[str, str], ...]
    files: tuple[tuple[str, int, str], ...] = ()
    renames: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    remove: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    network: bool = False
    workdir: str = "/"
    user: str = ""


@dataclass(slots=True)
class Sandbox:
    """Jobs of one tier over the trees in a folder."""

    tier: Tier
    trees: Path
    maps: dict[str, list[list[int]]] = field(default_factory=dict)
    _held: dict[Path, int] = field(default_factory=dict)
    _removing: list[subprocess.Popen[bytes]] = field(default_factory=list)

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
            process = self._start(job, stdin=None, stdout=None, stderr=None)
            return process.wait(), ""
        process = self._start(
            job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        output = _tail(process)
        return process.wait(), output

    def unpack(self, tar: IO[bytes], name: str, *, where: str) -> None:
        """Unpack a layer's tar as the tree of that name; whole or not at all."""
        scratch = self.scratch()
        try:
            job = self._job("unpack", folder=str(scratch / "tree"), where=where)
            with self._start(
                job, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as process:
                try:
                    _feed(tar, process)
                except BaseException:
                    process.kill()
                    raise
                _, error = process.communicate()
            self._checked(process.returncode, error, where)
            target = self.trees / name
            try:
                (scratch / "tree").rename(target)
            except OSError:
                if not target.is_dir():
                    raise
        finally:
            self.remove(scratch)

    def changes(self, lower: tuple[str, ...], scratch: Path, *, epoch: int) -> Iterator[bytes]:
        """The tar of what :meth:`run` wrote in ``scratch``; no member is newer than ``epoch``."""
        job = self._job("diff", root=_made(scratch / "diff"), lower=list(lower))
        job |= {"upper": str(scratch / "upper"), "epoch": epoch}
        with self._start(
            job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            try:
                while chunk := process.stdout.read(1 << 20):
                    yield chunk
                error = process.stderr.read()
            except BaseException:
                process.kill()
                raise
            self._checked(process.wait(), error, "diff")

    def survey(self, lower: tuple[str, ...]) -> dict[str, object]:
        """Links, folders and dpkg's files of the tree that the layers make together."""
        scratch = self.scratch()
        try:
            job = self._job("survey", root=_made(scratch / "root"), lower=list(lower))
            process = self._start(
                job, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
            answer, error = process.communicate()
            self._checked(process.returncode, error, "survey")
            value: dict[str, object] = json.loads(answer)
            return value
        finally:
            self.remove(scratch)

    def scratch(self) -> Path:
        """A new folder beside the trees, so that renames stay on one file system.

        It is locked while we live: what a killed build left is known by its free lock.
        """
        self.trees.mkdir(parents=True, exist_ok=True)
        while True:
            folder = Path(tempfile.mkdtemp(prefix=_SCRATCH, dir=self.trees))
            lock = _locked(folder)
            if lock is not None:
                self._held[folder] = lock
                return folder

    def sweep(self) -> None:
        """Remove what killed builds left."""
        for folder in sorted(self.trees.glob(f"{_SCRATCH}*")):
            lock = _locked(folder)
            if lock is not None:
                self._held[folder] = lock
                self.remove(folder)

    def remove(self, folder: Path) -> None:
        """Begin to remove a folder, whoever owns what is in it; :meth:`close` waits for the end."""
        if folder.exists():
            job = self._job("remove", folder=str(folder))
            self._removing.append(
                self._start(job, stdin=subprocess.DEVNULL, stdout=None, stderr=None)
            )

    def close(self) -> None:
        """Wait until all removed folders are gone."""
        while self._removing:
            self._removing.pop().wait()
        for folder in [folder for folder in self._held if not folder.exists()]:
            os.close(self._held.pop(folder))

    def probe(self) -> bool:
        """Whether this machine allows the tier."""
        folder = self.scratch()
        job = self._job("probe", folder=str(folder))
        process = self._start(
            job, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        works = process.wait() == 0
        self.remove(folder)
        self.close()
        return works

    def _job(self, task: str, **values: object) -> dict[str, object]:
        return {
            "task": task,
            "maps": self.maps,
            "user": self.tier.user,
            "single": self.tier is Tier.SINGLE,
            "trees": str(self.trees),
            **values,
        }

    def _start(
        self,
        job: dict[str, object],
        *,
        stdin: int | None,
        stdout: int | None,
        stderr: int | None,
    ) -> subprocess.Popen[bytes]:
        reading, writing = os.pipe()
        package = str(Path(imagelock.__file__).parent.parent)
        command = [sys.executable, "-P", "-s", "-m", "imagelock.build.oci.inside", str(reading)]
        environment = {"PATH": os.environ.get("PATH", PATH), "PYTHONPATH": package}
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(reading,),
                env=environment,
            )
        finally:
            os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(job).encode())
        return process

    def _checked(self, code: int, error: bytes, where: str) -> None:
        if code == 0:
            return
        if code == 5:
            told = json.loads(error)
            raise IntegrityError(told["message"], where=told["where"] or where, hint=told["hint"])
        text = error.decode("utf-8", "replace")[-_TAIL:].strip()
        if f"[Errno {errno.ENOSPC}]" in text or f"[Errno {errno.EDQUOT}]" in text:
            with disk_errors(str(self.trees)):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        raise BuildError(
            f"the sandbox failed: {text}",
            where=where,
            hint=f"the sandbox is of the tier '{self.tier}'",
        )


def open_sandbox(root: Path) -> Sandbox:
    """The best sandbox this machine allows, its trees below ``root``. BuildError for none."""
    tried = []
    for tier in Tier:
        maps = _maps(tier)
        if maps is None:
            tried.append(f"{tier}: {_why_not(tier)}")
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
    maps = _maps(tier)
    return maps is not None and Sandbox(tier=tier, trees=Path(trees), maps=maps).probe()


def _maps(tier: Tier) -> dict[str, list[list[int]]] | None:
    """The id maps of a tier; None when we cannot have it."""
    uid, gid = os.geteuid(), os.getegid()
    match tier:
        case Tier.ROOT:
            return {} if uid == 0 else None
        case Tier.SUBUID:
            ranges = {kind: _range(f"/etc/sub{kind}") for kind in ("uid", "gid")}
            if uid == 0 or None in ranges.values():
                return None
            own = {"uid": uid, "gid": gid}
            return {
                kind: [[0, own[kind], 1], [1, start or 0, _RANGE - 1]]
                for kind, start in ranges.items()
            }
        case Tier.SINGLE:
            return {"uid": [[0, uid, 1]], "gid": [[0, gid, 1]]}


def _range(path: str) -> int | None:
    """The first id of our range (subuid(5)), large enough for every id of Debian's."""
    try:
        name = pwd.getpwuid(os.geteuid()).pw_name
        lines = Path(path).read_text().splitlines()
    except (KeyError, OSError):
        return None
    for line in lines:
        user, _, rest = line.partition(":")
        start, _, count = rest.partition(":")
        mine = user in {name, str(os.geteuid())}
        if mine and start.isdigit() and count.isdigit() and int(count) >= _RANGE - 1:
            return int(start)
    return None


def _why_not(tier: Tier) -> str:
    return "we are not root" if tier is Tier.ROOT else "no range in /etc/subuid and /etc/subgid"


def _locked(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None when another has it or it is gone."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino == os.fstat(descriptor).st_ino:
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _made(folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _feed(tar: IO[bytes], process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    try:
        while chunk := tar.read(1 << 20):
            process.stdin.write(chunk)
    except BrokenPipeError:
        return  # its status says why


def _tail(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout is not None
    kept = b""
    with process.stdout as stream:
        while chunk := os.read(stream.fileno(), 1 << 16):
            kept = (kept + chunk)[-64 * 1024 :]
    return kept.decode("utf-8", "replace")
