"""Conda's nouns: match specifications, channels, and the order of versions.

A match spec has one normal form here, ``[channel::]name [version [build]][[key="value"]]``, with
every version under an explicit operator. What solves and what links reads no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from imagelock.model.archives import is_local, local_path, local_reference
from imagelock.model.platform import Platform

CHANNEL_HOST: Final = "https://conda.anaconda.org/"
"""Where a channel is that has a name alone."""

_NAME: Final = r"[a-z0-9_][a-z0-9_.-]*"
_VERSION: Final = r"(?:[0-9]+!)?[0-9a-z][0-9a-z_.+-]*"
_CONSTRAINT: Final = re.compile(
    rf"(?P<operator>==|!=|>=|<=|~=|>|<|=|)\s*(?P<version>(?:{_VERSION})??)(?P<star>\.?\*)?"
)
_SPLIT: Final = re.compile(
    rf"(?P<name>{_NAME})(?=[\s=<>!~]|\Z)\s*(?P<rest>.*)", re.IGNORECASE | re.DOTALL
)
_BRACKETS: Final = re.compile(r"(?P<text>[^\[\]]*)(?:\[(?P<pairs>.*)\])?\s*", re.DOTALL)
_PAIR: Final = re.compile(
    r"""\s*(?P<key>[a-z0-9_]+)\s*=\s*(?:'(?P<one>[^']*)'|"(?P<two>[^"]*)"|(?P<bare>[^\s'",\]]+))\s*(?:,|$)"""
)
_BUILD: Final = re.compile(r"[0-9A-Za-z_.+*-]+")
_BUILD_NUMBER: Final = re.compile(r"(?:==|=|!=|>=|<=|>|<)?[0-9]+")
_RANK: Final = {">=": 0, ">": 1, "~=": 2, "==": 3, "": 4, "!=": 5, "<=": 6, "<": 7}


