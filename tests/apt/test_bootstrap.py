"""A bootstrapped base has what mmdebstrap installs, name and version."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import Suites, bootstrap_section, installed_from_status
from imagelock.model.debian import BinaryPackage
from imagelock.model.lock import BASE_ROOT, distribution_digest
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase, Variant
from imagelock.resolve.apt.check import unmet
from support.apt_oracle import AptOracle
from support.debian_index import status_of

pytestmark = pytest.mark.network


@pytest.mark.slow
@pytest.mark.root
@pytest.mark.skipif(not shutil.which("mmdebstrap"), reason="needs mmdebstrap as the oracle")
@pytest.mark.parametrize("variant", list(Variant))
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_same_set_as_mmdebstrap(
    real_context: Context,
    real_suites: Callable[[str, str], Suites],
    tmp_path: Path,
    release: str,
    variant: Variant,
) -> None:
    target = tmp_path / "root.tar"
    subprocess.run(["mmdebstrap", f"--variant={variant}", "-q", release, target], check=True)
    with tarfile.open(target) as archive:
        status = archive.extractfile("./var/lib/dpkg/status")
        assert isinstance(status, io.BufferedReader)
        theirs = installed_from_status(status.read()).packages
    ours = bootstrap_section(
        DistributionBase(distribution=f"debian:{release}", variant=variant),
        Platform("linux/amd64"),
        context=real_context,
        options=ResolveOptions(),
        suites=real_suites(release, "linux/amd64"),
    )
    assert {(pin.name, pin.version, pin.architecture) for pin in ours.pins} == {
        (package.name, package.version, package.architecture) for package in theirs
    }


@pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get as the oracle")
@pytest.mark.parametrize(
    ("release", "platform"),
    [
        ("bookworm", "linux/arm64"),
        pytest.param("trixie", "linux/arm64", marks=pytest.mark.slow),
        pytest.param("bookworm", "linux/amd64", marks=pytest.mark.slow),
    ],
)
def test_same_set_as_the_apt_calls_of_mmdebstrap(
    real_context: Context,
    real_suites: Callable[[str, str], Suites],
    tmp_path: Path,
    release: str,
    platform: str,
) -> None:
    """Of minbase, for any architecture, since nothing is run: what is essential, then the rest."""
    target, suites = Platform(platform), real_suites(release, platform)
    native = target.debian_architecture
    patterns = [["?essential"], ["?priority(required)", "apt"]]
    theirs: dict[tuple[str, str], BinaryPackage] = {}
    for number, wanted in enumerate(patterns):
        words = [
            f"?and(?architecture({native}),{word})" if word[0] == "?" else word for word in wanted
        ]
        status = status_of(suites.index, tuple(theirs.values())) if theirs else b""
        folder = tmp_path / str(number)
        found = AptOracle(folder, suites.fetched, status, native).install(*words)
        assert found is not None
        for name, version in found.installed:
            versions = suites.index.versions((name, native))
            theirs[name, native] = next(item for item, _ in versions if item.version == version)
    ours = bootstrap_section(
        DistributionBase(distribution=f"debian:{release}"),
        target,
        context=real_context,
        options=ResolveOptions(),
        suites=suites,
    )
    assert {(str(pin.name), pin.version, pin.architecture) for pin in ours.pins} == {
        (package.name, package.version, package.architecture) for package in theirs.values()
    }


@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
def test_every_pin_says_why(
    real_context: Context, real_suites: Callable[[str, str], Suites], platform: str
) -> None:
    target = Platform(platform)
    section = bootstrap_section(
        DistributionBase(distribution="debian:bookworm"),
        target,
        context=real_context,
        options=ResolveOptions(),
        suites=real_suites("bookworm", platform),
    )
    names = {pin.name for pin in section.pins}
    assert {"apt", "base-files", "bash", "dpkg", "libc6", "mawk"} <= names
    assert not names & {"python3", "systemd", "debconf-i18n"}
    for pin in section.pins:
        assert pin.base
        assert pin.platforms == (target,)
        assert pin.required_by
        assert {edge.name for edge in pin.required_by} <= {*names, BASE_ROOT}
        assert pin.artifact.path.startswith("pool/")
        assert pin.architecture in {target.debian_architecture, "all"}
    assert not unmet(section.installed.packages, target.debian_architecture)
    assert [pin.suite for pin in section.indexes] == [
        "bookworm",
        "bookworm-updates",
        "bookworm-security",
    ]
    assert distribution_digest(section.pins).startswith("sha256:")
