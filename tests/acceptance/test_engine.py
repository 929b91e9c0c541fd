"""The built image in the world: a real registry, a real Docker engine."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.conftest import Build
from imagelock.app.files import load_lock
from support.command import call
from support.engine import Engine, running_engine
from support.registry import running_registry, skopeo_push

pytestmark = [pytest.mark.network, pytest.mark.engine, pytest.mark.registry, pytest.mark.root]

IMPORTS = """
import importlib.metadata, importlib, json, sys
wanted = json.loads(sys.argv[1])
for name, version in wanted.items():
    distribution = importlib.metadata.distribution(name)
    assert distribution.version == version, (name, distribution.version, version)
    top = {
        str(file).split("/")[0].removesuffix(".py")
        for file in distribution.files
        if str(file).endswith("__init__.py") or (str(file).endswith(".py") and "/" not in str(file))
    }
    for module in sorted(m for m in top if m.isidentifier()):
        importlib.import_module(module)
    for file in distribution.files:
        assert file.locate().exists(), file
print("imported", len(wanted))
"""

TRUST = "import ssl; print(ssl.create_default_context().cert_store_stats()['x509_ca'])"


@pytest.fixture(scope="module")
def image(hello: Build, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, str]]:
    """The engine, and the image as it was pulled from a registry."""
    with (
        running_registry(tmp_path_factory.mktemp("registry")) as registry,
        running_engine() as engine,
    ):
        reference = skopeo_push(hello.layout, registry, "hello:latest")
        engine.docker("pull", "--quiet", reference)
        yield engine, reference


def in_image(image: tuple[Engine, str], *command: str) -> str:
    engine, reference = image
    return engine.docker("run", "--rm", "--network", "none", reference, *command).stdout


def test_the_engine_sees_the_image_that_was_built(image: tuple[Engine, str], hello: Build) -> None:
    engine, reference = image
    seen = json.loads(engine.docker("image", "inspect", reference).stdout)[0]
    assert seen["Id"] == hello.report["images"][0]["image_id"]
    assert seen["RootFS"]["Layers"] == hello.report["images"][0]["diff_ids"]
    assert "GREETING=hello from imagelock" in seen["Config"]["Env"]
    assert seen["Config"]["WorkingDir"] == "/work"


def test_every_locked_wheel_imports_with_every_file_of_its_record(
    image: tuple[Engine, str], hello: Build, hello_lock: Path
) -> None:
    platform = hello.report["images"][0]["platform"]
    pins = {
        pin.name: pin.version
        for pin in load_lock(hello_lock).pip
        if platform in map(str, pin.platforms)
    }
    assert len(pins) >= 10
    said = in_image(image, "python", "-c", IMPORTS, json.dumps(pins))
    assert said.split() == ["imported", str(len(pins))]


def test_dpkg_finds_nothing_to_complain_about(image: tuple[Engine, str]) -> None:
    assert in_image(image, "dpkg", "--audit") == ""
    assert in_image(image, "dpkg", "--verify") == ""


def test_every_locked_deb_is_installed_and_nothing_else(
    image: tuple[Engine, str], hello: Build, hello_lock: Path
) -> None:
    platform = hello.report["images"][0]["platform"]
    wanted = {
        f"{pin.name} {pin.version} {pin.architecture} installed"
        for pin in load_lock(hello_lock).apt
        if platform in map(str, pin.platforms)
    }
    shown = in_image(
        image,
        *("dpkg-query", "--show", "--showformat"),
        "${Package} ${Version} ${Architecture} ${db:Status-Status}\\n",
    )
    assert set(shown.splitlines()) == wanted


def test_tls_finds_its_certificates(image: tuple[Engine, str]) -> None:
    assert int(in_image(image, "python", "-c", TRUST)) > 50
    assert "curl" in in_image(image, "curl", "--version")


def test_the_copied_file_runs(image: tuple[Engine, str]) -> None:
    assert in_image(image, "python", "greet.py").startswith("hello from imagelock | Python 3.11.2")


def test_loaded_straight_into_the_engine_it_is_the_same_image(
    image: tuple[Engine, str], hello: Build, hello_lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, _ = image
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    called = call("build", str(hello_lock), "--output", "docker", "--json")
    assert called.code == 0, called.err
    report = json.loads(called.out)
    (made,) = report["images"]
    assert made["image_id"] == hello.report["images"][0]["image_id"]
    assert report["engine"].startswith("Docker ")
    assert in_image((engine, report["reference"]), "python", "greet.py").startswith("hello from")
    verified = call("verify", str(hello_lock), f"docker:{report['reference']}")
    assert verified.code == 0, verified.out + verified.err
