"""Every kind of bad archive is refused with exit code 5, and the message names the source."""

from __future__ import annotations

import lzma
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from imagelock.app.context import Context
from imagelock.fetch.debian.index import DebianIndexes, FetchedIndex
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.debian import AptArchiveSource
from imagelock.model.errors import ExitCode, IntegrityError, NetworkError, NotFound
from support.debian_archive import (
    NOW,
    Suite,
    clear_signed,
    detached,
    key,
    packages_file,
    public,
    serve,
    source,
    stanza,
)
from support.local_server import Answer, LocalServer

PACKAGES = packages_file(stanza("hello"), stanza("libhello1", Depends="hello"))
SUITE = Suite(packages={("main", "amd64"): PACKAGES})
FOLDER = "/debian/dists/stable/"


def fetch(context: Context, wanted: AptArchiveSource) -> FetchedIndex:
    indexes = DebianIndexes(context.store, context.http, now=context.now)
    return indexes.fetch((wanted,), ("amd64",))[0]


def refused(context: Context, wanted: AptArchiveSource, *words: str) -> IntegrityError:
    with pytest.raises(IntegrityError) as caught:
        fetch(context, wanted)
    error = caught.value
    assert error.exit_code is ExitCode.INTEGRITY
    assert wanted.url.rstrip("/") in error.where
    for word in words:
        assert word in str(error)
    assert "Stack backtrace" not in str(error)
    return error


def changed(server: LocalServer, path: str, change: Callable[[bytes], bytes]) -> None:
    answer = server.routes[path]
    assert isinstance(answer, Answer)
    server.routes[path] = Answer(change(answer.body))


def packages_routes(server: LocalServer) -> list[str]:
    return [path for path in server.routes if "/main/" in path]


def test_good_archive_is_read_and_kept_by_hash(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    found = fetch(context, source(server))
    assert found.packages[0].path.read_bytes() == PACKAGES
    assert found.release.signed_by == key("good").extract_certificate().fingerprint.upper()
    asked = len(server.requests)
    fetch(context, source(server))
    assert [request.path for request in server.requests[asked:]] == [f"{FOLDER}InRelease"]


def test_offline_uses_what_was_read_last(
    server: LocalServer, context: Context, store: Store
) -> None:
    serve(server, SUITE)
    fetch(context, source(server))
    offline = replace(context, http=Http(offline=True), now=NOW + timedelta(days=60))
    asked = len(server.requests)
    assert fetch(offline, source(server)).packages[0].path.read_bytes() == PACKAGES
    assert len(server.requests) == asked
    with pytest.raises(NetworkError):
        fetch(offline, source(server, suite="other"))
    assert store.root.exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"Codename: stable", b"Codename: stabel"),
        lambda data: data[: len(data) // 2],
        lambda data: data[:-40],
        lambda data: data.replace(b"-----BEGIN PGP SIGNATURE", b"-----BEGIN PGP SIGNATURF"),
        lambda _data: SUITE.release(),
        lambda _data: b"",
        lambda _data: b"<html>captive portal</html>",
        lambda _data: clear_signed(SUITE.release(), "stranger"),
    ],
    ids=["tampered", "cut", "cut-tail", "armor", "unsigned", "empty", "html", "wrong-key"],
)
def test_bad_inrelease(
    server: LocalServer, context: Context, change: Callable[[bytes], bytes]
) -> None:
    serve(server, SUITE)
    changed(server, f"{FOLDER}InRelease", change)
    refused(context, source(server), "stable")


@pytest.mark.parametrize(
    "around", [lambda data: b"Origin: evil\n" + data, lambda data: data + b"\nOrigin: evil\n"]
)
def test_only_signed_bytes_are_parsed(
    server: LocalServer, context: Context, around: Callable[[bytes], bytes]
) -> None:
    serve(server, SUITE)
    changed(server, f"{FOLDER}InRelease", around)
    assert fetch(context, source(server)).release.origin == ""


