"""Documents of specs as data, and many ways to write the same one down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

Path = tuple[str, ...]

BASES: Final[tuple[dict[str, Any], ...]] = (
    {"distribution": "debian:bookworm"},
    {"distribution": "debian:bookworm", "variant": "essential"},
    {"distribution": "ubuntu:noble"},
    {"image": "python:3.12"},
    {"image": "python:3.12@sha256:" + "a" * 64},
    {"layout": "oci:base"},
    {"spec": "../base.toml"},
)

_SOURCE: Final = {"uris": "http://h/d", "suites": "bookworm", "components": "main"}
_COPY: Final = {"from": "a", "to": "/b"}
_SECRET: Final = {"id": "a", "src": "b", "target": "/c"}

VALUES: Final[dict[Path, tuple[Any, ...]]] = {
    ("name",): ("trainer", "Train-2", "a__b"),
    ("python",): ("3.12", "3.12.4", ">=3.11,<3.13"),
    ("platforms",): (["linux/arm64"], ["linux/arm64", "linux/amd64"], ["linux/arm/v7"]),
    ("registry",): ("localhost:5000", "ghcr.io/Acme/x", "h"),
    ("tag-format",): ("{name}-{lock}", "v1-{spec_hash}", "{source}"),
    ("base",): BASES,
    ("pip", "packages"): (["NumPy>=2", "b[y,x]<3,>=1"], ["numpy<2"], ["c; os_name == 'nt'", "d"]),
    ("pip", "requirements"): (["a.txt"], ["sub/b.txt", "a.txt"]),
    ("pip", "constraints"): (["urllib3<2", "x"], ["urllib3<3"]),
    ("pip", "overrides"): (["urllib3<2", "x"], ["urllib3<3"]),
    ("pip", "index"): ("https://h/simple", "http://127.0.0.1:80/"),
    ("pip", "extra-indexes"): (["https://a/", "https://b/"], ["https://b/", "https://a/"]),
    ("pip", "prerelease"): ("allow", "disallow", "explicit"),
    ("pip", "find-links"): (["https://a/x", "https://b/"], ["https://b/", "https://a/x"]),
    ("pip", "exclude-newer"): ("2026-11-01", "2026-11-01T00:00:00Z", "7 days", "5 hours"),
    ("pip", "allow-sdist"): (["A.b", "c"], ["c"]),
    ("pip", "no-binary"): (["A.b", "c"], ["c"]),
    ("pip", "prefer-binary"): (True,),
    ("pip", "config-settings"): (
        {"a.B": ["k=v"]},
        {"a-b": ["k=v", "k=w"]},
        {"a-b": ["k=w", "k=v"]},
        {"c": ["--k=é 1"]},
    ),
    ("pip", "python-exec"): ("/usr/bin/python3", "/opt/python"),
    ("apt", "packages"): (
        ["git", "curl=7.88.*"],
        ["curl=7.88.*", "git"],
        ["aa/b", "cc:arm64", "dd-"],
    ),
    ("apt", "recommends"): (True,),
    ("apt", "source"): (
        [_SOURCE],
        [_SOURCE | {"uris": "http://h/e"}],
        [_SOURCE | {"suites": "bookworm  x"}],
        [_SOURCE | {"components": "main contrib"}],
        [_SOURCE | {"signed-by": "keys/a.asc"}],
        [_SOURCE | {"signed-by": "a" * 40}],
        [_SOURCE | {"snapshot": "20261101T000000Z"}],
        [_SOURCE, {"uris": "http://h/f", "suites": "flat/"}],
        [{"uris": "http://h/f", "suites": "flat/"}, _SOURCE],
    ),
    ("conda", "packages"): (["a", "b >=1"], ["b >=1"]),
    ("conda", "channels"): (["a", "https://h/b"], ["https://h/b", "a"]),
    ("conda", "channel-priority"): ("flexible", "disabled"),
    ("conda", "exclude-newer"): ("2026-11-01", "7 days"),
    ("gpu", "cuda"): ("12.4", "12"),
    ("gpu", "cudnn"): ("9", "9.1"),
    ("gpu", "driver"): ("550.54.14", "525.60.13"),
    ("env",): ({"A": "1", "B_2": ""}, {"A": "2", "B_2": ""}, {"A": 'é "\n= #'}),
    ("image", "entrypoint"): ([], ["a", "a", "b"], ["a", "b"], ["b", "a"]),
    ("image", "cmd"): ([], ["a", "a", "b"], ["a", "b"], ["b", "a"]),
    ("image", "workdir"): ("/app", "/"),
    ("image", "user"): ("app", "1000:1000"),
    ("image", "labels"): ({"a.b/c": "x", " ": "y"}, {"a.b/c": "z"}),
    ("copy",): (
        [_COPY],
        [_COPY | {"from": "."}],
        [_COPY | {"to": "/b/"}],
        [_COPY, {"from": "c", "to": "/d"}],
        [{"from": "c", "to": "/d"}, _COPY],
    ),
    ("source",): (
        {"root": "src"},
        {"root": "lib"},
        {"root": "src", "mode": "none"},
        {"root": "src", "mode": "loaded-modules"},
        {"root": "src", "mode": "loaded-modules", "entry": ["a.py"]},
    ),
    ("run",): (
        [{"commands": ["a", "b"]}],
        [{"commands": ["b", "a"]}],
        [{"commands": ["a", "b"], "network": True}],
    ),
    ("secret",): (
        [_SECRET],
        [_SECRET | {"id": "b"}],
        [_SECRET | {"src": "~/.netrc"}],
        [_SECRET | {"target": "/d"}],
    ),
    ("builder", "name"): ("docker", "buildkit"),
    ("builder", "options"): ({"compression": "zstd"}, {"compression": "none"}),
}
"""For every key, values that differ in meaning from each other and from its absence."""

FILES: Final = {"a.txt": "numpy\n", "sub/b.txt": "pandas==1 --hash=sha256:" + "0" * 64 + "\n"}

ORDER_FREE: Final = frozenset(
    {
        ("platforms",),
        ("pip", "packages"),
        ("pip", "requirements"),
        ("pip", "constraints"),
        ("pip", "overrides"),
        ("pip", "allow-sdist"),
        ("pip", "no-binary"),
        ("conda", "packages"),
    }
)
"""Arrays in which neither order nor doubles mean anything."""


def with_value(document: Mapping[str, Any], path: Path, value: object) -> dict[str, Any]:
    """A copy of a document with one value set."""
    if len(path) == 1:
        return {**document, path[0]: value}
    table = document.get(path[0], {})
    return {**document, path[0]: {**table, path[1]: value}}


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """Specs that the parser accepts, once nothing is refused as not supported yet."""
    document: dict[str, Any] = {"base": draw(st.sampled_from(BASES))}
    paths = draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True, max_size=12))
    for path in paths:
        document = with_value(document, path, draw(st.sampled_from(VALUES[path])))
    return document


def _is_tables(value: object) -> bool:
    return isinstance(value, list) and value != [] and all(isinstance(item, dict) for item in value)


class Scribe:
    """Writes a document as TOML, choosing freely whatever has no meaning."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def write(self, document: Mapping[str, Any]) -> str:
        """The document; every call gives another text for it."""
        pairs: list[str] = []
        tables: list[str] = []
        for key, value in self._shuffled(list(document.items())):
            style = self._pick("inline", "header", "dotted")
            if isinstance(value, dict) and style == "header":
                tables.append(self._table(f"[{self._key(key)}]", (key,), value))
            elif isinstance(value, dict) and value and style == "dotted":
                pairs += self._pairs(self._shuffled(list(value.items())), (key,))
            elif _is_tables(value) and style != "inline":
                tables.append(
                    "".join(self._table(f"[[{self._key(key)}]]", (key,), item) for item in value)
                )
            else:
                pairs += self._pairs([(key, value)], (), whole=(key,))
        text = "".join(self._shuffled(pairs)) + "".join(self._shuffled(tables))
        ending = str(self._pick("\n", "\r\n"))
        return str(self._pick("", "\ufeff")) + text.replace("\n", ending)

    def _table(self, header: str, path: Path, table: Mapping[str, Any]) -> str:
        pairs = self._pairs(self._shuffled(list(table.items())), (), parent=path)
        return f"{self._noise()}{header}{self._end()}" + "".join(pairs)

    def _pairs(
        self,
        items: Sequence[tuple[str, Any]],
        prefix: Path,
        *,
        parent: Path = (),
        whole: Path | None = None,
    ) -> list[str]:
        return [
            f"{self._noise()}{'.'.join(self._key(part) for part in (*prefix, key))}"
            f"{self._space()}={self._space()}"
            f"{self._value(value, whole or (*parent, *prefix, key))}{self._end()}"
            for key, value in items
        ]

    def _value(self, value: object, path: Path) -> str:
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, str):
            return self._string(value)
        if isinstance(value, list):
            return self._array(value, path)
        if isinstance(value, dict):
            items = [
                f"{self._key(key)}{self._space()}={self._value(item, (*path, key))}"
                for key, item in self._shuffled(list(value.items()))
            ]
            return "{ " + ", ".join(items) + " }"
        return str(value)

    def _array(self, value: list[Any], path: Path) -> str:
        items = value
        if path in ORDER_FREE:
            items = self._shuffled([*value, *value[: self._pick(0, 1)]])
        gap = self._pick("", " ", "\n  ", "\n# [\n\t")
        texts = [f"{gap}{self._value(item, path)}" for item in items]
        return f"[{','.join(texts)}{self._pick('', ',') if texts else ''}{gap}]"

    def _string(self, value: str) -> str:
        escaped = "".join(
            c if c.isalnum() or c in " ./:-_<>=,;[]'" else f"\\u{ord(c):04x}" for c in value
        )
        styles = [f'"{escaped}"', f'"""\n{escaped}"""']
        if value.isprintable() and "'" not in value:
            styles += [f"'{value}'", f"'''{value}'''"]
        return str(self._pick(*styles))

    def _key(self, key: str) -> str:
        bare = [key] if key.replace("-", "").replace("_", "").isalnum() and key.isascii() else []
        return str(self._pick(*bare, f'"{key}"', f"'{key}'"))

    def _noise(self) -> str:
        return str(self._pick("", "\n", "# a [comment] = 1\n", "  ", "\t"))

    def _end(self) -> str:
        return str(self._pick("\n", " \n", " # said\n"))

    def _space(self) -> str:
        return str(self._pick("", " ", "\t "))

    def _pick(self, *choices: Any) -> Any:  # noqa: ANN401 (one of them)
        return self._random.choice(choices)

    def _shuffled(self, items: list[Any]) -> list[Any]:
        return self._random.sample(items, len(items))
