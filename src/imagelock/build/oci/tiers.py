"""The tiers of sandboxes: which this machine might allow, and the ids each has.

Best first:

- ``root``: we are root; owners are real.
- ``subuid``: a user namespace with a range of /etc/subuid, written by newuidmap(1).
- ``single``: a user namespace with one id. Every file is root's; what changes owners fails.
"""

from __future__ import annotations

import os
import pwd
from enum import StrEnum
from pathlib import Path
from typing import Final

IdMaps = dict[str, list[list[int]]]
"""``uid`` and ``gid`` ranges, each (inside, outside, count); empty without a user namespace."""

_RANGE: Final = 65536


class Tier(StrEnum):
    """How a sandbox gets its rights."""

    ROOT = "root"
    SUBUID = "subuid"
    SINGLE = "single"

    @property
    def user(self) -> bool:
        """Whether it is a user namespace."""
        return self is not Tier.ROOT


def id_maps(tier: Tier) -> IdMaps | None:
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


def why_not(tier: Tier) -> str:
    """What a tier without id maps lacks here."""
    return "we are not root" if tier is Tier.ROOT else "no range in /etc/subuid and /etc/subgid"


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
