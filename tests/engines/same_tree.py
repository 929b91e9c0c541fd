"""What each engine's build of the small lock must show."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from engines.conftest import CANARY, NASTY, EngineSite, small_lock
from imagelock.app.verify import verify_image
from imagelock.build.engines.session import EngineBuilder
from imagelock.build.oci.builder import OciBuilder
from imagelock.model.errors import BuildError
from imagelock.model.image import BuildResult
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.registry.layout import LayoutSource
from support.image_tree import differences, layout_tree

SITE = "opt/venv/lib/python3.11/site-packages"
DOCUMENTED = {
    f"{SITE}/thing-1.0.dist-info/INSTALLER": ("content",),
    f"{SITE}/thing-1.0.dist-info/RECORD": ("content",),
    f"{SITE}/made-1.0.dist-info/INSTALLER": ("content",),
    f"{SITE}/made-1.0.dist-info/RECORD": ("content",),
    "opt/venv/bin/thing": ("content",),
}
"""docs/engines.md: what uv words another way."""


def build_and_compare(builder: EngineBuilder, site: EngineSite, *, secret: bool) -> BuildResult:
    """Build with an engine and without one: verified, and the same but for what is documented."""
    lock = small_lock(site, secret=secret)
    layout, own = site.folder / builder.name, site.folder / f"oci-{secret}"
    site.said.clear()
    result = builder.build(lock, [], f"oci:{layout}", context=site.context(), tag="t")
    if not own.exists():
        OciBuilder().build(lock, [], f"oci:{own}", context=site.context())
    source = LayoutSource(site.store, folder=site.folder)
    assert verify_image(lock, DEFAULT_PLATFORM, source, f"oci:{layout}") == ()
    tree = layout_tree(layout)
    found = differences(layout_tree(own), tree)
    if builder.name == "podman":
        found.pop("etc/hostname", None)
    assert found == DOCUMENTED, found
    assert max(node.mtime for node in tree.values()) <= 1_800_000_000
    assert [line for line in site.said if "run 1" in line]
    config = _config(layout, result)
    assert f"NASTY={NASTY}" in config["config"]["Env"]
    assert config["config"]["Labels"]["org.example.a b"] == NASTY
    assert config["config"]["User"] == "tool"
    refuse_canary(layout, site)
    return result


def fail_at_its_step(builder: EngineBuilder, site: EngineSite, *, secret: bool) -> None:
    """A failing command is told of with its step and what it said, but for secrets."""
    shown = ("cat /run/secrets/token",) if secret else ()
    lock = small_lock(site, secret=secret, commands=(*shown, "echo near the end", "exit 7"))
    target = site.folder / "failed"
    with pytest.raises(BuildError) as failed:
        builder.build(lock, [], f"oci:{target}", context=site.context())
    assert failed.value.where.startswith("run 1: ")
    assert "near the end" in failed.value.message
    assert CANARY not in str(failed.value)
    assert not target.exists()


def refuse_canary(layout: Path, site: EngineSite) -> None:
    """The secret is in no layer, config, manifest or line of the log."""
    wanted = CANARY.encode()
    for blob in (layout / "blobs" / "sha256").iterdir():
        data = blob.read_bytes()
        plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        assert wanted not in plain, blob
    assert not any(CANARY in line for line in site.said)
    left = site.store.root / "contexts"
    assert not left.exists() or not any(left.iterdir())


def _config(layout: Path, result: BuildResult) -> dict[str, Any]:
    digest = result.images[0].image_id.partition(":")[2]
    value: dict[str, Any] = json.loads((layout / "blobs" / "sha256" / digest).read_bytes())
    return value
