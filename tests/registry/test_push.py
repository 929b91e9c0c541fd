"""Pushing to a real registry: what arrives, what is sent again, and what breaks on the way."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.errors import CheckFailed, IntegrityError, NetworkError
from imagelock.model.image import Descriptor
from imagelock.model.names import digest
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient
from imagelock.registry.layout_image import layout_image
from imagelock.registry.push import PushBlob, PushImage, push_image
from imagelock.registry.reference import parse_reference
from imagelock.registry.source import RegistrySource
from imagelock.registry.upload import BlobUpload
from support.cutting_proxy import cutting_proxy
from support.layouts import Entry, LayoutWriter, sha256_of, tar_of
from support.registry import RunningRegistry, client_with, needs
from support.resuming_registry import resuming_registry

pytestmark = pytest.mark.registry
AMD64 = Platform("linux/amd64")


def big_layout(folder: Path, *, seed: int, size: int = 3_000_000) -> Path:
    """An image with one layer that does not compress."""
    writer = LayoutWriter(folder)
    noise = random.Random(seed).randbytes(size)  # noqa: S311 - bytes that do not compress
    image = writer.image([tar_of([Entry("small", b"x")]), tar_of([Entry("noise", noise)])])
    return writer.finish([writer.index([image])])


class Sent:
    """Adds up what the progress says, by digest."""

    def __init__(self) -> None:
        self.by_digest: dict[str, int] = {}

    def __call__(self, descriptor: Descriptor, size: int) -> None:
        self.by_digest[descriptor.digest] = self.by_digest.get(descriptor.digest, 0) + size


def test_what_is_pushed_is_what_is_pulled(
    registry: RunningRegistry, layout: Path, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    target = parse_reference(f"{registry.host}/team/pushed:1")
    sent = Sent()
    image = layout_image(layout)
    report = push_image(client, store, image, target, progress=sent)
    assert report.reference == f"{registry.host}/team/pushed:1@{image.top.digest}"
    assert report.uploaded == len({blob.descriptor.digest for blob in image.blobs})
    assert sent.by_digest == {b.descriptor.digest: b.descriptor.size for b in image.blobs}
    other = Store(tmp_path / "other")
    source = RegistrySource(client_with(other), other)
    for name in ("linux/amd64", "linux/arm64", "linux/arm/v7"):
        platform = Platform(name)
        assert source.exists(str(target), platform) is True
        pulled = source.image(str(target), source.digest(str(target), platform), platform)
        for layer in pulled.layers:
            assert sha256_of(source.layer(str(target), layer).read_bytes()) == layer.digest
    needs("skopeo")
    command = ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{target}"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    assert sha256_of(raw) == image.top.digest
    again = push_image(client, store, image, target)
    assert (again.uploaded, again.mounted, again.sent) == (0, 0, 0)


def test_chunks_make_the_same_blob(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    image = layout_image(big_layout(tmp_path / "big", seed=1))
    target = parse_reference(f"{registry.host}/team/chunks:1")
    sent = Sent()
    push_image(client, store, image, target, progress=sent, chunk=700_001)
    assert sent.by_digest == {b.descriptor.digest: b.descriptor.size for b in image.blobs}
    assert_pulls(target.name + ":1", image, tmp_path)


def assert_pulls(reference: str, image: PushImage, folder: Path) -> None:
    """Every blob of the image can be read back whole from the registry."""
    store = Store(folder / "pulled")
    client = client_with(store)
    for blob in image.blobs:
        with client.blob(parse_reference(reference), blob.descriptor.digest) as chunks:
            assert sha256_of(b"".join(chunks)) == blob.descriptor.digest


def test_layers_of_another_repository_are_mounted(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    image = layout_image(big_layout(tmp_path / "big", seed=2))
    push_image(client, store, image, parse_reference(f"{registry.host}/team/first:1"))
    # The store remembers where it pushed to …
    second = parse_reference(f"{registry.host}/team/second:1")
    report = push_image(client, store, image, second)
    assert (report.uploaded, report.mounted, report.sent) == (0, 3, 0)
    # … and a machine that has not can be told where the blobs may be.
    told = layout_image(tmp_path / "big", origins=("team/first", "team/absent"))
    fresh = Store(tmp_path / "fresh")
    third = parse_reference(f"{registry.host}/team/third:1")
    report = push_image(client_with(fresh), fresh, told, third)
    assert (report.uploaded, report.mounted) == (0, 3)
    assert_pulls(str(third), image, tmp_path)


def test_a_wrong_note_of_where_a_blob_is_only_costs_a_request(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    image = layout_image(big_layout(tmp_path / "big", seed=3), origins=("team/absent", "team/no"))
    target = parse_reference(f"{registry.host}/team/misled:1")
    report = push_image(client, store, image, target, chunk=1_000_000)
    assert (report.uploaded, report.mounted) == (3, 0)
    assert_pulls(str(target), image, tmp_path)


def test_blobs_that_can_be_mounted_are_not_even_fetched(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    image = layout_image(big_layout(tmp_path / "big", seed=4))
    push_image(client, store, image, parse_reference(f"{registry.host}/team/origin:1"))

    def never() -> Path:
        pytest.fail("the blob was asked for")

    lazy = PushImage(
        blobs=tuple(PushBlob(descriptor=blob.descriptor, source=never) for blob in image.blobs),
        manifests=image.manifests,
        top=image.top,
    )
    report = push_image(client, store, lazy, parse_reference(f"{registry.host}/team/lazy:1"))
    assert report.mounted == 3


@pytest.mark.parametrize("cuts", [[400_000], [900_000, 1_500_000, 300_000], [10] * 3])
def test_an_upload_that_breaks_goes_on(
    cuts: list[int], registry: RunningRegistry, tmp_path: Path
) -> None:
    image = layout_image(big_layout(tmp_path / "big", seed=sum(cuts)))
    store = Store(tmp_path / "store")
    with cutting_proxy(int(registry.host.split(":")[1])) as proxy:
        proxy.cuts = list(cuts)
        target = parse_reference(f"127.0.0.1:{proxy.port}/team/broken{sum(cuts)}:1")
        sent = Sent()
        push_image(client_with(store), store, image, target, progress=sent, chunk=500_000)
        assert proxy.broken == len(cuts)
        assert sent.by_digest == {b.descriptor.digest: b.descriptor.size for b in image.blobs}
    assert_pulls(f"{registry.host}/{target.repository}:1", image, tmp_path)


@pytest.mark.parametrize("breaks", [[2_300_000], [10, 700_000, 700_001, 2_999_999], []])
@pytest.mark.parametrize("last_answer", ["kept", "lost"])
def test_a_broken_upload_goes_on_at_the_byte_the_registry_has(
    breaks: list[int], last_answer: str, tmp_path: Path
) -> None:
    data = random.Random(7).randbytes(3_000_000)  # noqa: S311 - bytes that do not compress
    path = tmp_path / "blob"
    path.write_bytes(data)
    descriptor = Descriptor(media_type="x", digest=digest(sha256_of(data)), size=len(data))
    sent = Sent()
    with resuming_registry() as running:
        running.breaks = list(breaks)
        running.lose_last_answer = last_answer == "lost"
        target = parse_reference(f"{running.host}/team/resumed:1")
        client = client_with(Store(tmp_path / "store"))
        upload = BlobUpload(client, target, descriptor, progress=sent, chunk=1_000_000)
        with path.open("rb") as file:
            upload.run(file)
        assert running.blobs == {descriptor.digest: data}
        assert running.breaks == []
        assert running.received == len(data)
        assert running.starts == sorted(running.starts)
    assert sent.by_digest == {descriptor.digest: len(data)}


def test_a_push_that_fails_leaves_the_tag_as_it_was(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    target = parse_reference(f"{registry.host}/team/kept:1")
    first = layout_image(big_layout(tmp_path / "first", seed=8))
    push_image(client, store, first, target)
    folder = big_layout(tmp_path / "second", seed=9)
    second = layout_image(folder)
    largest = max(second.blobs, key=lambda blob: blob.descriptor.size)
    assert isinstance(largest.source, Path)
    data = bytearray(largest.source.read_bytes())
    data[1000] ^= 1
    largest.source.write_bytes(data)
    with pytest.raises(IntegrityError, match="store verify --repair"):
        push_image(client, store, second, target, force=True)
    head = client.head(target)
    assert head is not None
    assert head.digest == first.top.digest


def test_a_tag_that_names_another_image_is_replaced_only_by_force(
    registry: RunningRegistry, client: RegistryClient, store: Store, tmp_path: Path
) -> None:
    target = parse_reference(f"{registry.host}/team/forced:1")
    first = layout_image(big_layout(tmp_path / "first", seed=10, size=100))
    second = layout_image(big_layout(tmp_path / "second", seed=11, size=100))
    push_image(client, store, first, target)
    with pytest.raises(CheckFailed, match=f"another image, {first.top.digest}"):
        push_image(client, store, second, target)
    push_image(client, store, second, target, force=True)
    head = client.head(target)
    assert head is not None
    assert head.digest == second.top.digest


def test_a_manifest_changed_in_the_layout_is_refused(tmp_path: Path) -> None:
    folder = big_layout(tmp_path / "big", seed=12, size=100)
    image = layout_image(folder)
    manifest = folder / "blobs" / "sha256" / image.manifests[0][0].digest[7:]
    table = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps({**table, "annotations": {"a": "b"}}))
    with pytest.raises(IntegrityError, match="not the one its digest names"):
        layout_image(folder)


def test_a_registry_that_is_not_there(layout: Path, store: Store) -> None:
    target = parse_reference("127.0.0.1:1/team/x:1")
    with pytest.raises(NetworkError, match="could not be reached"):
        push_image(client_with(store), store, layout_image(layout), target)
