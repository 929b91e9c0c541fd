"""What a value in a lock may be: one object a kind, which checks both ways and gives its schema.

A kind turns a frozen model value into plain TOML data (``str``, ``int``, ``bool``, ``list``,
``dict``) and back. The same check runs in both directions, so what is written can be read.
Errors are raised as :class:`Wrong` and gather their path on the way out.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Protocol

from imagelock.lock.checks import Wrong
from imagelock.model.platform import KNOWN_PLATFORMS, Platform
from imagelock.model.toml import toml_type

MAX_INTEGER: Final = 2**53 - 1
"""The greatest integer that JSON readers agree on (RFC 8785, appendix D)."""


Keys = tuple[tuple[str, str], ...]
"""Keys that this version does not know, each with the TOML text of its value, sorted."""


class Context:
    """What a kind may need from around its value.

    ``unknown`` maps the place of a table to the keys in it that this version does not know.
    Decoding gathers them in ``found``, where a place is relative until the enclosing tables
    have put their own before it. Encoding reads them from ``unknown`` and notes in ``used``
    which places there are.
    """

    __slots__ = ("found", "platforms", "unknown", "used")

    def __init__(
        self, platforms: tuple[Platform, ...] = (), unknown: dict[str, Keys] | None = None
    ) -> None:
        self.platforms = platforms
        self.unknown = unknown or {}
        self.found: list[tuple[str, Keys]] = []
        self.used: set[str] = set()

    def prefix_found(self, mark: int, part: str) -> None:
        """Move the places found since ``mark`` under ``part``."""
        for position in range(mark, len(self.found)):
            place, keys = self.found[position]
            self.found[position] = (part + place, keys)

    def holds_unknown(self, place: str) -> bool:
        """Whether the table at a place, or one inside it, has keys that are not known."""
        return any(
            found == place or found.startswith((f"{place}.", f"{place}[")) for found in self.unknown
        )


class Kind(Protocol):
    """One kind of value; ``nested`` says that tables with unknown keys may be inside."""

    nested: bool

    def encode(self, value: object, context: Context, place: str) -> object:
        """Plain TOML data of a model value. Raise Wrong for what could not be read back."""

    def decode(self, value: object, context: Context) -> object:
        """The model value of plain TOML data. Raise Wrong with what was expected and found."""

    def schema(self) -> dict[str, object]:
        """The JSON Schema (2020-12) of the plain data."""


class Text:
    """A string that matches ``pattern`` and passes ``check``, which makes the model's value.

    With ``says`` the check words the error of the pattern too.
    """

    nested = False

    def __init__(
        self,
        pattern: str | None = None,
        expected: str = "a string",
        *,
        check: Callable[[str], object] | None = None,
        says: bool = False,
    ) -> None:
        self.pattern = pattern
        self.expected = expected
        self._match = re.compile(rf"(?:{pattern})\Z").match if pattern and not says else None
        self._check = check

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The string itself, checked."""
        if not isinstance(value, str | Platform):
            msg = f"expected {self.expected}, got {value!r}"
            raise Wrong(msg)
        text = str(value)
        self.read(text)
        return text

    def decode(self, value: object, context: Context) -> object:  # noqa: ARG002
        """The model's value of a string."""
        if type(value) is not str:
            msg = f"expected {self.expected}, got {toml_type(value)}"
            raise Wrong(msg)
        return self.read(value)

    def read(self, text: str) -> object:
        """Check a string. Raise Wrong."""
        if self._match is not None and not self._match(text):
            msg = f"expected {self.expected}, got {text!r}"
            raise Wrong(msg)
        if self._check is None:
            return text
        try:
            return self._check(text)
        except Wrong:
            raise
        except ValueError as error:
            raise Wrong(str(error)) from None

    def schema(self) -> dict[str, object]:
        """A string, with its pattern."""
        return {"type": "string", **({"pattern": f"^(?:{self.pattern})$"} if self.pattern else {})}


class Choice(Text):
    """One of a closed set of strings."""

    def __init__(self, members: type[StrEnum]) -> None:
        self.names = tuple(member.value for member in members)
        super().__init__(
            "|".join(map(re.escape, self.names)),
            f"one of {', '.join(self.names)}",
            check=members,
        )

    def schema(self) -> dict[str, object]:
        """An enumeration."""
        return {"enum": list(self.names)}


