"""``verify``: the config names the layers that are there, in their order."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.app.verify import verify_image
from imagelock.fetch.store import Store
from imagelock.lock import encode_lock
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import BaseKind, BasePin, Lock
from imagelock.model.names import digest
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import LayoutBase, Spec
from imagelock.registry.layout import LayoutSource
from support.command import call
from support.layouts import LAYER, Entry, LayoutWriter, sha256_of, tar_of

TARS = [tar_of([Entry(f"of-{number}", b"x" * number)]) for number in range(3)]
TRUE = [sha256_of(tar) for tar in TARS]
LOCK = Lock(
    roots=Spec(name="t", base=LayoutBase(layout="oci:base")),
    bases=(
        BasePin(
            kind=BaseKind.LAYOUT,
            reference="oci:base",
            digest=digest(TRUE[0]),
            platforms=(DEFAULT_PLATFORM,),
        ),
    ),
)


def found(folder: Path, tars: Sequence[bytes], said: Sequence[object]) -> list[str]:
    """The findings in an image whose config says these diff IDs."""
    writer = LayoutWriter(folder / "image")
    writer.finish([writer.image(tars, diff_ids=said)])
    source = LayoutSource(Store(folder / "store"), folder=folder)
    return [str(item) for item in verify_image(LOCK, DEFAULT_PLATFORM, source, "oci:image")]


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([*TRUE, "sha256:" + "0" * 64, "", 7, None]), min_size=3, max_size=3)
)
def test_every_layer_has_the_diff_id_of_its_content(said: list[object]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        listed = found(Path(folder), TARS, said)
    wrong = [number for number in range(3) if said[number] != TRUE[number]]
    assert [line.partition(",")[0] for line in listed] == [f"layer {n + 1}" for n in wrong]
    assert all(TRUE[number] in line for number, line in zip(wrong, listed, strict=True))


def test_two_layers_in_the_other_order_are_named(tmp_path: Path) -> None:
    assert found(tmp_path, TARS, [TRUE[0], TRUE[2], TRUE[1]]) == [
        f"layer 2, by the config's diff ID: expected {TRUE[1]}, found {TRUE[2]}",
        f"layer 3, by the config's diff ID: expected {TRUE[2]}, found {TRUE[1]}",
    ]


@pytest.mark.parametrize("said", [[], TRUE[:2], [*TRUE, TRUE[0]]])
def test_another_number_of_layers_is_refused(tmp_path: Path, said: list[object]) -> None:
    with pytest.raises(IntegrityError, match="expected 3 diff IDs"):
        found(tmp_path, TARS, said)


def test_what_follows_the_end_of_a_tar_counts(tmp_path: Path) -> None:
    longer = TARS[0] + b"more"
    assert found(tmp_path, [longer], [sha256_of(longer)]) == []
    (finding,) = found(tmp_path, [longer], [TRUE[0]])
    assert finding.endswith(f"found {TRUE[0]}")


@pytest.mark.parametrize("start", [b"", b"\x28\xb5\x2f\xfd\x00\x58"])
def test_a_damaged_layer_is_refused(tmp_path: Path, start: bytes) -> None:
    writer = LayoutWriter(tmp_path / "image")
    layer = writer.blob(start + b"damaged", f"{LAYER.removesuffix('gzip')}zstd")
    writer.finish([writer.image([], diff_ids=TRUE[:1], layers=[layer])])
    source = LayoutSource(Store(tmp_path / "store"), folder=tmp_path)
    with pytest.raises(IntegrityError, match="the zstd data is damaged"):
        verify_image(LOCK, DEFAULT_PLATFORM, source, "oci:image")


def test_a_layer_is_never_whole_in_memory(tmp_path: Path) -> None:
    big = tar_of([Entry("zeros", bytes(64 << 20))])
    said = [sha256_of(big)]
    writer = LayoutWriter(tmp_path / "image")
    writer.finish([writer.image([big], diff_ids=said)])
    del big
    source = LayoutSource(Store(tmp_path / "store"), folder=tmp_path)
    tracemalloc.start()
    try:
        assert verify_image(LOCK, DEFAULT_PLATFORM, source, "oci:image") == ()
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_the_command_says_no(tmp_path: Path) -> None:
    writer = LayoutWriter(tmp_path / "image")
    writer.finish([writer.image(TARS[:1], diff_ids=[TRUE[1]])])
    lock = tmp_path / "t.lock"
    lock.write_bytes(encode_lock(LOCK))
    done = call("verify", str(lock), f"oci:{tmp_path / 'image'}", "--json")
    assert done.code == 1
    assert TRUE[0] in done.out
    assert '"kind": "layer"' in done.out or '"kind":"layer"' in done.out
