"""What every use-case is given: the store, the client, and whom to tell about progress."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.ports import NoProgress, Progress

if TYPE_CHECKING:
    from imagelock.fetch.debian.index import DebianIndexes


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The outside, as one value. ``now`` is the start of the command, in UTC.

    ``debian`` holds the state of apt's archives that a use-case goes by; None outside of one.
    """

    store: Store
    http: Http
    now: datetime
    progress: Progress = field(default_factory=NoProgress)
    debian: DebianIndexes | None = field(default=None, compare=False)

    def with_debian(self) -> tuple[Context, DebianIndexes]:
        """The same context, and the state that whoever gets this context goes by as well."""
        if self.debian is not None:
            return self, self.debian
        from imagelock.fetch.debian.index import DebianIndexes

        indexes = DebianIndexes(self.store, self.http, now=self.now)
        return replace(self, debian=indexes), indexes


def host_context(*, offline: bool = False, progress: Progress | None = None) -> Context:
    """The outside as the environment describes it: the user's store, mirrors and credentials."""
    from imagelock.fetch.credentials import HostCredentials
    from imagelock.fetch.mirrors import mirrors_from_environment

    return Context(
        store=Store(),
        http=Http(
            offline=offline or flag("IMAGELOCK_OFFLINE"),
            mirrors=mirrors_from_environment(),
            credentials=HostCredentials(),
        ),
        now=datetime.now(UTC),
        progress=progress or NoProgress(),
    )


def flag(name: str, *, default: bool = False) -> bool:
    """Whether an environment variable says yes; ``default`` where it is not set."""
    text = os.environ.get(name)
    return default if text is None else text.lower() not in {"", "0", "false", "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolveOptions:
    """How `lock` was called: what may move, and as of when.

    ``upgrade`` lets everything move, ``upgrade_names`` the named packages, ``security`` those
    that a security suite has newer versions of; ``as_of`` is a UTC time.
    """

    upgrade: bool = False
    upgrade_names: frozenset[str] = frozenset()
    security: bool = False
    as_of: datetime | None = None

    def may_move(self, name: str) -> bool:
        """Whether the pin of this package is no longer preferred."""
        return self.upgrade or name in self.upgrade_names
