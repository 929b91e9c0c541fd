"""One Packages file: its stanzas are found in the bytes, and read when they are asked for."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from mmap import mmap
from typing import Final

from imagelock.resolve.apt.preferences import Listing
from imagelock.resolve.apt.stanza import parse_fields

DEFAULT_PRIORITY: Final = 500
_NAME: Final = b"\nPackage:"
_PROVIDES: Final = b"\nProvides:"
_MENTIONING: Final = frozenset(
    b"Package Pre-Depends Depends Recommends Suggests Enhances Conflicts Breaks Replaces "
    b"Provides".split()
)
_NAME_BYTES: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789+.-")


@dataclass(frozen=True, kw_only=True)
class IndexFile:
    """One Packages file. ``names`` are those its suite goes by (as asked, suite, codename).

    ``priority`` is that of apt_preferences(5): 500, or 1 or 100 for NotAutomatic suites.
    """

    data: bytes | mmap = field(repr=False)
    archive: str
    suite: str
    component: str
    architecture: str
    names: tuple[str, ...] = ()
    priority: int = DEFAULT_PRIORITY
    origin: str = ""
    label: str = ""
    host: str = ""

    @cached_property
    def listing(self) -> Listing:
        """What a pin may ask of this file."""
        return Listing(
            suites=self.names,
            component=self.component,
            origin=self.origin,
            label=self.label,
            host=self.host,
            architecture=self.architecture,
        )

    @cached_property
    def offsets(self) -> Mapping[bytes, int | tuple[int, ...]]:
        """Where the Package field of each name is: one place, or several."""
        found: dict[bytes, int | tuple[int, ...]] = {}
        data, place = self.data, 0
        if data[: len(_NAME) - 1] != _NAME[1:]:
            place = data.find(_NAME) + 1
            if not place:
                return found
        while True:
            end = data.find(b"\n", place + 8)
            name = data[place + 8 : end if end >= 0 else len(data)].strip()
            earlier = found.get(name)
            if earlier is None:
                found[name] = place
            else:
                found[name] = (*(earlier if isinstance(earlier, tuple) else (earlier,)), place)
            if end < 0:
                return found
            place = data.find(_NAME, end) + 1
            if not place:
                return found

    @cached_property
    def _provided(self) -> tuple[bytes, list[int], list[int]]:
        """All Provides fields in one piece, with where each starts in it and in the file."""
        pieces: list[bytes] = []
        starts: list[int] = []
        places: list[int] = []
        data, place, length = self.data, 0, 0
        while (place := data.find(_PROVIDES, place)) >= 0:
            end = data.find(b"\n", place + 1)
            end = end if end >= 0 else len(data)
            while data[end + 1 : end + 2] in {b" ", b"\t"}:
                following = data.find(b"\n", end + 1)
                end = following if following >= 0 else len(data)
            piece = data[place + len(_PROVIDES) : end] + b"\n"
            pieces.append(piece)
            starts.append(length)
            places.append(place)
            length += len(piece)
            place = end
        return b"".join(pieces), starts, places

    def places(self, name: str) -> tuple[int, ...]:
        """Where the stanzas of a name are, in file order."""
        found = self.offsets.get(name.encode())
        if found is None:
            return ()
        return found if isinstance(found, tuple) else (found,)

    def providing(self, name: str) -> Iterator[int]:
        """A place in each stanza whose Provides field mentions a name."""
        text, starts, places = self._provided
        wanted, at = name.encode(), -1
        while (at := text.find(wanted, at + 1)) >= 0:
            before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 1]
            if (not before or before[0] not in _NAME_BYTES) and after[0] not in _NAME_BYTES:
                yield places[bisect_right(starts, at) - 1]

    def first_mention(self, name: str) -> int | None:
        """Where a name first stands in a Package or relation field; None if it never does."""
        wanted, data, at = name.encode(), self.data, -1
        while (at := data.find(wanted, at + 1)) >= 0:
            before, after = data[at - 1 : at], data[at + len(wanted) : at + len(wanted) + 1]
            if (before and before[0] in _NAME_BYTES) or (after and after[0] in _NAME_BYTES):
                continue
            line = data.rfind(b"\n", 0, at) + 1
            if data[line : data.find(b":", line)] in _MENTIONING:
                return at
        return None

    def start(self, place: int) -> int:
        """Where the stanza around a place starts."""
        found = self.data.rfind(b"\n\n", 0, place + 1)
        return found + 2 if found >= 0 else 0

    def fields(self, start: int) -> dict[str, str]:
        """The fields of the stanza that starts here."""
        end = self.data.find(b"\n\n", start)
        stanza = self.data[start : end if end >= 0 else len(self.data)]
        return parse_fields(stanza.decode("utf-8", "replace"))

    def marked(self, line: bytes) -> Iterator[int]:
        """A place in each stanza that has exactly this line."""
        wanted, at = b"\n" + line + b"\n", -1
        while (at := self.data.find(wanted, at + 1)) >= 0:
            yield at
