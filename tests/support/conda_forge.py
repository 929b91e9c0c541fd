"""Real records of conda-forge, served as a mirror of it on 127.0.0.1.

``tests/conda/data/conda-forge`` holds 7,445 records (of 766 names, closed under dependencies) of
public lock files, without MD5 sums.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.conda import CondaSection, CondaSections
from imagelock.fetch.conda.solver import RattlerSolver
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.lock import normalise
from imagelock.model.lock import BaseKind, BasePin, Lock
from imagelock.model.names import digest_of, sha256
from imagelock.model.platform import Platform
from imagelock.model.spec import CondaSpec, DistributionBase, Spec
from imagelock.resolve.conda.ports import CondaSolver
from support.local_server import Answer, LocalServer, Request, Route, local_server

DATA = Path(__file__).parents[1] / "conda" / "data" / "conda-forge"
HOST = "https://conda.anaconda.org/"
AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")
BOTH = (AMD, ARM)
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@functools.cache
def packed(subdir: str) -> bytes:
    return (DATA / subdir / "repodata.json.zst").read_bytes()


@functools.cache
def records(subdir: str) -> dict[str, Any]:
    """The index of a folder as JSON."""
    found: dict[str, Any] = json.loads(zstandard.ZstdDecompressor().decompress(packed(subdir)))
    return found


def with_etag(body: bytes) -> Route:
    """A route that answers 304 to who knows the body."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'

    def answer(request: Request) -> Answer:
        if request.headers.get("if-none-match") == tag:
            return Answer(status=304, headers={"ETag": tag})
        return Answer(body, headers={"ETag": tag})

    return answer


def index_bytes(subdir: str, packages: Mapping[str, Any]) -> bytes:
    """A repodata.json with these records by file name."""
    dotted = {name: item for name, item in packages.items() if name.endswith(".conda")}
    rest = {name: item for name, item in packages.items() if name not in dotted}
    document = {
        "info": {"subdir": subdir},
        "packages": rest,
        "packages.conda": dotted,
        "repodata_version": 1,
    }
    return json.dumps(document).encode()


def record(
    name: str,
    version: str,
    *depends: str,
    build: str = "0",
    subdir: str = "noarch",
    **more: Any,  # noqa: ANN401 - fields of the record
) -> dict[str, Any]:
    """One synthetic record; ``{file name: record}``."""
    filename = f"{name}-{version}-{build}.conda"
    fields = {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": list(depends),
        "subdir": subdir,
        "sha256": hashlib.sha256(f"{subdir}/{filename}".encode()).hexdigest(),
        "size": 1000,
        "timestamp": 1700000000000,
        **more,
    }
    if subdir == "noarch":
        fields.setdefault("noarch", "generic")
    return {filename: fields}


def joined(*records: Mapping[str, Any]) -> dict[str, Any]:
    """Several records as one folder's."""
    return {name: item for found in records for name, item in found.items()}


class Channels:
    """Channels on a server, and the lock's conda section solved over them."""

    def __init__(self, server: LocalServer, folder: Path) -> None:
        self.server = server
        self.store = Store(folder / "store")
        self.folder = folder
        self.mirrors = {HOST: f"{server.url}/"}

    def add_conda_forge(self) -> Channels:
        for subdir in ("linux-64", "linux-aarch64", "noarch"):
            route = with_etag(packed(subdir))
            self.server.routes[f"/conda-forge/{subdir}/repodata.json.zst"] = route
        return self

    def add(self, channel: str, **folders: Mapping[str, Any]) -> Channels:
        """A channel of synthetic records: ``linux_64={…}``."""
        for folder, packages in folders.items():
            subdir = folder.replace("_", "-")
            body = index_bytes(subdir, packages)
            self.server.routes[f"/{channel}/{subdir}/repodata.json"] = with_etag(body)
        return self

    def context(self, *, offline: bool = False) -> Context:
        http = Http(mirrors=self.mirrors, offline=offline)
        return Context(store=self.store, http=http, now=NOW)

    def sections(
        self,
        spec: Spec,
        *,
        previous: Lock | None = None,
        options: ResolveOptions | None = None,
        offline: bool = False,
    ) -> CondaSections:
        return CondaSections(
            spec=spec,
            previous=previous,
            context=self.context(offline=offline),
            options=options or ResolveOptions(),
            spec_folder=self.folder,
        )

    def solver(self) -> RattlerSolver:
        """A solver over the channels; a context that ends it."""
        context = self.context()
        return RattlerSolver(context.store, context.http)

    def lock(
        self,
        spec: Spec,
        libc: str = "glibc 2.36",
        solver: CondaSolver | None = None,
        **more: Any,  # noqa: ANN401 - those of sections
    ) -> Lock:
        """A lock with the conda section alone; a ``solver`` may be shared by several."""
        base = base_pin(spec.platforms, libc)
        with self.sections(spec, **more) as sections:
            if solver is not None:
                sections.solver = solver
            found = [sections.resolve(platform, base) for platform in spec.platforms]
        return lock_of(spec, base, found)


def lock_of(spec: Spec, base: BasePin, found: list[CondaSection]) -> Lock:
    return normalise(
        Lock(
            roots=spec,
            bases=(base,),
            archives=tuple({archive for section in found for archive in section.archives}),
            conda=tuple(pin for section in found for pin in section.pins),
        )
    )


def base_pin(platforms: tuple[Platform, ...] = BOTH, libc: str | None = "glibc 2.36") -> BasePin:
    return BasePin(
        kind=BaseKind.DISTRIBUTION,
        reference="debian:bookworm",
        digest=digest_of(sha256("0" * 64)),
        platforms=platforms,
        libc=libc,
    )


def conda_spec(
    *packages: str,
    platforms: tuple[Platform, ...] = BOTH,
    **more: Any,  # noqa: ANN401 - fields of [conda]
) -> Spec:
    """A spec with packages in normal form; ``python`` and the fields of ``[conda]`` by name."""
    python = more.pop("python", None)
    spec = Spec(
        name="test",
        base=DistributionBase(distribution="debian:bookworm"),
        platforms=platforms,
        conda=CondaSpec(packages=packages, **more),
    )
    return replace(spec, python=python)


@contextmanager
def channels(folder: Path) -> Iterator[Channels]:
    with local_server() as server:
        yield Channels(server, folder)
