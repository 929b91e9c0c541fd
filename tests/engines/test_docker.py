"""The builder `docker` on the classic engine of bookworm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engines.conftest import EngineSite, small_lock
from engines.same_tree import build_and_compare
from imagelock.build.engines.docker import DockerBuilder
from imagelock.build.engines.folder import SUMS, write_context
from imagelock.model.errors import BuildError, UsageError
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.render import Dialect
from support.engine import Engine

pytestmark = [
    pytest.mark.network,
    pytest.mark.engine,
    pytest.mark.root,
    pytest.mark.usefixtures("docker"),
]


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
    lock = small_lock(site, secret=False, commands=("echo near the end", "exit 7"))
    with pytest.raises(BuildError) as failed:
        DockerBuilder().build(lock, [], f"oci:{site.folder / 'x'}", context=site.context())
    assert failed.value.where.startswith("run 1: ")
    assert "near the end" in failed.value.message


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
    write_context(
        small_lock(site, secret=False),
        [DEFAULT_PLATFORM],
        tmp_path,
        dialect=Dialect.DOCKER,
        reference="small:1",
        context=site.context(),
    )
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
