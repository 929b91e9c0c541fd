"""A lock with conda packages and pip on top: built from a local channel, run, verified."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

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
from imagelock.model.names import digest, pip_name, sha256
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import LayoutBase, Spec
from support.archives import wheel_of
from support.command import Called, call
from support.conda_channel import Channel, CondaPackage, conda_package, text
from support.conda_examples import packages
from support.conda_python import real_python
from support.conda_sites import conda_pin
from support.engine import running_engine
from support.local_server import Answer, LocalServer, local_server
from support.minbase import minbase_layout
from support.registry import running_registry, skopeo_push

pytestmark = [pytest.mark.network]

WHEEL = {
    "thing/__init__.py": b"import pure.cli\n\ndef main():\n    pure.cli.main()\n",
    "thing-1.0.dist-info/entry_points.txt": b"[console_scripts]\nthing = thing:main\n",
}


def chosen() -> list[CondaPackage]:
    """A real interpreter, the examples, and a plain activation script."""
    others = [package for package in packages() if package.entry["name"] != "python"]
    plain = {"etc/conda/activate.d/p.sh": text('export GREETING_HOME="$CONDA_PREFIX/share"\n')}
    scripts = {"bin/.linked-post-link.sh": "exit 1\n"}
    return [
        real_python(),
        *others,
        conda_package("activates", files=plain),
        conda_package("linked", files=scripts),
    ]


@dataclass(frozen=True, slots=True)
class Site:
    """A lock beside its base, channel and wheels, and a store of its own."""

    folder: Path
    lock: Lock

    @property
    def path(self) -> Path:
        return self.folder / "t.lock"

    def call(self, *arguments: str, **environment: str) -> Called:
        self.path.write_bytes(encode_lock(self.lock))
        env = {"IMAGELOCK_STORE": str(self.folder / "store"), **environment}
        return call(*arguments, env=env)

    def build(self) -> dict[str, Any]:
        done = self.call("build", str(self.path), "--output", f"oci:{self.folder}/out", "--json")
        assert done.code == 0, done.err
        value: dict[str, Any] = json.loads(done.out)
        return value


def site_of(folder: Path, made: list[CondaPackage], url: str = "channel/") -> Site:
    """A site in a folder; ``url`` is where the channel is."""
    Channel(made).write(folder / "channel")
    (folder / "base").symlink_to(minbase_layout())
    wheel = wheel_of(WHEEL)
    name = "thing-1.0-py3-none-any.whl"
    (folder / "wheels").mkdir()
    (folder / "wheels" / name).write_bytes(wheel)
    source = Store(folder / "store")
    from imagelock.registry.layout import LayoutSource

    base = LayoutSource(source, folder=folder).digest("oci:base", DEFAULT_PLATFORM)
    only = (DEFAULT_PLATFORM,)
    thing = Artifact(archive="wheels", path=name, sha256=_hash(wheel), size=len(wheel))
    lock = Lock(
        roots=Spec(name="t", base=LayoutBase(layout="oci:base"), env=(("OWN", "yes"),)),
        archives=(Archive(name="channel", url=url), Archive(name="wheels", url="wheels/")),
        bases=(
            BasePin(
                kind=BaseKind.LAYOUT, reference="oci:base", digest=digest(base), platforms=only
            ),
        ),
        conda=tuple(conda_pin(package, archive="channel") for package in made),
        pythons=(
            PythonPin(
                version="3.11.2",
                implementation="cpython",
                provider=PythonProvider.CONDA,
                executable="/opt/conda/bin/python3.11",
                platforms=only,
            ),
        ),
        pip=(
            PipPin(
                name=pip_name("thing"),
                version="1.0",
                artifact=thing,
                platforms=only,
                required_by=(Requirer(name=SPEC_ROOT),),
            ),
        ),
    )
    return Site(folder, lock)


def _hash(data: bytes) -> Any:  # noqa: ANN401 - a checked hash
    import hashlib

    return sha256(hashlib.sha256(data).hexdigest())


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = site_of(tmp_path_factory.mktemp("conda image"), chosen())
    made.build()
    return made


CHECKS = {
    "the interpreter is conda's": (
        ("/opt/conda/bin/python", "-c", "import sys; print(sys.prefix)"),
        "/opt/conda",
    ),
    "a noarch package's entry point": (("pure",), "pure"),
    "a wheel beside conda's packages": (("thing",), "pure"),
    "python is the environment's": (("python", "-c", "import sys; print(sys.prefix)"), "/opt/venv"),
    "a program with a binary prefix": (
        ("greet",),
        "/opt/conda/share/greeting\n/opt/conda/bin:/opt/conda/sbin",
    ),
    "a script with a text prefix": (("hello",), "/opt/conda"),
    "the variables": (
        ("sh", "-c", "echo $CONDA_PREFIX $GREETING_HOME $OWN $VIRTUAL_ENV"),
        "/opt/conda /opt/conda/share yes /opt/venv",
    ),
    "the path": (("sh", "-c", "echo $PATH"), "/opt/venv/bin:/opt/conda/bin:/usr/bin:/bin"),
    "who has the clobbered file": (("cat", "/opt/conda/share/both"), "of newer"),
}


SCRIPT = "\necho =====\n".join(shlex.join(command) for command, _ in CHECKS.values())


def said(output: str) -> dict[str, str]:
    """What each check printed."""
    return dict(zip(CHECKS, map(str.strip, output.split("=====")), strict=True))


EXPECTED = {name: expected for name, (_, expected) in CHECKS.items()}


@pytest.mark.root
def test_it_runs_without_a_daemon(site: Site, capfd: pytest.CaptureFixture[str]) -> None:
    done = site.call("run", f"oci:{site.folder}/out", "--", "sh", "-ec", SCRIPT)
    assert done.code == 0, done.err
    assert said(capfd.readouterr().out) == EXPECTED


@pytest.mark.root
@pytest.mark.engine
@pytest.mark.registry
def test_it_runs_in_a_real_engine(site: Site, tmp_path: Path) -> None:
    with running_registry(tmp_path) as registry, running_engine() as engine:
        reference = skopeo_push(site.folder / "out", registry, "conda:latest")
        engine.docker("pull", "--quiet", reference)
        command = ("run", "--rm", "--network", "none", reference, "sh", "-ec", SCRIPT)
        assert said(engine.docker(*command).stdout) == EXPECTED


def test_it_is_rendered_for_engines_as_it_is_built(site: Site, tmp_path: Path) -> None:
    done = site.call("render", str(site.path), str(tmp_path / "context"), "--for", "docker")
    assert done.code == 0, done.err
    dockerfile = (tmp_path / "context" / "Dockerfile").read_text()
    assert "GREETING_HOME" in dockerfile
    assert "/opt/venv/bin:/opt/conda/bin" in dockerfile


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.engine
def test_an_engine_builds_the_same(site: Site) -> None:
    # Without wheels: an engine unpacks them with modules that this small interpreter has not.
    alone = Site(site.folder, replace(site.lock, pip=(), pythons=()))
    commands = ("/opt/conda/bin/python -c 1", "pure", "greet", "hello", "echo $GREETING_HOME")
    with running_engine() as engine:
        done = alone.call(
            *("build", str(alone.path), "--builder", "docker", "--output", "docker"),
            DOCKER_HOST=engine.host,
        )
        assert done.code == 0, done.err
        reference = done.out.strip().splitlines()[-1].partition("@")[0]
        script = " && ".join(commands)
        shown = engine.docker("run", "--rm", "--network", "none", reference, "sh", "-ec", script)
    assert shown.stdout.splitlines() == [
        "pure",
        "/opt/conda/share/greeting",
        "/opt/conda/bin:/opt/conda/sbin",
        "/opt/conda",
        "/opt/conda/share",
    ]


def test_it_says_what_conda_would_have_done(site: Site) -> None:
    notices = "\n".join(site.build()["images"][0]["notices"])
    assert "newer 1 replaces 1 file of old 1: share/both" in notices
    assert "bin/.linked-post-link.sh" in notices
    shown = site.call("build", str(site.path), "--output", f"oci:{site.folder}/out").err
    assert "did not run" in shown


def test_nothing_is_made_twice(site: Site) -> None:
    image = site.build()["images"][0]
    assert all(layer["cached"] for layer in image["layers"])


def test_a_build_elsewhere_has_the_same_digest(site: Site, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere, and with a longer name"
    folder.mkdir()
    other = site_of(folder, chosen()[::-1])
    assert other.build()["index_digest"] == site.build()["index_digest"]


def test_built_twice_it_is_the_same(site: Site, tmp_path: Path) -> None:
    done = site.call("build", str(site.path), "--output", f"oci:{tmp_path}/out", "--check")
    assert done.code == 0, done.err


def test_it_is_verified(site: Site) -> None:
    done = site.call("verify", str(site.path), f"oci:{site.folder}/out")
    assert done.code == 0, done.out + done.err


def test_what_differs_is_found(site: Site) -> None:
    pins = tuple(
        replace(pin, version="9") if pin.name == "old" else pin
        for pin in site.lock.conda
        if pin.name != "data"
    )
    other = Site(site.folder, replace(site.lock, conda=pins))
    done = other.call("verify", str(other.path), f"oci:{site.folder}/out")
    assert done.code == 1
    assert "conda old: expected 9 0, found 1 0" in done.out + done.err
    assert "conda data: expected none, found 1.0 0" in done.out + done.err


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


FAULTS: dict[str, tuple[Callable[[bytes], Answer], int]] = {
    "other bytes": (lambda data: Answer(b"x" * len(data)), 5),
    "longer": (lambda data: Answer(data + b"x"), 5),
    "shorter": (lambda data: Answer(data[:-10]), 4),
    "cut": (lambda data: Answer(data, cut=10), 4),
    "gone": (lambda _data: Answer(status=404), 4),
    "forbidden": (lambda _data: Answer(status=403), 4),
    "a page": (lambda _data: Answer(b"<html>log in</html>"), 4),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_bad_channel_ends_the_build(fault: str, server: LocalServer, tmp_path: Path) -> None:
    made = [conda_package("data", noarch="generic", files={"share/data.txt": "data\n"})]
    site = site_of(tmp_path, made, url=f"{server.url}/")
    change, code = FAULTS[fault]
    for path, data in Channel(made).files().items():
        server.routes[f"/{path}"] = change(data)
    done = site.call("build", str(site.path), "--output", f"oci:{tmp_path}/out")
    assert done.code == code, done.err
    assert "data-1.0-0.conda" in done.err
    assert not (tmp_path / "out").exists()


def test_a_channel_over_http(server: LocalServer, tmp_path: Path) -> None:
    made = [conda_package("data", noarch="generic", files={"share/data.txt": "data\n"})]
    site = site_of(tmp_path, made, url=f"{server.url}/")
    for path, data in Channel(made).files().items():
        server.routes[f"/{path}"] = Answer(data)
    site.build()