def test_detached_signature(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    del server.routes[f"{FOLDER}InRelease"]
    server.routes[f"{FOLDER}Release"] = Answer(SUITE.release())
    refused(context, source(server), "not signed")
    server.routes[f"{FOLDER}Release.gpg"] = Answer(detached(SUITE.release(), "stranger"))
    refused(context, source(server))
    both = detached(SUITE.release(), "stranger") + detached(SUITE.release(), "good")
    server.routes[f"{FOLDER}Release.gpg"] = Answer(both)
    found = fetch(context, source(server))
    assert found.release.signed_by == key("good").extract_certificate().fingerprint.upper()
    server.routes[f"{FOLDER}Release"] = Answer(SUITE.release() + b"Extra: field\n")
    refused(context, source(server))


def test_unknown_suite(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    with pytest.raises(NotFound, match="no suite 'nowhere'"):
        fetch(context, source(server, suite="nowhere"))


def test_expired(server: LocalServer, context: Context) -> None:
    serve(server, replace(SUITE, valid_until=NOW - timedelta(seconds=1)))
    refused(context, source(server), "expired on 2026-11-20 11:59", "stable")


def test_from_the_future(server: LocalServer, context: Context) -> None:
    serve(server, replace(SUITE, date=NOW + timedelta(hours=23)))
    assert fetch(context, source(server)).release.codename == "stable"
    serve(server, replace(SUITE, date=NOW + timedelta(hours=25)))
    refused(context, source(server), "of 2026-11-21 13:00 UTC, which is to come", "stable")


def test_weak_hashes_only(server: LocalServer, context: Context) -> None:
    serve(server, replace(SUITE, hashes="SHA1"))
    refused(context, source(server), "SHA256")


def test_signature_over_a_weak_digest(server: LocalServer, context: Context) -> None:
    folder = Path(__file__).parent / "data"
    server.routes[f"{FOLDER}InRelease"] = Answer((folder / "sha1.InRelease").read_bytes())
    weak = replace(source(server), keyrings=((folder / "sha1.asc").read_bytes(),))
    refused(context, weak, "signature was refused")
    server.routes[f"{FOLDER}InRelease"] = Answer((folder / "sha256.InRelease").read_bytes())
    assert DebianIndexes(context.store, context.http, now=NOW).release(weak).codename == "stable"


def test_another_key_of_the_keyring_by_fingerprint(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    good = key("good").extract_certificate().fingerprint
    other = key("stranger").extract_certificate().fingerprint.upper()
    fetch(context, source(server, keys=("stranger", "good"), fingerprints=(good,)))
    refused(context, source(server, keys=("stranger", "good"), fingerprints=(other,)))
    refused(context, source(server, fingerprints=(other,)), "no usable key")


def test_keyring_of_several_armored_keys(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    joined = public("stranger") + public("good")
    assert fetch(context, replace(source(server), keyrings=(joined,))).release.codename == "stable"
    refused(context, replace(source(server), keyrings=(b"no key at all",)), "keyring")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda data: data[:-7], "bytes, got"),
        (lambda data: data + b"more", "got more"),
        (lambda data: data[:50] + b"X" + data[51:], "unpacked"),
    ],
    ids=["truncated", "longer", "changed"],
)
def test_bad_packages(
    server: LocalServer, context: Context, change: Callable[[bytes], bytes], words: str
) -> None:
    serve(server, SUITE)
    for path in packages_routes(server):
        changed(server, path, change)
    refused(context, source(server), words, "Packages.xz")
    assert not list((context.store.root / "tmp").iterdir())


def test_packages_that_unpack_to_something_else(server: LocalServer, context: Context) -> None:
    class Lying(Suite):
        def files(self) -> dict[str, bytes]:
            return {
                **super().files(),
                "main/binary-amd64/Packages.xz": lzma.compress(b"Package: x"),
            }

    serve(server, Lying(packages=SUITE.packages))
    refused(context, source(server), "unpacked", "Packages.xz")


def test_packages_that_unpack_without_end(server: LocalServer, context: Context) -> None:
    class Bomb(Suite):
        def files(self) -> dict[str, bytes]:
            zeros = lzma.compress(bytes(64 << 20), preset=0)
            return {**super().files(), "main/binary-amd64/Packages.xz": zeros}

    serve(server, Bomb(packages=SUITE.packages))
    refused(context, source(server), "at most")


def test_garbage_that_the_release_vouches_for(server: LocalServer, context: Context) -> None:
    class Garbage(Suite):
        def files(self) -> dict[str, bytes]:
            return {"main/binary-amd64/Packages.xz": b"not xz at all"}

    serve(server, Garbage(packages=SUITE.packages))
    refused(context, source(server), "cannot be unpacked")


def test_connection_cut_is_the_network_not_the_archive(
    server: LocalServer, context: Context
) -> None:
    serve(server, SUITE)
    for path in packages_routes(server):
        answer = server.routes[path]
        assert isinstance(answer, Answer)
        server.routes[path] = Answer(answer.body, cut=20)
    with pytest.raises(NetworkError):
        fetch(context, source(server))


def test_another_suite_in_the_place_of_a_well_known_one(
    server: LocalServer, context: Context
) -> None:
    serve(server, replace(SUITE, name="trixie"))
    routes = {path.replace("trixie", "bookworm"): answer for path, answer in server.routes.items()}
    server.routes.update(routes)
    refused(
        context,
        source(server, suite="bookworm", archive="debian"),
        "expected the index of 'bookworm', got that of 'trixie'",
    )


def test_damaged_store_is_noticed(server: LocalServer, context: Context) -> None:
    serve(server, SUITE)
    path = fetch(context, source(server)).packages[0].path
    path.chmod(0o644)
    path.write_bytes(PACKAGES.replace(b"hello", b"hullo"))
    with pytest.raises(IntegrityError, match="hash of their name"):
        fetch(context, source(server))


def test_by_hash_wins_over_a_mirror_in_the_middle_of_an_update(
    server: LocalServer, context: Context
) -> None:
    serve(server, SUITE)
    server.routes[f"{FOLDER}main/binary-amd64/Packages.xz"] = Answer(b"newer")
    assert fetch(context, source(server)).packages[0].path.read_bytes() == PACKAGES


def test_index_that_lists_only_compressed_files(server: LocalServer, context: Context) -> None:
    serve(server, replace(SUITE, list_plain=False, by_hash=False))
    assert fetch(context, source(server)).packages[0].path.read_bytes() == PACKAGES
    asked = len(server.requests)
    fetch(context, source(server))
    assert len(server.requests) == asked + 1


@pytest.mark.parametrize(
    "fault", ["tampered", "unsigned", "wrong-key", "expired", "truncated", "missing", "other-bytes"]
)
def test_of_several_sources_the_bad_one_is_named(
    server: LocalServer, context: Context, fault: str
) -> None:
    """Whatever else is good: nothing is resolved without it."""
    serve(server, SUITE)
    # Packages of its own: an index that the store has by its hash is not asked for.
    own = packages_file(stanza("vendor-tool"))
    bad = replace(SUITE, name="vendor", packages={("main", "amd64"): own})
    if fault == "expired":
        bad = replace(bad, valid_until=NOW - timedelta(minutes=1))
    folder = serve(server, bad, signer="stranger" if fault == "wrong-key" else "good")
    release = f"{folder}InRelease"
    if fault == "tampered":
        changed(server, release, lambda data: data.replace(b"Suite: vendor", b"Suite: vendro"))
    elif fault == "unsigned":
        changed(server, release, lambda _data: bad.release())
    elif fault in {"truncated", "other-bytes"}:
        cut = -5 if fault == "truncated" else len(own)
        for path in [path for path in packages_routes(server) if path.startswith(folder)]:
            changed(server, path, lambda data: (b"x" + data)[:cut])
    elif fault == "missing":
        server.routes[release] = Answer(status=404)
        server.routes[f"{folder}Release"] = Answer(bad.release())
    indexes = DebianIndexes(context.store, context.http, now=context.now)
    with pytest.raises(IntegrityError) as caught:
        indexes.fetch((source(server), source(server, suite="vendor")), ("amd64",))
    assert caught.value.exit_code is ExitCode.INTEGRITY
    assert "vendor" in caught.value.where
    assert "stable" not in caught.value.where
    assert caught.value.hint
