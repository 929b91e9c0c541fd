"""The committed hello lock by every builder: run, verified, and the trees compared."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from acceptance.conftest import HOST, LOCKS
from engines.conftest import REAL
from support.command import Called, call
from support.image_tree import Tree, differences, layout_tree
from support.started import STARTS, started

pytestmark = [*REAL, pytest.mark.slow]

LOCK = str(LOCKS / "hello.lock")


def build(name: str, output: str) -> Called:
    called = call(
        "build", LOCK, "--builder", name, "--platform", HOST, "--output", output, "--json"
    )
    assert called.code == 0, called.err
    return called


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    layout = tmp_path_factory.mktemp("embedded") / "image"
    build("oci", f"oci:{layout}")
    return layout_tree(layout)


@pytest.mark.parametrize("name", sorted(STARTS))
def test_an_engine_builds_the_same_tree(name: str, embedded: Tree, tmp_path: Path) -> None:
    layout = tmp_path / "image"
    with started(name):
        report = json.loads(build(name, f"oci:{layout}").out)
    assert report["engine"]
    verified = call("verify", LOCK, f"oci:{layout}", "--platform", HOST)
    assert verified.code == 0, verified.out
    found = differences(embedded, layout_tree(layout))
    uv_words = ("opt/venv/bin/", "INSTALLER", "RECORD")
    assert found
    if name == "podman":
        assert found.pop("etc/hostname") == ("extra",)
    for path, fields in found.items():
        assert fields == ("content",), (path, fields)
        assert path.startswith(uv_words[0]) or path.endswith(uv_words[1:]), path
    ran = call("run", f"oci:{layout}", "--", "python", "greet.py")
    assert ran.code == 0, ran.err
    with started(name):
        again = json.loads(build(name, f"oci:{tmp_path / 'again'}").out)
    if name == "buildkit":
        assert again["index_digest"] == report["index_digest"]
    one, other = layout_tree(layout), layout_tree(tmp_path / "again")
    unlike = {path for path in one.keys() | other.keys() if one.get(path) != other.get(path)}
    assert unlike <= ({"etc/hostname", "run"} if name == "podman" else set())
    assert not differences(one, other)
