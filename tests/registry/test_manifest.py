"""Manifests that are wrong, ambiguous or of other platforms."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.model.errors import ImagelockError, IntegrityError
from imagelock.model.image import Descriptor
from imagelock.model.names import Digest
from imagelock.model.platform import Platform
from imagelock.registry.manifest import (
    base_image,
    choose,
    config_descriptor,
    index_entries,
    parse_manifest,
)
from support.layouts import CONFIG, INDEX, LAYER, MANIFEST

DIGEST = "sha256:" + "0" * 64
BLOB = {"mediaType": LAYER, "digest": DIGEST, "size": 1}
GOOD = {
    "schemaVersion": 2,
    "mediaType": MANIFEST,
    "config": {**BLOB, "mediaType": CONFIG},
    "layers": [BLOB],
}
AMD64 = Platform("linux/amd64")


def parse(table: Any) -> dict[str, object]:  # noqa: ANN401 - any JSON
    return parse_manifest(json.dumps(table).encode(), where="x")


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([], "a JSON object"),
        ({}, "schema 2"),
        ({**GOOD, "schemaVersion": 1}, "schema 2"),
        ({**GOOD, "mediaType": "application/vnd.docker.distribution.manifest.v1+json"}, "schema 2"),
        ({**GOOD, "mediaType": INDEX}, "not those of its type"),
        ({**GOOD, "manifests": []}, "not those of its type"),
        ({"schemaVersion": 2, "manifests": [], "config": {}}, "not those of its type"),
    ],
)
def test_what_is_no_manifest(table: object, message: str) -> None:
    with pytest.raises(IntegrityError, match=message):
        parse(table)


def test_a_manifest_of_sixty_megabytes_is_not_parsed() -> None:
    with pytest.raises(IntegrityError, match="at most"):
        parse_manifest(b"{" + b" " * (60 << 20) + b"}", where="x")


@pytest.mark.parametrize(
    "blob",
    [
        None,
        {},
        {**BLOB, "size": -1},
        {**BLOB, "size": True},
        {**BLOB, "size": "1"},
        {**BLOB, "digest": "sha512:" + "0" * 128},
        {**BLOB, "digest": "sha256:../../etc/passwd"},
    ],
)
def test_what_is_no_descriptor(blob: object) -> None:
    with pytest.raises(IntegrityError):
        config_descriptor({**GOOD, "config": blob}, where="x")


CONFIG_DATA: dict[str, object] = {
    "os": "linux",
    "architecture": "amd64",
    "rootfs": {"diff_ids": [DIGEST]},
}


@pytest.mark.parametrize(
    ("layer_type", "config", "message"),
    [
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", {}, "not be distributed"),
        ("application/vnd.oci.empty.v1+json", {}, "an artifact of another kind"),
        (LAYER, {"architecture": "arm64"}, "expected an image for linux/amd64"),
        (LAYER, {"rootfs": {"diff_ids": []}}, "one a layer"),
        (LAYER, {"rootfs": None}, "one a layer"),
        (LAYER, {"config": ["Env"]}, "'config' of the image's config is no object"),
        (LAYER, {"config": {"Env": 7}}, r"'config\.Env' of the image's config is malformed"),
        (LAYER, {"config": {"Env": ["A=b", None]}}, r"'config\.Env'"),
        (LAYER, {"config": {"Cmd": "sh"}}, r"'config\.Cmd'"),
        (LAYER, {"config": {"Labels": {"a": ["b"]}}}, r"'config\.Labels'"),
        (LAYER, {"config": {"User": 0}}, r"'config\.User'"),
    ],
)
def test_images_that_cannot_be_a_base(
    layer_type: str, config: dict[str, object], message: str
) -> None:
    manifest = parse({**GOOD, "layers": [{**BLOB, "mediaType": layer_type}]})
    descriptor = Descriptor(media_type=MANIFEST, digest=Digest(DIGEST), size=1)
    data = json.dumps({**CONFIG_DATA, **config}).encode()
    with pytest.raises(IntegrityError, match=message):
        base_image(manifest, descriptor, data, AMD64)


def entry(number: int, *platform: str) -> dict[str, object]:
    named = dict(zip(("os", "architecture", "variant"), platform, strict=False))
    digest = "sha256:" + f"{number:064x}"
    return {"mediaType": MANIFEST, "digest": digest, "size": 1, "platform": named}


@pytest.mark.parametrize(
    ("platform", "chosen"),
    [
        ("linux/amd64", [3, 1]),
        ("linux/arm64", [5]),
        ("linux/arm/v7", [7]),
        ("linux/s390x", []),
    ],
)
def test_the_variant_that_runs_is_chosen(platform: str, chosen: list[int]) -> None:
    index = parse(
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [
                entry(0, "unknown", "unknown"),
                entry(1, "linux", "amd64", "v1"),
                entry(2, "linux", "amd64", "v3"),
                entry(3, "linux", "amd64"),
                entry(4, "windows", "amd64"),
                entry(5, "linux", "arm64", "v8"),
                entry(6, "linux", "arm", "v6"),
                entry(7, "linux", "arm", "v7"),
                {**entry(8, "linux", "amd64"), "mediaType": "application/json"},
            ],
        }
    )
    found = choose(index_entries(index, where="x"), Platform(platform))
    assert [int(descriptor.digest[7:], 16) for descriptor in found] == chosen


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    changes=st.dictionaries(
        st.sampled_from(["config", "layers", "mediaType", "manifests", "schemaVersion"]), JSON
    ),
    config=JSON,
)
def test_any_json_gives_an_image_or_an_expected_error(
    changes: dict[str, object], config: object
) -> None:
    descriptor = Descriptor(media_type=MANIFEST, digest=Digest(DIGEST), size=1)
    try:
        manifest = parse({**GOOD, **changes})
        config_descriptor(manifest, where="x")
        base_image(manifest, descriptor, json.dumps(config).encode(), AMD64)
    except ImagelockError:
        return