class InvalidMatchSpec(ValueError):
    """A text is no match spec; the message says why."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchSpec:
    """Which packages will do (CEP 29). ``channel`` and ``subdir`` are empty where any is.

    ``version`` is normalised, ``build`` an exact text or a glob, ``build_number`` like ``>=1``;
    each is empty where any will do. ``platform``, which is no word of conda's, is the one platform
    of the spec that asks for it, such as ``linux/amd64``.
    """

    name: str
    version: str = ""
    build: str = ""
    build_number: str = ""
    channel: str = ""
    subdir: str = ""
    sha256: str = ""
    md5: str = ""
    platform: str = ""

    def __str__(self) -> str:
        place = f"{self.channel}{f'/{self.subdir}' if self.subdir else ''}::"
        text = (place if self.channel else "") + self.name
        specifier = self.specifier
        return f"{text} {specifier}" if specifier and specifier[0] != "[" else text + specifier

    @property
    def specifier(self) -> str:
        """What is asked of the package beside its name and channel."""
        text = " ".join(filter(None, (self.version or ("*" if self.build else ""), self.build)))
        pairs = [
            f'{key}="{value}"'
            for key, value in (
                ("build_number", self.build_number),
                ("subdir", "" if self.channel else self.subdir),
                ("md5", self.md5),
                ("platform", self.platform),
                ("sha256", self.sha256),
            )
            if value
        ]
        return f"{text}[{', '.join(pairs)}]" if pairs else text


@lru_cache(maxsize=65536)
def parse_match_spec(text: str) -> MatchSpec:
    """A match spec in any of conda's spellings. Raise InvalidMatchSpec.

    ``numpy 1.2`` asks for exactly 1.2 and ``numpy=1.2`` for 1.2.*, as in conda.
    """
    channel, subdir, rest = _channel_of(text.strip())
    match = _BRACKETS.fullmatch(rest)
    if match is None:
        raise InvalidMatchSpec("expected one pair of brackets at the end")
    pairs = _pairs_of(match["pairs"] or "")
    named = _SPLIT.fullmatch(match["text"].strip())
    if named is None:
        raise InvalidMatchSpec("expected a package name first")
    version, build = _version_and_build(named["rest"].strip())
    version = _version(pairs["version"]) if "version" in pairs else version
    build = _build(pairs.get("build", build))
    number = pairs.get("build_number", "")
    if number and not _BUILD_NUMBER.fullmatch(number):
        raise InvalidMatchSpec(f"expected a build number like '>=1', got '{number}'")
    if "channel" in pairs:
        channel, subdir, _ = _channel_of(pairs["channel"] + "::")
    return MatchSpec(
        name=named["name"].lower(),
        version="" if version == "*" and not build else version,
        build=build,
        build_number=number,
        channel=channel,
        subdir=pairs.get("subdir", subdir),
        sha256=_hash(pairs, "sha256", 64),
        md5=_hash(pairs, "md5", 32),
        platform=_platform(pairs.get("platform", "")),
    )


def required_name(depends: str) -> str:
    """The package that a ``depends`` entry of a record names; cheap, and never an error."""
    return re.split(r"[\s=<>!~\[;(]", depends.rpartition("::")[2].strip(), maxsplit=1)[0].lower()


def required_specifier(depends: str) -> str:
    """What a ``depends`` entry says after the name, as it is written there."""
    return " ".join(depends.rpartition("::")[2].strip()[len(required_name(depends)) :].split())


def _channel_of(text: str) -> tuple[str, str, str]:
    before, colons, rest = text.partition("::")
    if not colons:
        return "", "", text
    head, _, subdir = before.rpartition("/")
    if subdir in _SUBDIRS and head:
        before = head
    else:
        subdir = ""
    try:
        return normal_channel(before), subdir, rest
    except ValueError as error:
        raise InvalidMatchSpec(str(error)) from None


_SUBDIRS: Final = frozenset(
    {"noarch", "linux-32", "linux-64", "linux-aarch64", "linux-armv7l", "linux-ppc64le"}
    | {"linux-riscv64", "linux-s390x"}
)


def _pairs_of(text: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    place = 0
    while place < len(text.rstrip()):
        match = _PAIR.match(text, place)
        if match is None:
            raise InvalidMatchSpec(f"expected key='value' in the brackets, got '{text[place:]}'")
        if match["key"] not in _KEYS:
            known = ", ".join(sorted(_KEYS))
            raise InvalidMatchSpec(f"expected one of {known} in the brackets, got '{match['key']}'")
        pairs[match["key"]] = match["one"] or match["two"] or match["bare"] or ""
        place = match.end()
    return pairs


_KEYS: Final = frozenset(
    {"version", "build", "build_number", "channel", "subdir", "md5", "platform", "sha256"}
)


def _platform(text: str) -> str:
    try:
        return str(Platform.parse(text)) if text else ""
    except ValueError as error:
        raise InvalidMatchSpec(str(error)) from None


def _hash(pairs: dict[str, str], key: str, digits: int) -> str:
    text = pairs.get(key, "").lower()
    if text and not re.fullmatch(f"[0-9a-f]{{{digits}}}", text):
        raise InvalidMatchSpec(f"expected {digits} hex digits for {key}")
    return text


def _version_and_build(rest: str) -> tuple[str, str]:
    """``>=1,<2 py*``, ``=1.2=py_0``, ``1.2 py_0``: a version, a build string, or neither."""
    rest = re.sub(r"\s*([,|])\s*", r"\1", rest)
    rest = re.sub(r"([=<>!~])\s+", r"\1", rest)
    words = rest.split()
    if len(words) > 2:
        raise InvalidMatchSpec("expected a version and a build string, got more")
    if len(words) == 2:
        return _version(words[0].removeprefix("=") if _is_fuzzy(words[0]) else words[0]), words[1]
    if not words:
        return "", ""
    joined = re.fullmatch(r"(?P<version>.*?[^=<>!~])=(?P<build>[^=<>!~,|]+)", words[0])
    if joined is None:
        return _version(words[0]), ""
    version = joined["version"]
    # conda: with a build string beside it, =1.2 means exactly 1.2
    return _version(version.removeprefix("=") if _is_fuzzy(version) else version), joined["build"]


def _is_fuzzy(text: str) -> bool:
    return re.match(r"=[^=]", text) is not None and "," not in text and "|" not in text


def _build(text: str) -> str:
    if text and not _BUILD.fullmatch(text):
        raise InvalidMatchSpec(f"expected a build string or a glob of one, got '{text}'")
    return "" if text == "*" else text


def _version(text: str) -> str:
    """Alternatives of constraints, each with its operator; ``*`` where any version will do."""
    text = re.sub(r"\s+", "", text.lower())
    alternatives = []
    for part in text.split("|"):
        constraints = {_constraint(item) for item in part.split(",")}
        if len(constraints) > 1:
            constraints.discard("*")
        alternatives.append(",".join(sorted(constraints, key=_constraint_order)))
    return "*" if "*" in alternatives else "|".join(dict.fromkeys(alternatives))


def _constraint(text: str) -> str:
    match = _CONSTRAINT.fullmatch(text)
    if match is None or not (match["version"] or match["star"]):
        hint = "globs and regular expressions are for build strings"
        raise InvalidMatchSpec(f"expected versions like '>=1.2,<2', got '{text}'", hint=hint)
    operator, version, star = match["operator"], match["version"].rstrip("."), match["star"]
    if not version:
        if operator in {"", "=", "=="}:
            return "*"
        raise InvalidMatchSpec(f"expected a version after '{operator}', got '{text}'")
    if operator in {">", "<", "<=", "~=", "=="} and star:
        message = f"expected a version without '*' after '{operator}', got '{text}'"
        hint = f"write '{version}.*'" if operator == "==" else ""
        raise InvalidMatchSpec(message, hint=hint)
    if operator == ">=":
        return f">={version}"
    if operator == "!=":
        return f"!={version}.*" if star else f"!={version}"
    if star or operator == "=":
        return f"{version}.*"
    return f"{operator or '=='}{version}"


def _constraint_order(text: str) -> tuple[int, str]:
    operator = re.match(r"[=!<>~]*", text)
    assert operator is not None
    return _RANK[operator[0]], text


def normal_channel(text: str) -> str:
    """A channel in its one spelling. Raise ValueError for what is none.

    A name (``conda-forge``, ``conda-forge/label/dev``), a URL that ends in '/', or a folder
    relative to the spec's, which begins with ``./`` or ``../`` and ends in '/'.
    """
    if text.startswith(("./", "../")):
        reference = local_reference(local_path(text))
        return reference if reference.startswith("../") else f"./{reference.removeprefix('./')}"
    if "://" in text:
        url = text.rstrip("/") + "/"
        if url.startswith(CHANNEL_HOST):
            return url.removeprefix(CHANNEL_HOST).rstrip("/") or text
        return url
    if not re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*", text):
        raise ValueError(f"expected a channel's name, URL or relative folder, got '{text}'")
    return text


def channel_url(channel: str) -> str:
    """Where a channel of a spec is: a URL that ends in '/', or a relative reference."""
    if channel.startswith(("./", "../")):
        return local_reference(local_path(channel))
    return channel if not is_local(channel) else f"{CHANNEL_HOST}{channel}/"
