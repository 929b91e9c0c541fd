"""What is taken of a lock besides what its project always needs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


def normal_name(text: str) -> str:
    """The name of an extra or group in one spelling (PEP 685), whatever it is."""
    return re.sub(r"[-_.]+", "-", text).lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """Extras and dependency groups of the locked project, normalised and sorted."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    def known(self, kind: str, names: Iterable[str]) -> dict[str, str]:
        """Names as they are written by their normal form. ValueError for a chosen one not there.

        ``kind`` is "extra" or "group".
        """
        found = {normal_name(name): name for name in names}
        for name in self.extras if kind == "extra" else self.groups:
            if name not in found:
                msg = f"expected the {kind} '{name}', there is {', '.join(sorted(found)) or 'none'}"
                raise ValueError(msg)
        return found

    @property
    def anything(self) -> bool:
        """Whether anything was chosen."""
        return bool(self.extras or self.groups)


NOTHING = Choosing()
