"""The builder `docker` on the classic engine of bookworm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engines.conftest import REAL, EngineSite, small_lock, written
from engines.same_tree import build_and_compare, fail_at_its_step
from imagelock.build.engines.docker import DockerBuilder
from imagelock.build.engines.folder import SUMS
from imagelock.model.errors import BuildError, UsageError
from imagelock.model.platform import Platform
from imagelock.render import Dialect
from support.engine import Engine

pytestmark = [*REAL, pytest.mark.usefixtures("docker")]


def test_the_tree_is_that_of_the_embedded_builder(site: EngineSite, docker: Engine) -> None:
    result = build_and_compare(DockerBuilder(), site, secret=False)
    assert result.engine.startswith("Docker 20.10")
    assert "imagelock-build" not in docker.docker("images", "--format", "{{.Repository}}").stdout


@pytest.mark.slow
def test_twice_is_the_same_and_the_engine_keeps_it(site: EngineSite, docker: Engine) -> None:
    lock = small_lock(site, secret=False)
    one = DockerBuilder().build(lock, [], "docker", context=site.context(), reference="a.b/s:1")
    docker.docker("system", "prune", "--force")
    again = DockerBuilder().build(lock, [], f"oci:{site.folder / 'two'}", context=site.context())
    # The layer behind it takes away what is the engine's own, at its clock's time.
    assert again.images[0].layers[0].descriptor == one.images[0].layers[0].descriptor
    assert docker.docker("run", "--rm", "--network=none", "a.b/s:1").stdout == "ran\n"


def test_secrets_are_refused_with_a_way_out(site: EngineSite) -> None:
    with pytest.raises(UsageError, match="no secrets") as refused:
        DockerBuilder().build(small_lock(site, secret=True), [], "oci:x", context=site.context())
    assert "buildkit" in refused.value.hint


def test_a_failing_command_is_placed_at_its_step(site: EngineSite) -> None:
    fail_at_its_step(DockerBuilder(), site, secret=False)


def test_a_foreign_platform_is_refused_before_anything_is_sent(site: EngineSite) -> None:
    with pytest.raises(BuildError, match="not linux/s390x"):
        DockerBuilder().build(
            small_lock(site, secret=False),
            [Platform("linux/s390x")],
            "oci:x",
            context=site.context(),
        )


def test_a_plain_docker_build_checks_every_hash(
    site: EngineSite, docker: Engine, tmp_path: Path
) -> None:
    written(small_lock(site, secret=False), tmp_path, site, dialect=Dialect.DOCKER)
    for sums in tmp_path.rglob(SUMS):
        subprocess.run(["sha256sum", "--check", "--quiet", SUMS], cwd=sums.parent, check=True)
    (deb,) = tmp_path.rglob("*.deb")
    data = bytearray(deb.read_bytes())
    data[-1] ^= 1
    deb.unlink()
    deb.write_bytes(data)
    built = docker.docker("build", "--network", "none", str(tmp_path), check=False)
    assert built.returncode != 0
    assert f"{deb.name}: FAILED" in built.stdout + built.stderr
