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
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from imagelock.fetch.git_tree import (
    SUBMODULE,
    Member,
    entries_of,
    members_of,
    repositories_of,
    submodule_address,
    submodule_urls,
)
from imagelock.fetch.store import Store, disk_errors
from imagelock.layers.entries import with_parents
from imagelock.layers.tar import tar_chunks
from imagelock.model.archives import is_local, local_path
from imagelock.model.errors import NetworkError, NotFound, UsageError

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ABBREVIATED: Final = re.compile(r"[0-9a-f]{7,63}")
_TAIL: Final = 600
_CREDENTIALS: Final = re.compile(r"(?<=//)[^/@\s]+@")
_SETTINGS: Final = (
    *("-c", "protocol.ext.allow=never"),
    # Objects stay as long as the repository is kept: others may be reading them.
    *("-c", "gc.auto=0", "-c", "maintenance.auto=false"),
)
_INHERITED: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY")
"""What a git hook that runs us has set, and means another repository."""


def is_commit(text: str) -> bool:
    """Whether a ref is a whole commit id."""
    return _COMMIT.fullmatch(text) is not None


class GitRepository:
    """One repository by its URL, ``git+https://…``, or ``git+../path`` relative to ``folder``."""

    def __init__(
        self,
        url: str,
        *,
        store: Store,
        folder: Path | None = None,
        offline: bool = False,
        address: str = "",
    ) -> None:
        """``address`` is what git is asked for, where it is not what ``url`` says."""
        self.url = url
        self._store = store
        if not address:
            address = self._address_of(url, folder)
        self._address = address
        self._without_network = offline
        self._offline = offline and not address.startswith("/")
        key = hashlib.sha256(address.encode()).hexdigest()[:32]
        self._kept = store.root / "git" / key

    @staticmethod
    def _address_of(url: str, folder: Path | None) -> str:
        address = url.removeprefix("git+")
        if not is_local(address):
            return address
        if folder is None:
            raise UsageError("a repository's path cannot be found without the lock's", where=url)
        return str((folder / local_path(address)).resolve())

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

        Nothing is expanded or left out by attributes. Submodules are in it, at the commits that
        the tree names.
        """
        if not is_commit(commit):
            raise UsageError(f"expected a whole commit id, got '{commit}'", where=self.url)
        members = self._members(commit, "")
        with ExitStack() as stack:
            # Others may read, and nobody fetches or forgets; no lock is waited for with one held
            # that excludes.
            for kept in repositories_of(members):
                stack.enter_context(_locked(kept, fcntl.LOCK_SH))
            yield from tar_chunks(with_parents(entries_of(members, _environment())))

    def _members(self, commit: str, below: str) -> list[Member]:
        """What is in a commit's tree, and in those of its submodules."""
        with self._locked():
            if not self._has(commit):
                self._fetch(commit)
            listing = self._git("-C", str(self._kept), "ls-tree", "-r", "-z", "--full-tree", commit)
            own = list(members_of(listing, kept=self._kept, below=below, where=self.url))
            links = [item for item in own if item.mode == SUBMODULE]
            urls = self._submodules(commit) if links else {}
        found = [item for item in own if item.mode != SUBMODULE]
        for link in links:
            path = link.path.removeprefix(below)
            if path not in urls:
                raise UsageError(
                    f"its submodule '{path}' has no URL in .gitmodules", where=self.url
                )
            address = submodule_address(urls[path], self._address, where=self.url)
            inner = GitRepository(
                f"git+{_CREDENTIALS.sub('', address)}",
                store=self._store, offline=self._without_network, address=address,
            )  # fmt: skip
            found += inner._members(link.name, f"{link.path}/")
        return found

    def _submodules(self, commit: str) -> dict[str, str]:
        """The URLs of the submodules by their paths, as a commit's .gitmodules has them."""
        done = self._run(
            "-C", str(self._kept), "config", "--null", "--blob", f"{commit}:.gitmodules",
            "--get-regexp", r"^submodule\..*\.(path|url)$",
        )  # fmt: skip
        return submodule_urls(done.stdout)

    def tags(self) -> str:
        """The tags and what each stands for, a line each; those known here without a network."""
        if self._offline:
            with self._locked():
                self._make()
                listed = self._git("-C", str(self._kept), "for-each-ref", "refs/tags",
                                   "--format=%(objectname) %(refname)")  # fmt: skip
        else:
            listed = self._git("ls-remote", "--tags", "--", self._address)
        lines = listed.decode("utf-8", "surrogateescape").replace("\t", " ").splitlines()
        return "\n".join(sorted(line for line in lines if not line.endswith("^{}")))

    def write_history(self, commit: str, folder: Path) -> None:
        """Make a folder that holds a commit's files a work tree of it, with history and tags.

        Nothing is copied: objects are read where the repository is kept.
        """
        with self._locked():
            if not self._offline:
                self._fetch_all(commit)
            elif (self._kept / "shallow").exists() or not self._has(commit):
                raise self._no_network()
            tags = self._git("-C", str(self._kept), "for-each-ref", "refs/tags",
                             "--format=create %(refname) %(objectname)")  # fmt: skip
        self._git("init", "--quiet", "--template=", str(folder))
        info = folder / ".git/objects/info"
        info.mkdir(parents=True, exist_ok=True)
        (info / "alternates").write_text(f"{self._kept / 'objects'}\n")
        self._git("-C", str(folder), "update-ref", "--stdin", given=tags)
        self._git("-C", str(folder), "update-ref", "--no-deref", "HEAD", commit)
        self._git("-C", str(folder), "-c", "core.autocrlf=false", "reset", "--quiet")

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

    def _fetch_all(self, commit: str = "") -> None:
        """All branches and tags with their history, and that of a commit that is on none."""
        if self._offline:
            raise self._no_network()
        self._make()
        unshallow = ["--unshallow"] if (self._kept / "shallow").exists() else []
        words = ("-C", str(self._kept), "fetch", "--quiet", "--force", "--prune", "--no-tags",
                 *unshallow, "--", self._address, "+refs/heads/*:refs/heads/*",
                 "+refs/tags/*:refs/tags/*")  # fmt: skip
        # A server may refuse to give a commit by its id.
        if not commit or self._run(*words, commit).returncode:
            self._git(*words)

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

    def _locked(self) -> AbstractContextManager[None]:
        return _locked(self._kept, fcntl.LOCK_EX)

    def _git(self, *arguments: str, given: bytes = b"") -> bytes:
        done = self._run(*arguments, given=given)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr.decode("utf-8", "replace").strip()[-_TAIL:]
        raise NetworkError(
            f"git failed: {_CREDENTIALS.sub('', said) or f'status {done.returncode}'}",
            where=self.url,
            hint="can `git ls-remote` read it here? Its own credentials are used, without a prompt",
        )

    def _run(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = ["git", *_SETTINGS, *arguments]
        try:
            return subprocess.run(
                command,
                input=given,
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


@contextmanager
def _locked(kept: Path, how: int) -> Iterator[None]:
    """A kept repository for us alone, or for those who read: processes share a store."""
    with disk_errors(str(kept)):
        kept.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(kept.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, how)
        with suppress(OSError):  # a store of others is only read
            os.utime(descriptor)  # its last use, by which `store gc` goes
        yield
    finally:
        os.close(descriptor)


def _environment() -> dict[str, str]:
    kept = {key: text for key, text in os.environ.items() if key not in _INHERITED}
    kept.setdefault("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
    return {**kept, "GIT_TERMINAL_PROMPT": "0", "GCM_INTERACTIVE": "never", "LC_ALL": "C"}