class Integer:
    """A whole number from ``least`` on."""

    nested = False

    def __init__(self, least: int = 0) -> None:
        self.least = least

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The number itself, checked."""
        return self.decode(value, context)

    def decode(self, value: object, context: Context) -> object:  # noqa: ARG002
        """The number itself; a boolean is none."""
        if type(value) is not int:
            msg = f"expected a whole number, got {toml_type(value)}"
            raise Wrong(msg)
        if not self.least <= value <= MAX_INTEGER:
            msg = f"expected a whole number from {self.least} to {MAX_INTEGER}, got {value}"
            raise Wrong(msg)
        return value

    def schema(self) -> dict[str, object]:
        """An integer with its bounds."""
        return {"type": "integer", "minimum": self.least, "maximum": MAX_INTEGER}


class Flag:
    """``true`` or ``false``."""

    nested = False

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The boolean itself, checked."""
        return self.decode(value, context)

    def decode(self, value: object, context: Context) -> object:  # noqa: ARG002
        """The boolean itself."""
        if type(value) is not bool:
            msg = f"expected true or false, got {toml_type(value)}"
            raise Wrong(msg)
        return value

    def schema(self) -> dict[str, object]:
        """A boolean."""
        return {"type": "boolean"}


class Scalar:
    """A string, a whole number or a boolean: the value of a builder's option."""

    nested = False

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The value itself, checked."""
        return self.decode(value, context)

    def decode(self, value: object, context: Context) -> object:
        """The value itself."""
        if type(value) is str or type(value) is bool:
            return value
        return Integer(-MAX_INTEGER).decode(value, context)

    def schema(self) -> dict[str, object]:
        """Any of the three."""
        return {"type": ["string", "integer", "boolean"]}


class Moment:
    """A time in UTC to the second, written as in RFC 3339 with ``Z``."""

    nested = False
    form: Final = "%Y-%m-%dT%H:%M:%SZ"
    pattern: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The text; Wrong for a time without a zone, or finer than a second."""
        if not isinstance(value, datetime) or value.tzinfo is None or value.microsecond:
            msg = f"expected a time with a zone, in whole seconds, got {value!r}"
            raise Wrong(msg)
        # isoformat, since strftime's %Y has no leading zeros on some systems
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"

    def decode(self, value: object, context: Context) -> object:  # noqa: ARG002
        """A datetime in UTC."""
        if type(value) is str and re.fullmatch(self.pattern, value):
            try:
                return datetime.strptime(value, self.form).replace(tzinfo=UTC)
            except ValueError:
                pass
        found = f"'{value}'" if isinstance(value, str) else toml_type(value)
        msg = f"expected a time like '2026-11-01T00:00:00Z', got {found}"
        raise Wrong(msg)

    def schema(self) -> dict[str, object]:
        """A string in that form."""
        return {"type": "string", "pattern": f"^{self.pattern}$"}


class Platforms:
    """A list of platforms; those of a pin are among the lock's."""

    nested = False

    def encode(self, value: object, context: Context, place: str) -> object:  # noqa: ARG002
        """The names, sorted."""
        assert isinstance(value, tuple)
        self._check(value, context)
        return sorted(platform.text for platform in value)

    def decode(self, value: object, context: Context) -> object:
        """The platforms, sorted; Wrong for an unknown one, one twice, or one not of the lock."""
        if type(value) is not list or not all(type(item) is str for item in value):
            msg = f"expected a list of platforms, got {toml_type(value)}"
            raise Wrong(msg)
        try:
            platforms = tuple(sorted(map(Platform.parse, value)))
        except ValueError as error:
            raise Wrong(str(error)) from None
        self._check(platforms, context)
        return platforms

    def _check(self, platforms: tuple[Platform, ...], context: Context) -> None:
        if not platforms:
            msg = "expected at least one platform"
            raise Wrong(msg)
        if len(set(platforms)) != len(platforms):
            msg = f"expected each platform once, got {', '.join(map(str, platforms))}"
            raise Wrong(msg)
        for platform in platforms:
            if context.platforms and platform not in context.platforms:
                listed = ", ".join(map(str, context.platforms))
                msg = f"expected platforms of this lock ({listed}), got '{platform}'"
                raise Wrong(msg)

    def schema(self) -> dict[str, object]:
        """A list of the known names."""
        names = [platform.text for platform in KNOWN_PLATFORMS]
        return {
            "type": "array",
            "items": {"enum": names},
            "minItems": 1,
            "uniqueItems": True,
        }
