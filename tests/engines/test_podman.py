"""The builder `podman`."""

from __future__ import annotations

import pytest

from engines.conftest import REAL, EngineSite, small_lock
from engines.same_tree import build_and_compare, fail_at_its_step
from imagelock.build.engines.podman import PodmanBuilder
from support.podman import Podman

pytestmark = [*REAL, pytest.mark.usefixtures("podman")]


def test_the_tree_is_that_of_the_embedded_builder(site: EngineSite, podman: Podman) -> None:
    result = build_and_compare(PodmanBuilder(), site, secret=True)
    assert result.engine.startswith("podman 4")
    assert "imagelock-build" not in podman.podman("images", "--format", "{{.Repository}}").stdout


@pytest.mark.slow
def test_podman_keeps_it(site: EngineSite, podman: Podman) -> None:
    lock = small_lock(site, secret=True)
    PodmanBuilder().build(lock, [], "docker", context=site.context(), reference="a.b/small:1")
    ran = podman.podman("run", "--rm", "--network=none", "a.b/small:1")
    assert ran.stdout == "ran\n"


def test_a_failing_command_is_placed_at_its_step(site: EngineSite) -> None:
    fail_at_its_step(PodmanBuilder(), site, secret=True)
