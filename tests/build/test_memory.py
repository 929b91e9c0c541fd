"""Memory does not grow with the image: nothing is ever whole in it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from build.conftest import tiny_layout
from imagelock.fetch.store import Store
from imagelock.lock import encode_lock
from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import (
    SPEC_ROOT,
    BaseKind,
    BasePin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import pip_name, sha256
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import CopyRule, LayoutBase, Spec
from imagelock.registry.layout import LayoutSource
from support.memory import peak_of

MIB = 1 << 20
GIB = 1 << 30
BOUND = 250_000_000


def noise(size: int, seed: int) -> Iterator[bytes]:
    """Bytes that no compressor makes smaller: its windows are shorter than what repeats."""
    block = os.urandom(8 * MIB)
    for number in range(-(-size // len(block))):
        start = b"%d %d " % (seed, number)
        yield (start + block)[: min(len(block), size - number * len(block))]


def big_wheel(folder: Path, number: int, size: int) -> PipPin:
    """A wheel with one large file, in an archive that is a folder."""
    name = f"big{number}"
    info = f"{name}-1.0.dist-info"
    file = folder / f"{name}-1.0-py3-none-any.whl"
    state = hashlib.sha256()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(f"{name}/data.bin", "w", force_zip64=True) as member:
            for chunk in noise(size, number):
                state.update(chunk)
                member.write(chunk)
        rest = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        }
        lines = [(f"{name}/data.bin", state.digest(), size)]
        for path, text in rest.items():
            archive.writestr(path, text)
            lines.append((path, hashlib.sha256(text.encode()).digest(), len(text)))
        record = "".join(
            f"{path},sha256={base64.urlsafe_b64encode(digest).rstrip(b'=').decode()},{length}\n"
            for path, digest, length in lines
        )
        archive.writestr(f"{info}/RECORD", f"{record}{info}/RECORD,,\n")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return PipPin(
        name=pip_name(name),
        version="1.0",
        artifact=Artifact(
            archive="here", path=file.name, sha256=sha256(digest), size=file.stat().st_size
        ),
        platforms=(DEFAULT_PLATFORM,),
        required_by=(Requirer(name=SPEC_ROOT),),
    )


@pytest.mark.slow
def test_an_image_of_5_gb_is_built_in_250_mb(tmp_path: Path) -> None:
    """Nine wheels of half a GiB and a copied file of another, through the command line."""
    size = int(os.environ.get("IMAGELOCK_TEST_IMAGE_MIB", "5120")) * MIB
    try:
        lock = big_lock(tmp_path, size)
        status, peak, said = peak_of(
            [sys.executable, "-m", "imagelock", "build", str(lock), "--output", "oci:out"],
            cwd=tmp_path,
            env={**os.environ, "IMAGELOCK_STORE": str(tmp_path / "store")},
        )
        assert status == 0, said
        written = sum(path.stat().st_size for path in (tmp_path / "out/blobs/sha256").iterdir())
        said = f"peak {peak / 1e6:.0f} MB for an image of {written / GIB:.1f} GiB"
        print(said)  # noqa: T201 — the figure is what one runs it for
        assert written > size
        assert peak <= BOUND, said
    finally:
        for name in ("store", "out", "wheels"):
            shutil.rmtree(tmp_path / name, ignore_errors=True)
        (tmp_path / "copied.bin").unlink(missing_ok=True)


def big_lock(folder: Path, size: int) -> Path:
    (folder / "wheels").mkdir()
    pins = [big_wheel(folder / "wheels", number, size // 10) for number in range(9)]
    with (folder / "copied.bin").open("wb") as file:
        for chunk in noise(size // 10, 9):
            file.write(chunk)
    tiny_layout(folder / "base", {"etc/os-release": b"ID=debian\n"})
    source = LayoutSource(Store(folder / "store"), folder=folder)
    pin = BasePin(
        kind=BaseKind.LAYOUT,
        reference="oci:base",
        digest=source.digest("oci:base", DEFAULT_PLATFORM),
        platforms=(DEFAULT_PLATFORM,),
    )
    python = PythonPin(
        version="3.11.2",
        implementation="cpython",
        provider=PythonProvider.BASE,
        executable="/usr/bin/python3",
        platforms=(DEFAULT_PLATFORM,),
    )
    lock = Lock(
        roots=Spec(
            name="big",
            base=LayoutBase(layout="oci:base"),
            copies=(CopyRule(source="copied.bin", target="/data/"),),
        ),
        bases=(pin,),
        pythons=(python,),
        pip=tuple(pins),
        archives=(Archive(name="here", url="wheels/"),),
    )
    place = folder / "big.lock"
    place.write_bytes(encode_lock(lock))
    return place
