"""Time and memory of an apt lock: cold, warm, and against the bare download of its indexes.

uv run python benchmarks/apt.py [RELEASE] [PACKAGE…]
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

STEP = "--step"


def download(store: Path, release: str) -> None:
    """The same files as a cold lock needs, fetched and thrown away."""
    from imagelock.app.sections.apt_sources import default_sources
    from imagelock.fetch.debian.index import DebianIndexes
    from imagelock.fetch.debian.layout import suite_url
    from imagelock.fetch.http import Http
    from imagelock.fetch.store import Store
    from imagelock.model.platform import Platform
    from imagelock.model.spec import DistributionBase

    base = DistributionBase(distribution=f"debian:{release}")
    http = Http()
    indexes = DebianIndexes(Store(store), http, now=datetime.now(UTC))
    for source in default_sources(base, Platform("linux/amd64")):
        indexes.release(source)
        with http.stream(f"{suite_url(source)}main/binary-amd64/Packages.xz") as chunks:
            for _chunk in chunks:
                pass


def lock(store: Path, release: str, packages: tuple[str, ...]) -> None:
    from imagelock.app.context import Context, ResolveOptions
    from imagelock.app.sections.apt import apt_section, bootstrap_section, open_suites
    from imagelock.app.sections.apt_sources import default_sources
    from imagelock.fetch.http import Http
    from imagelock.fetch.store import Store
    from imagelock.model.platform import Platform
    from imagelock.model.spec import AptSpec, DistributionBase

    context = Context(store=Store(store), http=Http(), now=datetime.now(UTC))
    base = DistributionBase(distribution=f"debian:{release}")
    platform, options = Platform("linux/amd64"), ResolveOptions()
    sources = default_sources(base, platform)
    suites = open_suites(sources, platform, context=context, options=options)
    bottom = bootstrap_section(base, platform, context=context, options=options, suites=suites)
    apt_section(
        AptSpec(packages=packages),
        platform,
        installed=bottom.installed,
        sources=sources,
        context=context,
        options=options,
        suites=suites,
    )


def step(name: str, store: Path, release: str, packages: tuple[str, ...]) -> None:
    started = time.perf_counter()
    if name == "download":
        download(store, release)
    else:
        lock(store, release, packages)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    measured = {
        "step": name,
        "seconds": round(seconds, 3),
        "process_cpu_seconds": round(usage.ru_utime + usage.ru_stime, 3),
        "peak_mib": round(usage.ru_maxrss / 1024),
    }
    print(json.dumps(measured))


def main(arguments: list[str]) -> None:
    if arguments[:1] == [STEP]:
        name, store, release, *packages = arguments[1:]
        step(name, Path(store), release, tuple(packages))
        return
    release, *packages = arguments or ["bookworm"]
    packages = packages or ["git", "ffmpeg", "build-essential"]
    with tempfile.TemporaryDirectory() as folder:
        for name in ("download", "cold", "warm", "warm", "warm"):
            store = Path(folder) / ("bare" if name == "download" else "store")
            command = [sys.executable, __file__, STEP, name, str(store), release, *packages]
            started = time.perf_counter()
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            result = json.loads(done.stdout)
            print({**result, "process_seconds": round(time.perf_counter() - started, 3)})


if __name__ == "__main__":
    main(sys.argv[1:])
