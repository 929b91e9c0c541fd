"""Times of a whole pip resolution: us, uv, pip and poetry, alternating, medians and ratios.

    just bench pip [--sets a,c] [--rounds 5] [--tools us,uv,pip,poetry]

Every tool is a process of its own, start-up included. ``cold`` has an empty store or cache,
``warm`` the one of the run before; ``locked`` is a lock and a warm store with no network, against
``uv pip compile --offline``. The target is linux/amd64, glibc 2.36 and this Python's version.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETS = {
    "a": ["flask"],
    "b": ["apache-airflow==2.10.*"],
    "c": ["jupyterlab", "pandas", "scikit-learn", "matplotlib"],
    "d": ["transformers[torch]"],
    "e": ["flytekit", "mlflow"],
    "f": ["boto3", "urllib3<2", "botocore"],
}
PYTHON = platform.python_version()
OURS = """
import pickle, sys
from datetime import UTC, datetime
from pathlib import Path
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.pip import pip_section
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.pip_spec import PipSpec
from imagelock.model.spec import (ImageBase, Spec)
store, lock, mode, *packages = sys.argv[1:]
target = Platform("linux/amd64")
previous = None
if mode == "locked":
    pins = pickle.loads(Path(lock).read_bytes())
    previous = Lock(roots=Spec(name="bench", base=ImageBase(image="x")), pip=pins)
section = pip_section(
    PipSpec(packages=tuple(sorted(packages))),
    {target: PythonTarget(platform=target, version=sys.version.split()[0], libc="glibc 2.36")},
    context=Context(
        store=Store(Path(store)), http=Http(offline=mode == "locked"), now=datetime.now(UTC)
    ),
    options=ResolveOptions(),
    previous=previous,
)
Path(lock).write_bytes(pickle.dumps(section.pins))
print(len(section.pins))
"""


class Bench:
    """One set of requirements and the folders of each tool."""

    def __init__(self, packages: list[str], folder: Path, peers: Path) -> None:
        self.packages = packages
        self.folder = folder
        self.peers = peers
        (folder / "r.in").write_text("\n".join(packages) + "\n")

    def command(self, tool: str, mode: str) -> list[str]:
        cache = self.folder / tool
        if tool == "us":
            lock = str(self.folder / "lock")
            return [sys.executable, "-c", OURS, str(cache), lock, mode, *self.packages]
        if tool == "uv":
            offline = ["--offline"] if mode == "locked" else []
            return [
                *("uv", "pip", "compile", "-q", "--cache-dir", str(cache), *offline),
                *("--only-binary", ":all:", "--python-platform", "x86_64-manylinux_2_36"),
                *("--python-version", PYTHON, str(self.folder / "r.in")),
            ]
        if tool == "pip":
            return [
                *(str(self.peers / "pip"), "install", "--dry-run", "--ignore-installed"),
                *("-q", "--only-binary", ":all:", "--cache-dir", str(cache), *self.packages),
            ]
        return [str(self.peers / "poetry"), "lock", "-n", "-C", str(self.folder / "project")]

    def run(self, tool: str, mode: str) -> float:
        environment = {**os.environ, "POETRY_CACHE_DIR": str(self.folder / "poetry")}
        environment.pop("PIP_FIND_LINKS", None)
        # Installed programs have their bytecode: nobody compiles at every start.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        if mode == "cold":
            shutil.rmtree(self.folder / tool, ignore_errors=True)
        if tool == "poetry":
            self._project()
        start = time.perf_counter()
        done = subprocess.run(
            self.command(tool, mode), env=environment, capture_output=True, text=True, check=False
        )
        took = time.perf_counter() - start
        if done.returncode:
            said = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            print(f"    {tool} {mode} failed: {said}", flush=True)
            return float("nan")
        return took

    def _project(self) -> None:
        project = self.folder / "project"
        project.mkdir(exist_ok=True)
        (project / "poetry.lock").unlink(missing_ok=True)
        listed = ", ".join(f'"{item}"' for item in self.packages)
        (project / "pyproject.toml").write_text(
            '[project]\nname = "bench"\nversion = "1"\n'
            f'requires-python = "=={PYTHON}"\ndependencies = [{listed}]\n'
            "[tool.poetry]\npackage-mode = false\n"
            # The Simple API, as the others ask it: mirrors of PyPI often have no other.
            '[[tool.poetry.source]]\nname = "simple"\nurl = "https://pypi.org/simple/"\n'
        )


def measure(bench: Bench, tools: list[str], mode: str, rounds: int) -> dict[str, float]:
    times: dict[str, list[float]] = {tool: [] for tool in tools}
    for _ in range(rounds):
        for tool in tools:
            times[tool].append(bench.run(tool, mode))
    return {tool: statistics.median(values) for tool, values in times.items()}


def install_peers(tools: list[str], folder: Path) -> Path:
    """pip and poetry in an environment of their own; the folder of their programs."""
    wanted = [tool for tool in tools if tool in {"pip", "poetry"}]
    if wanted:
        environment = folder / "peers"
        subprocess.run(["uv", "venv", "-q", "--python", sys.executable, environment], check=True)
        python = environment / "bin" / "python"
        install = ["uv", "pip", "install", "-q", "--compile-bytecode", "--python", python]
        subprocess.run([*install, *wanted], check=True)
    return folder / "peers" / "bin"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", default="a,c,d,e,f")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tools", default="us,uv")
    options = parser.parse_args()
    tools = options.tools.split(",")
    home = tempfile.TemporaryDirectory(prefix="bench-peers-")
    peers = install_peers(tools, Path(home.name))
    ratios: dict[str, list[float]] = {"cold": [], "warm": [], "locked": []}
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory(prefix="bench-pip-") as folder:
            bench = Bench(SETS[name], Path(folder), peers)
            for mode, found in ratios.items():
                running = [tool for tool in tools if mode != "locked" or tool in {"us", "uv"}]
                medians = measure(bench, running, mode, options.rounds)
                found.append(medians["us"] / medians["uv"])
                shown = "  ".join(f"{tool} {took:6.2f}" for tool, took in medians.items())
                print(f"{name} {mode:6}  {shown}  us/uv {found[-1]:.2f}", flush=True)
    for mode, found in ratios.items():
        kept = [ratio for ratio in found if ratio == ratio]  # noqa: PLR0124 - NaN
        if kept:
            print(f"{mode}: geometric mean us/uv {statistics.geometric_mean(kept):.2f}")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"peak memory of any child: {peak} MiB")


if __name__ == "__main__":
    main()
