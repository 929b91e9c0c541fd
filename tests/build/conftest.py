"""Small images over a real Debian root: made-up packages, configured by the real dpkg."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from imagelock.build.oci.builder import BuildContext, MadeImage, OciBuilder
from imagelock.build.oci.sandbox import Sandbox, open_sandbox
from imagelock.build.oci.trees import Trees
from imagelock.fetch.store import Store
from imagelock.layers.gzip import Compression
from imagelock.model.archives import Artifact
from imagelock.model.image import BuildResult, BuiltLayer, Descriptor
from imagelock.model.lock import (
    SPEC_ROOT,
    AptPin,
    AptRemoval,
    BaseKind,
    BasePin,
    Lock,
    Requirer,
)
from imagelock.model.names import deb_name, sha256
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import LayoutBase, Spec
from imagelock.registry.layout import LayoutSource
from support.command import kept_folder
from support.minbase import minbase_layout
from support.sandboxes import site_sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A store with packages in it, over a base layout."""

    folder: Path
    base: Path
    store: Store
    context_folder: Path = field(default=Path())

    def lock(
        self,
        *debs: bytes,
        roots: Spec | None = None,
        removals: tuple[AptRemoval, ...] = (),
    ) -> Lock:
        """A lock of these packages on top of the base."""
        source = LayoutSource(self.store, folder=self.folder)
        reference = f"oci:{self.base}"
        pin = BasePin(
            kind=BaseKind.LAYOUT,
            reference=reference,
            digest=source.digest(reference, DEFAULT_PLATFORM),
            platforms=(DEFAULT_PLATFORM,),
        )
        return Lock(
            roots=roots or Spec(name="t", base=LayoutBase(layout=reference)),
            bases=(pin,),
            apt=tuple(self.pin(data) for data in debs),
            apt_removals=removals,
        )

    def pin(self, data: bytes) -> AptPin:
        """Put a .deb into the store; its name and version as its control file says."""
        from imagelock.layers.deb import Deb

        fields = Deb(io.BytesIO(data), where="test").control().fields
        digest = self.store.add_bytes(data)
        return AptPin(
            name=deb_name(fields["Package"]),
            version=fields["Version"],
            architecture=fields["Architecture"],
            suite="bookworm",
            source=fields["Package"],
            artifact=Artifact(
                archive="debian", path=f"pool/{digest}.deb", sha256=digest, size=len(data)
            ),
            platforms=(DEFAULT_PLATFORM,),
            required_by=(Requirer(name=SPEC_ROOT),),
            manual=True,
        )

    def context(self) -> BuildContext:
        """What a build of this site is given; nothing is fetched."""
        return BuildContext(
            store=self.store,
            fetch=lambda wanted, _archives: {
                item.sha256: self.store.path(item.sha256) for item in wanted
            },
            folder=self.folder,
            source_of=lambda _pin: LayoutSource(self.store, folder=self.folder),
        )

    def image(self, lock: Lock, *, compression: Compression | None = Compression.GZIP) -> MadeImage:
        """The image's layers, made in the store."""
        builder = OciBuilder(compression=compression)
        return builder.images(lock, [], context=self.context())[0]

    def build(self, lock: Lock, output: str) -> BuildResult:
        """The image, written out."""
        return OciBuilder().build(lock, [], output, context=self.context())

    def layer(self, image: MadeImage, number: int = -1) -> dict[str, tarfile.TarInfo]:
        """The members of one layer by path."""
        with tarfile.open(fileobj=io.BytesIO(self.tar(image, number))) as tar:
            return {item.name: item for item in tar.getmembers()}

    def text(self, image: MadeImage, path: str, number: int = -1) -> str:
        """The content of a file in a layer."""
        with tarfile.open(fileobj=io.BytesIO(self.tar(image, number))) as tar:
            file = tar.extractfile(path)
            assert file is not None
            return file.read().decode()

    def tar(self, image: MadeImage, number: int = -1) -> bytes:
        layer = image.image.layers[number]
        packed = self.store.read(sha256(layer.descriptor.digest.partition(":")[2]))
        assert layer.descriptor.media_type.endswith("gzip")
        return gzip.decompress(packed)


