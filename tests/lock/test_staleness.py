"""Why a lock is stale, word for word, and what must be resolved again."""

# ruff: noqa: E501, ISC004  # one case a line reads as a table

from __future__ import annotations

import dataclasses

import pytest

from imagelock.lock import Section, directly_stale, normalise, stale_sections, staleness
from imagelock.lock.stale import ALL_RESOLVED
from imagelock.model.errors import LockError
from imagelock.model.lock import Lock
from imagelock.model.pip_spec import PipSpec, RequirementsFile
from imagelock.model.platform import Platform
from imagelock.model.spec import (
    AptSpec,
    CondaSpec,
    CopyRule,
    DistributionBase,
    GpuSpec,
    ImageBase,
    ImageConfig,
    LayoutBase,
    Spec,
    Variant,
)
from support.example_lock import example_lock, example_spec

LOCK = example_lock()
SPEC = example_spec()
FILE = SPEC.pip.requirements[0]
ROOTS = {Section.ROOTS}
AFTER_APT = {Section.ROOTS, Section.APT, Section.PYTHON, Section.PIP}
AFTER_PYTHON = {Section.ROOTS, Section.APT, Section.CONDA, Section.PYTHON, Section.PIP}
ALL = {Section.ROOTS, *ALL_RESOLVED}


def pip(**changes: object) -> Spec:
    return dataclasses.replace(SPEC, pip=dataclasses.replace(SPEC.pip, **changes))  # type: ignore[arg-type]  # by name


def apt(**changes: object) -> Spec:
    return dataclasses.replace(SPEC, apt=dataclasses.replace(SPEC.apt, **changes))  # type: ignore[arg-type]  # by name


def spec(**changes: object) -> Spec:
    return dataclasses.replace(SPEC, **changes)  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize(
    ("changed", "reasons", "sections"),
    [
        (SPEC, [], set()),
        (spec(name="b"), ["name: acme/train → b"], ROOTS),
        (spec(registry=None), ["registry: registry.example/acme was removed"], ROOTS),
        (spec(tag_format="{lock}"), ["tag-format: v1-{lock} → {lock}"], ROOTS),
        (spec(env=(("MODE", "fast"),)), ['env.GREETING: "say \\"héllo\\"\\n\\t\\\\o/" was removed', 'env.MODE: "" → fast'], ROOTS),
        (spec(image=ImageConfig()), [
            'image.entrypoint: ["/usr/bin/env", "python3"] was removed',
            "image.cmd: [] was removed",
            "image.workdir: /app was removed",
            "image.user: app was removed",
            'image.labels."org.opencontainers.image.title": train was removed',
            "image.labels.team: a b was removed",
        ], ROOTS),
        (spec(copies=(*SPEC.copies, CopyRule(source="x", target="/x"))), ['copy: { from = "x", to = "/x" } was added'], ROOTS),
        (spec(copies=SPEC.copies[::-1]), [
            'copy: [{ from = "conf/app.ini", to = "/app/conf/" }, { from = "a b", to = "/app/c" }] → '
            '[{ from = "a b", to = "/app/c" }, { from = "conf/app.ini", to = "/app/conf/" }]'
        ], ROOTS),
        (spec(source=None), ['source: { root = "src", mode = "loaded-modules", entry = ["train.py"] } was removed'], ROOTS),
        (spec(python="3.12"), ["python: >=3.11,<3.13 → 3.12"], AFTER_PYTHON),
        (spec(python=None), ["python: >=3.11,<3.13 was removed"], AFTER_PYTHON),
        (spec(platforms=(Platform("linux/amd64"),)), ["platforms: linux/arm64 was removed"], ALL),
        (spec(platforms=(*SPEC.platforms, Platform("linux/s390x"))), ["platforms: linux/s390x was added"], ALL),
        (spec(base=ImageBase(image="python:3.12")), ["base: distribution debian:bookworm, variant essential → image python:3.12"], ALL),
        (spec(base=LayoutBase(layout="oci:a")), ["base: distribution debian:bookworm, variant essential → layout oci:a"], ALL),
        (spec(base=DistributionBase(distribution="debian:trixie", variant=Variant.ESSENTIAL)), ["base.distribution: debian:bookworm → debian:trixie"], ALL),
        (spec(base=DistributionBase(distribution="debian:bookworm")), ["base.variant: essential → minbase"], ALL),
        (pip(packages=("numpy>=2.1", "polars")), [
            "pip.packages: numpy>=2 → numpy>=2.1",
            "pip.packages: pandas[excel]>=2.2 was removed",
            "pip.packages: polars was added",
        ], {Section.ROOTS, Section.PIP}),
        (pip(requirements=()), ["pip.requirements: requirements.txt was removed"], {Section.ROOTS, Section.PIP}),
        (pip(requirements=(dataclasses.replace(FILE, requirements=("six==1.17.0", "tqdm"), hashes=()),)), [
            "requirements.txt: six==1.16.0 → six==1.17.0",
            "requirements.txt: tqdm was added",
            'requirements.txt hashes."six==1.16.0": '
            '["sha256:44778d82365e4af681c40d5f0eef5cf6f5899d3f0ac335050a7ed6779cf3f674"] was removed',
        ], {Section.ROOTS, Section.PIP}),
        (pip(requirements=(dataclasses.replace(FILE, constraints=()),)), ["requirements.txt constraints: urllib3<2 was removed"], {Section.ROOTS, Section.PIP}),
        (pip(requirements=(dataclasses.replace(FILE, requires_python=""),)), ['requirements.txt requires-python: >=3.11 → ""'], {Section.ROOTS, Section.PIP}),
        (pip(requirements=(FILE, RequirementsFile(path="dev.txt"))), ["pip.requirements: dev.txt was added"], {Section.ROOTS, Section.PIP}),
        (pip(extra_indexes=("pypi", "https://extra.example/simple/")), [
            "pip.extra-indexes: [https://extra.example/simple/, pypi] → [pypi, https://extra.example/simple/]"
        ], {Section.ROOTS, Section.PIP}),
        (pip(exclude_newer=None), ["pip.exclude-newer: 2026-11-01 was removed"], {Section.ROOTS, Section.PIP}),
        (pip(python_exec=None), ["pip.python-exec: /usr/bin/python3 was removed"], AFTER_PYTHON),
        (apt(packages=("curl=7.88.*", "git")), ["apt.packages: [git, curl=7.88.*] → [curl=7.88.*, git]"], AFTER_APT),
        (apt(packages=("git", "curl=8.*", "libc6:arm64", "mawk-")), [
            "apt.packages: curl=7.88.* → curl=8.*",
            "apt.packages: libc6:arm64 was added",
            "apt.packages: mawk- was added",
        ], AFTER_APT),
        (apt(recommends=False), ["apt.recommends: true → false"], AFTER_APT),
        (apt(sources=()), [
            'apt.source: { uris = "https://apt.example/debian/", suites = ["bookworm", "bookworm-extra"], '
            'components = ["main"], signed-by = "keys/vendor.asc", '
            'keys = ["4D64FEC119C2029067D6E791F8D2585B8783D481"], snapshot = "20261101T000000Z" } was removed'
        ], AFTER_APT),
        (apt(sources=(dataclasses.replace(SPEC.apt.sources[0], keys=("0" * 40,)),)), [
            "apt.source 'https://apt.example/debian/ bookworm bookworm-extra main' keys: 4D64FEC119C2029067D6E791F8D2585B8783D481 was removed",
            f"apt.source 'https://apt.example/debian/ bookworm bookworm-extra main' keys: {'0' * 40} was added",
        ], AFTER_APT),
        (spec(conda=CondaSpec(packages=("blas", "mkl 2025.*"))), [
            "conda.packages: mkl 2024.* → mkl 2025.*",
            "conda.channels: https://channel.example/acme/ was removed",
            "conda.channel-priority: flexible → strict",
            "conda.exclude-newer: 2026-10-01 was removed",
        ], {Section.ROOTS, Section.CONDA, Section.PYTHON, Section.PIP}),
        (spec(gpu=GpuSpec(cuda="12.6", cudnn="9", driver="550.54.14")), [
            "gpu.cuda: 12.4 → 12.6"
        ], AFTER_PYTHON),
        (spec(runs=(), secrets=()), [
            'run: { commands = ["make -C /opt/thing", "true"], network = true } was removed',
            'secret: { id = "netrc", src = "~/.netrc", target = "/run/secrets/netrc" } was removed',
        ], ROOTS),
        (spec(builder=dataclasses.replace(SPEC.builder, options=(("cache", False), ("level", -3), ("note", "x")))), ["builder.options.cache: true → false"], ROOTS),
    ],
)  # fmt: skip
def test_reasons(changed: Spec, reasons: list[str], sections: set[Section]) -> None:
    assert [str(reason) for reason in staleness(LOCK, changed)] == reasons
    assert stale_sections(LOCK, changed) == sections


