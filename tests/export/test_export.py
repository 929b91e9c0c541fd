# ruff: noqa: E501 (what is written stands here as it is)
"""A lock's pip packages as requirements and as a pylock.toml: as text, and as others read it."""

from __future__ import annotations

import dataclasses
import tomllib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from packaging.pylock import Pylock
from packaging.requirements import Requirement

from imagelock.lock.export import export_pylock, export_requirements
from imagelock.model.archives import Archive
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock
from imagelock.model.names import pip_name
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.spec import parse_spec
from support.example_lock import AMD64, ARM64, artifact, example_lock, pip_pin
from support.strategies import locks

MACHINES = {AMD64: "x86_64", ARM64: "aarch64"}


def with_direct() -> Lock:
    """The example, with one project by its URL."""
    lock = example_lock()
    pin = dataclasses.replace(
        pip_pin("demo", "1", ("<spec>", "")),
        artifact=artifact("h", "w/demo-1+x-py3-none-any.whl"),
    )
    pip = PipSpec(packages=("demo[a] @ https://h/w/demo-1+x-py3-none-any.whl",))
    return dataclasses.replace(
        lock,
        roots=dataclasses.replace(lock.roots, pip=pip),
        archives=(*lock.archives, Archive(name="h", url="https://h/")),
        pip=(*lock.pip, pin),
    )


def test_requirements() -> None:
    assert export_requirements(example_lock()) == snapshot("""\
# The pip packages of an imagelock lock, for Python 3.11.2 on linux/amd64, linux/arm64.
--index-url https://pypi.example/simple/
--extra-index-url https://extra.example/simple/
--extra-index-url https://pypi.org/simple/
--find-links ./wheels
numpy==2.3.5 ; sys_platform == 'linux' and platform_machine == 'aarch64' \\
    --hash=sha256:e774636556c23341319fa42a8f1ba2bb4a5d1f014861279a494e4017b8f60b8d
numpy==2.4.0 ; sys_platform == 'linux' and platform_machine == 'x86_64' \\
    --hash=sha256:de5d39167faaecdd989eef0783bd76d3d5301ec433fd98c59fc211f838644219
pandas==2.3.3 \\
    --hash=sha256:261f77eb5b00f8f31c25b83a66f764e935799f4cc09ddfdbf1d3731900c70bfe
six==1.16.0 \\
    --hash=sha256:1e116ad2df4fa80a095f86edc54ff2953d8d1c8eb04ac6abeaedd78aa5ccd21d
""")


def test_what_the_backend_of_a_source_is_told_goes_with_it_and_is_read_again() -> None:
    lock = example_lock()
    sdist = dataclasses.replace(
        pip_pin("lxml", "1", ("<spec>", "")), artifact=artifact("pypi", "p/lxml-1.tar.gz")
    )
    text = export_requirements(dataclasses.replace(lock, pip=(sdist,)))
    assert text.splitlines()[-4:] == [
        f"    --hash=sha256:{sdist.artifact.sha256} \\",
        "    --config-settings=--with-xml2=/usr \\",
        "    --config-settings=-v=1 \\",
        "    --config-settings=-v=2",
    ]
    spec = '[base]\nimage = "a"\n[pip]\nrequirements = ["r.txt"]\nindex = "https://pypi.example/simple/"'
    files = {"r.txt": text.replace("--find-links ./wheels\n", "").encode()}
    read = parse_spec(spec.encode(), source="t.toml", read_file=files.__getitem__)
    assert read.pip.config_settings == lock.roots.pip.config_settings


def test_requirements_of_one_platform() -> None:
    assert export_requirements(with_direct(), ARM64) == snapshot("""\
# The pip packages of an imagelock lock, for Python 3.11.2 on linux/arm64.
demo @ https://h/w/demo-1+x-py3-none-any.whl \\
    --hash=sha256:b08a1153ff72ac00ed73a28cfd0fed4b4dd94120e786181ec0b3ccad1f410a42
numpy==2.3.5 \\
    --hash=sha256:e774636556c23341319fa42a8f1ba2bb4a5d1f014861279a494e4017b8f60b8d
pandas==2.3.3 \\
    --hash=sha256:261f77eb5b00f8f31c25b83a66f764e935799f4cc09ddfdbf1d3731900c70bfe
six==1.16.0 \\
    --hash=sha256:1e116ad2df4fa80a095f86edc54ff2953d8d1c8eb04ac6abeaedd78aa5ccd21d
""")


def test_a_platform_that_the_lock_is_not_for() -> None:
    with pytest.raises(UsageError, match=r"expected a platform of this lock \(linux/amd64, linux/"):
        export_requirements(example_lock(), Platform("linux/s390x"))


