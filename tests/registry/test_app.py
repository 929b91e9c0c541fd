"""From a spec on a base in a registry to an image pushed beside it."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.build import build, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.lock import lock_spec
from imagelock.app.push import attached_lock, image_exists, push_layout, target_reference
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import NetworkError, NotFound, UsageError
from imagelock.model.image import BuildResult
from imagelock.model.platform import Platform
from support.layouts import Entry, LayoutWriter, tar_of
from support.minbase import minbase_layout
from support.minbase import test_cache as kept_downloads
from support.registry import (
    PASSWORD,
    USER,
    RunningRegistry,
    TokenService,
    needs,
    running_registry,
    skopeo_push,
)

pytestmark = pytest.mark.registry
AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return Context(store=Store(tmp_path / "store"), http=Http(), now=datetime.now(UTC))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    writer = LayoutWriter(tmp_path / "small")
    return writer.finish([writer.index([writer.image([tar_of([Entry("a", b"b")])])])])


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenService]:
    service = TokenService(tmp_path_factory.mktemp("issuer"))
    yield service
    service.close()


def log_in(host: str, folder: Path) -> None:
    (folder / "docker").mkdir(exist_ok=True)
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    config = {"auths": {host: {"auth": auth}}}
    (folder / "docker" / "config.json").write_text(json.dumps(config))


@pytest.mark.network
def test_a_base_in_a_registry_to_an_image_beside_it(
    context: Context, registry: RunningRegistry, tmp_path: Path
) -> None:
    base = skopeo_push(minbase_layout(), registry, "library/debian:12")
    spec = tmp_path / "app.toml"
    spec.write_text(
        f'name = "app"\nregistry = "{registry.host}/team"\n[base]\nimage = "{base}"\n'
        '[env]\nGREETING = "hello"\n[[copy]]\nfrom = "hello.txt"\nto = "/srv/"\n'
    )
    (tmp_path / "hello.txt").write_text("hello")
    located = locate(str(spec))
    outcome = lock_spec(located, context=context, options=ResolveOptions())
    order = order_of(located)
    assert image_exists(order.reference, order.lock.platforms, context=context) is False
    layout = tmp_path / "out"
    result = build(order, order.lock.platforms, output=f"oci:{layout}", context=context)
    pushed = push_layout(
        layout, order.reference, context=context, lock=order.lock, lock_data=outcome.data
    )
    assert pushed.digest == result.index.digest
    assert pushed.mounted == 1
    assert pushed.sent < 10_000
    assert image_exists(order.reference, order.lock.platforms, context=context) is True
    assert image_exists(order.reference, [AMD64, ARM64], context=context) is False
    assert attached_lock(order.reference, context=context) == outcome.data
    needs("skopeo")
    command = ["skopeo", "inspect", "--tls-verify=false", f"docker://{order.reference}"]
    seen = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert "GREETING=hello" in seen["Env"]


@pytest.mark.network
@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="the sandbox's first tier needs root")
def test_a_teams_layers_are_found_instead_of_made(
    context: Context, registry: RunningRegistry, tmp_path: Path
) -> None:
    kept = replace(context, store=Store(kept_downloads() / "store"))
    base = minbase_layout()
    (tmp_path / "base").symlink_to(base)
    spec = tmp_path / "app.toml"
    spec.write_text(
        'name = "app"\n[base]\nlayout = "oci:base"\n'
        '[pip]\npackages = ["six"]\n[apt]\npackages = ["hello"]\n'
    )
    located = locate(str(spec))
    lock = lock_spec(located, context=kept, options=ResolveOptions()).lock
    repository = f"{registry.host}/team/layers"

    def make(
        context: Context, name: str, *, to: str | None = None, found_in: str | None = None
    ) -> BuildResult:
        return build(
            order_of(located),
            lock.platforms,
            output=f"oci:{tmp_path / name}",
            context=context,
            cache_from=found_in,
            cache_to=to,
        )

    first = make(kept, "first", to=repository)
    other = replace(context, store=Store(tmp_path / "other"))
    second = make(other, "second", found_in=repository)
    assert second.index == first.index
    own = second.images[0].layers[1:]
    assert own
    assert all(layer.cached for layer in own)
    artifacts = [pin.artifact for pin in lock.apt] + [pin.artifact for pin in lock.pip]
    assert artifacts
    assert all(other.store.find(artifact.sha256) is None for artifact in artifacts)
    pushed = push_layout(tmp_path / "second", f"{registry.host}/team/app:1", context=other)
    assert pushed.mounted == len({layer.descriptor.digest for layer in own})


def test_attaching_twice_changes_nothing_and_different_locks_are_refused(
    context: Context, registry: RunningRegistry, small: Path
) -> None:
    reference = f"{registry.host}/team/attached:1"
    push_layout(small, reference, context=context)
    with pytest.raises(NotFound, match="no lock attached"):
        attached_lock(reference, context=context)
    for _ in range(2):
        push_layout(small, reference, context=context, lock_data=b"version = 1\n")
    assert attached_lock(reference, context=context) == b"version = 1\n"
    push_layout(small, reference, context=context, lock_data=b"version = 1\n# other\n")
    with pytest.raises(UsageError, match="2 different locks"):
        attached_lock(reference, context=context)


def test_pushing_with_a_password_and_without(context: Context, small: Path, tmp_path: Path) -> None:
    with running_registry(tmp_path / "registry", htpasswd=True) as running:
        reference = f"{running.host}/team/app:1"
        with pytest.raises(NetworkError, match="asks for a user and password"):
            push_layout(small, reference, context=context)
        assert image_exists(reference, [AMD64], context=context) is None
        log_in(running.host, tmp_path)
        push_layout(small, reference, context=context)
        assert image_exists(reference, [AMD64], context=context) is True
        log = running.log.read_text()
    assert PASSWORD not in log


def test_pushing_and_mounting_with_tokens(
    context: Context, small: Path, tokens: TokenService, tmp_path: Path
) -> None:
    folder = tmp_path / "registry"
    folder.mkdir()
    (folder / "issuer.crt").write_bytes((tokens._folder / "issuer.crt").read_bytes())
    with running_registry(folder, realm=tokens.realm) as running:
        first, second = (f"{running.host}/team/{name}:1" for name in ("first", "second"))
        with pytest.raises(NetworkError, match="docker login"):
            push_layout(small, first, context=context)
        log_in(running.host, tmp_path)
        assert push_layout(small, first, context=context).uploaded == 2
        tokens.asked.clear()
        report = push_layout(small, second, context=replace(context))
        assert (report.uploaded, report.mounted) == (0, 2)
        scopes = {scope for scope, _ in tokens.asked}
        assert "repository:team/second:pull,push repository:team/first:pull" in scopes


@pytest.mark.parametrize("text", ["app:1", "team/app:1", "Team/app:1"])
def test_a_push_needs_a_registry(text: str) -> None:
    with pytest.raises(UsageError, match="with its registry"):
        target_reference(text)


def test_registries_are_named_as_docker_names_them() -> None:
    assert target_reference("docker.io/me/app:1").api_host == "registry-1.docker.io"
    assert target_reference("localhost:5000/app").tag == "latest"
