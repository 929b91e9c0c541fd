"""What a base has on hold stays as it is, as with the real apt-get."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import open_suites
from imagelock.model.errors import NoSolution
from imagelock.model.platform import Platform
from imagelock.resolve.apt.status import parse_status
from support.apt_agreement import answer, compare
from support.apt_oracle import AptOracle
from support.debian_archive import Suite, packages_file, serve, source, stanza
from support.local_server import LocalServer

SUITE = Suite(
    packages={
        ("main", "amd64"): packages_file(
            stanza("lib", "2", Source="src (2)"),
            stanza("lib-tools", "2", Source="src (2)", Depends="lib (>= 1)"),
            stanza("newer", Depends="lib (>= 2)"),
            stanza("either", Depends="lib (>= 2) | other"),
            stanza("other"),
            stanza("content", Depends="lib"),
            stanza("enemy", Conflicts="lib"),
            stanza("breaker", Breaks="lib (<< 2)"),
        )
    }
)


def status(held: str) -> bytes:
    """A base with old versions; ``held`` is the one on hold."""
    stanzas = (
        stanza("lib", "1", Source="src (1)"),
        stanza("lib-tools", "1", Source="src (1)", Depends="lib (>= 1)"),
    )
    wanted = ("hold" if text.startswith(f"Package: {held}\n") else "install" for text in stanzas)
    return "\n".join(
        f"{text}Status: {word} ok installed\n" for text, word in zip(stanzas, wanted, strict=True)
    ).encode()


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get as the oracle")
@pytest.mark.parametrize("held", ["lib", "lib-tools"])
def test_as_apt_does(server: LocalServer, context: Context, tmp_path: Path, held: str) -> None:
    serve(server, SUITE)
    suites = open_suites(
        (source(server),), Platform("linux/amd64"), context=context, options=ResolveOptions()
    )
    installed = parse_status(status(held), where="status")
    oracle = AptOracle(tmp_path, suites.fetched, status(held), "amd64")
    differences = [
        difference
        for words in (
            ("newer",),
            ("either",),
            ("content",),
            ("enemy",),
            ("breaker",),
            ("lib=2",),
            ("lib=1",),
            ("lib-tools=2",),
            ("lib-",),
            ("content", "lib-tools-"),
            ("other",),
        )
        if (difference := compare(suites, installed, oracle, words, recommends=False)) is not None
    ]
    assert not differences, "\n".join(map(str, differences))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("newer",), "the base has 1 on hold"),
        (("enemy",), "the base has lib on hold"),
        (("lib=2",), "'lib' is on hold at 1 in the base"),
        (("lib-",), "on hold"),
    ],
)
def test_the_hold_is_named(
    server: LocalServer, context: Context, words: tuple[str, ...], message: str
) -> None:
    serve(server, SUITE)
    suites = open_suites(
        (source(server),), Platform("linux/amd64"), context=context, options=ResolveOptions()
    )
    with pytest.raises(NoSolution, match=message):
        answer(suites.index, parse_status(status("lib"), where="status"), words, recommends=False)
