"""One digest of the layers: whatever the host, the order, the store and the way they were found."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagelock.fetch.store import Store
from imagelock.layers.conda.order import link_order
from imagelock.layers.conda.prefix import replaced_binary
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from support.conda_channel import CondaFile, conda_package
from support.conda_examples import golden_packages
from support.conda_sites import conda_pin, link

ARM = Platform("linux/arm64")

GOLDEN = {
    "linux/amd64": "77f5c7b1afb56c1ba2a4053a6a1834d656c562e58a6933100ac920473aaef0a7",
    "linux/arm64": "21685d614fa54947f9a6b2ae9eb9a9dee4035b73f9eacf7f2de2bb7fb3349f76",
}
"""The diff IDs of the layer of `golden_packages`. Another one is a new recipe (docs/lock.md)."""


@pytest.mark.parametrize("platform", [DEFAULT_PLATFORM, ARM], ids=str)
def test_the_layer_is_the_recorded_one(platform: Platform, tmp_path: Path) -> None:
    made = link(Store(tmp_path), golden_packages(platform.conda_subdir), platform=platform)
    assert made.diff_ids == [f"sha256:{GOLDEN[platform.text]}"]


IN_ANOTHER_PROCESS = """
import sys
from pathlib import Path
from imagelock.fetch.store import Store
from support.conda_sites import link
from support.conda_examples import golden_packages
packages = golden_packages("linux-64")
packages = packages[::-1] if sys.argv[2] == "backwards" else packages
print(*link(Store(Path(sys.argv[1])), packages).diff_ids)
"""


def test_no_umask_seed_zone_place_or_order_changes_it(tmp_path: Path) -> None:
    found = set()
    for number, (umask, order) in enumerate(
        itertools.product((0o022, 0o077), ("forwards", "backwards"))
    ):
        folder = tmp_path / ("x" * (number * 30 + 1))
        folder.mkdir()
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(["src", "tests"]),
            "PYTHONHASHSEED": str(number * 1000),
            "TZ": ("UTC0", "Pacific/Kiritimati")[number % 2],
            "LC_ALL": "C",
            "SOURCE_DATE_EPOCH": str(number),
            "HOME": str(folder),
        }
        done = subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS, str(folder), order],
            cwd=Path(__file__).parents[2],
            env=environment,
            umask=umask,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout.strip())
    assert found == {f"sha256:{GOLDEN['linux/amd64']}"}


def test_a_package_that_changed_leaves_the_layers_of_others_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagelock.plan.conda.BIG_PACKAGE", 100_000)
    noise = [hashlib.shake_128(bytes([n])).digest(200_000) for n in range(3)]
    store = Store(tmp_path)

    def built(last: bytes) -> tuple[list[str], list[bool]]:
        made = link(
            store,
            [
                conda_package("big-a", files={"lib/a": CondaFile(data=noise[0])}),
                conda_package("big-b", files={"lib/b": CondaFile(data=last)}),
                conda_package("small", files={"lib/small": "small\n"}),
            ],
        )
        assert set(made.contents) >= {"lib/a", "lib/b", "lib/small", "conda-meta/history"}
        return made.diff_ids, [layer.layer.cached for layer in made.layers]

    before, cached = built(noise[1])
    assert cached == [False, False, False]
    after, cached = built(noise[2])
    assert cached == [True, True, False]
    assert before[:2] == after[:2]
    assert before[2] != after[2]


def test_a_loser_in_another_layer_is_left_out_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imagelock.plan.conda.BIG_PACKAGE", 100_000)
    store = Store(tmp_path)
    noise = hashlib.shake_128(b"n").digest(200_000)
    big = conda_package("big", files={"lib/n": CondaFile(data=noise), "etc/both": "of big\n"})
    small = conda_package("small", files={"etc/both": "of small\n"}, depends=["big"])
    alone, both = link(store, [big]), link(store, [big, small])
    assert both.contents["etc/both"] == b"of small\n"
    assert len(both.layers) == 2
    assert len(both.notices) == 1
    assert alone.contents["etc/both"] == b"of big\n"


names = st.sampled_from("abcdefgh")


@given(st.dictionaries(names, st.sets(names), min_size=1), st.randoms(use_true_random=False))
def test_the_order_of_linking_is_of_the_packages_alone(
    graph: dict[str, set[str]], random: object
) -> None:
    pins = [
        conda_pin(conda_package(name, depends=[f"{other} >=1" for other in sorted(needs)]))
        for name, needs in graph.items()
    ]
    expected = [pin.name for pin in link_order(pins)]
    random.shuffle(pins)  # type: ignore[attr-defined]
    assert [pin.name for pin in link_order(pins)] == expected
    assert sorted(expected) == sorted(graph)
    places = {name: number for number, name in enumerate(expected)}
    circular = _circular(graph)
    for name, needs in graph.items():
        for other in needs & graph.keys():
            assert places[other] < places[name] or name in circular[other] or other == name


def _circular(graph: dict[str, set[str]]) -> dict[str, set[str]]:
    reached = {name: {other for other in needs if other in graph} for name, needs in graph.items()}
    for _ in graph:
        for name in graph:
            reached[name] |= {far for near in list(reached[name]) for far in reached[near]}
    return reached


OLD, NEW = b"/build/prefix", b"/opt/conda"
pieces = st.lists(
    st.sampled_from([OLD, OLD[:5], b"\0", b"/bin:", b"x" * 7, b"\xff", OLD * 2]), max_size=12
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(pieces, st.lists(st.integers(1, 20), max_size=30))
def test_a_binary_prefix_is_replaced_wherever_chunks_end(
    parts: list[bytes], cuts: list[int]
) -> None:
    data = b"".join(parts)
    chunks, rest = [], data
    for size in cuts:
        chunks.append(rest[:size])
        rest = rest[size:]
    chunks.append(rest)
    found = b"".join(replaced_binary(chunks, OLD, NEW, where="t"))
    expected = b"\0".join(
        string.replace(OLD, NEW) + bytes(string.count(OLD) * (len(OLD) - len(NEW)))
        for string in data.split(b"\0")
    )
    assert len(found) == len(data)
    assert found == expected
