"""Which archives are read: the distribution's, the base's, the spec's."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import AptSection, apt_section
from imagelock.app.sections.apt_sources import (
    base_sources,
    default_sources,
    spec_sources,
    unknown_archives,
)
from imagelock.fetch.debian.keyrings import vendor_keyring
from imagelock.model.archives import Archive
from imagelock.model.base import BaseAptSource, BaseFile
from imagelock.model.debian import Installed
from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSource, AptSpec, DistributionBase
from support.debian_archive import Suite, key, packages_file, public, serve, stanza
from support.local_server import LocalServer

AMD64 = Platform("linux/amd64")


def listed(distribution: str, platform: Platform = AMD64) -> list[tuple[str, str]]:
    base = DistributionBase(distribution=distribution)
    return [(item.archive, item.suite) for item in default_sources(base, platform)]


def test_suites_of_distributions() -> None:
    assert listed("debian:bookworm") == [
        ("debian", "bookworm"),
        ("debian", "bookworm-updates"),
        ("debian-security", "bookworm-security"),
    ]
    assert listed("debian:sid") == [("debian", "sid")]
    assert listed("ubuntu:noble")[0] == ("ubuntu", "noble")
    assert listed("ubuntu:noble", Platform("linux/arm64"))[0] == ("ubuntu-ports", "noble")
    with pytest.raises(UsageError, match="debian or ubuntu, got 'fedora'"):
        listed("fedora:41")


def test_sources_of_a_base() -> None:
    keyring = BaseFile(path="/usr/share/keyrings/x.gpg", data=b"keys")
    base = BaseAptSource(
        uris=("http://deb.debian.org/debian", "https://vendor.example/apt/"),
        suites=("bookworm", "bookworm-updates"),
        components=("main",),
        keyrings=(keyring,),
    )
    found = base_sources((base, base), AMD64)
    assert [(item.archive, item.url, item.suite) for item in found] == [
        ("debian", "http://deb.debian.org/debian/", "bookworm"),
        ("debian", "http://deb.debian.org/debian/", "bookworm-updates"),
        ("vendor.example-apt", "https://vendor.example/apt/", "bookworm"),
        ("vendor.example-apt", "https://vendor.example/apt/", "bookworm-updates"),
    ]
    assert {item.keyrings for item in found} == {(b"keys",)}
    assert unknown_archives(found) == (
        Archive(name="vendor.example-apt", url="https://vendor.example/apt/"),
    )


@pytest.mark.parametrize(
    ("uri", "archive"),
    [
        ("http://deb.debian.org/debian", "debian"),
        ("https://deb.debian.org/debian-security/", "debian-security"),
        ("http://security.debian.org/debian-security", "debian-security"),
        ("http://security.ubuntu.com/ubuntu/", "ubuntu"),
        ("http://ports.ubuntu.com/ubuntu-ports", "ubuntu-ports"),
        ("https://apt.example:8443/$(ARCH)/x_y", "apt.example-8443-amd64-x-y"),
    ],
)
def test_names_of_archives(uri: str, archive: str) -> None:
    base = BaseAptSource(uris=(uri,), suites=("a",), components=("b",), keyrings=())
    found = base_sources((base,), AMD64)[0]
    assert found.archive == archive
    assert found.url.endswith("/")


def test_base_without_keys_gets_those_of_the_vendor() -> None:
    base = BaseAptSource(
        uris=("https://deb.debian.org/debian/",),
        suites=("bookworm",),
        components=("main",),
        keyrings=(),
    )
    assert base_sources((base,), AMD64)[0].keyrings == (vendor_keyring("debian"),)


def test_base_that_trusts_without_a_signature_is_refused() -> None:
    base = BaseAptSource(
        uris=("http://x.example/",),
        suites=("a",),
        components=("b",),
        keyrings=(),
        trusted=True,
        origin="/etc/apt/sources.list:3",
    )
    with pytest.raises(IntegrityError, match="without a signature") as caught:
        base_sources((base,), AMD64)
    assert caught.value.where == "/etc/apt/sources.list:3"


def test_sources_for_other_architectures_are_left_out() -> None:
    base = BaseAptSource(
        uris=("http://x.example/",),
        suites=("a",),
        components=("b",),
        keyrings=(),
        architectures=("arm64",),
    )
    assert base_sources((base,), AMD64) == ()
    assert base_sources((base,), Platform("linux/arm64"))


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (AptSource(uris="https://x.example/", suites=("a",)), "expected 'signed-by'"),
        (AptSource(uris="ftp://x.example/", suites=("a",), signed_by="k"), "http or https"),
        (AptSource(uris="file:/x", suites=("a",), signed_by="k"), "http or https"),
        (
            AptSource(uris="https://me:secret@x.example/", suites=("a",), signed_by="k"),
            "without user and password",
        ),
        (AptSource(uris="https://x.example/", suites=("a",), signed_by="no.asc"), "'no.asc'"),
    ],
)
def test_wrong_sources(source: AptSource, words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        spec_sources((source,), AMD64, folder=tmp_path)
    assert "secret" not in str(caught.value)
    assert caught.value.hint


def section(context: Context, source: AptSource, folder: Path, *packages: str) -> AptSection:
    return apt_section(
        AptSpec(packages=packages, sources=(source,)),
        AMD64,
        installed=Installed(),
        sources=(),
        context=context,
        options=ResolveOptions(),
        spec_folder=folder,
    )


def test_source_with_a_key_file(server: LocalServer, context: Context, tmp_path: Path) -> None:
    serve(server, Suite(packages={("main", "amd64"): packages_file(stanza("app"))}))
    (tmp_path / "vendor.asc").write_bytes(public("good"))
    source = AptSource(
        uris=f"{server.url}/debian",
        suites=("stable",),
        components=("main",),
        signed_by="vendor.asc",
    )
    found = section(context, source, tmp_path, "app")
    host = server.url.removeprefix("http://").replace(":", "-")
    assert found.archives == (Archive(name=f"{host}-debian", url=f"{server.url}/debian/"),)
    assert found.pins[0].artifact.archive == f"{host}-debian"
    assert found.indexes[0].signed_by == key("good").extract_certificate().fingerprint.upper()
    (tmp_path / "vendor.asc").write_bytes(public("stranger"))
    with pytest.raises(IntegrityError, match="signature was refused"):
        section(context, source, tmp_path, "app")


def test_flat_repository(server: LocalServer, context: Context, tmp_path: Path) -> None:
    """A flat repository has its Release beside its Packages, and no components."""
    suite = Suite(packages={("", "amd64"): packages_file(stanza("app", Filename="./app.deb"))})
    serve(server, suite)
    server.routes |= {
        path.replace("/debian/dists/stable/", "/flat/sub/"): answer
        for path, answer in server.routes.items()
    }
    (tmp_path / "key.asc").write_bytes(public("good"))
    source = AptSource(uris=f"{server.url}/flat/", suites=("sub/",), signed_by="key.asc")
    found = section(context, source, tmp_path, "app")
    assert found.pins[0].artifact.path == "app.deb"
    assert found.indexes[0].components == ()


@pytest.mark.parametrize("path", ["/etc/passwd", "../x.deb", "pool//x.deb", "a/../../x.deb"])
def test_unsafe_paths_in_an_index_are_refused(
    server: LocalServer, context: Context, tmp_path: Path, path: str
) -> None:
    serve(server, Suite(packages={("main", "amd64"): packages_file(stanza("app", Filename=path))}))
    (tmp_path / "key.asc").write_bytes(public("good"))
    source = AptSource(
        uris=f"{server.url}/debian/",
        suites=("stable",),
        components=("main",),
        signed_by="key.asc",
    )
    with pytest.raises(IntegrityError, match="unsafe path"):
        section(context, source, tmp_path, "app")
