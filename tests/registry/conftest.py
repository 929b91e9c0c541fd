"""Registries started once, and layouts to put into them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.registry.client import RegistryClient
from imagelock.registry.source import RegistrySource
from support.layouts import Entry, LayoutWriter, tar_of
from support.registry import RunningRegistry, client_with, running_registry, skopeo_push

PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7")


@pytest.fixture(scope="session")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One image of two layers for three platforms, behind an index inside the index."""
    writer = LayoutWriter(tmp_path_factory.mktemp("layout"))
    shared = tar_of([Entry("etc/", folder=True), Entry("etc/os-release", b"ID=test\n")])
    images = [
        writer.image([shared, tar_of([Entry("platform", name.encode())])], platform=name)
        for name in PLATFORMS
    ]
    attestation = {**images[0], "platform": {"os": "unknown", "architecture": "unknown"}}
    inner = writer.index([attestation, *images])
    return writer.finish([inner])


@pytest.fixture(scope="session")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningRegistry]:
    """A registry without authorization."""
    with running_registry(tmp_path_factory.mktemp("registry")) as running:
        yield running


@pytest.fixture(scope="session")
def pushed(registry: RunningRegistry, layout: Path) -> str:
    """The layout's image, put into the registry by skopeo."""
    return skopeo_push(layout, registry, "team/base:1")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def client(store: Store) -> RegistryClient:
    return client_with(store)


@pytest.fixture
def source(client: RegistryClient, store: Store) -> RegistrySource:
    return RegistrySource(client, store)
