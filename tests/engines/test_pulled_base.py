"""A base pulled from a registry by digest: every engine gives the embedded builder's tree."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.conftest import REAL, EngineSite
from imagelock.app.verify import verify_image
from imagelock.build.engines.buildkit import BuildKitBuilder
from imagelock.build.engines.docker import DockerBuilder
from imagelock.build.engines.podman import PodmanBuilder
from imagelock.build.engines.session import EngineBuilder
from imagelock.build.oci.builder import OciBuilder
from imagelock.model.lock import BaseKind, BasePin, Lock
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import CopyRule, ImageBase, ImageConfig, RunRule, Spec
from imagelock.registry.layout import LayoutSource
from imagelock.registry.source import RegistrySource
from support.image_tree import differences, layout_tree
from support.registry import (
    PASSWORD,
    USER,
    RunningRegistry,
    client_with,
    running_registry,
    skopeo_push,
)
from support.started import started

pytestmark = [*REAL, pytest.mark.registry]

BUILDERS: dict[str, type[EngineBuilder]] = {
    "buildkit": BuildKitBuilder,
    "docker": DockerBuilder,
    "podman": PodmanBuilder,
}
DOCKER = "docker-config"
RUNTIME = {
    "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", 'BASE=of the "base" $HOME'],
    "Entrypoint": ["/usr/bin/env", "--"],
    "Cmd": ["python3", "--version"],
    "User": "games",
    "WorkingDir": "/srv",
    "Labels": {"org.example.base": "yes"},
    "ExposedPorts": {"8080/tcp": {}, "53/udp": {}},
    "StopSignal": "SIGINT",
}


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry that gives nothing without a password."""
    with running_registry(tmp_path_factory.mktemp("registry"), htpasswd=True) as running:
        yield running


@pytest.fixture(scope="module")
def base(site: EngineSite, registry: RunningRegistry) -> RegistrySource:
    """What reads the base for us, by the password of the user's docker config."""
    auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    folder = site.folder / DOCKER
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
    return RegistrySource(client_with(site.store, {"DOCKER_CONFIG": str(folder)}), site.store)


@pytest.fixture(scope="module")
def pulled(site: EngineSite, registry: RunningRegistry, base: RegistrySource) -> Lock:
    """A lock on a base of the registry that says much of how its containers start."""
    layout = with_runtime(site.base, site.folder / "base", RUNTIME)
    reference = skopeo_push(layout, registry, "team/base:1", credentials=f"{USER}:{PASSWORD}")
    pin = BasePin(
        kind=BaseKind.IMAGE,
        reference=reference,
        digest=base.digest(reference, DEFAULT_PLATFORM),
        platforms=(DEFAULT_PLATFORM,),
    )
    (site.folder / "app.ini").write_text("[app]\n")
    roots = Spec(
        name="pulled",
        base=ImageBase(image=reference),
        env=(("OWN", "1"),),
        image=ImageConfig(cmd=("python3", "-V"), labels=(("org.example.own", "too"),)),
        copies=(CopyRule(source="app.ini", target="/app/"),),
        runs=(RunRule(commands=('test "$BASE$OWN" && id -u > /made', "pwd >> /made")),),
    )
    return Lock(roots=roots, bases=(pin,))


def with_runtime(layout: Path, folder: Path, runtime: dict[str, Any]) -> Path:
    """The only image of a layout with another runtime config; its layers are linked."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (layout / "blobs" / "sha256").iterdir():
        os.link(blob, blobs / blob.name)
    (folder / "oci-layout").write_bytes((layout / "oci-layout").read_bytes())
    index = json.loads((layout / "index.json").read_bytes())
    (entry,) = index["manifests"]
    manifest = json.loads(blob_of(layout, entry["digest"]))
    config = json.loads(blob_of(layout, manifest["config"]["digest"]))
    config["config"] = runtime
    manifest["config"] |= put(blobs, config)
    entry |= put(blobs, manifest)
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def put(blobs: Path, value: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    (blobs / digest).write_bytes(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def blob_of(layout: Path, digest: str) -> bytes:
    return (layout / "blobs" / "sha256" / digest.removeprefix("sha256:")).read_bytes()


def manifest_of(layout: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The only image's manifest and config."""
    found: dict[str, Any] = json.loads((layout / "index.json").read_bytes())
    while "manifests" in found:
        found = json.loads(blob_of(layout, found["manifests"][0]["digest"]))
    return found, json.loads(blob_of(layout, found["config"]["digest"]))


# Where an image is copied as a whole it takes its time.
@pytest.mark.parametrize(
    "name",
    ["buildkit", *(pytest.param(name, marks=pytest.mark.slow) for name in ("docker", "podman"))],
)
def test_the_tree_and_the_config_are_the_embedded_builder_s(
    name: str,
    site: EngineSite,
    pulled: Lock,
    base: RegistrySource,
) -> None:
    context = replace(site.context(), source_of=lambda _pin: base)
    own, layout = site.folder / "pulled-oci", site.folder / f"pulled-{name}"
    if not own.exists():
        OciBuilder().build(pulled, [], f"oci:{own}", context=context)
    with started(name), pytest.MonkeyPatch.context() as patch:
        # Where each engine's own client looks for passwords.
        passwords = site.folder / DOCKER / "config.json"
        folder = Path(os.environ.get("DOCKER_CONFIG", passwords.parent))
        (folder / "config.json").write_bytes(passwords.read_bytes())
        patch.setenv("DOCKER_CONFIG", str(folder))
        patch.setenv("REGISTRY_AUTH_FILE", str(passwords))
        BUILDERS[name]().build(pulled, [], f"oci:{layout}", context=context, tag="t")
    assert not any(PASSWORD in line for line in site.said)
    source = LayoutSource(site.store, folder=site.folder)
    assert verify_image(pulled, DEFAULT_PLATFORM, source, f"oci:{layout}") == ()
    found = differences(layout_tree(own), layout_tree(layout))
    assert found == {}, found
    manifest, config = manifest_of(layout)
    other, wanted = manifest_of(own)
    assert config["config"] == wanted["config"]
    if name == "buildkit":
        assert manifest["layers"][0] == other["layers"][0]
        assert config["history"][0] == wanted["history"][0]
    assert len(config["rootfs"]["diff_ids"]) == len(
        [line for line in config["history"] if not line.get("empty_layer")]
    )
