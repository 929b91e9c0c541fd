"""BuildKit's cache in a registry, and commands with a network, on real engines."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace

import pytest

from engines.conftest import CANARY, REAL, EngineSite, small_lock
from imagelock.build.engines.buildkit import BuildKitBuilder, cache_arguments
from imagelock.model.image import BuildResult
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import BuilderChoice, RunRule
from support.image_tree import layout_tree
from support.registry import RunningRegistry
from support.started import started

pytestmark = [*REAL, pytest.mark.registry]


def run_lock(site: EngineSite, *runs: RunRule, **options: str) -> Lock:
    """The base and commands alone."""
    lock = small_lock(site, secret=True)
    choice = BuilderChoice(name="buildkit", options=tuple(sorted(options.items())))
    image = replace(lock.roots.image, user=None, cmd=None)
    roots = replace(lock.roots, runs=runs, image=image, builder=choice)
    return replace(lock, roots=roots, apt=(), pip=(), pythons=())


def build(site: EngineSite, lock: Lock, name: str) -> BuildResult:
    return BuildKitBuilder().build(
        lock, [], f"oci:{site.folder / name}", context=site.context(), tag="t"
    )


@pytest.mark.slow
def test_another_engine_takes_the_steps_from_the_registry(
    site: EngineSite, registry: RunningRegistry
) -> None:
    # A command that never gives the same twice: that it did tells that it was not run again.
    chance = RunRule(
        commands=("cat /proc/sys/kernel/random/uuid > /chance", "wc -c < /run/secrets/token")
    )
    cache = f"{registry.host}/team/cache"
    with started("buildkit"):
        one = build(site, run_lock(site, chance, **{"cache-to": cache}), "one")
    with started("buildkit"):
        other = build(site, run_lock(site, chance, **{"cache-from": cache}), "other")
    assert other.images[0].manifest == one.images[0].manifest
    tags = registry.folder / "data/docker/registry/v2/repositories/team/cache/_manifests/tags"
    assert [tag.name for tag in tags.iterdir()] == ["linux-amd64"]
    for blob in registry.folder.rglob("data"):
        if blob.is_file():
            data = blob.read_bytes()
            plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
            assert CANARY.encode() not in plain


def test_a_network_is_given_to_the_command_that_asks(site: EngineSite) -> None:
    lock = run_lock(
        site,
        RunRule(commands=("ls /sys/class/net > /without",)),
        RunRule(commands=("ls /sys/class/net > /with",), network=True),
    )
    with started("buildkit", bridged=True):
        build(site, lock, "net")
    tree = layout_tree(site.folder / "net")
    assert tree["with"].content == hashlib.sha256(b"eth0\nlo\n").hexdigest()
    assert tree["without"].content == hashlib.sha256(b"lo\n").hexdigest()


@pytest.mark.parametrize(
    ("named", "ref"),
    [
        ("r.example:5000/team/cache", "r.example:5000/team/cache:linux-arm-v7"),
        ("r.example/team/cache:main", "r.example/team/cache:main-linux-arm-v7"),
        ("localhost:5000/cache", "localhost:5000/cache:linux-arm-v7"),
        ("r.example/c@sha256:12", "r.example/c@sha256:12"),
    ],
)
def test_each_platform_has_a_cache_of_its_own(named: str, ref: str) -> None:
    platform = Platform("linux/arm/v7")
    assert cache_arguments({"cache-from": named, "cache-to": named}, platform) == [
        f"--cache-from=type=registry,ref={ref}",
        f"--cache-to=type=registry,ref={ref},mode=max",
    ]
    own = "type=local,dest=cache"
    assert cache_arguments({"cache-to": own}, platform) == [f"--cache-to={own}"]
