"""What is written, what is reported, what is found when bytes were changed."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from build.conftest import Site, tiny_layout
from imagelock.app.verify import verify_image
from imagelock.build.oci.builder import OciBuilder
from imagelock.fetch.store import Store
from imagelock.layers.gzip import Compression
from imagelock.model.archives import Artifact
from imagelock.model.errors import IntegrityError, UsageError
from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.lock import (
    SPEC_ROOT,
    BaseKind,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import Digest, pip_name, sha256
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.model.spec import BuilderChoice, CopyRule, ImageConfig
from imagelock.registry.layout import LayoutSource
from support.archives import wheel_of
from support.wheels import wheel


@pytest.fixture
def tiny(tmp_path: Path) -> Site:
    """A base of one file: nothing here runs code."""
    base = tiny_layout(tmp_path / "base", {"usr/bin/python3": b"\x7fELF", "etc/kept": b"x"})
    return Site(folder=tmp_path, base=base, store=Store(tmp_path / "store"))


def pip_lock(site: Site, **wheels: bytes) -> Lock:
    pins = []
    for name, data in sorted(wheels.items()):
        digest = site.store.add_bytes(data)
        pins.append(
            PipPin(
                name=pip_name(name),
                version="1.0",
                artifact=Artifact(
                    archive="pypi",
                    path=f"packages/{name}-1.0-py3-none-any.whl",
                    sha256=digest,
                    size=len(data),
                ),
                platforms=(DEFAULT_PLATFORM,),
                required_by=(Requirer(name=SPEC_ROOT),),
                requested=True,
            )
        )
    python = PythonPin(
        version="3.11.2",
        implementation="cpython",
        provider=PythonProvider.BASE,
        executable="/usr/bin/python3",
        platforms=(DEFAULT_PLATFORM,),
    )
    lock = site.lock()
    roots = replace(
        lock.roots,
        env=(("A", "1"),),
        image=ImageConfig(
            entrypoint=("python",), workdir="/work", user="nobody", labels=(("l", "v"),)
        ),
    )
    return replace(lock, roots=roots, pythons=(python,), pip=tuple(pins))


def small_lock(site: Site) -> Lock:
    return pip_lock(
        site,
        thing=wheel_of({"thing.py": b"x = 1\n", "data.txt": b"d"}),
        other=wheel_of({"other/__init__.py": b""}, name="other"),
    )


def documents(layout: Path) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """The index over platforms, the first manifest, its config."""

    def blob(entry: dict[str, Any]) -> dict[str, Any]:
        data = (layout / "blobs/sha256" / entry["digest"].partition(":")[2]).read_bytes()
        assert len(data) == entry["size"]
        value: dict[str, Any] = json.loads(data)
        return value

    index = blob(json.loads((layout / "index.json").read_text())["manifests"][0])
    manifest = blob(index["manifests"][0])
    return index, manifest, blob(manifest["config"])


def test_a_layout_is_what_the_specification_says(tiny: Site) -> None:
    result = OciBuilder().build(
        small_lock(tiny), [], f"oci:{tiny.folder}/out", context=tiny.context(), tag="abc"
    )
    out = tiny.folder / "out"
    assert json.loads((out / "oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}
    top = json.loads((out / "index.json").read_text())["manifests"][0]
    assert top["annotations"] == {"org.opencontainers.image.ref.name": "abc"}
    assert top["digest"] == result.index.digest
    index, manifest, config = documents(out)
    assert index["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}
    assert len(manifest["layers"]) == len(config["rootfs"]["diff_ids"])
    for layer, built in zip(manifest["layers"], result.images[0].layers, strict=True):
        data = (out / "blobs/sha256" / layer["digest"].partition(":")[2]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == layer["digest"].partition(":")[2]
        assert built.descriptor.digest == layer["digest"]
    files = {path.name for path in (out / "blobs/sha256").iterdir()}
    assert all(hashlib.sha256((out / "blobs/sha256" / f).read_bytes()).hexdigest() == f
               for f in files)  # fmt: skip


def test_the_index_says_what_the_image_is(tiny: Site) -> None:
    lock = small_lock(tiny)
    labels = (("org.opencontainers.image.licenses", "MIT"), ("team", "a"))
    base = replace(
        lock.bases[0], kind=BaseKind.IMAGE, reference=f"r.example/b:1@{lock.bases[0].digest}"
    )
    image = replace(lock.roots.image, labels=labels)
    named = replace(lock, roots=replace(lock.roots, name="train", image=image), bases=(base,))
    source = LayoutSource(tiny.store, folder=tiny.folder)
    layout = f"oci:{tiny.base}"
    context = replace(tiny.context(), source_of=lambda _pin: _Renamed(source, layout))
    OciBuilder().build(named, [], f"oci:{tiny.folder}/out", context=context, tag="abc")
    index, _, config = documents(tiny.folder / "out")
    prefix = "org.opencontainers.image"
    assert index["annotations"] == {
        f"{prefix}.title": "train",
        f"{prefix}.version": "abc",
        f"{prefix}.licenses": "MIT",
    }
    assert index["manifests"][0]["annotations"] == {
        f"{prefix}.created": config["created"],
        f"{prefix}.base.name": "r.example/b:1",
        f"{prefix}.base.digest": base.digest,
    }


class _Renamed:
    """A layout's image under the name of one in a registry."""

    def __init__(self, source: LayoutSource, layout: str) -> None:
        self._source = source
        self._layout = layout

    def digest(self, _reference: str, platform: Platform) -> Digest:
        return self._source.digest(self._layout, platform)

    def image(self, _reference: str, digest: Digest, platform: Platform) -> BaseImage:
        return self._source.image(self._layout, digest, platform)

    def layer(self, _reference: str, descriptor: Descriptor) -> Path:
        return self._source.layer(self._layout, descriptor)


