# ruff: noqa: E501 (package URLs stand here as they are)
"""A lock as a bill of materials: as text, by the formats' own checks, and as laws."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st
from packageurl import PackageURL

from imagelock.lock.export.components import bill_of
from imagelock.lock.export.cyclonedx import export_cyclonedx
from imagelock.lock.export.purl import apt_purl, base_purl, package_url, pip_purl
from imagelock.lock.export.spdx import export_spdx
from imagelock.lock.graph import PackagePin
from imagelock.lock.tag import tag_digest
from imagelock.model.archives import Archive
from imagelock.model.errors import UsageError
from imagelock.model.lock import (
    BASE_ROOT,
    SPEC_ROOT,
    BaseKind,
    Lock,
    PythonPin,
    PythonProvider,
)
from imagelock.model.platform import Platform
from support.example_lock import AMD64, ARM64, BOTH, apt_pin, artifact, example_lock, pip_pin
from support.strategies import locks

GOLDEN = Path(__file__).parent / "golden"
FORMATS = {"cyclonedx": export_cyclonedx, "spdx": export_spdx}
Export = Callable[[Lock, Platform | None], str]


def bootstrapped() -> Lock:
    """A lock with a bootstrapped base, a vendor's archive and a wheel for each platform."""
    lock = example_lock()
    base = dataclasses.replace(
        lock.bases[0], kind=BaseKind.DISTRIBUTION, reference="debian:bookworm", platforms=BOTH
    )
    vendor = dataclasses.replace(
        apt_pin("tool", "1.0~rc1+x", (SPEC_ROOT, ""), platforms=BOTH, architecture="all"),
        artifact=artifact("vendor.example-apt", "pool/tool_1.0.deb"),
        suite="stable",
    )
    security = dataclasses.replace(
        apt_pin("libssl3", "3.0.15-1", (BASE_ROOT, "required"), base=True, platforms=(ARM64,)),
        suite="bookworm-security",
        architecture="arm64",
    )
    wheels = [
        dataclasses.replace(
            pip_pin("numpy", "2.4.0", (SPEC_ROOT, ">=2"), platforms=(platform,)),
            artifact=artifact("pypi", f"packages/{platform.machine}/numpy-{platform.machine}.whl"),
        )
        for platform in BOTH
    ]
    return dataclasses.replace(
        lock,
        bases=(base,),
        archives=(
            Archive(name="own", url="wheels/"),
            Archive(name="vendor.example-apt", url="https://vendor.example/apt/"),
        ),
        apt=(*lock.apt, vendor, security),
        pip=(
            *wheels,
            dataclasses.replace(
                pip_pin("own", "1", (SPEC_ROOT, "")), artifact=artifact("own", "own-1.whl")
            ),
        ),
    )


EXAMPLES = {"train": example_lock, "bootstrapped": bootstrapped}


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("name", FORMATS)
def test_the_text(name: str, example: str) -> None:
    """Golden: whoever changes a bill on purpose writes the files anew."""
    text = FORMATS[name](EXAMPLES[example]())
    assert text == (GOLDEN / f"{example}.{name}.json").read_text(encoding="utf-8")


@pytest.mark.parametrize("example", EXAMPLES)
def test_cyclonedx_by_its_schema(example: str) -> None:
    text = export_cyclonedx(EXAMPLES[example]())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert "timestamp" not in json.loads(text)["metadata"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_spdx_by_the_check_of_its_project(example: str, tmp_path: Path) -> None:
    assert importlib.util.find_spec("spdx_tools") is not None
    file = tmp_path / "train.spdx.json"
    file.write_text(export_spdx(EXAMPLES[example]()), encoding="utf-8")
    code = "from spdx_tools.spdx.clitools.pyspdxtools import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", code, "--infile", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stdout


def test_the_check_of_spdx_can_say_no(tmp_path: Path) -> None:
    file = tmp_path / "train.spdx.json"
    wrong = export_spdx(example_lock()).replace("DEPENDS_ON", "LIKES")
    file.write_text(wrong, encoding="utf-8")
    code = "from spdx_tools.spdx.clitools.pyspdxtools import main; main()"
    command = [sys.executable, "-W", "ignore", "-c", code, "--infile", str(file)]
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_package_urls() -> None:
    lock = bootstrapped()
    found = {part.name: part.purl for part in bill_of(lock, ARM64).parts}
    assert found["tool"] == (
        "pkg:deb/vendor.example-apt/tool@1.0~rc1%2Bx?arch=all&repository_url=https://vendor.example/apt/"
    )
    assert found["libssl3"] == "pkg:deb/debian/libssl3@3.0.15-1?arch=arm64&distro=bookworm"
    assert found["numpy"] == "pkg:pypi/numpy@2.4.0?file_name=numpy-aarch64.whl"
    assert found["own"] == ("pkg:pypi/own@1?file_name=own-1.whl")
    assert found["debian"] is None


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("python:3.12-slim", "pkg:oci/python@DIGEST?arch=amd64&repository_url=docker.io/library/python&tag=3.12-slim"),
        ("acme/Train", "pkg:oci/train@DIGEST?arch=amd64&repository_url=docker.io/acme/Train"),
        ("ghcr.io/a/b:1@sha256:" + "0" * 64, "pkg:oci/b@DIGEST?arch=amd64&repository_url=ghcr.io/a/b&tag=1"),
        ("localhost:5000/a", "pkg:oci/a@DIGEST?arch=amd64&repository_url=localhost:5000/a"),
        ("debian", "pkg:oci/debian@DIGEST?arch=amd64&repository_url=docker.io/library/debian"),
    ],
)  # fmt: skip
def test_package_url_of_a_base_image(reference: str, expected: str) -> None:
    pin = dataclasses.replace(example_lock().bases[0], kind=BaseKind.IMAGE, reference=reference)
    assert base_purl(pin, AMD64) == expected.replace("DIGEST", pin.digest)


