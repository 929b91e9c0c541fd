"""Reading bases from a real registry, filled by skopeo."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.names import Sha256
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient
from imagelock.registry.layout import LayoutSource
from imagelock.registry.reference import parse_reference
from imagelock.registry.source import RegistrySource
from support.layouts import sha256_of
from support.registry import RunningRegistry, skopeo_push

pytestmark = pytest.mark.registry
AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64", "linux/arm/v7"])
def test_registry_and_layout_give_the_same_image(
    platform: str, pushed: str, layout: Path, source: RegistrySource, tmp_path: Path
) -> None:
    wanted = Platform(platform)
    other = LayoutSource(Store(tmp_path / "other"), folder=layout.parent)
    digest = source.digest(pushed, wanted)
    assert digest == other.digest(f"oci:{layout.name}", wanted)
    image = source.image(pushed, digest, wanted)
    assert image == other.image(f"oci:{layout.name}", digest, wanted)
    assert json.loads(image.config)["architecture"] == wanted.architecture
    for layer in image.layers:
        here, there = source.layer(pushed, layer), other.layer(f"oci:{layout.name}", layer)
        assert here.read_bytes() == there.read_bytes()
        assert sha256_of(here.read_bytes()) == layer.digest


def test_a_tag_and_the_digests_under_it_lead_to_the_same_image(
    pushed: str, source: RegistrySource, client: RegistryClient
) -> None:
    digest = source.digest(pushed, AMD64)
    head = client.head(parse_reference(pushed))
    assert head is not None
    assert head.digest is not None
    name = pushed.rpartition(":")[0]
    assert source.digest(f"{name}@{head.digest}", AMD64) == digest
    assert source.digest(f"{name}@{digest}", AMD64) == digest
    assert source.digest(f"{pushed}@{head.digest}", AMD64) == digest


def test_a_missing_tag_and_a_missing_platform_are_not_found(
    pushed: str, source: RegistrySource
) -> None:
    name = pushed.rpartition(":")[0]
    with pytest.raises(NotFound, match="no such image"):
        source.digest(f"{name}:2", AMD64)
    with pytest.raises(NotFound, match=r"no image for linux/s390x; it has linux/amd64"):
        source.digest(pushed, Platform("linux/s390x"))
    single = f"{name}@{source.digest(pushed, AMD64)}"
    with pytest.raises(NotFound, match="no image for linux/arm64; it has linux/amd64"):
        source.digest(single, ARM64)


def test_exists_says_yes_no_or_unknown(pushed: str, source: RegistrySource) -> None:
    name = pushed.rpartition(":")[0]
    assert source.exists(pushed, AMD64) is True
    assert source.exists(pushed, Platform("linux/s390x")) is False
    assert source.exists(f"{name}:absent", AMD64) is False
    assert source.exists("127.0.0.1:1/team/base:1", AMD64) is None


def test_by_digest_the_store_answers_offline(
    pushed: str, source: RegistrySource, store: Store
) -> None:
    digest = source.digest(pushed, AMD64)
    image = source.image(pushed, digest, AMD64)
    source.layer(pushed, image.layers[0])
    offline = RegistrySource(RegistryClient(Http(offline=True), store, mirrors={}), store)
    assert offline.image(pushed, digest, AMD64) == image
    assert offline.layer(pushed, image.layers[0]).is_file()
    with pytest.raises(NetworkError, match="the network is off"):
        offline.digest(pushed, AMD64)


def test_a_blob_changed_in_the_registry_is_refused(
    registry: RunningRegistry, layout: Path, source: RegistrySource, store: Store
) -> None:
    reference = skopeo_push(layout, registry, "team/tampered:1")
    digest = source.digest(reference, AMD64)
    layer = source.image(reference, digest, AMD64).layers[1]
    hexadecimal = layer.digest.removeprefix("sha256:")
    blobs = registry.folder / "data" / "docker" / "registry" / "v2" / "blobs" / "sha256"
    blob = blobs / hexadecimal[:2] / hexadecimal / "data"
    kept = blob.read_bytes()
    try:
        blob.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1]))
        with pytest.raises(IntegrityError, match="expected sha256"):
            source.layer(reference, layer)
        assert store.find(Sha256(hexadecimal)) is None
    finally:
        blob.write_bytes(kept)