def test_the_base_is_untouched_and_ours_comes_on_top(tiny: Site) -> None:
    tiny.build(small_lock(tiny), f"oci:{tiny.folder}/out")
    _, manifest, config = documents(tiny.folder / "out")
    base = json.loads((tiny.base / "index.json").read_text())["manifests"][0]
    base_manifest = json.loads(
        (tiny.base / "blobs/sha256" / base["digest"].partition(":")[2]).read_text()
    )
    assert manifest["layers"][0] == base_manifest["layers"][0]
    assert config["history"][0] == {"created_by": "the base"}
    assert len(config["history"]) == len(config["rootfs"]["diff_ids"])
    runtime = config["config"]
    assert runtime["Env"] == [
        *("PATH=/opt/venv/bin:/usr/bin:/bin", "KEPT=yes", "A=1", "VIRTUAL_ENV=/opt/venv")
    ]
    assert runtime["Entrypoint"] == ["python"]
    assert "Cmd" not in runtime
    assert (runtime["WorkingDir"], runtime["User"]) == ("/work", "nobody")
    assert runtime["Labels"] == {"l": "v"}
    assert config["created"] >= "2024-01-01T00:00:00Z"


def test_an_archive_holds_the_layout(tiny: Site) -> None:
    lock = small_lock(tiny)
    tiny.build(lock, f"oci:{tiny.folder}/out")
    tiny.build(lock, f"oci-archive:{tiny.folder}/out.tar")
    with tarfile.open(tiny.folder / "out.tar") as tar:
        for item in tar.getmembers():
            if item.isfile():
                file = tar.extractfile(item)
                assert file is not None
                assert file.read() == (tiny.folder / "out" / item.name).read_bytes()
        assert {item.mtime for item in tar.getmembers()} == {315_532_800}


def test_a_flipped_byte_in_a_wheel_a_layer_or_a_base_is_found(tiny: Site) -> None:
    lock = small_lock(tiny)
    image = tiny.image(lock)
    wheel = tiny.store.path(lock.pip[0].artifact.sha256)
    own = tiny.store.path(sha256(image.image.layers[-1].descriptor.digest[7:]))
    base = tiny.store.path(sha256(image.image.layers[0].descriptor.digest[7:]))
    image.blob_file(image.image.layers[0].descriptor)
    for number, victim in enumerate((own, base)):
        with flipped(victim), pytest.raises(IntegrityError) as caught:
            tiny.build(lock, f"oci:{tiny.folder}/{number}")
        assert caught.value.exit_code == 5
        assert not (tiny.folder / f"{number}" / "index.json").exists()
    with flipped(wheel), pytest.raises(IntegrityError):
        OciBuilder(fresh=True).images(lock, [], context=tiny.context())


