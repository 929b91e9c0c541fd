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
from imagelock.model.lock import BASE_ROOT, distribution_digest
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase, Variant
from imagelock.resolve.apt.check import unmet

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
