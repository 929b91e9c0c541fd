"""What installs write by the clock, the host or chance: left out of layers.

Each rule says why. `drop` leaves what lies below as it is; `empty` keeps an empty file.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final


class Scrub(Enum):
    """What becomes of a path that a sandbox wrote."""

    KEEP = "keep"
    DROP = "drop"
    EMPTY = "empty"


_HIDDEN: Final = ("dev", "proc", "run", "sys", "tmp")
"""Mounted over in the sandbox: nothing in them is the image's."""

_DROPPED: Final = (
    # Times and the host's own work.
    r"var/log/(?:dpkg|alternatives|bootstrap|fontconfig)\.log",
    r"var/log/apt/.+",
    r"var/cache/apt/(?:pkgcache|srcpkgcache)\.bin",
    r"var/cache/apt/archives/.+",
    r"var/lib/apt/lists/.+",
    # Inode numbers and times of libraries; ldconfig makes it again.
    r"var/cache/ldconfig/aux-cache",
    # The state before the last change: depends on how we got here, not on what there is.
    r"var/lib/dpkg/(?:status|diversions|statoverride|available)-old",
    r"var/cache/debconf/[^/]+-old",
    r"etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-",
    # Locks.
    r"var/lib/dpkg/(?:lock|lock-frontend|triggers/Lock)",
    r"var/cache/apt/archives/lock",
    # Keys made on install would be shared by everyone who runs the image.
    r"etc/ssh/ssh_host_[a-z0-9]+_key(?:\.pub)?",
    r"etc/ssl/private/ssl-cert-snakeoil\.key",
    r"etc/ssl/certs/ssl-cert-snakeoil\.pem",
    # A database cluster has an identity and times of its own: pg_createcluster makes one where
    # the image runs.
    r"var/lib/postgresql/[0-9]+/main(?:/.*)?",
    r"etc/postgresql/[0-9]+/main(?:/.*)?",
    r"var/log/postgresql/.+",
    # Formats are dumps of a program's memory: the minute, seeds by the time, and what lay there
    # before; mktexfmt makes each where it is first used.
    r"var/lib/texmf/web2c/.+\.(?:base|fmt|mem)",
    r"var/lib/texmf/web2c/.+\.log",
    # An identity of one machine.
    r"var/lib/dbus/machine-id",
    r"var/lib/systemd/random-seed",
    # Index of manual pages: holds the times of the pages; mandb makes it again.
    r"var/cache/man/.+",
)
_EMPTIED: Final = (
    # machine-id(5): an empty file is filled on the first boot.
    r"etc/machine-id",
)
_DROP: Final = re.compile("|".join(f"(?:{rule})" for rule in _DROPPED))
_EMPTY: Final = re.compile("|".join(f"(?:{rule})" for rule in _EMPTIED))


def scrub(path: str) -> Scrub:
    """What becomes of a path, given without a leading slash."""
    if path.partition("/")[0] in _HIDDEN:
        return Scrub.DROP
    if _DROP.fullmatch(path):
        return Scrub.DROP
    return Scrub.EMPTY if _EMPTY.fullmatch(path) else Scrub.KEEP