def test_what_the_tag_covers_is_told_apart() -> None:
    changed = spec(name="b", registry=None, tag_format="{lock}", env=())
    flags = {reason.path.partition(".")[0]: reason.in_tag for reason in staleness(LOCK, changed)}
    assert flags == {"name": False, "registry": False, "tag-format": False, "env": True}


def test_order_and_doubles_without_meaning_are_no_reason() -> None:
    changed = pip(packages=(*SPEC.pip.packages[::-1], SPEC.pip.packages[0]))
    assert staleness(LOCK, changed) == ()
    assert stale_sections(LOCK, changed) == frozenset()


def test_the_first_pip_package_needs_an_interpreter() -> None:
    before = dataclasses.replace(SPEC, python=None, pip=PipSpec())
    after = dataclasses.replace(before, pip=PipSpec(packages=("numpy",)))
    lock = dataclasses.replace(normalise(LOCK), roots=before)
    assert stale_sections(lock, after) == AFTER_PYTHON
    assert stale_sections(dataclasses.replace(lock, roots=after), before) == AFTER_PYTHON


def test_what_follows_is_told_from_what_changed() -> None:
    changed = apt(packages=("git",))
    assert directly_stale(LOCK, changed) == {Section.ROOTS, Section.APT}
    assert stale_sections(LOCK, changed) == AFTER_APT


def test_a_spec_that_no_lock_could_hold_is_an_error() -> None:
    outside = dataclasses.replace(SPEC, copies=(CopyRule(source="../x", target="/x"),))
    with pytest.raises(LockError, match="expected a relative path without empty parts") as caught:
        staleness(LOCK, outside)
    assert caught.value.where == "copy.from"


def test_a_lock_without_a_base_is_stale() -> None:
    short = dataclasses.replace(LOCK, bases=LOCK.bases[:1])
    assert [str(reason) for reason in staleness(short, SPEC)] == ["base: no pin → linux/arm64"]
    assert stale_sections(short, SPEC) == ALL
    assert stale_sections(Lock(roots=SPEC), dataclasses.replace(SPEC, apt=AptSpec())) == ALL
