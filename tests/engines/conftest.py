"""A small lock over a real Debian base with one of each step, and what builds it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from build.conftest import Site, needs_root
from imagelock.build.engines.folder import Written, write_context
from imagelock.build.oci.builder import BuildContext
from imagelock.fetch.artifacts import ArtifactFetcher
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store, file_chunks
from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import SPEC_ROOT, Lock, PipPin, PythonPin, PythonProvider, Requirer
from imagelock.model.names import pip_name
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.model.spec import CopyRule, ImageConfig, LayoutBase, RunRule, Secret, Spec
from imagelock.render import Dialect
from support.archives import Member, deb_of, wheel_of
from support.buildkit import BuildKit
from support.command import kept_folder
from support.engine import Engine
from support.minbase import minbase_layout
from support.podman import Podman
from support.registry import RunningRegistry, running_registry
from support.sources import make_sdist, project_files
from support.started import started

REAL = (pytest.mark.network, pytest.mark.engine, pytest.mark.root)
"""The marks of tests on real engines."""

CANARY = "CANARY-9b1f77-keep-me-nowhere"
NASTY = "a \"b\" $HOME \\n 'c' # <<EOF `x` é"


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSite(Site):
    """What the engines said while they built is in ``said``."""

    said: list[str] = field(default_factory=list)

    def context(self) -> BuildContext:
        """As the site's, but uv comes from PyPI, by way of the kept store."""
        return replace(Site.context(self), fetch=self._fetch, said=self.said.append)

    def _fetch(self, wanted: Sequence[Artifact], archives: tuple[Archive, ...]) -> dict[str, Path]:
        for item in wanted:
            if self.store.find(item.sha256) is None:
                kept = Store(kept_folder() / "store")
                found = ArtifactFetcher(kept, Http()).fetch([item], archives)
                with found[item.sha256].open("rb") as file:
                    self.store.add(file_chunks(file), expected=item.sha256)
        return {item.sha256: self.store.path(item.sha256) for item in wanted}


def small_lock(site: Site, *, secret: bool, commands: tuple[str, ...] = ()) -> Lock:
    """A package with scripts, a wheel with a launcher, a source, a copied file, commands."""
    (site.folder / "conf").mkdir(exist_ok=True)
    (site.folder / "conf" / "app.ini").write_text("[app]\n")
    (site.folder / "token").write_text(CANARY + "\n")
    deb = deb_of(
        [
            Member(path="./usr/"),
            Member(path="./usr/share/"),
            Member(path="./usr/share/tool/"),
            Member(path="./usr/share/tool/data", data=b"data\n", mode=0o640, owner=(0, 42)),
            Member(path="./etc/"),
            Member(path="./etc/tool.conf", data=b"x=1\n", mode=0o644),
        ],
        name="tool",
        control={
            "conffiles": b"/etc/tool.conf\n",
            "md5sums": b"6137cde4893c59f76f005a8123d8e8e6  usr/share/tool/data\n",
            "postinst": (
                b"#!/bin/sh\nset -e\nuseradd --system tool\nid -u tool > /var/lib/tool.id\n"
                b'printf "%s\\n" "$SOURCE_DATE_EPOCH" > /var/lib/tool.epoch\n'
                b"date > /var/log/bootstrap.log; date > /tmp/left; mkdir /run/tool\n"
                b"if [ -x /usr/sbin/policy-rc.d ]; then /usr/sbin/policy-rc.d && exit 1; fi\n"
                b"exit 0\n"
            ),
        },
    )
    wheel = wheel_of(
        {
            "thing/__init__.py": b"def run():\n    print('ran')\n",
            "thing-1.0.dist-info/entry_points.txt": b"[console_scripts]\nthing = thing:run\n",
        }
    )
    digest = site.store.add_bytes(wheel)
    reads = ("wc -c < /run/secrets/token > /length",) if secret else ()
    roots = Spec(
        name="small",
        base=LayoutBase(layout=f"oci:{site.base}"),
        pip=PipSpec(packages=("made", "thing"), allow_sdist=("made",)),
        env=(("NASTY", NASTY),),
        image=ImageConfig(
            cmd=("thing",), workdir="/app", user="tool", labels=(("org.example.a b", NASTY),)
        ),
        copies=(CopyRule(source="conf/app.ini", target="/app/conf/"),),
        runs=(RunRule(commands=('test "$NASTY" && pwd > /made', *reads, *commands)),),
        secrets=(Secret(id="token", source="token", target="/run/secrets/token"),)
        if secret
        else (),
    )
    held = site.lock(deb, roots=roots)
    artifact = Artifact(
        archive="pypi", path="thing-1.0-py3-none-any.whl", sha256=digest, size=len(wheel)
    )
    python = PythonPin(
        version="3.11.2",
        implementation="cpython",
        provider=PythonProvider.BASE,
        executable="/usr/bin/python3.11",
        platforms=(DEFAULT_PLATFORM,),
    )
    pin = PipPin(
        name=pip_name("thing"),
        version="1.0",
        artifact=artifact,
        platforms=(DEFAULT_PLATFORM,),
        required_by=(Requirer(name=SPEC_ROOT),),
        requested=True,
    )
    sdist = make_sdist("made", "1.0", project_files("made", requires="none"))
    source = Artifact(
        archive="pypi",
        path="made-1.0.tar.gz",
        sha256=site.store.add_bytes(sdist),
        size=len(sdist),
    )
    made = replace(pin, name=pip_name("made"), artifact=source)
    (base,) = held.bases
    bases = (replace(base, libc="glibc 2.36"),)
    return replace(held, bases=bases, pythons=(python,), pip=(made, pin))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> EngineSite:
    """One store and folder for a module."""
    needs_root()
    folder = tmp_path_factory.mktemp("site")
    store = Store(folder / "store")
    shared = kept_folder() / "trees"
    shared.mkdir(exist_ok=True)
    store.root.mkdir()
    (store.root / "trees").symlink_to(shared)
    return EngineSite(folder=folder, base=minbase_layout("python3", "python3"), store=store)


def written(
    lock: Lock,
    folder: Path,
    site: Site,
    *,
    dialect: Dialect,
    platforms: Sequence[Platform] = (DEFAULT_PLATFORM,),
) -> Written:
    """The lock rendered into a folder, which is made where it is not there."""
    folder.mkdir(exist_ok=True)
    return write_context(
        lock, platforms, folder, dialect=dialect, reference="small:1", context=site.context()
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry of this machine."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="module")
def docker() -> Iterator[Engine]:
    """The classic engine, where `docker` finds it."""
    with started("docker") as engine:
        assert isinstance(engine, Engine)
        yield engine


@pytest.fixture(scope="module")
def buildkit() -> Iterator[BuildKit]:
    """BuildKit, where `docker buildx` finds it."""
    with started("buildkit") as engine:
        assert isinstance(engine, BuildKit)
        yield engine


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """podman over storage of its own."""
    with started("podman") as engine:
        assert isinstance(engine, Podman)
        yield engine