def test_pylock() -> None:
    assert export_pylock(example_lock()) == snapshot("""\
lock-version = "1.0"
environments = [
  "sys_platform == 'linux' and platform_machine == 'x86_64'",
  "sys_platform == 'linux' and platform_machine == 'aarch64'",
]
requires-python = "==3.11.*"
created-by = "imagelock"

[[packages]]
name = "numpy"
version = "2.3.5"
marker = "sys_platform == 'linux' and platform_machine == 'aarch64'"
wheels = [{ url = "https://files.pythonhosted.org/packages/numpy-2.3.5-py3-none-any.whl", size = 1000, hashes = { sha256 = "e774636556c23341319fa42a8f1ba2bb4a5d1f014861279a494e4017b8f60b8d" } }]

[[packages]]
name = "numpy"
version = "2.4.0"
marker = "sys_platform == 'linux' and platform_machine == 'x86_64'"
wheels = [{ url = "https://files.pythonhosted.org/packages/numpy-2.4.0-py3-none-any.whl", size = 1000, hashes = { sha256 = "de5d39167faaecdd989eef0783bd76d3d5301ec433fd98c59fc211f838644219" } }]

[[packages]]
name = "pandas"
version = "2.3.3"
wheels = [{ url = "https://files.pythonhosted.org/packages/pandas-2.3.3-py3-none-any.whl", size = 1000, hashes = { sha256 = "261f77eb5b00f8f31c25b83a66f764e935799f4cc09ddfdbf1d3731900c70bfe" } }]

[[packages]]
name = "six"
version = "1.16.0"
wheels = [{ url = "https://files.pythonhosted.org/packages/six-1.16.0-py3-none-any.whl", size = 1000, hashes = { sha256 = "1e116ad2df4fa80a095f86edc54ff2953d8d1c8eb04ac6abeaedd78aa5ccd21d" } }]
""")


def test_a_wheel_by_its_url_is_an_archive() -> None:
    package = Pylock.from_dict(tomllib.loads(export_pylock(with_direct()))).packages[0]
    assert package.archive is not None
    assert package.archive.url == "https://h/w/demo-1+x-py3-none-any.whl"
    assert package.wheels is None


@settings(max_examples=25)
@given(locks(), st.randoms(use_true_random=False))
def test_the_order_of_pins_means_nothing(lock: Lock, random: Random) -> None:
    shuffled = dataclasses.replace(lock, pip=tuple(random.sample(lock.pip, len(lock.pip))))
    assert export_requirements(shuffled) == export_requirements(lock)
    assert export_pylock(shuffled) == export_pylock(lock)


@pytest.mark.parametrize("platform", [AMD64, ARM64])
def test_the_lines_that_hold_are_the_pins(platform: Platform) -> None:
    lock = example_lock()
    environment = {"sys_platform": "linux", "platform_machine": MACHINES[platform]}
    pins = {(pin.name, pin.version) for pin in lock.pip if platform in pin.platforms}
    text = export_requirements(lock).replace("\\\n", "")
    lines = [
        line.partition(" --hash")[0].strip() for line in text.splitlines() if line[0].isalpha()
    ]
    found = [Requirement(line) for line in lines]
    assert pins == {
        (pip_name(line.name), str(line.specifier).removeprefix("=="))
        for line in found
        if line.marker is None or line.marker.evaluate(environment)
    }
    packages = Pylock.from_dict(tomllib.loads(export_pylock(lock))).packages
    assert pins == {
        (pip_name(package.name), str(package.version))
        for package in packages
        if package.marker is None or package.marker.evaluate(environment)
    }
    assert any(
        marker.evaluate(environment)
        for marker in Pylock.from_dict(tomllib.loads(export_pylock(lock))).environments or ()
    )


@pytest.mark.parametrize("name", ["r.txt", "pylock.toml"])
def test_what_is_written_can_be_read_here(name: str) -> None:
    """A lock, exported and taken over, asks for the same versions with the same hashes."""
    lock = example_lock()
    text = export_pylock(lock) if name == "pylock.toml" else export_requirements(lock)
    spec = parse_spec(
        f'[base]\nimage = "a"\n[pip]\nrequirements = ["{name}"]\n'.encode(),
        source="a.toml",
        read_file=lambda _: text.encode(),
    )
    found = {line.partition(";")[0].strip() for line in spec.pip.all_requirements}
    assert found == {f"{pin.name}=={pin.version}" for pin in lock.pip}
    hashes = {
        value for file in spec.pip.requirements for _, values in file.hashes for value in values
    }
    assert hashes == {f"sha256:{pin.artifact.sha256}" for pin in lock.pip}
