"""Ubuntu's ways, on an archive like its own: ports, t64 names, zstd, deb822.

Its real archive is not asked: what matters of it is made here, in its formats.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path

import pytest
import zstandard

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import Located
from imagelock.app.lock import lock_spec
from imagelock.app.sections import apt_sources
from imagelock.app.sections.apt_sources import base_sources
from imagelock.fetch.artifacts import ArtifactFetcher
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.layers.deb import Deb
from imagelock.lock import encode_lock
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import SPEC_ROOT, Lock, Requirer
from imagelock.model.plan import AptStep
from imagelock.model.platform import Platform
from imagelock.plan.image import plan_image
from imagelock.resolve.base import contents_of_layers
from support.debian_archive import NOW, Suite, packages_file, public, serve, stanza
from support.layouts import Entry, sha256_of, tar_of
from support.local_server import Answer, LocalServer

AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")
PREFIXES = {"amd64": "/ubuntu/", "arm64": "/ubuntu-ports/"}
SUITES = ("noble", "noble-updates", "noble-security")
SPEC = """
name = "jammed"
platforms = ["linux/amd64", "linux/arm64"]
[base]
distribution = "ubuntu:noble"
[apt]
packages = ["app", "libssl3"]
"""
FIRST, FIXED = "3.0.13-0ubuntu3", "3.0.13-0ubuntu3.5"


def deb(name: str, version: str, architecture: str) -> bytes:
    """A .deb whose members are zstd, as dpkg-deb makes them there."""

    def tar(path: str, data: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            item = tarfile.TarInfo(path)
            item.size = len(data)
            archive.addfile(item, io.BytesIO(data))
        return zstandard.compress(out.getvalue(), 1)

    control = f"Package: {name}\nVersion: {version}\nArchitecture: {architecture}\n"
    control += "Maintainer: x <x@y.z>\nDescription: test\n"
    data = b"!<arch>\n"
    for member, content in (
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.zst", tar("./control", control.encode())),
        (b"data.tar.zst", tar(f"./usr/share/doc/{name}/copyright", b"free\n")),
    ):
        header = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (member, 0, 0, 0, b"100644", len(content))
        data += header + content + (b"\n" if len(content) % 2 else b"")
    return data


def packages(suite: str) -> list[tuple[str, str, dict[str, str]]]:
    """What a suite has: (name, version, fields)."""
    libssl = {
        "Multi-Arch": "same",
        "Source": "openssl",
        "Provides": f"libssl3 (= {FIRST if suite == 'noble' else FIXED})",
        "Breaks": f"libssl3 (<< {FIRST})",
        "Replaces": "libssl3",
        "Depends": "libc6 (>= 2.38)",
    }
    if suite != "noble":
        return [("libssl3t64", FIXED, libssl)]
    required = {"Priority": "required"}
    return [
        ("app", "1.0-1build2", {"Depends": "libssl3 (>= 3.0.0)", "Section": "universe/net"}),
        ("apt", "2.7.14build2", {"Priority": "important", "Depends": "libc6, libssl3t64"}),
        ("base-files", "13ubuntu10", required | {"Essential": "yes", "Pre-Depends": "awk"}),
        ("libc6", "2.39-0ubuntu8", required | {"Multi-Arch": "same"}),
        ("libssl3t64", FIRST, libssl),
        ("mawk", "1.3.4-1", required | {"Provides": "awk", "Pre-Depends": "libc6 (>= 2.34)"}),
        ("usr-is-merged", "39ubuntu2", required | {"Architecture": "all"}),
    ]


def serve_ubuntu(server: LocalServer) -> None:
    for architecture, prefix in PREFIXES.items():
        for suite in SUITES:
            components: dict[tuple[str, str], bytes] = {}
            listed: dict[str, list[str]] = {"main": [], "universe": []}
            for name, version, fields in packages(suite):
                own = fields.get("Architecture", architecture)
                data = deb(name, version, own)
                path = f"pool/{name}_{version}_{own}.deb"
                server.routes[prefix + path] = Answer(data)
                given = {**fields, "Architecture": own, "Filename": path, "Size": str(len(data))}
                given["SHA256"] = hashlib.sha256(data).hexdigest()
                component = "universe" if name == "app" else "main"
                listed[component].append(stanza(name, version, **given))
            for component, stanzas in listed.items():
                components[component, architecture] = packages_file(*stanzas)
            # Ubuntu has no Valid-Until; it lists what it has in by-hash.
            made = Suite(packages=components, name=suite, valid_until=None)
            serve(server, made, prefix=prefix)


@pytest.fixture
def ubuntu(server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    serve_ubuntu(server)
    monkeypatch.setattr(apt_sources, "vendor_keyring", lambda _vendor: public("good"))
    mirrors = {
        "http://archive.ubuntu.com/ubuntu/": f"{server.url}/ubuntu/",
        "http://ports.ubuntu.com/ubuntu-ports/": f"{server.url}/ubuntu-ports/",
    }
    return Context(store=Store(tmp_path / "store"), http=Http(mirrors=mirrors), now=NOW)


def locked(context: Context, folder: Path) -> Lock:
    spec = folder / "image.toml"
    spec.write_text(SPEC, encoding="utf-8")
    located = Located(spec=spec, lock=folder / "image.lock")
    return lock_spec(located, context=context, options=ResolveOptions()).lock


def test_lock_and_plan(ubuntu: Context, server: LocalServer, tmp_path: Path) -> None:
    lock = locked(ubuntu, tmp_path)
    found = {(str(pin.name), pin.architecture): pin for pin in lock.apt}
    for architecture, archive in (("amd64", "ubuntu"), ("arm64", "ubuntu-ports")):
        ssl = found["libssl3t64", architecture]
        assert (ssl.version, ssl.suite, ssl.base) == (FIXED, "noble-updates", True)
        assert ssl.artifact.archive == archive
        app = found["app", architecture]
        assert (app.base, app.required_by) == (False, (Requirer(name=SPEC_ROOT),))
    assert found["usr-is-merged", "all"].base
    assert not lock.archives
    asked = {request.path for request in server.requests}
    assert len([path for path in asked if path.endswith("InRelease")]) == 6
    assert all("by-hash" in path or path.endswith("InRelease") for path in asked)
    assert "mirror" not in encode_lock(lock).decode()
    assert server.url not in encode_lock(lock).decode()
    steps = {platform: plan_image(lock, platform).steps for platform in (AMD64, ARM64)}
    for platform, uri in (
        (AMD64, "http://archive.ubuntu.com/ubuntu"),
        (ARM64, "http://ports.ubuntu.com/ubuntu-ports"),
    ):
        bottom, added = steps[platform]
        assert isinstance(bottom, AptStep)
        assert isinstance(added, AptStep)
        assert bottom.bootstrap
        assert f"URIs: {uri}\n" in bottom.sources
        assert "Suites: noble noble-updates noble-security\n" in bottom.sources
        assert [pin.name for pin in added.packages] == ["app"]


def test_the_same_again_is_offline(ubuntu: Context, server: LocalServer, tmp_path: Path) -> None:
    first = locked(ubuntu, tmp_path)
    asked = len(server.requests)
    assert locked(ubuntu, tmp_path) == first
    assert len(server.requests) == asked


def test_zstd_packages_are_read(ubuntu: Context, tmp_path: Path) -> None:
    lock = locked(ubuntu, tmp_path)
    artifacts = [pin.artifact for pin in lock.apt]
    files = ArtifactFetcher(ubuntu.store, ubuntu.http).fetch(artifacts, lock.archives)
    for pin in lock.apt:
        with files[pin.artifact.sha256].open("rb") as file:
            fields = dict(Deb(file, where=pin.artifact.filename).control().fields)
        assert (fields["Package"], fields["Version"]) == (pin.name, pin.version)


def test_ports_in_the_place_of_the_primary_archive_have_nothing(
    ubuntu: Context, server: LocalServer, tmp_path: Path
) -> None:
    """One key signs both: what tells them apart is what they list."""
    for suite in SUITES:
        path = f"dists/{suite}/InRelease"
        server.routes[f"/ubuntu/{path}"] = Answer(b"-----BEGIN PGP SIGNED MESSAGE-----\n\ncut")
    with pytest.raises(IntegrityError, match="signature was refused") as caught:
        locked(ubuntu, tmp_path)
    assert caught.value.where == "http://archive.ubuntu.com/ubuntu/ noble"


def test_the_sources_of_noble_images() -> None:
    """Their deb822 file, with the archive of ports on all but two architectures."""
    text = (
        "Types: deb\nURIs: http://{0}/\nSuites: noble noble-updates noble-backports\n"
        "Components: main universe restricted multiverse\n"
        "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n\n"
        "Types: deb\nURIs: http://{1}/\nSuites: noble-security\n"
        "Components: main universe restricted multiverse\n"
        "Signed-By: /usr/share/keyrings/ubuntu-archive-keyring.gpg\n"
    )
    primary = ("archive.ubuntu.com/ubuntu", "security.ubuntu.com/ubuntu")
    ports = ("ports.ubuntu.com/ubuntu-ports", "ports.ubuntu.com/ubuntu-ports")
    for platform, uris, archive in ((AMD64, primary, "ubuntu"), (ARM64, ports, "ubuntu-ports")):
        tar = tar_of(
            [
                Entry("etc/apt/sources.list.d/ubuntu.sources", text.format(*uris).encode()),
                Entry("usr/share/keyrings/ubuntu-archive-keyring.gpg", b"key"),
                Entry("etc/apt/sources.list", b"# moved to sources.list.d\n"),
            ]
        )
        layers = [("layer", io.BytesIO(tar), sha256_of(tar))]
        found = base_sources(contents_of_layers(layers, environment={}).apt_sources, platform)
        assert [(item.archive, item.suite) for item in found] == [
            (archive, "noble"),
            (archive, "noble-updates"),
            (archive, "noble-backports"),
            (archive, "noble-security"),
        ]
        assert {item.keyrings for item in found} == {(b"key",)}