def test_a_layout_has_no_package_url() -> None:
    pin = dataclasses.replace(example_lock().bases[0], kind=BaseKind.LAYOUT, reference="oci:x")
    assert base_purl(pin, AMD64) is None


texts = st.text(st.characters(codec="ascii", min_codepoint=33, exclude_characters="/"), min_size=1)


@given(texts, texts, texts, texts)
def test_package_urls_are_canonical(vendor: str, name: str, version: str, value: str) -> None:
    """As the reference implementation writes them."""
    theirs = PackageURL("x", vendor, name, version, {"arch": value, "distro": value})
    assert package_url("x", vendor, name, version=version, arch=value, distro=value) == str(theirs)


def test_who_needs_whom() -> None:
    parts = {part.reference: part for part in bill_of(bootstrapped()).parts}
    names = {reference: part.name for reference, part in parts.items()}
    needs = {part.name: {names[item] for item in part.needs} for part in parts.values()}
    assert needs["debian"] == {"libc6", "libssl3"}
    assert needs["git"] == {"libc6"}
    image = bill_of(bootstrapped()).image
    assert {names[item] for item in image.needs} >= {"debian", "git", "numpy", "own", "tool"}


def test_an_interpreter_of_the_base_is_a_part() -> None:
    lock = example_lock()
    python = PythonPin(
        version="3.12.7",
        implementation="cpython",
        provider=PythonProvider.BASE,
        executable="/usr/local/bin/python3",
        platforms=BOTH,
    )
    assert not [part for part in bill_of(lock).parts if part.name == "python"]
    parts = bill_of(dataclasses.replace(lock, pythons=(python,))).parts
    assert [part.purl for part in parts if part.name == "python"] == ["pkg:generic/python@3.12.7"]


def test_one_platform() -> None:
    lock = bootstrapped()
    (numpy,) = (part for part in bill_of(lock, ARM64).parts if part.name == "numpy")
    assert numpy.platforms == (ARM64,)
    assert numpy.url is not None
    assert "aarch64" in numpy.url
    assert len([part for part in bill_of(lock).parts if part.name == "numpy"]) == 2
    for export in FORMATS.values():
        assert export(lock, ARM64) != export(lock)
        with pytest.raises(UsageError, match="expected a platform of this lock"):
            export(lock, Platform("linux/s390x"))


def references_of(name: str, text: str) -> tuple[set[str], set[str], str]:
    """What is defined, what is referred to, and the identity of a document."""
    document: dict[str, Any] = json.loads(text)
    if name == "spdx":
        defined = {item["SPDXID"] for item in document["packages"]} | {document["SPDXID"]}
        named = {
            item[end]
            for item in document["relationships"]
            for end in ("spdxElementId", "relatedSpdxElement")
        }
        return defined, named, document["documentNamespace"]
    parts = [document["metadata"]["component"], *document.get("components", [])]
    named = {item["ref"] for item in document["dependencies"]}
    named |= {ref for item in document["dependencies"] for ref in item.get("dependsOn", [])}
    return {item["bom-ref"] for item in parts}, named, document["serialNumber"]


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25)
@given(lock=locks(), random=st.randoms(use_true_random=False))
def test_laws(name: str, lock: Lock, random: Random) -> None:
    """Order means nothing, every file is listed once, and nothing unlisted is referred to."""
    text = FORMATS[name](lock)
    shuffled = dataclasses.replace(
        lock,
        apt=tuple(random.sample(lock.apt, len(lock.apt))),
        pip=tuple(random.sample(lock.pip, len(lock.pip))),
        bases=tuple(random.sample(lock.bases, len(lock.bases))),
    )
    assert FORMATS[name](shuffled) == text
    defined, named, _identity = references_of(name, text)
    assert named <= defined
    pins: tuple[PackagePin, ...] = (*lock.apt, *lock.conda, *lock.pip)
    for pin in pins:
        assert pin.artifact.sha256 in text


@pytest.mark.parametrize("name", FORMATS)
def test_another_lock_is_another_document(name: str) -> None:
    lock = example_lock()
    other = dataclasses.replace(lock, pip=lock.pip[1:])
    assert tag_digest(lock) != tag_digest(other)
    one, two, three = (
        references_of(name, FORMATS[name](*arguments))[2]
        for arguments in ((lock,), (other,), (lock, AMD64))
    )
    assert len({one, two, three}) == 3


def test_purls_of_every_example_are_read_by_the_reference_implementation() -> None:
    for example in EXAMPLES.values():
        lock = example()
        for pin in lock.apt:
            assert PackageURL.from_string(apt_purl(pin, lock)).version == pin.version
        for wheel in lock.pip:
            assert PackageURL.from_string(pip_purl(wheel, lock)).name == wheel.name
