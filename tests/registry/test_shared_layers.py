"""Layers shared through a registry: found elsewhere as if made there."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError
from imagelock.model.image import LAYER_GZIP, MANIFEST
from imagelock.registry.artifact import as_json, canonical, descriptor_of, put_manifest
from imagelock.registry.reference import parse_reference
from imagelock.registry.shared_layers import SharedLayers
from support.registry import RunningRegistry, client_with

pytestmark = pytest.mark.registry
KEY = hashlib.sha256(b"key").hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()
DATA = b"layer bytes" * 1000


def shared(folder: Path, host: str, name: str = "team/layers") -> tuple[SharedLayers, Store]:
    store = Store(folder)
    return SharedLayers(client_with(store), store, parse_reference(f"{host}/{name}")), store


def keep(store: Store, key: str, data: bytes) -> dict[str, object]:
    found = store.add_bytes(data)
    record: dict[str, object] = {
        "media_type": LAYER_GZIP,
        "digest": f"sha256:{found}",
        "size": len(data),
        "diff_id": "sha256:" + "0" * 64,
        "epoch": 1,
        "empty": False,
        "notes": {"a": [1, 2]},
    }
    store.keep_record("layers", key, record)
    return record


def test_what_one_machine_saved_another_loads(registry: RunningRegistry, tmp_path: Path) -> None:
    here, store = shared(tmp_path / "here", registry.host)
    record = keep(store, KEY, DATA)
    assert here.save(KEY) is True
    assert here.save(KEY) is False
    there, other = shared(tmp_path / "there", registry.host)
    assert there.load(KEY) is True
    assert other.record("layers", KEY) == record
    assert other.read(hashlib.sha256(DATA).hexdigest()) == DATA  # type: ignore[arg-type]
    assert there.load(OTHER) is False


def test_a_registry_that_cannot_be_reached_has_none(tmp_path: Path) -> None:
    layers, _ = shared(tmp_path, "127.0.0.1:1")
    assert layers.load(KEY) is False


def test_an_unknown_key_is_not_saved(registry: RunningRegistry, tmp_path: Path) -> None:
    layers, _ = shared(tmp_path, registry.host)
    with pytest.raises(KeyError):
        layers.save(KEY)


def test_a_record_of_another_layer_is_refused(registry: RunningRegistry, tmp_path: Path) -> None:
    layers, store = shared(tmp_path / "here", registry.host, "team/forged")
    keep(store, KEY, DATA)
    layers.save(KEY)
    target = parse_reference(f"{registry.host}/team/forged:layer-{KEY[:48]}")
    client = client_with(store)
    record = keep(store, OTHER, b"other layer")
    layers.save(OTHER)
    config = descriptor_of(canonical(record), "application/vnd.imagelock.layer.record.v1+json")
    layer = {"mediaType": LAYER_GZIP, "digest": descriptor_of(DATA, "x").digest, "size": len(DATA)}
    forged = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": as_json(config),
        "layers": [layer],
    }
    put_manifest(client, target, MANIFEST, canonical(forged))
    fresh, _ = shared(tmp_path / "there", registry.host, "team/forged")
    with pytest.raises(IntegrityError, match="of another layer"):
        fresh.load(KEY)
