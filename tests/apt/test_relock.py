"""An existing lock is the preference of the next resolution, whatever the archive did since."""

from __future__ import annotations

import hashlib
import io
import lzma
import subprocess
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import (
    AptSection,
    apt_section,
    bootstrap_section,
    installed_from_pins,
    open_suites,
)
from imagelock.app.sections.apt_news import Newer, newer_versions, security_updates
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.archives import WELL_KNOWN_ARCHIVES
from imagelock.model.debian import AptArchiveSource, Installed
from imagelock.model.errors import IntegrityError, NoSolution, UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSpec, DistributionBase, Spec, Variant
from support.debian_archive import NOW, Suite, packages_file, public, serve, source, stanza
from support.local_server import Answer, LocalServer

AMD64 = Platform("linux/amd64")
SPEC = Spec(name="test", base=DistributionBase(distribution="debian:stable"))


def deb(name: str, version: str, **fields: str) -> tuple[bytes, str]:
    """A real .deb without content, and its stanza."""
    control = f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: x <x@y.z>\n"
    control += "".join(f"{key.replace('_', '-')}: {value}\n" for key, value in fields.items())
    control += "Description: test\n"

    def tar(*members: tuple[str, bytes]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for path, data in members:
                item = tarfile.TarInfo(path)
                item.size = len(data)
                archive.addfile(item, io.BytesIO(data))
        return lzma.compress(out.getvalue())

    parts = (
        (b"debian-binary", b"2.0\n"),
        (b"control.tar.xz", tar(("./control", control.encode()))),
        (b"data.tar.xz", tar()),
    )
    data = b"!<arch>\n"
    for member, content in parts:
        header = b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (member, 0, 0, 0, b"100644", len(content))
        data += header + content + (b"\n" if len(content) % 2 else b"")
    listed = stanza(
        name,
        version,
        Size=str(len(data)),
        SHA256=hashlib.sha256(data).hexdigest(),
        **fields,
    )
    return data, listed


def lock_of(section: AptSection, base: AptSection | None = None) -> Lock:
    pins = section.pins + (base.pins if base else ())
    return Lock(roots=SPEC, apt_indexes=section.indexes, apt=pins, archives=section.archives)


def versions(section: AptSection) -> dict[str, str]:
    return {pin.name: pin.version for pin in section.pins}


@pytest.fixture
def publish(server: LocalServer) -> Callable[..., AptArchiveSource]:
    """Serve stanzas as the newest state of the suite; a day later each time."""
    days = iter(range(100))

    def published(*stanzas: str, **fields: object) -> AptArchiveSource:
        date = NOW - timedelta(days=2) + timedelta(hours=next(days))
        suite = Suite(packages={("main", "amd64"): packages_file(*stanzas)}, date=date)
        serve(server, replace(suite, **fields))  # type: ignore[arg-type]
        return source(server)

    return published


def locked(
    context: Context,
    wanted: AptArchiveSource,
    *packages: str,
    previous: Lock | None = None,
    options: ResolveOptions | None = None,
) -> AptSection:
    return apt_section(
        AptSpec(packages=packages),
        AMD64,
        installed=Installed(),
        sources=(wanted,),
        context=context,
        options=options or ResolveOptions(),
        previous=previous,
    )


def test_unlisted_versions_stay_while_the_store_remembers_them(
    publish: Callable[..., AptArchiveSource], context: Context
) -> None:
    wanted = publish(stanza("app", "1", Depends="lib"), stanza("lib", "1"))
    first = locked(context, wanted, "app")
    wanted = publish(
        stanza("app", "2", Depends="lib"), stanza("lib", "2"), stanza("tool", Depends="lib")
    )
    second = locked(context, wanted, "app", "tool", previous=lock_of(first))
    assert versions(second) == {"app": "1", "lib": "1", "tool": "1.0"}
    assert [index.date for index in second.indexes] == [
        first.indexes[0].date,
        second.indexes[-1].date,
    ]
    moved = ResolveOptions(upgrade_names=frozenset({"app"}))
    third = locked(context, wanted, "app", "tool", previous=lock_of(second), options=moved)
    assert versions(third) == {"app": "2", "lib": "1", "tool": "1.0"}
    moved = ResolveOptions(upgrade=True)
    fourth = locked(context, wanted, "app", "tool", previous=lock_of(second), options=moved)
    assert versions(fourth) == {"app": "2", "lib": "2", "tool": "1.0"}
    assert len(fourth.indexes) == 1


def test_unlisted_versions_are_read_from_their_own_files(
    publish: Callable[..., AptArchiveSource],
    server: LocalServer,
    context: Context,
    tmp_path: Path,
) -> None:
    data, listed = deb("app", "1", Depends="lib")
    (tmp_path / "app.deb").write_bytes(data)
    subprocess.run(["dpkg-deb", "--info", tmp_path / "app.deb"], check=True, capture_output=True)
    server.routes["/debian/pool/main/app_1.deb"] = Answer(data)
    wanted = publish(listed, stanza("lib", "1"))
    first = locked(context, wanted, "app")
    elsewhere = replace(context, store=Store(tmp_path / "other"))
    wanted = publish(stanza("app", "2"), stanza("lib", "1"), stanza("tool"))
    second = locked(elsewhere, wanted, "app", "tool", previous=lock_of(first))
    assert versions(second) == {"app": "1", "lib": "1", "tool": "1.0"}
    assert [pin for pin in second.pins if pin.name == "app"] == [
        pin for pin in first.pins if pin.name == "app"
    ]
    server.routes["/debian/pool/main/app_1.deb"] = Answer(data[:-2] + b"xx")
    elsewhere = replace(context, store=Store(tmp_path / "third"))
    with pytest.raises(IntegrityError, match="sha256"):
        locked(elsewhere, wanted, "app", "tool", previous=lock_of(first))
    del server.routes["/debian/pool/main/app_1.deb"]
    third = locked(elsewhere, wanted, "app", "tool", previous=lock_of(first))
    assert versions(third)["app"] == "2"


def test_a_need_moves_what_the_lock_preferred(
    publish: Callable[..., AptArchiveSource], context: Context
) -> None:
    first = locked(context, publish(stanza("lib", "1"), stanza("other", "1")), "lib", "other")
    wanted = publish(stanza("lib", "2"), stanza("other", "2"), stanza("tool", Depends="lib (>= 2)"))
    second = locked(context, wanted, "lib", "other", "tool", previous=lock_of(first))
    assert versions(second) == {"lib": "2", "other": "1", "tool": "1.0"}


def test_swapped_deb_keeps_the_locked_bytes(
    publish: Callable[..., AptArchiveSource], context: Context
) -> None:
    first = locked(context, publish(stanza("app", "1")), "app")
    wanted = publish(stanza("app", "1", SHA256="0" * 64))
    second = locked(context, wanted, "app", previous=lock_of(first))
    assert second.pins == first.pins


def test_packages_of_a_suite_that_was_left_are_not_asked_for(
    publish: Callable[..., AptArchiveSource], server: LocalServer, context: Context
) -> None:
    first = locked(context, publish(stanza("app", "1")), "app")
    publish(stanza("app", "2"), name="other")
    asked = len(server.requests)
    second = locked(context, source(server, suite="other"), "app", previous=lock_of(first))
    assert versions(second) == {"app": "2"}
    assert not [item.path for item in server.requests[asked:] if "pool" in item.path]


def test_rolled_back_index_is_refused(
    publish: Callable[..., AptArchiveSource], context: Context
) -> None:
    wanted = publish(stanza("app", "2"))
    first = locked(context, wanted, "app")
    publish(stanza("app", "1"), date=NOW - timedelta(days=3))
    with pytest.raises(IntegrityError, match="older than the lock's") as caught:
        locked(context, wanted, "app", previous=lock_of(first))
    assert caught.value.where == f"{wanted.url} stable"
    upgrade = ResolveOptions(upgrade=True)
    with pytest.raises(IntegrityError):
        locked(context, wanted, "app", previous=lock_of(first), options=upgrade)


def test_locked_base_is_described_again(
    publish: Callable[..., AptArchiveSource], context: Context
) -> None:
    base = DistributionBase(distribution="debian:stable", variant=Variant.ESSENTIAL)
    everything = (stanza("libc", "1"), stanza("core", "1", Essential="yes", Depends="libc"))
    wanted = publish(*everything)
    options = ResolveOptions()
    suites = open_suites((wanted,), AMD64, context=context, options=options)
    first = bootstrap_section(base, AMD64, context=context, options=options, suites=suites)
    assert versions(first) == {"core": "1", "libc": "1"}
    lock = lock_of(first)
    wanted = publish(stanza("libc", "2"), stanza("core", "2", Essential="yes", Depends="libc"))
    suites = open_suites((wanted,), AMD64, context=context, options=options, previous=lock)
    assert installed_from_pins(first.pins, suites).packages
    second = bootstrap_section(
        base, AMD64, context=context, options=options, suites=suites, previous=lock
    )
    assert second.pins == first.pins
    bare = open_suites((wanted,), AMD64, context=context, options=options)
    with pytest.raises(NoSolution, match=r"core 1 of the base is in no index any more|libc 1 of"):
        installed_from_pins(first.pins, bare)


def test_outdated_and_security(server: LocalServer, context: Context) -> None:
    def publish(*, app: str, lib: str, fixed: str, hour: int) -> tuple[AptArchiveSource, ...]:
        date = NOW - timedelta(hours=20 - hour)
        main = packages_file(stanza("app", app, Depends="lib"), stanza("lib", lib))
        serve(server, Suite(packages={("main", "amd64"): main}, date=date))
        security = packages_file(stanza("lib", fixed))
        serve(
            server,
            Suite(packages={("main", "amd64"): security}, name="stable-security", date=date),
        )
        return source(server), source(server, suite="stable-security")

    options = ResolveOptions()
    sources = publish(app="1", lib="1", fixed="1+deb1", hour=0)
    suites = open_suites(sources, AMD64, context=context, options=options)
    first = apt_section(
        AptSpec(packages=("app",)),
        AMD64,
        installed=Installed(),
        sources=sources,
        context=context,
        options=options,
        suites=suites,
    )
    lock = lock_of(first)
    assert newer_versions(lock, AMD64, suites) == ()
    sources = publish(app="2", lib="1", fixed="1+deb2", hour=1)
    suites = open_suites(sources, AMD64, context=context, options=options, previous=lock)
    assert newer_versions(lock, AMD64, suites) == (
        Newer(name="app", architecture="amd64", old="1", new="2", suite="stable", security=False),
        Newer(
            name="lib",
            architecture="amd64",
            old="1+deb1",
            new="1+deb2",
            suite="stable-security",
            security=True,
        ),
    )
    assert security_updates(lock, AMD64, suites) == {"lib"}
    secured = ResolveOptions(upgrade_names=security_updates(lock, AMD64, suites))
    second = apt_section(
        AptSpec(packages=("app",)),
        AMD64,
        installed=Installed(),
        sources=sources,
        context=context,
        options=secured,
        previous=lock,
    )
    assert versions(second) == {"app": "1", "lib": "1+deb2"}


def test_as_of_asks_the_snapshot_service(server: LocalServer, context: Context) -> None:
    moment = datetime(2026, 10, 1, 12, tzinfo=UTC)
    suite = Suite(
        packages={("main", "amd64"): packages_file(stanza("app", "0.9"))},
        name="bookworm",
        date=moment - timedelta(hours=3),
        valid_until=moment + timedelta(days=6),
    )
    serve(server, suite, prefix="/snap/20261001T120000Z/")
    wanted = replace(
        source(server, suite="bookworm", archive="debian"), url=WELL_KNOWN_ARCHIVES["debian"]
    )
    mirrored = Http(mirrors={"http://snapshot.debian.org/archive/debian/": f"{server.url}/snap/"})
    past = replace(context, http=mirrored)
    options = ResolveOptions(as_of=moment)
    section = locked(past, wanted, "app", options=options)
    assert versions(section) == {"app": "0.9"}
    assert section.indexes[0].snapshot == "20261001T120000Z"
    assert section.pins[0].artifact.archive == "debian"
    with pytest.raises(UsageError, match="no snapshot service is known for 'example'"):
        locked(past, source(server), "app", options=options)
    assert public("good") in wanted.keyrings
