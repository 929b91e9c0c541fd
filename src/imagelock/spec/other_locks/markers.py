"""Markers that ask for extras or dependency groups, decided by those chosen (PEP 508, 751)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from imagelock.spec.findings import quoted
from imagelock.spec.other_locks.choosing import NOTHING, Choosing, normal_name

_TOKEN: Final = re.compile(r"\s*('[^']*'|\"[^\"]*\"|[()]|[<>=!~]+|[A-Za-z_][A-Za-z0-9_.]*)")
_DECIDED: Final = frozenset({"extra", "extras", "dependency_groups"})


def marker_text(marker: str, choosing: Choosing = NOTHING) -> str | None:
    """The marker for a target where only the chosen extras and groups are asked for.

    An empty text holds everywhere, None nowhere. The rest is spelled as ``packaging`` does.
    ValueError for what is no marker.
    """
    if not marker.strip():
        return ""
    from packaging.markers import InvalidMarker, Marker

    try:
        checked = str(Marker(marker))
    except InvalidMarker:
        msg = f"expected a marker like \"python_version < '3.12'\", got {quoted(marker)}"
        raise ValueError(msg) from None
    if not _DECIDED & set(re.findall(r"[a-z_]+", checked)):
        return checked
    result = _Parser(checked, choosing).disjunction()
    if isinstance(result, bool):
        return "" if result else None
    return str(Marker(result))


@dataclass(slots=True)
class _Parser:
    """Reads a marker that is known to be valid, and leaves out what is decided."""

    rest: str
    choosing: Choosing

    def disjunction(self) -> str | bool:
        """Parts joined by ``or``."""
        parts = [self._conjunction()]
        while self._take("or"):
            parts.append(self._conjunction())
        if True in parts:
            return True
        open_parts = [part for part in parts if isinstance(part, str)]
        return " or ".join(open_parts) if open_parts else False

    def _conjunction(self) -> str | bool:
        parts = [self._atom()]
        while self._take("and"):
            parts.append(self._atom())
        if False in parts:
            return False
        open_parts = [part for part in parts if isinstance(part, str)]
        return " and ".join(open_parts) if open_parts else True

    def _atom(self) -> str | bool:
        if self._take("("):
            inner = self.disjunction()
            self._take(")")
            return f"({inner})" if isinstance(inner, str) else inner
        left, operator = self._next(), self._next()
        if operator == "not":
            operator = f"not {self._next()}"
        right = self._next()
        names = _DECIDED & {left, right}
        if not names:
            return f"{left} {operator} {right}"
        asked = left if right in names else right
        wanted = self.choosing.groups if names == {"dependency_groups"} else self.choosing.extras
        present = normal_name(asked[1:-1]) in wanted
        return present if operator in {"==", "in"} else not present

    def _peek(self) -> str:
        match = _TOKEN.match(self.rest)
        return match[1] if match else ""

    def _next(self) -> str:
        token = self._peek()
        self.rest = self.rest[self.rest.index(token) + len(token) :]
        return token

    def _take(self, token: str) -> bool:
        found = self._peek() == token
        if found:
            self._next()
        return found
