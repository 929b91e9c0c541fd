"""The rules of a resolution, one example each."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import pytest

from imagelock.model.cutoff import cutoff
from imagelock.model.errors import NoSolution, UsageError
from imagelock.model.lock import Requirer
from imagelock.model.names import PipName
from imagelock.model.pip_spec import Prerelease
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.policy import Policy, Preference
from imagelock.resolve.pip.resolution import resolve
from support.fake_pip_index import FakeIndex, Made

A = PipName("a")


def target(
    python: str = "3.11.7", libc: str = "glibc 2.36", platform: str = "linux/amd64"
) -> PythonTarget:
    return PythonTarget(platform=Platform(platform), version=python, libc=libc)


def versions(
    index: FakeIndex,
    *requirements: str,
    policy: Policy | None = None,
    constraints: tuple[str, ...] = (),
    overrides: tuple[str, ...] = (),
    at: PythonTarget | None = None,
) -> dict[str, str]:
    found = resolve(
        requirements,
        target=at or target(),
        index=index,
        policy=policy,
        constraints=constraints,
        overrides=overrides,
    )
    return {item.name: item.version for item in found.packages}


def refusal(index: FakeIndex, *requirements: str, policy: Policy | None = None) -> str:
    with pytest.raises(NoSolution) as caught:
        versions(index, *requirements, policy=policy)
    return str(caught.value)


def test_requires_python_is_compared_with_the_exact_patch() -> None:
    index = FakeIndex({"a": {"1": (), "2": Made(requires_python=">=3.11.5")}})
    assert versions(index, "a", at=target("3.11.4")) == {"a": "1"}
    assert versions(index, "a", at=target("3.11.5")) == {"a": "2"}


def test_requires_python_of_the_metadata_counts_too() -> None:
    index = FakeIndex({"a": {"1": (), "2": Made(metadata_python="<3.11")}})
    assert versions(index, "a") == {"a": "1"}


def test_yanked_versions_need_an_exact_pin_of_the_spec() -> None:
    index = FakeIndex({"a": {"1": (), "2": Made(yanked="broken")}, "b": {"1": ["a==2"]}})
    assert versions(index, "a") == {"a": "1"}
    assert versions(index, "a>=1") == {"a": "1"}
    assert versions(index, "a==2") == {"a": "2"}
    assert versions(index, "b", constraints=("a==2",)) == {"a": "2", "b": "1"}
    assert "yanked" in refusal(index, "b")
    assert "yanked" in refusal(index, "a==2.*")


@pytest.mark.parametrize(
    ("policy", "requirement", "expected"),
    [
        (Prerelease.IF_NECESSARY, "a", "1"),
        (Prerelease.IF_NECESSARY, "a>=2.0rc1", "2.0rc1"),
        (Prerelease.IF_NECESSARY, "only", "1.0b1"),
        (Prerelease.ALLOW, "a", "2.0rc1"),
        (Prerelease.EXPLICIT, "a>=2.0rc1", "2.0rc1"),
        (Prerelease.EXPLICIT, "only", None),
        (Prerelease.EXPLICIT, "a", "1"),
        (Prerelease.DISALLOW, "a", "1"),
        (Prerelease.DISALLOW, "a>=2.0rc1", None),
        (Prerelease.DISALLOW, "only", None),
    ],
)
def test_prerelease_policies(policy: Prerelease, requirement: str, expected: str | None) -> None:
    index = FakeIndex({"a": {"1": (), "2.0rc1": ()}, "only": {"1.0b1": (), "1.0a1": ()}})
    if expected is None:
        refusal(index, requirement, policy=Policy(prerelease=policy))
    else:
        found = versions(index, requirement, policy=Policy(prerelease=policy))
        assert list(found.values()) == [expected]


def test_local_versions() -> None:
    index = FakeIndex({"torch": {"2.0": (), "2.0+cpu": (), "2.0+cu118": ()}})
    assert versions(index, "torch") == {"torch": "2.0+cu118"}
    assert versions(index, "torch==2.0+cpu") == {"torch": "2.0+cpu"}


def test_extras_and_their_own_requirements() -> None:
    index = FakeIndex(
        {
            "a": {
                "1": ["b ; extra == 'x_y'", "c", "a[other] ; extra == 'all'", "d; extra=='other'"]
            },
            "b": {"1": ()},
            "c": {"1": ()},
            "d": {"1": ()},
        }
    )
    assert set(versions(index, "a")) == {"a", "c"}
    assert set(versions(index, "a[X.Y]")) == {"a", "b", "c"}
    assert set(versions(index, "A[all]")) == {"a", "c", "d"}
    found = resolve(["a[x-y]"], target=target(), index=index)
    assert found.packages[0].extras == ("x-y",)


def test_an_extra_that_does_not_exist_adds_nothing() -> None:
    assert versions(FakeIndex({"a": {"1": ()}}), "a[none]") == {"a": "1"}


def test_markers_are_those_of_the_target() -> None:
    index = FakeIndex(
        {
            "a": {
                "1": [
                    "arm ; platform_machine == 'aarch64'",
                    "intel ; platform_machine == 'x86_64'",
                    "win ; sys_platform == 'win32'",
                    "old ; python_full_version < '3.11.7'",
                ]
            },
            "arm": {"1": ()},
            "intel": {"1": ()},
            "old": {"1": ()},
        }
    )
    assert set(versions(index, "a")) == {"a", "intel"}
    arm = target("3.11.6", platform="linux/arm64")
    assert set(versions(index, "a", at=arm)) == {"a", "arm", "old"}


@pytest.mark.parametrize(
    ("libc", "platform", "tag"),
    [
        ("glibc 2.36", "linux/amd64", "cp311-cp311-manylinux_2_28_x86_64"),
        ("glibc 2.17", "linux/amd64", "cp311-cp311-manylinux2014_x86_64"),
        ("glibc 2.12", "linux/amd64", "cp311-cp311-manylinux2010_x86_64"),
        ("glibc 2.36", "linux/arm64", "cp311-cp311-manylinux_2_17_aarch64"),
        ("glibc 2.16", "linux/arm64", "py3-none-any"),
        ("musl 1.2", "linux/amd64", "cp311-cp311-musllinux_1_1_x86_64"),
        ("musl 1.0", "linux/amd64", "py3-none-any"),
        ("glibc 2.36", "linux/386", "cp38-abi3-manylinux_2_5_i686"),
    ],
)
def test_tags_follow_the_image(libc: str, platform: str, tag: str) -> None:
    tags = (
        "cp311-cp311-manylinux_2_28_x86_64",
        "cp311-cp311-manylinux2014_x86_64",
        "cp311-cp311-manylinux2010_x86_64",
        "cp311-cp311-manylinux_2_17_aarch64",
        "cp311-cp311-musllinux_1_1_x86_64",
        "cp38-abi3-manylinux_2_5_i686",
        "py3-none-any",
    )
    index = FakeIndex({"a": {"1": Made(tags=tags)}})
    found = resolve(["a"], target=target(libc=libc, platform=platform), index=index)
    assert found.packages[0].file.filename == f"a-1-{tag}.whl"


def test_the_higher_build_tag_wins() -> None:
    tags = ("2-py3-none-any", "10-py3-none-any", "10a-py3-none-any", "py3-none-any")
    for reverse in (False, True):
        index = FakeIndex({"a": {"1": Made(tags=tags)}}, reverse=reverse)
        found = resolve(["a"], target=target(), index=index)
        assert found.packages[0].file.filename == "a-1-10a-py3-none-any.whl"


def test_constraints_limit_but_do_not_install() -> None:
    index = FakeIndex({"a": {"1": ["b"]}, "b": {"1": (), "2": ()}, "c": {"1": ()}})
    assert versions(index, "a", constraints=("b<2", "c")) == {"a": "1", "b": "1"}


def test_overrides_replace_what_packages_say() -> None:
    index = FakeIndex({"a": {"1": ["b<2", "c"]}, "b": {"1": (), "2": ()}, "c": {"1": ()}})
    assert versions(index, "a", overrides=("b>=2",)) == {"a": "1", "b": "2", "c": "1"}
    without = ("c ; sys_platform == 'win32'",)
    assert versions(index, "a", overrides=without) == {"a": "1", "b": "1"}


def test_sdists_are_used_for_the_allowed_names_only() -> None:
    index = FakeIndex({"a": {"1": Made(sdist=True), "2": Made(tags=(), sdist=True)}})
    assert versions(index, "a") == {"a": "1"}
    allowed = Policy(allow_sdist=frozenset({A}))
    assert versions(index, "a", policy=allowed) == {"a": "2"}
    only = FakeIndex({"a": {"2": Made(tags=(), sdist=True)}})
    assert 'allow-sdist = ["a"]' in refusal(only, "a")


def test_exclude_newer() -> None:
    index = FakeIndex(
        {
            "a": {
                "1": Made(uploaded="2026-01-01T00:00:00Z"),
                "2": Made(uploaded="2026-03-01T12:00:00.5Z"),
                "3": Made(),
            }
        }
    )
    march = Policy(exclude_newer=datetime(2026, 3, 1, 12, tzinfo=UTC))
    assert versions(index, "a", policy=march) == {"a": "1"}
    april = Policy(exclude_newer=datetime(2026, 4, 1, tzinfo=UTC))
    assert versions(index, "a", policy=april) == {"a": "2"}
    assert "newer" in refusal(index, "a==3", policy=april)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-01", datetime(2026, 11, 2, tzinfo=UTC)),
        ("2026-11-01T12:00:00Z", datetime(2026, 11, 1, 12, tzinfo=UTC)),
        ("2026-11-01T12:00:00+02:00", datetime(2026, 11, 1, 10, tzinfo=UTC)),
        ("7 days", datetime(2026, 11, 3, tzinfo=UTC)),
        ("1 week", datetime(2026, 11, 3, tzinfo=UTC)),
        ("36 hours", datetime(2026, 11, 8, 12, tzinfo=UTC)),
        ("P1W", datetime(2026, 11, 3, tzinfo=UTC)),
        ("P1DT12H", datetime(2026, 11, 8, 12, tzinfo=UTC)),
    ],
)
def test_cutoffs(text: str, expected: datetime) -> None:
    assert cutoff(text, now=datetime(2026, 11, 10, tzinfo=UTC)) == expected


@pytest.mark.parametrize("text", ["", "soon", "P", "7", "2026-13-01", "days"])
def test_what_is_no_cutoff(text: str) -> None:
    with pytest.raises(UsageError, match="expected a date"):
        cutoff(text, now=datetime(2026, 11, 10, tzinfo=UTC))


def test_preferences_hold_until_a_requirement_moves_them() -> None:
    index = FakeIndex({"a": {"1": ["b"], "2": ["b"]}, "b": {"1": (), "2": (), "3": ()}})
    kept = Policy(preferences={A: Preference(version="1"), PipName("b"): Preference(version="2")})
    assert versions(index, "a", policy=kept) == {"a": "1", "b": "2"}
    assert versions(index, "a", "b!=2", policy=kept) == {"a": "1", "b": "3"}


def test_a_pin_that_holds_needs_no_page() -> None:
    index = FakeIndex({"a": {"1": ["b"], "2": ["b"]}, "b": {"1": (), "2": ()}, "c": {"1": ()}})
    first = resolve(["a<2", "b<2"], target=target(), index=index)
    kept = Policy(
        preferences={
            item.name: Preference(version=item.version, file=item.file) for item in first.packages
        }
    )
    index.asked.clear()
    assert versions(index, "a", policy=kept) == {"a": "1", "b": "1"}
    assert index.asked == []
    assert versions(index, "a", "c", policy=kept) == {"a": "1", "b": "1", "c": "1"}
    assert set(index.asked) == {"c", "expected c"}
    assert versions(index, "a>1", policy=kept) == {"a": "2", "b": "1"}


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(), "2"),
        (Policy(prerelease=Prerelease.DISALLOW), "2"),
        (Policy(hashes={A: frozenset({"sha256:" + "0" * 64})}), None),
        (Policy(exclude_newer=datetime(2026, 2, 1, tzinfo=UTC)), "1"),
    ],
)
def test_a_pin_that_the_spec_no_longer_allows_moves(policy: Policy, expected: str | None) -> None:
    index = FakeIndex(
        {
            "a": {
                "1": Made(uploaded="2026-01-01T00:00:00Z"),
                "2": Made(uploaded="2026-03-01T00:00:00Z"),
                "3rc1": Made(uploaded="2026-03-02T00:00:00Z"),
            }
        }
    )
    locked = resolve(
        ["a"], target=target(), index=index, policy=Policy(prerelease=Prerelease.ALLOW)
    ).packages[0]
    assert locked.version == "3rc1"
    pin = {A: Preference(version=locked.version, file=locked.file)}
    now = dataclasses.replace(policy, preferences=pin)
    if expected is None:
        refusal(index, "a", policy=now)
    else:
        assert versions(index, "a", policy=now) == {"a": expected}


def test_a_locked_file_stays_when_a_better_one_appears_or_it_is_yanked() -> None:
    before = FakeIndex({"a": {"1": Made(tags=("py3-none-any",))}})
    locked = resolve(["a"], target=target(), index=before).packages[0]
    tags = ("py3-none-any", "cp311-cp311-manylinux_2_17_x86_64")
    after = FakeIndex({"a": {"1": Made(tags=tags, yanked="oops"), "2": ()}})
    kept = Policy(preferences={A: Preference(version="1", file=locked.file)})
    assert resolve(["a"], target=target(), index=after, policy=kept).packages == (locked,)


def test_every_edge_has_its_specifier() -> None:
    index = FakeIndex({"a": {"1": ["b (>=1)", "b<3"]}, "b": {"2": ()}})
    found = resolve(["a", "b"], target=target(), index=index)
    assert found.packages[1].required_by == (
        Requirer(name="<spec>"),
        Requirer(name="a", specifier="<3"),
        Requirer(name="a", specifier=">=1"),
    )
    assert [item.requested for item in found.packages] == [True, True]


def test_metadata_that_is_of_another_file_is_not_believed() -> None:
    index = FakeIndex(
        {
            "a": {
                "1": (),
                "2": Made(metadata_name="b"),
                "3": Made(metadata_version="3.1"),
                "4": ["no requirement at all!"],
            }
        }
    )
    assert versions(index, "a") == {"a": "1"}


def test_allowed_hashes() -> None:
    index = FakeIndex({"a": {"1": (), "2": ()}})
    first = resolve(["a==1"], target=target(), index=index).packages[0].file
    policy = Policy(hashes={A: frozenset({f"sha256:{first.sha256}"})})
    assert versions(index, "a", policy=policy) == {"a": "1"}
    assert "hash" in refusal(index, "a==2", policy=policy)


def test_a_wheel_by_url() -> None:
    index = FakeIndex({"a": {"9": ()}, "b": {"1": ["a>=1"]}})
    url = "https://example.invalid/a-1.5rc1-py3-none-any.whl"
    index.known[url] = FakeIndex({"a": {"1.5rc1": ()}}).metadata_of("a")
    found = resolve([f"a @ {url}", "b"], target=target(), index=index)
    assert {item.name: item.version for item in found.packages} == {"a": "1.5rc1", "b": "1"}
    assert found.packages[0].file.url == url
    with pytest.raises(NoSolution):
        versions(index, f"a @ {url}", "a>=2")


def test_a_url_in_metadata_is_not_followed() -> None:
    index = FakeIndex(
        {"a": {"1": (), "2": ["b @ https://evil.invalid/b-1-py3-none-any.whl"]}, "b": {"1": ()}}
    )
    assert versions(index, "a") == {"a": "1"}


@pytest.mark.parametrize(
    ("requirement", "message"),
    [
        ("a @ https://example.invalid/b-1-py3-none-any.whl", "what is there is 'b'"),
        ("a >>= 1", "a >>= 1"),
        ("a; nonsense == 'x'", "nonsense"),
    ],
)
def test_what_cannot_be_asked(requirement: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        versions(FakeIndex({"a": {"1": ()}}), requirement)


def test_a_conflict_is_a_chain() -> None:
    index = FakeIndex(
        {
            "web": {"1.0": ["core<2"], "1.1": ["core<2"]},
            "data": {"3.0": ["core>=2.5"]},
            "core": {"1.9": (), "2.5": (), "2.6": ()},
        }
    )
    assert refusal(index, "web", "data") == (
        "no set of versions satisfies all requirements\n"
        "  the spec requires data\n"
        "  the spec requires web\n"
        "  data 3.0 requires core>=2.5\n"
        "  web 1.0 to 1.1 (2 versions), every version there is, requires core<2\n"
        "  there is core 2.6, 2.5, 1.9\n"
        "hint: loosen one of these requirements, or write an override under [pip]"
    )


def test_a_misspelt_name() -> None:
    assert refusal(FakeIndex({}), "flaks") == (
        "no set of versions satisfies all requirements\n"
        "  the spec requires flaks\n"
        "  no index has a project flaks\n"
        "hint: is 'flaks' spelt as on the index, and is the index in [pip]?"
    )


def test_no_wheel_for_the_platform() -> None:
    index = FakeIndex({"a": {"1": Made(tags=("cp311-cp311-manylinux_2_17_aarch64",))}})
    assert refusal(index, "a").endswith(
        "  no version of a can be used\n"
        "  not usable: a 1: has no wheel that fits\n"
        "hint: no wheel of a fits: choose another Python or platform, or loosen it"
    )


DEEP = f"{'(' * 3000}os_name == 'posix'{')' * 3000}"


@pytest.mark.parametrize(
    "line",
    [f"b; {DEEP}", f"b @ https://h/b.whl ; {DEEP}", f"b>{'9' * 5000}", f"b==={'9' * 5000}"],
    ids=["marker", "url", "number", "arbitrary"],
)
def test_metadata_made_to_crash_is_a_version_that_cannot_be_used(line: str) -> None:
    index = FakeIndex({"a": {"2.0": [line], "1.0": []}, "b": {"1.0": []}})
    found = resolve(["a"], target=target(), index=index)
    assert [(item.name, item.version) for item in found.packages] == [("a", "1.0")]
    with pytest.raises(UsageError, match=r"too (deeply|long)"):
        resolve([line], target=target(), index=index)
