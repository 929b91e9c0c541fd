"""Build times: us, the classic Docker engine and BuildKit, on the same local files, alternating.

    PYTHONPATH=tests uv run python benchmarks/build/run.py [--rounds 3] [--lock LOCK ...]

README.md says what is measured. Needs root, dockerd, BuildKit's root (made once) and the artifacts
of the lock (fetched once).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from unittest import mock

from imagelock.app.files import load_lock
from imagelock.build.oci.builder import BuildContext, OciBuilder
from imagelock.build.oci.sandbox import Sandbox, Work, open_sandbox
from imagelock.build.oci.trees import Trees
from imagelock.fetch.artifacts import ArtifactFetcher
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.layers.deb import Deb
from imagelock.layers.gzip import Compression, compressed
from imagelock.model.lock import BaseKind, BasePin, Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import LayoutBase
from imagelock.registry.layout import LayoutSource
from support.archives import wheel_of
from support.buildkit import running_buildkit
from support.command import kept_folder
from support.engine import Engine, running_engine

LOCKS = [Path("locks/hello.lock"), Path("benchmarks/build/data.lock")]
HOST = Platform({"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()])
DOCKERFILE = """\
FROM bench-base:latest
COPY debs /debs
RUN apt-get install -y --no-install-recommends /debs/*.deb
COPY uv /usr/local/bin/uv
COPY wheels /wheels
RUN uv venv --quiet --python /usr/bin/python3 /opt/venv && \
    uv pip install --quiet --python /opt/venv/bin/python --no-index --no-deps /wheels/*.whl
"""


class Bench:
    """The files of both builders, in one folder."""

    def __init__(self, folder: Path, lock: Lock, uv: Path) -> None:
        self.folder = folder
        self.uv = uv
        self.kept = Store(kept_folder() / "store")
        fetcher = ArtifactFetcher(self.kept, Http())
        apt = tuple(pin for pin in lock.apt if HOST in pin.platforms)
        pip = tuple(pin for pin in lock.pip if HOST in pin.platforms)
        wanted = [*(pin.artifact for pin in apt), *(pin.artifact for pin in pip)]
        fetcher.fetch(wanted, lock.archives)
        roots = replace(lock.roots, platforms=(HOST,), copies=(), source=None)
        bottom = tuple(pin for pin in apt if pin.base)
        base = replace(lock, roots=roots, apt=bottom, pip=(), pythons=())
        context = BuildContext(store=self.kept, fetch=fetcher.fetch, folder=folder)
        built = OciBuilder().build(base, [HOST], f"oci:{folder}/base", context=context)
        pin = BasePin(
            kind=BaseKind.LAYOUT,
            reference="oci:base",
            digest=built.images[0].manifest.digest,
            platforms=(HOST,),
        )
        self.lock = replace(
            lock,
            roots=replace(roots, base=LayoutBase(layout="oci:base")),
            bases=(pin,),
            apt=tuple(pin for pin in apt if not pin.base),
            pip=pip,
        )
        self.base_layers = built.images[0].layers
        self.layers = [
            self.kept.path(layer.descriptor.digest[7:])  # type: ignore[arg-type]
            for layer in built.images[0].layers
        ]
        self._contents()

    def _contents(self) -> None:
        context = self.folder / "context"
        for name in ("debs", "wheels"):
            (context / name).mkdir(parents=True)
        for pin in self.lock.apt:
            file = pin.artifact.filename.replace("%3a", "_")
            shutil.copy(self.kept.path(pin.artifact.sha256), context / "debs" / file)
        for wheel in self.lock.pip:
            target = context / "wheels" / wheel.artifact.filename
            shutil.copy(self.kept.path(wheel.artifact.sha256), target)
        shutil.copy(self.uv, context / "uv")
        (context / "Dockerfile").write_text(DOCKERFILE)

    def change_a_wheel(self, number: int) -> None:
        """A small wheel of the same name with other content."""
        data = wheel_of({"changing.py": b"x = %d\n" % number}, name="changing")
        digest = self.kept.add_bytes(data)
        first = self.lock.pip[0]
        artifact = replace(
            first.artifact,
            path="packages/changing-1.0-py3-none-any.whl",
            sha256=digest,
            size=len(data),
        )
        changing = replace(first, name="changing", version="1.0", artifact=artifact)  # type: ignore[arg-type]
        others = tuple(pin for pin in self.lock.pip if pin.name != "changing")
        self.lock = replace(self.lock, pip=(*others, changing))
        name = "changing-1.0-py3-none-any.whl"
        (self.folder / "context/wheels" / name).write_bytes(data)

    def fill(self, store: Store) -> None:
        """The artifacts as after `imagelock fetch`."""
        artifacts = [pin.artifact for pin in self.lock.apt]
        artifacts += [pin.artifact for pin in self.lock.pip]
        for artifact in artifacts:
            place = store.path(artifact.sha256)
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                os.link(self.kept.path(artifact.sha256), place)

    def unpack_base(self, store: Store) -> None:
        """The base as an engine has it after `docker import`: unpacked."""
        files = {layer.descriptor: path for layer, path in zip(self.base_layers, self.layers)}  # noqa: B905
        sandbox = open_sandbox(store.root)
        Trees(sandbox, files.__getitem__).names(self.base_layers)
        sandbox.close()

    def ours(self, store: Store) -> None:
        """One build by us, in this process."""
        self.fill(store)
        context = BuildContext(
            store=store,
            fetch=lambda wanted, _: {item.sha256: store.path(item.sha256) for item in wanted},
            folder=self.folder,
            source_of=lambda _: LayoutSource(store, folder=self.folder),
        )
        OciBuilder().build(self.lock, [HOST], f"oci:{self.folder}/out", context=context)

    def docker(self, engine: Engine, *options: str) -> None:
        """One build by an engine, with the builder it has."""
        context = str(self.folder / "context")
        engine.docker("build", "--quiet", "--network=none", *options, "-t", "bench", context)

    def tar_base(self) -> Path:
        """The base as one tar."""
        root = self.folder / "root"
        root.mkdir()
        for layer in self.layers:
            subprocess.run(["tar", "-xzf", str(layer), "-C", str(root)], check=True)
        tar = self.folder / "base.tar"
        subprocess.run(["tar", "-cf", str(tar), "-C", str(root), "."], check=True)
        return tar

    def least_work(self) -> float:
        """CPU seconds to decode, hash and compress the same files."""
        begin = time.process_time()
        for chunks in self._decoded():
            state = hashlib.sha256()
            kept = []
            for chunk in chunks:
                state.update(chunk)
                kept.append(chunk)
            for _ in compressed(kept, Compression.GZIP):
                pass
        return time.process_time() - begin

    def _decoded(self) -> Iterator[Iterator[bytes]]:
        for pin in self.lock.apt:
            with self.kept.path(pin.artifact.sha256).open("rb") as file:
                deb = Deb(file, where=pin.name)
                yield (chunk for entry in deb.data() for chunk in entry.content)
        for wheel in self.lock.pip:
            with zipfile.ZipFile(self.kept.path(wheel.artifact.sha256)) as archive:
                yield (archive.read(item) for item in archive.infolist())


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    begin = time.monotonic()
    yield
    into.append(time.monotonic() - begin)


def cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(item.ru_utime + item.ru_stime for item in used)


@contextmanager
def scripts_timed(into: list[float]) -> Iterator[None]:
    """Adds up the CPU seconds of dpkg and all it runs."""
    into.append(0.0)
    run = Sandbox.run

    def timed_run(sandbox: Sandbox, work: Work, scratch: Path) -> tuple[int, str]:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        try:
            return run(sandbox, work, scratch)
        finally:
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            into[-1] += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    with mock.patch.object(Sandbox, "run", timed_run):
        yield


def measure(bench: Bench, engines: dict[str, Engine], rounds: int) -> None:
    times: dict[tuple[str, str], list[float]] = {}
    used: list[float] = []
    scripts: list[float] = []

    def take(what: str, who: str, call: Callable[[], None]) -> None:
        with timed(times.setdefault((what, who), [])):
            call()

    def others(what: str, *options: str) -> None:
        for who, engine in engines.items():
            take(what, who, lambda: bench.docker(engine, *options))  # noqa: B023 — called at once

    for number in range(rounds):
        bench.change_a_wheel(number)
        store = Store(bench.folder / f"store{number}")
        shutil.rmtree(bench.folder / "out", ignore_errors=True)
        take("base", "us", lambda: bench.unpack_base(store))  # noqa: B023
        before = cpu()
        with scripts_timed(scripts):
            take("cold", "us", lambda: bench.ours(store))  # noqa: B023
        used.append(cpu() - before)
        others("cold", "--no-cache")
        for engine in engines.values():
            bench.docker(engine)
            engine.docker("image", "prune", "--force")
        take("unchanged", "us", lambda: bench.ours(store))  # noqa: B023
        others("unchanged")
        bench.change_a_wheel(1000 + number)
        take("one wheel", "us", lambda: bench.ours(store))  # noqa: B023
        others("one wheel")
        shutil.rmtree(store.root)
    print_table(times, tuple(engines))
    least = bench.least_work()
    whole, script = statistics.median(used), statistics.median(scripts)
    print(f"our CPU seconds, cold: {whole:.1f}, {script:.1f} of them dpkg and its scripts")
    print(f"decode + hash + compress of the same bytes: {least:.1f}")
    print(
        f"ours without dpkg: {(whole - script) / least:.2f} times that, with it {whole / least:.2f}"
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"peak memory of this process: {peak} MiB")


def print_table(times: dict[tuple[str, str], list[float]], engines: tuple[str, ...]) -> None:
    print(f"{'seconds':12}{'us':>9}" + "".join(f"{who:>12}{'ratio':>8}" for who in engines))
    for what in ("cold", "unchanged", "one wheel"):
        us = statistics.median(times[what, "us"])
        line = f"{what:12}{us:9.2f}"
        for who in engines:
            other = statistics.median(times[what, who])
            line += f"{other:12.2f}{other / us:8.1f}"
        print(line)
    print(f"the base, unpacked before: {statistics.median(times['base', 'us']):.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--lock", type=Path, nargs="*", default=LOCKS)
    parser.add_argument("--uv", type=Path, default=Path(shutil.which("uv") or "uv"))
    options = parser.parse_args()
    if options.uv.read_bytes()[:4] != b"\x7fELF":
        parser.error(f"{options.uv} is a script, which an image cannot run: name uv with --uv")
    with running_engine() as docker, running_buildkit() as buildkit:
        engines = {"docker": docker, "buildkit": buildkit}
        for path in options.lock:
            lock = load_lock(path)
            print(f"\n{path}: {len(lock.apt)} .debs, {len(lock.pip)} wheels on all platforms")
            # Beside the test cache, so that artifacts are linked and not copied.
            with tempfile.TemporaryDirectory(prefix="bench.", dir=kept_folder()) as folder:
                bench = Bench(Path(folder), lock, options.uv)
                tar = bench.tar_base()
                for engine in engines.values():
                    engine.docker("import", str(tar), "bench-base:latest")
                measure(bench, engines, options.rounds)


if __name__ == "__main__":
    main()
