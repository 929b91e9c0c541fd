"""Conda packages in a store, locked by hand and linked: by us, and by py-rattler itself."""

from __future__ import annotations

import asyncio
import gzip
import io
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from imagelock.build.oci.cache import CachedLayer, LayerCache
from imagelock.build.oci.conda import CondaLayers
from imagelock.fetch.store import Store
from imagelock.layers.gzip import Compression
from imagelock.model.archives import Artifact
from imagelock.model.lock import (
    CONDA_PREFIX,
    SPEC_ROOT,
    BaseKind,
    BasePin,
    CondaPin,
    Lock,
    NoArch,
    Requirer,
)
from imagelock.model.names import digest, sha256
from imagelock.model.plan import CondaStep
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.model.spec import LayoutBase, Spec
from imagelock.plan import plan_image
from support.conda_channel import Channel, CondaPackage

ROOT = CONDA_PREFIX.strip("/")


def conda_pin(
    package: CondaPackage,
    *,
    platforms: tuple[Platform, ...] = (DEFAULT_PLATFORM,),
    archive: str = "conda-forge",
) -> CondaPin:
    """The pin that a lock has of a package."""
    entry = package.entry
    return CondaPin(
        name=entry["name"],
        version=entry["version"],
        build=entry["build"],
        build_number=entry["build_number"],
        subdir=entry["subdir"],
        artifact=Artifact(
            archive=archive,
            path=f"{entry['subdir']}/{package.filename}",
            sha256=sha256(entry["sha256"]),
            size=entry["size"],
        ),
        platforms=platforms,
        required_by=(Requirer(name=SPEC_ROOT),),
        noarch=NoArch(entry["noarch"]) if "noarch" in entry else None,
        depends=tuple(sorted(entry["depends"])),
        constrains=tuple(sorted(entry["constrains"])),
        python_site_packages_path=entry.get("python_site_packages_path"),
        timestamp=entry.get("timestamp"),
        license=entry.get("license"),
        md5=entry.get("md5"),
    )


def conda_lock(
    packages: Sequence[CondaPackage],
    *,
    platforms: tuple[Platform, ...] = (DEFAULT_PLATFORM,),
    roots: Spec | None = None,
) -> Lock:
    """A lock of these packages, each for the platforms of its subdir."""
    pins = []
    for package in packages:
        own = tuple(p for p in platforms if package.subdir in {"noarch", p.conda_subdir})
        if own:
            pins.append(conda_pin(package, platforms=own))
    return Lock(
        roots=roots or Spec(name="t", base=LayoutBase(layout="oci:base"), platforms=platforms),
        bases=(
            BasePin(
                kind=BaseKind.LAYOUT,
                reference="oci:base",
                digest=digest("sha256:" + "0" * 64),
                platforms=platforms,
            ),
        ),
        conda=tuple(pins),
    )


@dataclass(frozen=True, slots=True)
class Prefix:
    """What a conda step puts below the prefix, by path relative to it."""

    members: dict[str, tarfile.TarInfo]
    contents: dict[str, bytes]
    layers: tuple[CachedLayer, ...]

    @property
    def notices(self) -> list[str]:
        return [text for layer in self.layers for text in layer.notes["notices"]]  # type: ignore[attr-defined]

    @property
    def diff_ids(self) -> list[str]:
        return [layer.layer.diff_id for layer in self.layers]


def conda_step(lock: Lock, platform: Platform = DEFAULT_PLATFORM) -> CondaStep:
    """The one conda step of a lock's plan."""
    (step,) = [s for s in plan_image(lock, platform).steps if isinstance(s, CondaStep)]
    return step


def link(
    store: Store,
    packages: Sequence[CondaPackage],
    *,
    platform: Platform = DEFAULT_PLATFORM,
    fresh: bool = False,
) -> Prefix:
    """Link the packages by our own rules."""
    step = conda_step(conda_lock(packages, platforms=(platform,)), platform)
    for package in packages:
        store.add_bytes(package.data)
    files: dict[str, Path] = {
        artifact.sha256: store.path(artifact.sha256) for artifact in step.artifacts
    }
    layers = CondaLayers(LayerCache(store, Compression.GZIP, fresh=fresh))
    return unpacked(store, layers.find(step) or layers.build(step, files))


def unpacked(store: Store, layers: tuple[CachedLayer, ...]) -> Prefix:
    """The members of the layers that lie below the prefix."""
    members: dict[str, tarfile.TarInfo] = {}
    contents: dict[str, bytes] = {}
    for made in layers:
        data = gzip.decompress(store.read(sha256(made.layer.descriptor.digest.partition(":")[2])))
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for item in tar:
                if not item.name.startswith(f"{ROOT}/"):
                    assert item.name in {"opt", ROOT}
                    continue
                path = item.name.removeprefix(f"{ROOT}/")
                members[path] = item
                file = tar.extractfile(item) if item.isreg() or item.islnk() else None
                if file is not None:
                    contents[path] = file.read()
    return Prefix(members, contents, layers)


def rattler_link(folder: Path, packages: Sequence[CondaPackage], platform: Platform) -> Path:
    """The folder into which py-rattler links the packages for the same prefix."""
    from rattler import BuildString, NoArchType, PackageRecord, RepoDataRecord, Subdir, install

    channel = Channel(list(packages)).write(folder / "channel")
    records = []
    for package in packages:
        entry = package.entry
        record = PackageRecord(
            name=entry["name"],
            version=entry["version"],
            build=BuildString(entry["build"]),
            build_number=entry["build_number"],
            subdir=entry["subdir"],
            noarch=NoArchType(entry.get("noarch")),
            depends=list(entry["depends"]),
            sha256=bytes.fromhex(entry["sha256"]),
            size=entry["size"],
            python_site_packages_path=entry.get("python_site_packages_path"),
        )
        url = f"file://{channel}/{package.subdir}/{package.filename}"
        records.append(RepoDataRecord(record, package.filename, url, f"file://{channel}"))
    asyncio.run(
        install(
            records,
            folder / "prefix",
            cache_dir=folder / "cache",
            platform=Subdir(platform.conda_subdir),
            alternative_target_prefix=CONDA_PREFIX,
            execute_link_scripts=False,
            show_progress=False,
        )
    )
    return folder / "prefix"


def folder_contents(folder: Path) -> dict[str, bytes | str]:
    """Every file of a folder by its path, and the text of every link."""
    found: dict[str, bytes | str] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = path.read_bytes()
    return found
