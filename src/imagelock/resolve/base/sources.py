"""The apt sources of a base: sources.list(5), one-line and deb822 style."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from imagelock.model.base import BaseAptSource, BaseFile
from imagelock.resolve.base.deb822 import stanzas
from imagelock.resolve.base.tree import Tree

_ONE_LINE: Final = re.compile(r"deb\s+(?:\[(?P<options>[^\]]*)\]\s*)?(?P<rest>\S.*)\Z")
_FINGERPRINT: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]{16,64}!?\Z")
_INLINE_KEY: Final = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
_YES: Final = frozenset({"yes", "true", "with", "on", "enable"})
_NO: Final = frozenset({"no", "false", "without", "off", "disable"})


def apt_sources(tree: Tree) -> tuple[BaseAptSource, ...]:
    """The enabled binary sources in apt's order: sources.list first, then the parts by name."""
    trusted = _trusted_keys(tree)
    found: list[BaseAptSource] = []
    for path, text in _source_files(tree):
        read = _deb822 if path.endswith(".sources") else _one_line
        found += read(tree, path, text, trusted)
    return tuple(found)


def apt_preferences(tree: Tree) -> tuple[BaseFile, ...]:
    """The pin files, in apt's order."""
    paths = [path for path, _ in tree.files() if path.startswith("etc/apt/preferences")]
    named = [path for path in paths if re.match(r"[A-Za-z0-9_.-]+\Z", path.rpartition("/")[2])]
    kept = [path for path in named if path.endswith(".pref") or "." not in path.rpartition("/")[2]]
    files = (tree.file(path) for path in kept)
    return tuple(
        BaseFile(path=f"/{path}", data=file.data)
        for path, file in zip(kept, files, strict=True)
        if file is not None
    )


def _source_files(tree: Tree) -> Iterator[tuple[str, str]]:
    paths = [path for path, _ in tree.files() if path.startswith("etc/apt/sources.list")]
    for path in sorted(paths, key=lambda name: (name != "etc/apt/sources.list", name)):
        file = tree.file(path)
        if file is not None:
            yield path, file.data.decode(errors="replace")


def _one_line(
    tree: Tree, path: str, text: str, trusted: tuple[BaseFile, ...]
) -> Iterator[BaseAptSource]:
    for number, line in enumerate(text.split("\n"), 1):
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        words = match["rest"].split() if match else []
        if match is None or len(words) < 2:
            continue
        options = {}
        for option in (match["options"] or "").split():
            name, _, value = option.partition("=")
            options[name.rstrip("+-").lower()] = value.replace(",", " ")
        yield _source(
            tree,
            trusted,
            options,
            uris=(words[0],),
            suites=(words[1],),
            components=tuple(words[2:]),
            origin=f"/{path}:{number}",
        )


def _deb822(
    tree: Tree, path: str, text: str, trusted: tuple[BaseFile, ...]
) -> Iterator[BaseAptSource]:
    for number, fields in stanzas(text):
        types = fields.get("types", "").split()
        if "deb" not in types or fields.get("enabled", "yes").lower() in _NO:
            continue
        yield _source(
            tree,
            trusted,
            {**fields, "arch": fields.get("architectures", "")},
            uris=tuple(fields.get("uris", "").split()),
            suites=tuple(fields.get("suites", "").split()),
            components=tuple(fields.get("components", "").split()),
            origin=f"/{path}:{number}",
        )


def _source(
    tree: Tree,
    trusted: tuple[BaseFile, ...],
    options: dict[str, str],
    *,
    uris: tuple[str, ...],
    suites: tuple[str, ...],
    components: tuple[str, ...],
    origin: str,
) -> BaseAptSource:
    signed_by = options.get("signed-by", "")
    keyrings, fingerprints = _signers(tree, signed_by, trusted, origin)
    return BaseAptSource(
        uris=tuple(uri if uri.endswith("/") else f"{uri}/" for uri in uris),
        suites=suites,
        components=components,
        keyrings=keyrings,
        architectures=tuple(options.get("arch", "").split()),
        fingerprints=fingerprints,
        trusted=options.get("trusted", "").lower() in _YES,
        origin=origin,
    )


def _signers(
    tree: Tree, signed_by: str, trusted: tuple[BaseFile, ...], origin: str
) -> tuple[tuple[BaseFile, ...], tuple[str, ...]]:
    """The key files and fingerprints of a ``signed-by``; without one, all that is trusted."""
    if _INLINE_KEY in signed_by:
        # An empty line of the key is written as a lone dot (deb822(5)).
        lines = ["" if line == "." else line for line in signed_by.strip().split("\n")]
        return (BaseFile(path=origin, data="\n".join(lines).encode() + b"\n"),), ()
    names = re.split(r"[\s,]+", signed_by.strip()) if signed_by.strip() else []
    prints = tuple(name.removeprefix("0x").upper() for name in names if _FINGERPRINT.match(name))
    files = [name for name in names if name.startswith("/")]
    if not files:
        return trusted, prints
    found = (tree.file(name.strip("/")) for name in files)
    return (
        tuple(
            BaseFile(path=name, data=file.data)
            for name, file in zip(files, found, strict=True)
            if file is not None
        ),
        prints,
    )


def _trusted_keys(tree: Tree) -> tuple[BaseFile, ...]:
    return tuple(
        BaseFile(path=f"/{path}", data=file.data)
        for path, file in tree.files()
        if path == "etc/apt/trusted.gpg"
        or re.match(r"etc/apt/trusted\.gpg\.d/[^/]+\.(?:gpg|asc)\Z", path)
    )
