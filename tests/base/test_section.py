"""The base section: tags become digests that stay, and layers are read once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.base import BaseSection, base_section, fetch_bases
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NoSolution, NotFound
from imagelock.model.lock import BaseKind, Lock
from imagelock.model.platform import Platform
from imagelock.model.python import FoundPython
from imagelock.model.spec import Base, ImageBase, LayoutBase, Spec
from support.layouts import Entry, LayoutWriter, tar_of
from support.minbase import minbase_layout
from support.registry import RunningRegistry, running_registry, skopeo_push

AMD64 = Platform("linux/amd64")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(
        store=Store(tmp_path / "store"), http=Http(), now=datetime(2026, 11, 22, tzinfo=UTC)
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


def section(
    base: Base,
    context: Context,
    folder: Path,
    *,
    previous: Lock | None = None,
    options: ResolveOptions | None = None,
) -> BaseSection:
    return base_section(
        Spec(name="test", base=base),
        AMD64,
        context=context,
        options=options or ResolveOptions(),
        previous=previous,
        spec_folder=folder,
    )


def small_layout(folder: Path, text: bytes, *, created: str = "2026-11-01T00:00:00Z") -> Path:
    writer = LayoutWriter(folder)
    tar = tar_of([Entry("etc/os-release", b"ID=" + text + b"\n")])
    return writer.finish([writer.image([tar], created=created)])


def lock_of(found: BaseSection, base: Base) -> Lock:
    return Lock(roots=Spec(name="test", base=base), bases=(found.pin,))


@pytest.mark.network
@pytest.mark.registry
def test_a_real_debian_from_layout_and_registry(
    context: Context, registry: RunningRegistry, tmp_path: Path
) -> None:
    layout = minbase_layout()
    by_layout = section(LayoutBase(layout=f"oci:{layout.name}"), context, layout.parent)
    reference = skopeo_push(layout, registry, "team/debian:12")
    other = replace(context, store=Store(tmp_path / "other"))
    by_registry = section(ImageBase(image=reference), other, tmp_path)
    assert by_registry.contents == by_layout.contents
    assert by_registry.pin.digest == by_layout.pin.digest
    assert by_registry.pin.libc == "glibc 2.36"
    assert by_registry.contents.pythons == (
        FoundPython(
            version="3.11.2", executable="/usr/bin/python3.11", links=("/usr/bin/python3",)
        ),
    )
    status = by_registry.pin.dpkg_status
    assert status is not None
    assert other.store.read(status) == by_registry.contents.dpkg_status


def test_a_second_look_reads_no_layer_and_no_network(context: Context, tmp_path: Path) -> None:
    layout = small_layout(tmp_path / "base", b"first")
    base = LayoutBase(layout="oci:base")
    first = section(base, context, tmp_path)
    shutil.rmtree(layout)
    context.http.offline = True
    again = section(base, context, tmp_path, previous=lock_of(first, base))
    assert again == first


def test_a_digest_stays_until_asked_to_move(context: Context, tmp_path: Path) -> None:
    base = LayoutBase(layout="oci:base")
    small_layout(tmp_path / "base", b"first")
    first = section(base, context, tmp_path)
    shutil.rmtree(tmp_path / "base")
    small_layout(tmp_path / "base", b"second")
    lock = lock_of(first, base)
    assert section(base, context, tmp_path, previous=lock) == first
    for options in (
        ResolveOptions(upgrade=True),
        ResolveOptions(upgrade_names=frozenset({"base"})),
        ResolveOptions(upgrade_names=frozenset({"oci:base"})),
    ):
        moved = section(base, context, tmp_path, previous=lock, options=options)
        assert moved.contents.os_release is not None
        assert moved.contents.os_release.id == "second"
    renamed = replace(first.pin, reference="oci:elsewhere")
    moved = section(base, context, tmp_path, previous=replace(lock, bases=(renamed,)))
    assert moved.pin.digest != first.pin.digest


def test_a_kept_digest_that_is_nowhere_is_an_error_with_the_way_out(
    context: Context, tmp_path: Path
) -> None:
    base = LayoutBase(layout="oci:base")
    small_layout(tmp_path / "base", b"first")
    lock = lock_of(section(base, context, tmp_path), base)
    shutil.rmtree(tmp_path / "base")
    small_layout(tmp_path / "base", b"second")
    fresh = replace(context, store=Store(tmp_path / "fresh"))
    with pytest.raises(IntegrityError, match="lock -P base"):
        section(base, fresh, tmp_path, previous=lock)


def test_damaged_records_are_computed_again(context: Context, tmp_path: Path) -> None:
    small_layout(tmp_path / "base", b"first")
    base = LayoutBase(layout="oci:base")
    first = section(base, context, tmp_path)
    (record,) = (context.store.root / "records").glob("base-contents-*/*")
    for text in (b"", b"{}", b'{"contents": "x"}', json.dumps({"contents": "0" * 64}).encode()):
        record.write_bytes(text)
        assert section(base, context, tmp_path) == first


@pytest.mark.registry
def test_an_image_younger_than_the_date_asked_for_is_refused(
    context: Context, registry: RunningRegistry, tmp_path: Path
) -> None:
    layout = small_layout(tmp_path / "base", b"young", created="2026-11-10T12:00:00Z")
    reference = skopeo_push(layout, registry, "team/young:1")
    before = ResolveOptions(as_of=datetime(2026, 11, 1, tzinfo=UTC))
    with pytest.raises(NoSolution, match="made 2026-11-10T12:00:00Z"):
        section(ImageBase(image=reference), context, tmp_path, options=before)
    after = ResolveOptions(as_of=datetime(2026, 11, 11, tzinfo=UTC))
    found = section(ImageBase(image=reference), context, tmp_path, options=after)
    assert found.pin.kind is BaseKind.IMAGE
    assert found.pin.reference == reference


def test_a_platform_the_layout_lacks(context: Context, tmp_path: Path) -> None:
    small_layout(tmp_path / "base", b"x")
    with pytest.raises(NotFound, match="no image for linux/arm64; it has linux/amd64"):
        base_section(
            Spec(name="test", base=LayoutBase(layout="oci:base")),
            Platform("linux/arm64"),
            context=context,
            options=ResolveOptions(),
            previous=None,
            spec_folder=tmp_path,
        )


def test_fetched_bases_are_enough_without_their_source(context: Context, tmp_path: Path) -> None:
    small_layout(tmp_path / "base", b"first")
    base = LayoutBase(layout="oci:base")
    lock = lock_of(section(base, context, tmp_path), base)
    fresh = replace(context, store=Store(tmp_path / "fresh"))
    assert fetch_bases(lock, [AMD64], context=fresh, folder=tmp_path) > 0
    shutil.rmtree(tmp_path / "base")
    again = section(base, fresh, tmp_path, previous=lock)
    assert again.pin == lock.bases[0]
