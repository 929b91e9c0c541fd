"""OCI layouts as bases and as what is pushed: named images, nested indexes, damage."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.errors import ImagelockError, IntegrityError, NotFound, UsageError
from imagelock.model.names import digest
from imagelock.model.platform import Platform
from imagelock.registry.layout import LayoutSource
from imagelock.registry.layout_image import layout_image
from support.layouts import CONFIG, INDEX, MANIFEST, Entry, LayoutWriter, tar_of

AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")
NAME = "org.opencontainers.image.ref.name"


@pytest.fixture
def writer(tmp_path: Path) -> LayoutWriter:
    return LayoutWriter(tmp_path / "layout")


@pytest.fixture
def source(tmp_path: Path) -> LayoutSource:
    return LayoutSource(Store(tmp_path / "store"), folder=tmp_path)


def image(writer: LayoutWriter, text: str, platform: str = "linux/amd64") -> dict[str, object]:
    return writer.image([tar_of([Entry("name", text.encode())])], platform=platform)


def plain(entry: dict[str, object]) -> dict[str, object]:
    """The entry without its platform, as skopeo writes it."""
    return {key: value for key, value in entry.items() if key != "platform"}


def test_an_entry_without_a_platform_is_asked(writer: LayoutWriter, source: LayoutSource) -> None:
    one = image(writer, "one")
    writer.finish([plain(one)])
    assert source.digest("oci:layout", AMD64) == one["digest"]
    with pytest.raises(NotFound, match="no image for linux/arm64; it has linux/amd64"):
        source.digest("oci:layout", ARM64)


def test_images_are_told_apart_by_name(writer: LayoutWriter, source: LayoutSource) -> None:
    one, two = image(writer, "one"), image(writer, "two")
    writer.finish(
        [
            {**plain(one), "annotations": {NAME: "first"}},
            {**plain(two), "annotations": {NAME: "second"}},
        ]
    )
    assert source.digest("oci:layout:first", AMD64) == one["digest"]
    assert source.digest("oci:layout:second", AMD64) == two["digest"]
    with pytest.raises(UsageError, match="2 images for linux/amd64"):
        source.digest("oci:layout", AMD64)
    with pytest.raises(NotFound, match="no image named 'third'"):
        source.digest("oci:layout:third", AMD64)


def test_the_same_image_under_two_names_is_one(writer: LayoutWriter, source: LayoutSource) -> None:
    one = image(writer, "one")
    writer.finish([{**plain(one), "annotations": {NAME: name}} for name in ("1", "latest")])
    assert source.digest("oci:layout", AMD64) == one["digest"]


def test_what_is_no_image_is_stepped_over(writer: LayoutWriter, source: LayoutSource) -> None:
    one = image(writer, "one")
    signature = writer.blob(b"{}", "application/vnd.example.signature+json")
    writer.finish([signature, plain(one)])
    assert source.digest("oci:layout", AMD64) == one["digest"]


def nested(writer: LayoutWriter, entry: dict[str, object], depth: int) -> dict[str, object]:
    for _ in range(depth):
        entry = writer.index([entry])
    return entry


def test_indexes_in_indexes_end_somewhere(writer: LayoutWriter, source: LayoutSource) -> None:
    one = image(writer, "one")
    writer.finish([nested(writer, one, 2)])
    assert source.digest("oci:layout", AMD64) == one["digest"]
    writer.finish([nested(writer, one, 9)])
    with pytest.raises(IntegrityError, match="an index inside an index"):
        source.digest("oci:layout", AMD64)
    with pytest.raises(IntegrityError, match="expected a manifest"):
        layout_image(writer.folder)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("oci-layout", '{"imageLayoutVersion": "2.0.0"}', "version 1.0.0, got '2.0.0'"),
        ("oci-layout", "", "expected a JSON object"),
        ("index.json", "[]", "expected a JSON object"),
        ("index.json", json.dumps({"schemaVersion": 2, "layers": []}), "expected an index"),
        ("index.json", json.dumps({"schemaVersion": 2, "manifests": 1}), "list of manifests"),
        ("index.json", json.dumps({"schemaVersion": 2, "manifests": [[]]}), "a descriptor"),
        ("index.json", " " * (5 << 20), "at most"),
    ],
)
def test_layouts_that_are_none(
    name: str, text: str, message: str, writer: LayoutWriter, source: LayoutSource
) -> None:
    writer.finish([image(writer, "one")])
    (writer.folder / name).write_text(text)
    with pytest.raises(ImagelockError, match=message):
        source.digest("oci:layout", AMD64)


def test_a_folder_that_is_no_layout(source: LayoutSource, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no OCI layout there"):
        source.digest("oci:absent", AMD64)
    with pytest.raises(UsageError, match=r"no OCI layout there"):
        source.digest("oci:absent:name", AMD64)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "index.json").write_text("{}")
    with pytest.raises(UsageError, match=r"version 1\.0\.0, got None"):
        source.digest("oci:old", AMD64)


def test_an_index_is_no_image(writer: LayoutWriter, source: LayoutSource) -> None:
    inner = writer.index([image(writer, "one")])
    writer.finish([inner])
    with pytest.raises(IntegrityError, match="got an index"):
        source.image("oci:layout", digest(str(inner["digest"])), AMD64)


@pytest.mark.parametrize("which", ["manifest", "config", "layer"])
@pytest.mark.parametrize("damage", ["gone", "flipped", "longer"])
def test_damaged_blobs_are_refused(
    which: str, damage: str, writer: LayoutWriter, source: LayoutSource
) -> None:
    one = image(writer, "one")
    writer.finish([one])
    blobs = writer.folder / "blobs" / "sha256"
    manifest = json.loads((blobs / str(one["digest"])[7:]).read_bytes())
    named = {"manifest": one, "config": manifest["config"], "layer": manifest["layers"][0]}
    path = blobs / str(named[which]["digest"])[7:]
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "flipped":
        path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    else:
        path.write_bytes(data + b"x")
    with pytest.raises(IntegrityError):
        pull(source)


def pull(source: LayoutSource) -> Path:
    found = source.image("oci:layout", source.digest("oci:layout", AMD64), AMD64)
    return source.layer("oci:layout", found.layers[0])


def test_a_layout_of_several_images_is_pushed_as_its_index(writer: LayoutWriter) -> None:
    writer.finish([image(writer, "one"), image(writer, "two", "linux/arm64")])
    found = layout_image(writer.folder)
    assert found.top.media_type == INDEX
    assert found.top.size == (writer.folder / "index.json").stat().st_size
    assert [descriptor.media_type for descriptor, _ in found.manifests] == [
        MANIFEST,
        MANIFEST,
        INDEX,
    ]
    assert sum(blob.descriptor.media_type == CONFIG for blob in found.blobs) == 2


def test_an_empty_layout_and_a_missing_manifest_cannot_be_pushed(writer: LayoutWriter) -> None:
    writer.finish([])
    with pytest.raises(UsageError, match="holds no image"):
        layout_image(writer.folder)
    one = image(writer, "one")
    writer.finish([one])
    (writer.folder / "blobs" / "sha256" / str(one["digest"])[7:]).unlink()
    with pytest.raises(IntegrityError, match="does not have this manifest"):
        layout_image(writer.folder)
