"""Time and memory of a conda lock over 500,000 synthetic records, cold and warm; the bars.

uv run python benchmarks/conda.py [RECORDS]

The channel is shaped like conda-forge: 25 versions a name, and what packages depend on is mostly
among the few hundred names that everything depends on.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import zstandard

STEP, MAKE = "--step", "--make"
VERSIONS = 25
COMMON, KNOWN = 400, 4000
SECONDS, MEBIBYTES = 3.0, 700
"""What a warm lock may take."""


def record(name: str, number: int, depends: list[str], subdir: str) -> tuple[str, dict[str, Any]]:
    version, build = f"{number // 5}.{number % 5}", f"h{number}_0"
    filename = f"{name}-{version}-{build}.conda"
    return filename, {
        "name": name,
        "version": version,
        "build": build,
        "build_number": 0,
        "depends": depends,
        "subdir": subdir,
        "sha256": hashlib.sha256(filename.encode()).hexdigest(),
        "size": 1000,
        "timestamp": 1700000000000 + number,
        "license": "MIT",
    }


def write_channel(folder: Path, count: int) -> None:
    """An index of so many records in two folders, compressed as channels serve it."""
    source = random.Random(1)  # noqa: S311 - a shape, not a secret
    names = [f"package{number}" for number in range(count // VERSIONS)]
    found: dict[str, dict[str, Any]] = {"linux-64": {}, "noarch": {}}
    for place, name in enumerate(names):
        subdir = "noarch" if place % 3 == 0 else "linux-64"
        for number in range(VERSIONS):
            depends = []
            for _ in range(source.randrange(6) if place else 0):
                reach = COMMON if source.random() < 0.97 else KNOWN
                other = names[source.randrange(min(place, reach))]
                depends.append(f"{other} >={source.randrange(4)}")
            found[subdir].update([record(name, number, depends, subdir)])
    for subdir, packages in found.items():
        document = {"info": {"subdir": subdir}, "packages": {}, "packages.conda": packages}
        data = json.dumps(document).encode()
        (folder / subdir).mkdir(parents=True)
        packed = zstandard.ZstdCompressor(level=3).compress(data)
        (folder / subdir / "repodata.json.zst").write_bytes(packed)


def lock(folder: Path, store: Path) -> int:
    """The number of packages of a lock."""
    from dataclasses import replace

    from imagelock.fetch.store import Store
    from support.conda_forge import AMD, Channels, conda_spec, with_etag
    from support.local_server import local_server

    with local_server() as server:
        for subdir in ("linux-64", "noarch"):
            body = (folder / subdir / "repodata.json.zst").read_bytes()
            server.routes[f"/big/{subdir}/repodata.json.zst"] = with_etag(body)
        channels = Channels(server, folder)
        channels.store = Store(store)
        names = ("package19999", "package15000", "package10001", "package17")
        spec = replace(conda_spec(*names, channels=("big",)), platforms=(AMD,))
        return len(channels.lock(spec).conda)


def step(title: str, folder: Path, store: Path) -> None:
    """One lock in a process of its own, so that its time and memory can be told."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, STEP, str(folder), str(store)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "tests")},
    )
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    packages, peak = done.stdout.split()
    print(f"{title:5} {wall:6.2f} s wall {cpu:6.2f} s CPU {peak:>6} MiB  {packages} packages")


def main() -> None:
    if sys.argv[1:2] == [STEP]:
        count = lock(Path(sys.argv[2]), Path(sys.argv[3]))
        own, solver = (
            resource.getrusage(who).ru_maxrss
            for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
        print(count, (own + solver) >> 10)
        return
    if sys.argv[1:2] == [MAKE]:
        write_channel(Path(sys.argv[2]), int(sys.argv[3]))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # in a process of its own: a child begins with the peak of what it was forked from
        make = [sys.executable, __file__, MAKE, str(folder / "channel"), str(count)]
        subprocess.run(make, check=True)
        print(f"{count} records; the bars of a warm lock: {SECONDS} s, {MEBIBYTES} MiB")
        for title in ("cold", "warm", "warm"):
            step(title, folder / "channel", folder / "store")


main()
