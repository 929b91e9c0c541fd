"""What is downloaded: once a command, side by side, in the format that is quickest."""

from __future__ import annotations

import gzip
import hashlib
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt_suites import open_suites
from imagelock.fetch.debian import packages as packages_module
from imagelock.fetch.debian.index import DebianIndexes
from imagelock.model.errors import IntegrityError
from imagelock.model.platform import Platform
from support.debian_archive import NOW, Suite, clear_signed, packages_file, serve, source, stanza
from support.local_server import Answer, LocalServer

FOLDER = "/debian/dists/stable/"
NOISE = random.Random(1).randbytes(1 << 13).hex()  # noqa: S311 - what compresses badly
BIG = packages_file(stanza("big", Description=NOISE), stanza("small"))


@dataclass(kw_only=True)
class WithGzip(Suite):
    """A suite that lists gzip beside xz."""

    def files(self) -> dict[str, bytes]:
        found = super().files()
        plain = {path: data for path, data in found.items() if path.endswith("Packages")}
        return found | {f"{path}.gz": gzip.compress(data, mtime=0) for path, data in plain.items()}


SUITE = Suite(packages={("main", "amd64"): BIG})


def indexes(context: Context) -> DebianIndexes:
    return DebianIndexes(context.store, context.http, now=context.now)


def formats(server: LocalServer, suite: Suite) -> list[str]:
    """The suffixes of the index files that were asked for, in that order."""
    names = {hashlib.sha256(data).hexdigest(): path for path, data in suite.files().items()}
    asked = (request.path.rpartition("/")[2] for request in server.requests)
    return [names[name].rpartition(".")[2] for name in asked if name in names]


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A network of the speed that the test asks for."""
    monkeypatch.setattr(packages_module, "_SAMPLE", 1 << 8)
    limit = {"quick": 0, "slow": float("inf")}[request.param]
    monkeypatch.setattr(packages_module, "_QUICK_NETWORK", limit)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("network", "expected"),
    [("quick", ["xz", "gz"]), ("slow", ["xz"])],
    indirect=["network"],
)
def test_gzip_where_the_network_outruns_xz(
    server: LocalServer, context: Context, expected: list[str]
) -> None:
    suite = WithGzip(packages={("main", "amd64"): BIG})
    serve(server, suite)
    (found,) = indexes(context).fetch((source(server),), ("amd64",))
    assert found.packages[0].path.read_bytes() == BIG
    assert formats(server, suite) == expected


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("network", ["quick"], indirect=True)
def test_gzip_that_is_listed_but_not_there(server: LocalServer, context: Context) -> None:
    suite = WithGzip(packages={("main", "amd64"): BIG}, by_hash=False)
    serve(server, suite)
    del server.routes[f"{FOLDER}main/binary-amd64/Packages.gz"]
    (found,) = indexes(context).fetch((source(server),), ("amd64",))
    assert found.packages[0].path.read_bytes() == BIG


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("network", ["quick"], indirect=True)
def test_gzip_of_other_bytes_is_refused(server: LocalServer, context: Context) -> None:
    suite = WithGzip(packages={("main", "amd64"): BIG}, by_hash=False)
    serve(server, suite)
    path = f"{FOLDER}main/binary-amd64/Packages.gz"
    wrong = gzip.compress(BIG.replace(b"small", b"smell"), mtime=0)
    server.routes[path] = Answer(wrong)
    with pytest.raises(IntegrityError, match=r"bytes, got|sha256") as caught:
        indexes(context).fetch((source(server),), ("amd64",))
    assert caught.value.where.endswith("Packages.gz")


def suite_of(version: str) -> Suite:
    by_architecture: Mapping[tuple[str, str], bytes] = {
        ("main", name): packages_file(stanza("hello", version, Architecture=name))
        for name in ("amd64", "arm64")
    }
    return Suite(packages=by_architecture)


def test_a_command_goes_by_one_state_of_the_archive(server: LocalServer, context: Context) -> None:
    """The archive is updated after the first platform was resolved: the second sees no new one."""
    serve(server, suite_of("1.0"))
    command, _indexes = context.with_debian()
    found = []
    for platform in ("linux/amd64", "linux/arm64"):
        suites = open_suites(
            (source(server),), Platform(platform), context=command, options=ResolveOptions()
        )
        candidate = suites.index.candidate(("hello", suites.index.architecture))
        assert candidate is not None
        found.append(candidate.version)
        newer = suite_of("2.0")
        server.routes[f"{FOLDER}InRelease"] = Answer(clear_signed(newer.release(), "good"))
    assert found == ["1.0", "1.0"]
    assert len(server.asked(f"{FOLDER}InRelease")) == 1


def test_a_suite_with_two_keyrings_is_fetched_once_and_verified_twice(
    server: LocalServer, context: Context
) -> None:
    serve(server, suite_of("1.0"))
    reader = indexes(context)
    reader.fetch((source(server),), ("amd64",))
    for _again in range(2):
        with pytest.raises(IntegrityError, match="signature was refused"):
            reader.fetch((source(server, keys=("stranger",)),), ("amd64",))
    assert len(server.asked(f"{FOLDER}InRelease")) == 1


def test_what_is_read_ahead_is_not_asked_again(server: LocalServer, context: Context) -> None:
    serve(server, suite_of("1.0"))
    reader = indexes(context)
    with reader.reading_ahead([((source(server),), ("amd64",)), ((source(server),), ("arm64",))]):
        for architecture in ("amd64", "arm64"):
            reader.fetch((source(server),), (architecture,))
    assert len({request.path for request in server.requests}) == len(server.requests) == 3


def test_nothing_is_read_ahead_any_more_at_its_end(server: LocalServer, context: Context) -> None:
    serve(server, suite_of("1.0"))
    before = set(threading.enumerate())
    with (
        pytest.raises(KeyError),
        indexes(context).reading_ahead([((source(server),), ("amd64", "arm64"))]),
    ):
        raise KeyError
    left = {thread for thread in set(threading.enumerate()) - before if not thread.daemon}
    assert left == set()


def test_of_several_failures_the_first_source_speaks(server: LocalServer, context: Context) -> None:
    for name in ("one", "two", "three"):
        serve(server, Suite(packages=SUITE.packages, name=name, valid_until=NOW.replace(year=2025)))
    sources = tuple(source(server, suite=name) for name in ("three", "one", "two"))
    with pytest.raises(IntegrityError, match="expired") as caught:
        indexes(context).fetch(sources, ("amd64",))
    assert caught.value.where.endswith(" three")
