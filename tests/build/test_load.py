"""`--output docker` and `verify … docker:`, with a classic engine, containerd's and podman."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from imagelock.app.build import build, order_of
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import locate
from imagelock.app.images import named_image
from imagelock.app.lock import lock_spec
from imagelock.app.verify import verify_image
from imagelock.build.engine import connected
from imagelock.build.oci import load
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError, IntegrityError, NetworkError, NotFound, UsageError
from imagelock.model.image import BuildResult
from imagelock.model.platform import Platform
from support.buildkit import running_buildkit
from support.engine import missing, running_engine
from support.layouts import Entry, LayoutWriter, tar_of
from support.podman import running_podman
from support.processes import PATIENCE, stop

pytestmark = [pytest.mark.engine, pytest.mark.root]
AMD64, ARM64 = Platform("linux/amd64"), Platform("linux/arm64")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(store=Store(tmp_path / "store"), http=Http(), now=datetime.now(UTC))


@dataclass(frozen=True, slots=True)
class Project:
    """A spec of two platforms on a base of one file."""

    spec: Path
    context: Context

    def build(self, *platforms: Platform, output: str = "docker") -> BuildResult:
        return build(order_of(locate(str(self.spec))), platforms, output=output,
                     context=self.context)  # fmt: skip

    def findings(self, image: str, platform: Platform) -> list[str]:
        lock = order_of(locate(str(self.spec))).lock
        with named_image(image, context=self.context) as named:
            return [str(one) for one in verify_image(lock, platform, named.source, named.reference)]

    def platforms(self, image: str) -> tuple[Platform, ...]:
        with named_image(image, context=self.context) as named:
            return named.platforms_of([AMD64, ARM64])


def project_in(folder: Path, context: Context, *, name: str = "app", options: str = "") -> Project:
    folder.mkdir(exist_ok=True)
    writer = LayoutWriter(folder / "base")
    tar = tar_of([Entry("bin", folder=True, mode=0o755), Entry("bin/hello", b"x", mode=0o755)])
    made = [writer.image([tar], platform=one) for one in ("linux/amd64", "linux/arm64")]
    writer.finish([writer.index(made)])
    (folder / "data.txt").write_text("data")
    spec = folder / "app.toml"
    spec.write_text(
        f'name = "{name}"\nplatforms = ["linux/amd64", "linux/arm64"]\n'
        '[base]\nlayout = "oci:base"\n[env]\nGREETING = "hello"\n'
        f'[[copy]]\nfrom = "data.txt"\nto = "/srv/"\n{options}'
    )
    lock_spec(locate(str(spec)), context=context, options=ResolveOptions())
    return Project(spec, context)


@pytest.fixture
def project(tmp_path: Path, context: Context) -> Project:
    return project_in(tmp_path / "project", context)


@pytest.fixture(scope="module")
def classic() -> Iterator[str]:
    with running_engine() as engine:
        yield engine.host


@pytest.fixture(scope="module")
def containerd() -> Iterator[str]:
    with running_buildkit() as engine:
        yield engine.host


@contextlib.contextmanager
def podman_service() -> Iterator[str]:
    with running_podman() as podman:
        socket = podman.folder / "podman.sock"
        service = subprocess.Popen(
            ["podman", "system", "service", "--time=0", f"unix://{socket}"],
            env=podman.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            end = time.monotonic() + PATIENCE
            while not socket.exists() and service.poll() is None and time.monotonic() < end:
                time.sleep(0.1)
            if not socket.exists():
                missing("podman's service did not start")
            yield f"unix://{socket}"
        finally:
            stop(service)


@pytest.fixture(scope="module")
def podman() -> Iterator[str]:
    with podman_service() as host:
        yield host


def inspected(host: str, reference: str) -> dict[str, Any]:
    with connected(environment={"DOCKER_HOST": host}) as engine:
        value: dict[str, Any] = engine.client.inspect_image(reference)
        return value


@pytest.mark.parametrize("kind", ["classic", "podman"])
def test_an_engine_of_one_platform_a_name(
    kind: str, project: Project, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    host: str = request.getfixturevalue(kind)
    monkeypatch.setenv("DOCKER_HOST", host)
    result = project.build()
    (image,) = result.images
    seen = inspected(host, result.reference)
    assert seen["Id"].removeprefix("sha256:") == image.image_id.removeprefix("sha256:")
    assert seen["RootFS"]["Layers"] == [layer.diff_id for layer in image.layers]
    assert "GREETING=hello" in seen["Config"]["Env"]
    assert result.engine.startswith("Docker 20" if kind == "classic" else "Podman 4")
    assert project.platforms(f"docker:{result.reference}") == (image.platform,)
    assert project.findings(f"docker:{result.reference}", image.platform) == []
    with pytest.raises(NotFound):
        project.findings(f"docker:{result.reference}", ARM64)
    with pytest.raises(UsageError, match="keeps one platform a name"):
        project.build(AMD64, ARM64)
    assert project.build(ARM64).images[0].platform == ARM64
    assert inspected(host, result.reference)["Architecture"] == "arm64"


def test_containerd_s_store_keeps_every_platform_and_the_digests(
    project: Project, containerd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", containerd)
    result = project.build()
    assert [image.platform for image in result.images] == [AMD64, ARM64]
    assert result.engine.startswith("Docker 2")
    assert inspected(containerd, result.reference)["Id"] == result.index.digest
    for platform in (AMD64, ARM64):
        assert project.findings(f"docker:{result.reference}", platform) == []
    assert project.platforms(f"docker:{result.reference}") == (AMD64, ARM64)
    with pytest.raises(NotFound, match="none"):
        project.findings("docker:none:at-all", AMD64)


def test_what_is_there_is_not_sent_again(
    project: Project,
    tmp_path: Path,
    context: Context,
    classic: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DOCKER_HOST", classic)
    first = project.build()
    monkeypatch.setattr(load, "archive_chunks", None)
    assert project.build().index == first.index
    # The same image under another name is named, not sent.
    other = project_in(tmp_path / "project", context, name="other").build()
    assert other.images[0].manifest == first.images[0].manifest
    assert other.reference != first.reference
    assert inspected(classic, other.reference)["Id"] == first.images[0].image_id


def test_zstd_is_refused_where_it_cannot_be_read_and_loaded_where_it_can(
    tmp_path: Path, context: Context, classic: str, containerd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = project_in(tmp_path / "project", context, name="zstd",
                         options='[builder]\noptions = { compression = "zstd" }\n')  # fmt: skip
    monkeypatch.setenv("DOCKER_HOST", classic)
    with pytest.raises(BuildError, match="cannot read layers compressed by zstd"):
        project.build()
    monkeypatch.setenv("DOCKER_HOST", containerd)
    result = project.build()
    assert project.findings(f"docker:{result.reference}", AMD64) == []


def test_another_image_is_found_out(
    project: Project, classic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", classic)
    with connected() as engine:
        engine.client.import_image_from_data(tar_of([Entry("a", b"b")]), repository="mine", tag="1")
    assert any("GREETING" in one for one in project.findings("docker:mine:1", AMD64))


def test_no_engine_is_said_before_anything_is_built(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    before = sorted(project.context.store.root.rglob("*"))
    with pytest.raises(NetworkError, match="no Docker engine answers"):
        project.build()
    assert sorted(project.context.store.root.rglob("*")) == before


def test_a_damaged_layer_is_not_loaded(
    project: Project, classic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", classic)
    (project.spec.parent / "data.txt").write_text("an image that the engine does not have")
    result = project.build(output=f"oci:{project.spec.parent}/out")
    layer = result.images[0].layers[-1].descriptor
    path = project.context.store.root / "sha256" / layer.digest[7:9] / layer.digest[9:]
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match="expected sha256:"):
        project.build(AMD64)


def test_archives(project: Project, tmp_path: Path, classic: str) -> None:
    project.build(output=f"oci-archive:{tmp_path}/out.tar")
    for platform in (AMD64, ARM64):
        assert project.findings(f"oci-archive:{tmp_path}/out.tar", platform) == []
    with connected(environment={"DOCKER_HOST": classic}) as engine:
        client = engine.client
        client.import_image_from_data(tar_of([Entry("a", b"b")]), repository="saved", tag="1")
        (tmp_path / "saved.tar").write_bytes(b"".join(client.get_image("saved:1")))
    found = project.findings(f"docker-archive:{tmp_path}/saved.tar", AMD64)
    assert any("GREETING" in one for one in found)


@pytest.mark.parametrize(
    ("entries", "said"),
    [
        ([Entry("a", b"b")], "neither index.json nor manifest.json"),
        ([Entry("manifest.json", b"{}")], "no image for linux/amd64|list of Config"),
        ([Entry("manifest.json", b'[{"Config": "../../x", "Layers": []}]')], "does not have"),
        ([Entry("manifest.json", link="manifest.json")], "neither"),
        ([Entry("../escape", b"x")], "escape"),
    ],
)
def test_archives_that_are_none(
    project: Project, tmp_path: Path, entries: list[Entry], said: str
) -> None:
    (tmp_path / "bad.tar").write_bytes(tar_of(entries))
    with pytest.raises((IntegrityError, NotFound), match=said):
        project.findings(f"docker-archive:{tmp_path}/bad.tar", AMD64)
    assert not (tmp_path / "escape").exists()
    assert list((project.context.store.root / "tmp").iterdir()) == []


def test_an_archive_that_is_not_there(project: Project, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        project.findings(f"oci-archive:{tmp_path}/none.tar", AMD64)
    (tmp_path / "cut.tar").write_bytes(tar_of([Entry("a", b"b" * 5000)])[:3000])
    with pytest.raises(IntegrityError, match="cut short"):
        project.findings(f"oci-archive:{tmp_path}/cut.tar", AMD64)
