"""Git repositories: a ref becomes a commit, a commit the tar of its tree.

Everything is asked of the host's own git, with its own credentials and configuration, and never
of a person: no prompt appears. Repositories are kept bare beside the store.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from imagelock.fetch.store import Store, disk_errors
from imagelock.layers.entries import Entry, Kind, sort_key, with_parents
from imagelock.layers.tar import tar_chunks
from imagelock.model.archives import is_local, local_path
from imagelock.model.errors import IntegrityError, NetworkError, NotFound, UsageError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,63}")
_TAIL: Final = 600
_CREDENTIALS: Final = re.compile(r"(?<=//)[^/@\s]+@")
_INHERITED: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
"""What a git hook that runs us has set, and means another repository."""


def is_commit(text: str) -> bool:
    """Whether a ref is a whole commit id."""
    return _COMMIT.fullmatch(text) is not None


class GitRepository:
    """One repository by its URL, ``git+https://…``, or ``git+../path`` relative to ``folder``."""

    def __init__(
        self, url: str, *, store: Store, folder: Path | None = None, offline: bool = False
    ) -> None:
        self.url = url
        address = url.removeprefix("git+")
        local = is_local(address)
        if local:
            if folder is None:
                raise UsageError(
                    "a repository's path cannot be found without the lock's", where=url
                )
            address = str((folder / local_path(address)).resolve())
        self._address = address
        self._offline = offline and not local
        key = hashlib.sha256(address.encode()).hexdigest()[:32]
        self._kept = store.root / "git" / key

    def commit_of(self, ref: str) -> str:
        """The commit that a branch, tag or (abbreviated) commit is now; empty is the default.

        NotFound when the repository has none of that name, NetworkError when it does not answer.
        """
        if is_commit(ref):
            return ref
        if self._offline:
            raise self._no_network()
        wanted = ref or "HEAD"
        listed = self._git("ls-remote", "--", self._address).decode("utf-8", "replace")
        pairs = (line.partition("\t") for line in listed.splitlines())
        refs = {name: commit for commit, _tab, name in pairs}
        for name in (f"refs/tags/{ref}^{{}}", f"refs/tags/{ref}", f"refs/heads/{ref}", wanted):
            if name in refs:
                return refs[name]
        if _ABBREVIATED.fullmatch(ref):
            return self._abbreviated(ref)
        raise NotFound(
            f"the repository has no branch, tag or commit '{wanted}'",
            where=self.url,
            hint="`git ls-remote` shows what there is",
        )

    def tree_tar(self, commit: str) -> Iterator[bytes]:
        """The tar of a commit's tree: sorted, with git's two modes, and nothing of its time.

        Nothing is expanded or left out by attributes. UsageError for submodules.
        """
        if not is_commit(commit):
            raise UsageError(f"expected a whole commit id, got '{commit}'", where=self.url)
        with self._locked():
            if not self._has(commit):
                self._fetch(commit)
            yield from tar_chunks(with_parents(self._entries(commit)))

    def _entries(self, commit: str) -> Iterator[Entry]:
        listing = self._git("-C", str(self._kept), "ls-tree", "-r", "-z", "--full-tree", commit)
        members = []
        for line in listing.split(b"\0"):
            if not line:
                continue
            head, _, raw = line.partition(b"\t")
            mode, kind, name = head.decode().split(" ")
            path = raw.decode("utf-8", "surrogateescape")
            if kind != "blob":
                raise UsageError(
                    f"'{path}' is a submodule, which is not supported",
                    where=self.url,
                    hint="build a wheel of it, and name that",
                )
            members.append((path, mode, name))
        with self._objects() as (asked, answered):
            for path, mode, name in sorted(members, key=lambda item: sort_key(item[0])):
                data = _object(asked, answered, name)
                yield _entry(path, mode, data)

    @contextmanager
    def _objects(self) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        process = subprocess.Popen(
            ["git", "-C", str(self._kept), "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        assert process.stdin is not None
        assert process.stdout is not None
        with process:
            try:
                yield process.stdin, process.stdout
            finally:
                process.stdin.close()
                process.stdout.close()

    def _has(self, commit: str) -> bool:
        if not (self._kept / "HEAD").exists():
            return False
        done = self._run("-C", str(self._kept), "cat-file", "-e", f"{commit}^{{tree}}")
        return done.returncode == 0

    def _fetch(self, commit: str) -> None:
        """One commit without its history where the server gives it, else everything."""
        if self._offline:
            raise self._no_network()
        self._make()
        self._run("-C", str(self._kept), "fetch", "--quiet", "--depth=1", "--no-tags",
                  "--", self._address, commit)  # fmt: skip
        if not self._has(commit):
            self._fetch_all()
        if not self._has(commit):
            raise NotFound(
                f"the repository has no commit {commit}",
                where=self.url,
                hint="was its branch rewritten? `imagelock lock` on the spec chooses anew",
            )

    def _fetch_all(self) -> None:
        if self._offline:
            raise self._no_network()
        self._make()
        unshallow = ["--unshallow"] if (self._kept / "shallow").exists() else []
        what = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
        self._git("-C", str(self._kept), "fetch", "--quiet", "--force", "--no-tags", *unshallow,
                  "--", self._address, *what)  # fmt: skip

    def _abbreviated(self, ref: str) -> str:
        with self._locked():
            self._fetch_all()
            done = self._run("-C", str(self._kept), "rev-parse", "--verify", f"{ref}^{{commit}}")
        if done.returncode:
            raise NotFound(
                f"the repository has no branch, tag or commit '{ref}'",
                where=self.url,
                hint="write the whole id of the commit",
            )
        return done.stdout.decode().strip()

    def _make(self) -> None:
        if not (self._kept / "HEAD").exists():
            self._git("init", "--quiet", "--bare", str(self._kept))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The repository for us alone: processes share a store."""
        with disk_errors(str(self._kept)):
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self._kept.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            with suppress(OSError):  # a store of others is only read
                os.utime(descriptor)  # its last use, by which `store gc` goes
            yield
        finally:
            os.close(descriptor)

    def _git(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.decode("utf-8", "replace").strip()[-_TAIL:]
        raise NetworkError(
            f"git failed: {_CREDENTIALS.sub('', said) or f'status {done.returncode}'}",
            where=self.url,
            hint="can `git ls-remote` read it here? Its own credentials are used, without a prompt",
        )

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = ["git", "-c", "protocol.ext.allow=never", *arguments]
        try:
            return subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                env=_environment(),
                check=False,
            )
        except FileNotFoundError:
            raise UsageError(
                "there is no git on this machine",
                where=self.url,
                hint="install git: repositories are read with it",
            ) from None

    def _no_network(self) -> NetworkError:
        return NetworkError(
            "the repository is asked for, and the network is off",
            where=self.url,
            hint="run `imagelock fetch LOCK` once with a network",
        )


def _object(asked: IO[bytes], answered: IO[bytes], name: str) -> bytes:
    asked.write(f"{name}\n".encode())
    asked.flush()
    head = answered.readline().split()
    if len(head) != 3 or head[1] != b"blob":
        raise IntegrityError("the repository lacks an object of the commit", where=name)
    data = answered.read(int(head[2]))
    answered.read(1)
    return data


def _entry(path: str, mode: str, data: bytes) -> Entry:
    if mode == "120000":
        link = data.decode("utf-8", "surrogateescape")
        return Entry(path=path, kind=Kind.SYMLINK, mode=0o777, link=link)
    executable = 0o755 if mode == "100755" else 0o644
    return Entry(path=path, mode=executable, size=len(data), content=(data,))


def _environment() -> dict[str, str]:
    kept = {key: text for key, text in os.environ.items() if key not in _INHERITED}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "LC_ALL": "C"}