@pytest.fixture(scope="session")
def debian() -> Path:
    """bookworm's minbase as a layout."""
    return minbase_layout()


@pytest.fixture
def site(debian: Path, tmp_path: Path) -> Site:
    """A store of its own that shares the base's unpacked tree with all tests of this run."""
    store = Store(tmp_path / "store")
    shared = kept_folder() / "trees"
    shared.mkdir(exist_ok=True)
    store.root.mkdir()
    (store.root / "trees").symlink_to(shared)
    return Site(folder=tmp_path, base=debian, store=store)


@pytest.fixture
def fresh(site: Site, tmp_path: Path) -> Site:
    """The same with another store, which has nothing yet."""
    store = Store(tmp_path / "another store")
    store.root.mkdir()
    (store.root / "trees").symlink_to(kept_folder() / "trees")
    return replace(site, store=store)


def tiny_layout(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A layout for builds that run nothing: one layer with a few files."""
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w") as tar:
        for path, data in sorted(files.items()):
            item = tarfile.TarInfo(path)
            item.size = len(data)
            tar.addfile(item, io.BytesIO(data))
    return layout_of(folder, [output.getvalue()])


def layout_of(folder: Path, tars: list[bytes]) -> Path:
    """A layout of these layers, hostile or not."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(data: bytes, media_type: str) -> dict[str, object]:
        digest = hashlib.sha256(data).hexdigest()
        (blobs / digest).write_bytes(data)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}

    layers = [
        put(gzip.compress(tar, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip")
        for tar in tars
    ]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": "2024-01-01T00:00:00Z",
        "config": {"Env": ["PATH=/usr/bin:/bin", "KEPT=yes"], "Cmd": ["old"]},
        "rootfs": {
            "type": "layers",
            "diff_ids": [f"sha256:{hashlib.sha256(tar).hexdigest()}" for tar in tars],
        },
        "history": [{"created_by": "the base"} for _ in tars],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": put(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": layers,
    }
    data = json.dumps(manifest).encode()
    entry = put(data, "application/vnd.oci.image.manifest.v1+json")
    entry["platform"] = {"architecture": "amd64", "os": "linux"}
    index = {"schemaVersion": 2, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
    return folder


def needs_root() -> None:
    if os.geteuid() != 0:
        if os.environ.get("CI") == "true":
            pytest.fail("the sandbox tests are run as root in CI")
        pytest.skip("needs root")


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with open_sandbox(tmp_path) as one:
        yield one


@pytest.fixture(scope="session")
def site_layers(debian: Path) -> tuple[str, ...]:
    """The tree of a real Debian root, unpacked once."""
    blobs = debian / "blobs" / "sha256"

    def blob(text: str) -> dict[str, object]:
        value: dict[str, object] = json.loads((blobs / text.partition(":")[2]).read_text())
        return value

    entry = json.loads((debian / "index.json").read_text())["manifests"][0]
    manifest = blob(entry["digest"])
    config = blob(manifest["config"]["digest"])  # type: ignore[index]
    layers = tuple(
        BuiltLayer(
            title="base",
            descriptor=Descriptor(
                media_type=layer["mediaType"], digest=layer["digest"], size=layer["size"]
            ),
            diff_id=diff_id,
            cached=True,
        )
        for layer, diff_id in zip(
            manifest["layers"],  # type: ignore[call-overload]
            config["rootfs"]["diff_ids"],  # type: ignore[index]
            strict=True,
        )
    )
    with site_sandbox() as sandbox:
        return Trees(sandbox, lambda d: blobs / d.digest.partition(":")[2]).names(layers)
