"""Markers without extras and groups: the same answer as packaging's when none is asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker

from imagelock.spec.other_locks.choosing import Choosing
from imagelock.spec.other_locks.markers import marker_text

ATOMS = [
    "python_version >= '3.11'",
    "python_full_version < '3.12'",
    "sys_platform == 'linux'",
    "'linux' in sys_platform",
    "platform_machine not in 'x86_64 aarch64'",
    "extra == 'plot'",
    "extra != 'plot'",
    "'plot' == extra",
]
MARKERS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: st.builds(
        lambda parts, word: "(" + f" {word} ".join(parts) + ")",
        st.lists(inner, min_size=1, max_size=3),
        st.sampled_from(["and", "or"]),
    ),
    max_leaves=8,
)
TARGETS = [
    {"python_version": "3.11", "python_full_version": "3.11.2", "platform_machine": "x86_64"},
    {"python_version": "3.12", "python_full_version": "3.12.1", "platform_machine": "riscv64"},
]


@given(MARKERS, st.sampled_from(TARGETS), st.sampled_from(["linux", "darwin"]))
def test_the_rest_means_the_same(marker: str, target: dict[str, str], system: str) -> None:
    environment = {**target, "sys_platform": system, "extra": ""}
    rest = marker_text(marker)
    holds = rest is not None and (not rest or Marker(rest).evaluate(environment))
    assert holds == Marker(marker).evaluate(environment)
    assert "extra" not in (rest or "")


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", ""),
        ("python_version>='3.11'", 'python_version >= "3.11"'),
        ("extra == 'a'", None),
        ("extra == 'a' and os_name == 'posix'", None),
        ("extra != 'a' and os_name == 'posix'", 'os_name == "posix"'),
        ("'a' in extras", None),
        ("'a' not in extras", ""),
        ("'dev' in dependency_groups or os_name == 'posix'", 'os_name == "posix"'),
        ("'main' in dependency_groups and os_name == 'posix'", 'os_name == "posix"'),
        ("'main' not in dependency_groups", None),
        ("platform_version == 'extra'", 'platform_version == "extra"'),
    ],
)
def test_what_is_decided(marker: str, expected: str | None) -> None:
    assert marker_text(marker, Choosing(groups=("main",))) == expected


def test_what_is_no_marker() -> None:
    with pytest.raises(ValueError, match="expected a marker like"):
        marker_text("python > 3")
