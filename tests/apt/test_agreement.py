"""What we choose is what the real apt-get chooses, on the real archive."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import cache

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.sections.apt import Suites, bootstrap_section
from imagelock.model.debian import Installed
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase
from support.apt_agreement import NAMED, Difference, compare, random_requests
from support.apt_oracle import AptOracle
from support.debian_index import status_of

pytestmark = [
    pytest.mark.network,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get as the oracle"),
]

SetUp = Callable[..., tuple[Suites, Installed, AptOracle]]


@pytest.fixture(scope="session")
def set_up(
    real_context: Context,
    real_suites: Callable[[str, str], Suites],
    tmp_path_factory: pytest.TempPathFactory,
) -> SetUp:
    """Both sides on a bootstrapped minbase, or on one with the oldest versions there are."""

    @cache
    def made(
        release: str, platform: str, *, outdated: bool = False
    ) -> tuple[Suites, Installed, AptOracle]:
        suites = real_suites(release, platform)
        target = Platform(platform)
        installed = bootstrap_section(
            DistributionBase(distribution=f"debian:{release}"),
            target,
            context=real_context,
            options=ResolveOptions(),
            suites=suites,
        ).installed
        if outdated:
            index = suites.index
            installed = Installed(
                packages=tuple(
                    index.versions(index.key(package))[-1][0] for package in installed.packages
                )
            )
        oracle = AptOracle(
            tmp_path_factory.mktemp(f"{release}-{target.debian_architecture}"),
            suites.fetched,
            status_of(suites.index, installed.packages),
            target.debian_architecture,
        )
        return suites, installed, oracle

    return made


@pytest.mark.parametrize(
    ("words", "recommends"),
    [*((words, False) for words in NAMED[:3]), (NAMED[1], True)],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else str(value),
)
def test_some_sets(set_up: SetUp, words: tuple[str, ...], recommends: bool) -> None:  # noqa: FBT001
    assert compare(*set_up("bookworm", "linux/amd64"), words, recommends=recommends) is None


def test_a_foreign_platform(set_up: SetUp) -> None:
    assert compare(*set_up("bookworm", "linux/arm64"), NAMED[0], recommends=False) is None


def test_a_base_that_has_aged(set_up: SetUp) -> None:
    """What is needed is upgraded, with its siblings, and nothing else."""
    found = set_up("bookworm", "linux/amd64", outdated=True)
    assert compare(*found, NAMED[5], recommends=False) is None


@pytest.mark.slow
def test_sets_on_a_base_that_has_aged(set_up: SetUp) -> None:
    suites, installed, oracle = set_up("bookworm", "linux/amd64", outdated=True)
    cases = [*NAMED[:30], *random_requests(suites.index, 30, seed=5)]
    differences = [
        found
        for words in cases
        if (found := compare(suites, installed, oracle, words, recommends=False)) is not None
    ]
    assert not differences, "\n".join(map(str, differences))


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux/amd64", "linux/arm64"])
@pytest.mark.parametrize("release", ["bookworm", "trixie"])
def test_named_and_random_sets(set_up: SetUp, release: str, platform: str) -> None:
    """At least 99 % agree; tests/apt/README.md explains every difference there is."""
    suites, installed, oracle = set_up(release, platform)
    cases = [
        *((words, recommends) for words in NAMED for recommends in (False, True)),
        *(
            (words, number % 2 == 1)
            for number, words in enumerate(random_requests(suites.index, 80, seed=20261122))
        ),
    ]
    differences: list[Difference] = []
    for words, recommends in cases:
        found = compare(suites, installed, oracle, words, recommends=recommends)
        if found is not None:
            print(found)  # noqa: T201 - what README.md explains
            differences.append(found)
    assert len(differences) <= len(cases) // 100, "\n".join(map(str, differences))
