"""What is taken of a lock besides what its project always needs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """Extras and dependency groups of the locked project, normalised and sorted."""

    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @property
    def anything(self) -> bool:
        """Whether anything was chosen."""
        return bool(self.extras or self.groups)


NOTHING = Choosing()