class flipped:  # noqa: N801 — reads as what it does
    """One byte of a file is another while the context is open."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = path.read_bytes()

    def __enter__(self) -> None:
        data = bytearray(self._before)
        data[len(data) // 2] ^= 4
        self._put(bytes(data))

    def __exit__(self, *_: object) -> None:
        self._put(self._before)

    def _put(self, data: bytes) -> None:
        self._path.chmod(0o644)
        self._path.write_bytes(data)


def test_verify_says_yes_and_names_what_was_changed(tiny: Site) -> None:
    lock = small_lock(tiny)
    tiny.build(lock, f"oci:{tiny.folder}/out")
    source = LayoutSource(tiny.store, folder=tiny.folder)
    assert verify_image(lock, DEFAULT_PLATFORM, source, "oci:out") == ()
    (thing,) = (pin for pin in lock.pip if pin.name == "thing")
    newer = replace(thing, version="2.0")
    gone = replace(thing, name=pip_name("gone"))
    wanted = replace(lock, pip=(newer, gone, *(p for p in lock.pip if p.name == "other")))
    found = [str(item) for item in verify_image(wanted, DEFAULT_PLATFORM, source, "oci:out")]
    assert found == [
        "pip gone: expected 1.0, found none",
        "pip thing: expected 2.0, found 1.0",
    ]
    less = replace(lock, pip=(thing,), roots=replace(lock.roots, env=(("A", "2"),)))
    found = [str(item) for item in verify_image(less, DEFAULT_PLATFORM, source, "oci:out")]
    assert found == [
        "config env A: expected 2, found 1",
        "pip other: expected none, found 1.0",
    ]


def test_verify_names_a_changed_file(tiny: Site) -> None:
    lock = small_lock(tiny)
    tiny.build(lock, f"oci:{tiny.folder}/out")
    above = replace(tiny, base=tiny.folder / "out")
    (tiny.folder / "evil.py").write_text("import evil\n")
    changed = above.lock()
    path = "/opt/venv/lib/python3.11/site-packages/thing.py"
    rules = (CopyRule(source="evil.py", target=path),)
    changed = replace(changed, roots=replace(changed.roots, copies=rules))
    above.build(changed, f"oci:{tiny.folder}/changed")
    source = LayoutSource(tiny.store, folder=tiny.folder)
    (finding,) = verify_image(lock, DEFAULT_PLATFORM, source, "oci:changed")
    assert (finding.kind, finding.name) == ("file", path)


@pytest.mark.parametrize("compression", [Compression.ZSTD, Compression.NONE])
def test_the_image_id_is_the_same_under_every_compression(
    tiny: Site, compression: Compression
) -> None:
    lock = small_lock(tiny)
    one = tiny.image(lock)
    other = tiny.image(lock, compression=compression)
    assert one.image.image_id == other.image.image_id
    assert one.image.manifest != other.image.manifest


@pytest.mark.parametrize("output", ["docker:x", "oci:", "nothing"])
def test_other_outputs_are_refused(tiny: Site, output: str) -> None:
    with pytest.raises(UsageError, match="expected oci:DIR"):
        tiny.build(small_lock(tiny), output)


def test_another_platform_is_refused(tiny: Site) -> None:
    with pytest.raises(UsageError, match="not for linux/s390x"):
        OciBuilder().images(small_lock(tiny), [Platform("linux/s390x")], context=tiny.context())


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "1"},
        {"TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "SOURCE_DATE_EPOCH": "0"},
    ],
)
def test_another_process_in_another_place_gives_the_same(
    tiny: Site, tmp_path: Path, environment: dict[str, str]
) -> None:
    lock = small_lock(tiny)
    here = tiny.build(lock, f"oci:{tiny.folder}/here").images[0].manifest.digest
    code = (
        f"import sys; sys.path[:0] = {[p for p in sys.path if p]!r}\n"
        "from pathlib import Path\n"
        "from dataclasses import replace\n"
        "from build.conftest import Site\n"
        "from build.test_output import small_lock\n"
        "from imagelock.fetch.store import Store\n"
        "site = Site(folder=Path(sys.argv[1]), base=Path(sys.argv[2]),"
        " store=Store(Path(sys.argv[3])))\n"
        "print(site.build(small_lock(site), 'oci:' + sys.argv[4]).images[0].manifest.digest)\n"
    )
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), str(tiny.base), str(tmp_path / "s2"), "there"],
        cwd=tmp_path / "elsewhere",
        env={**os.environ, **environment},
        umask=0o077,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == here


def test_small_wheels_share_a_layer_and_a_change_leaves_the_others(tiny: Site) -> None:
    big = wheel_of({"big.bin": os.urandom(6_000_000)}, name="big")
    lock = pip_lock(tiny, big=big, thing=wheel_of({"thing.py": b""}))
    one = tiny.image(lock)
    titles = [layer.title for layer in one.image.layers]
    assert titles[-2:] == ["pip: 1 package", "pip: big 1.0"]
    changed = pip_lock(tiny, big=big, thing=wheel_of({"thing.py": b"y"}))
    two = tiny.image(changed)
    assert two.image.layers[-1].cached
    assert not two.image.layers[-2].cached
    assert two.image.layers[-1].diff_id == one.image.layers[-1].diff_id


def test_the_lock_chooses_the_compression(tiny: Site) -> None:
    lock = small_lock(tiny)
    builder = BuilderChoice(options=(("compression", "zstd"),))
    image = tiny.image(replace(lock, roots=replace(lock.roots, builder=builder)), compression=None)
    assert image.image.layers[-1].descriptor.media_type.endswith("tar+zstd")
    for options in ((("compression", "brotli"),), (("speed", 11),)):
        wrong = replace(lock, roots=replace(lock.roots, builder=BuilderChoice(options=options)))
        with pytest.raises(UsageError, match="expected compression"):
            tiny.image(wrong, compression=None)


def test_a_wheel_that_requires_more_than_its_lock_says_is_exit_5(tiny: Site) -> None:
    lock = pip_lock(tiny, thing=wheel("thing", "1.0", ("evil>=1",)))
    with pytest.raises(IntegrityError, match=r"requires evil>=1, which the lock does not say"):
        tiny.image(lock)
    tiny.image(pip_lock(tiny, thing=wheel("thing", "1.0", ("evil; os_name == 'nt'",))))
