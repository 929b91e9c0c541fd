"""The resolver's rules, one at a time, on archives of a few packages."""

from __future__ import annotations

import pytest

from imagelock.model.errors import NoSolution
from imagelock.model.lock import Requirer
from imagelock.model.spec import Variant
from imagelock.resolve.apt.index import Index
from imagelock.resolve.apt.resolution import resolve_bootstrap
from imagelock.resolve.apt.status import parse_status
from support.debian_archive import stanza
from support.debian_index import added, base_of, index_file, index_of, resolved


def test_dependencies_follow() -> None:
    index = index_of(
        stanza("app", Depends="lib (>= 2), tool"),
        stanza("lib", "2.1", Pre_Depends="core"),
        stanza("tool", Recommends="extra"),
        stanza("core"),
        stanza("extra"),
    )
    found = resolved(index, "app")
    assert added(found) == {"app": "1.0", "core": "1.0", "lib": "2.1", "tool": "1.0"}
    assert found.required_by["lib", "amd64"] == (Requirer(name="app", specifier=">= 2"),)
    assert found.required_by["app", "amd64"] == (Requirer(name="<spec>"),)
    assert added(resolved(index, "app", recommends=True)).keys() == {*added(found), "extra"}


def test_first_alternative_unless_another_is_there() -> None:
    index = index_of(stanza("app", Depends="one | two"), stanza("one"), stanza("two"))
    assert added(resolved(index, "app")) == {"app": "1.0", "one": "1.0"}
    assert added(resolved(index, "app", base=base_of(stanza("two")))) == {"app": "1.0"}
    assert added(resolved(index, "app", "two")) == {"app": "1.0", "two": "1.0"}


def test_installed_alternative_is_upgraded_first() -> None:
    index = index_of(stanza("app", Depends="one | two (>= 2)"), stanza("one"), stanza("two", "2"))
    base = base_of(stanza("two", "1"))
    assert added(resolved(index, "app", base=base)) == {"app": "1.0", "two": "2"}


def test_next_alternative_when_the_first_cannot_be() -> None:
    index = index_of(
        stanza("app", Depends="one | two"), stanza("one", Depends="missing"), stanza("two")
    )
    assert added(resolved(index, "app")) == {"app": "1.0", "two": "1.0"}


def test_virtual_packages() -> None:
    index = index_of(
        stanza("app", Depends="mta"),
        stanza("exim", Provides="mta", Priority="optional"),
        stanza("postfix", Provides="mta", Priority="standard"),
    )
    assert added(resolved(index, "app")) == {"app": "1.0", "postfix": "1.0"}
    with pytest.raises(NoSolution, match="virtual package") as caught:
        resolved(index, "mta")
    assert "exim, postfix" in caught.value.hint


def test_real_package_beats_its_providers() -> None:
    index = index_of(
        stanza("app", Depends="mta"),
        stanza("aaa", Provides="mta", Priority="required"),
        stanza("mta"),
    )
    assert added(resolved(index, "app")) == {"app": "1.0", "mta": "1.0"}


def test_versioned_provides() -> None:
    index = index_of(
        stanza("app", Depends="api (>= 2)"),
        stanza("old", Provides="api (= 1)"),
        stanza("plain", Provides="api"),
        stanza("right", Provides="other, api (= 2.5)"),
    )
    assert added(resolved(index, "app")) == {"app": "1.0", "right": "1.0"}


def test_provider_mentioned_last_wins_a_tie() -> None:
    """Real apt's order, found by asking it (docs/apt.md)."""
    tail = (stanza("first", Provides="thing"), stanza("second", Provides="thing"))
    assert "second" in added(resolved(index_of(stanza("app", Depends="thing"), *tail), "app"))
    index = index_of(stanza("aaa", Suggests="second"), stanza("app", Depends="thing"), *tail)
    assert "first" in added(resolved(index, "app"))


def test_conflict_with_the_request_has_no_solution() -> None:
    index = index_of(
        stanza("app", Depends="lib"), stanza("lib", Conflicts="other"), stanza("other")
    )
    with pytest.raises(NoSolution, match="exclude each other, and other is asked for") as caught:
        resolved(index, "app", "other")
    assert "app.packages" not in str(caught.value)


def test_conflict_removes_from_the_base_what_may_go() -> None:
    index = index_of(stanza("app", Conflicts="old"))
    base = base_of(stanza("old"), stanza("addon", Depends="old"), stanza("kept"))
    found = resolved(index, "app", base=base)
    assert [package.name for package in found.removed] == ["addon", "old"]
    assert found.removed_by["old", "amd64"] == (Requirer(name="app", specifier="Conflicts old"),)
    essential = base_of(stanza("old", Essential="yes"))
    with pytest.raises(NoSolution, match="exclude each other"):
        resolved(index, "app", base=essential)


def test_breaks_upgrades_what_it_breaks() -> None:
    index = index_of(stanza("app", Breaks="lib (<< 2)"), stanza("lib", "2"))
    found = resolved(index, "app", base=base_of(stanza("lib", "1")))
    assert added(found) == {"app": "1.0", "lib": "2"}
    assert not found.removed


def test_upgrade_takes_its_siblings_along() -> None:
    index = index_of(
        stanza("app", Depends="lib (>= 2)"),
        stanza("lib", "2", Source="src"),
        stanza("lib-data", "2", Source="src"),
        stanza("unrelated", "2"),
    )
    base = base_of(
        stanza("lib", "1", Source="src"),
        stanza("lib-data", "1", Source="src"),
        stanza("unrelated", "1"),
    )
    assert added(resolved(index, "app", base=base)) == {"app": "1.0", "lib": "2", "lib-data": "2"}


def test_new_package_takes_installed_siblings_along() -> None:
    index = index_of(
        stanza("tool", "2", Source="src"), stanza("lib", "2", Source="src"), stanza("other", "2")
    )
    base = base_of(stanza("lib", "1", Source="src"), stanza("other", "1"))
    assert added(resolved(index, "tool", base=base)) == {"tool": "2", "lib": "2"}


def test_virtual_name_with_one_provider_means_that() -> None:
    index = index_of(stanza("lib-t64", Provides="lib (= 1.0)"), stanza("app", Depends="lib"))
    found = resolved(index, "lib")
    assert added(found) == {"lib-t64": "1.0"}
    assert found.required_by["lib-t64", "amd64"] == (Requirer(name="<spec>", specifier="lib"),)
    assert added(resolved(index, "app", "lib")) == {"app": "1.0", "lib-t64": "1.0"}


def test_upgrade_mends_who_needed_the_old_version() -> None:
    index = index_of(
        stanza("app", Depends="lib (>= 2)"), stanza("lib", "2"), stanza("user", "2", Depends="lib")
    )
    base = base_of(stanza("lib", "1"), stanza("user", "1", Depends="lib (= 1)"))
    assert added(resolved(index, "app", base=base)) == {"app": "1.0", "lib": "2", "user": "2"}


def test_nothing_installed_moves_without_need() -> None:
    index = index_of(stanza("app", Depends="lib"), stanza("lib", "2"))
    assert added(resolved(index, "app", base=base_of(stanza("lib", "1")))) == {"app": "1.0"}
    assert added(resolved(index, "lib", base=base_of(stanza("lib", "1")))) == {"lib": "2"}
    assert added(resolved(index, "lib", base=base_of(stanza("lib", "3")))) == {}


def test_versions_suites_and_removals_on_request() -> None:
    index = Index(
        (
            index_file(stanza("app", "1.2-1"), stanza("app", "1.3-1"), stanza("x"), stanza("yy")),
            index_file(stanza("app", "2.0-1"), suite="backports", priority=100),
        ),
        "amd64",
    )
    assert added(resolved(index, "app")) == {"app": "1.3-1"}
    assert added(resolved(index, "app=1.2*")) == {"app": "1.2-1"}
    assert added(resolved(index, "app/backports")) == {"app": "2.0-1"}
    with pytest.raises(NoSolution, match="no version '9'") as caught:
        resolved(index, "app=9")
    assert caught.value.hint == "there is 2.0-1 (backports), 1.3-1 (stable), 1.2-1 (stable)"
    with pytest.raises(NoSolution, match="no suite 'testing'"):
        resolved(index, "app/testing")
    found = resolved(index, "yy-", base=base_of(stanza("yy")))
    assert [package.name for package in found.removed] == ["yy"]
    assert found.removed_by["yy", "amd64"] == (Requirer(name="<spec>"),)
    for kept in ("Essential", "Protected"):
        with pytest.raises(NoSolution, match="essential"):
            resolved(index, "yy-", base=base_of(stanza("yy", **{kept: "yes"})))


def test_refused_package_is_not_an_alternative() -> None:
    index = index_of(stanza("app", Depends="one | two"), stanza("one"), stanza("two"))
    assert added(resolved(index, "app", "one-")) == {"app": "1.0", "two": "1.0"}


def test_foreign_architecture() -> None:
    index = Index(
        (
            index_file(
                stanza("lib", Multi_Arch="same"),
                stanza("tool", Multi_Arch="foreign"),
                stanza("python", Multi_Arch="allowed"),
                stanza("plain"),
            ),
            index_file(
                stanza("lib", Architecture="arm64", Multi_Arch="same", Depends="tool"),
                stanza("app", Architecture="arm64", Depends="plain"),
                stanza("plain", Architecture="arm64"),
                stanza("script", Architecture="arm64", Depends="python:any"),
                architecture="arm64",
            ),
        ),
        "amd64",
    )
    assert added(resolved(index, "lib:arm64")) == {"lib:arm64": "1.0", "tool": "1.0"}
    assert added(resolved(index, "lib", "lib:arm64")).keys() == {"lib", "lib:arm64", "tool"}
    assert added(resolved(index, "app:arm64")) == {"app:arm64": "1.0", "plain:arm64": "1.0"}
    assert added(resolved(index, "script:arm64")) == {"script:arm64": "1.0", "python": "1.0"}
    with pytest.raises(NoSolution, match="exclude each other"):
        resolved(index, "plain", "plain:arm64")
    with pytest.raises(NoSolution, match="no index for the architecture 'armhf'"):
        resolved(index, "lib:armhf")


def test_package_may_conflict_with_what_it_provides() -> None:
    index = index_of(
        stanza("one", Provides="mta", Conflicts="mta", Replaces="mta"),
        stanza("two", Provides="mta", Conflicts="mta", Replaces="mta"),
    )
    assert added(resolved(index, "one")) == {"one": "1.0"}
    with pytest.raises(NoSolution):
        resolved(index, "one", "two")


def test_impossible_is_explained_down_to_the_cause() -> None:
    index = index_of(
        stanza("app", Depends="mid"), stanza("mid", Depends="lib (>= 9)"), stanza("lib", "2")
    )
    with pytest.raises(NoSolution) as caught:
        resolved(index, "app")
    assert caught.value.message == (
        "'app' cannot be installed:\n"
        "  app (1.0) needs mid\n"
        "  mid (1.0) needs lib (>= 9)\n"
        "  lib: there is 2 (stable)"
    )
    with pytest.raises(NoSolution, match="no source has a package 'appp' for amd64") as caught:
        resolved(index, "appp")
    assert "looked in stable; did you mean app," in caught.value.hint


def test_broken_base_is_refused() -> None:
    with pytest.raises(NoSolution, match="needs lib, which nothing provides"):
        resolved(index_of(stanza("app")), "app", base=base_of(stanza("user", Depends="lib")))
    half = b"Package: x1\nStatus: install ok half-configured\nVersion: 1\nArchitecture: all\n"
    with pytest.raises(NoSolution, match="half-configured"):
        parse_status(half, where="status")
    gone = half.replace(b"half-configured", b"config-files")
    assert parse_status(gone, where="status").packages == ()


def test_cycles_end() -> None:
    index = index_of(stanza("aa", Depends="bb"), stanza("bb", Depends="aa"))
    assert added(resolved(index, "aa")) == {"aa": "1.0", "bb": "1.0"}


def test_a_dropped_choice_gives_way_to_a_need() -> None:
    """What was only chosen among alternatives goes when a need excludes it."""
    index = index_of(
        stanza("app", Depends="base-core, core"),
        stanza("base-core", Depends="core-nogui | core"),
        stanza("core"),
        stanza("core-nogui", Conflicts="core"),
    )
    assert added(resolved(index, "app")) == {"app": "1.0", "base-core": "1.0", "core": "1.0"}


def test_what_is_being_installed_is_not_dropped_for_a_need_of_its_own() -> None:
    index = index_of(
        stanza("app", Recommends="calc"),
        stanza("calc", Depends="base-core"),
        stanza("base-core", Depends="core-nogui | core"),
        stanza("core"),
        stanza("core-nogui", Breaks="calc"),
    )
    assert added(resolved(index, "app", recommends=True)).keys() == {
        "app",
        "calc",
        "base-core",
        "core",
    }


def test_suite_takes_along_what_it_needs() -> None:
    index = Index(
        (
            index_file(
                stanza("app", "1"), stanza("lib", "1"), stanza("data", "1"), stanza("both", "1")
            ),
            index_file(
                stanza("app", "2", Depends="lib (>= 2), both, data (>= 1) | nothing, gone | lib"),
                stanza("lib", "2", Depends="data (= 2)"),
                stanza("data", "2"),
                stanza("both", "2"),
                suite="backports",
                priority=100,
            ),
        ),
        "amd64",
    )
    assert added(resolved(index, "app")) == {"app": "1"}
    assert added(resolved(index, "app/backports")) == {
        "app": "2",
        "both": "1",
        "data": "2",
        "lib": "2",
    }
    base = base_of(stanza("data", "2"), stanza("lib", "2"))
    assert added(resolved(index, "app/backports", base=base)) == {"app": "2", "both": "1"}
    with pytest.raises(NoSolution, match="no source has a package 'else'"):
        resolved(index, "else/backports")


def test_installed_version_may_be_asked_for() -> None:
    index = index_of(stanza("app", "2"))
    base = base_of(stanza("app", "1"))
    assert added(resolved(index, "app=1", base=base)) == {}
    assert added(resolved(index, "app=2", base=base)) == {"app": "2"}


def test_conflict_by_a_provided_name() -> None:
    index = index_of(
        stanza("new", Conflicts="mta (<< 2)"),
        stanza("app", Depends="other"),
        stanza("other"),
    )
    base = base_of(stanza("old", Provides="mta (= 1)"), stanza("fine", Provides="mta (= 3)"))
    assert [item.name for item in resolved(index, "new", base=base).removed] == ["old"]


def test_dependent_of_what_is_removed_finds_another_way_or_goes() -> None:
    index = index_of(stanza("new", Conflicts="old"), stanza("other"), stanza("user", "2"))
    base = base_of(
        stanza("old"),
        stanza("either", Depends="old | other"),
        stanza("user", "1", Depends="old"),
        stanza("lost", Depends="old"),
    )
    found = resolved(index, "new", base=base)
    assert added(found) == {"new": "1.0", "other": "1.0", "user": "2"}
    assert [item.name for item in found.removed] == ["lost", "old"]
    assert found.removed_by["lost", "amd64"] == ()
    kept = base_of(stanza("old"), stanza("vital", Depends="old", Essential="yes"))
    with pytest.raises(NoSolution, match="exclude each other"):
        resolved(index, "new", base=kept)


def test_upgrade_that_breaks_what_cannot_follow() -> None:
    index = index_of(stanza("app", Depends="lib (>= 2)"), stanza("lib", "2"))
    base = base_of(stanza("lib", "1"), stanza("vital", Depends="lib (= 1)", Essential="yes"))
    with pytest.raises(NoSolution, match="'app' cannot be installed"):
        resolved(index, "app", base=base)
    loose = base_of(stanza("lib", "1"), stanza("user", Depends="lib (= 1)"))
    assert [item.name for item in resolved(index, "app", base=loose).removed] == ["user"]


def test_architecture_qualifiers() -> None:
    index = Index(
        (
            index_file(stanza("perl", Multi_Arch="allowed"), stanza("native")),
            index_file(
                stanza("a-any", Architecture="arm64", Depends="perl:any"),
                stanza("a-native", Architecture="arm64", Depends="native:native"),
                stanza("a-named", Architecture="arm64", Depends="native:amd64"),
                stanza("a-opposed", Architecture="arm64", Conflicts="native:arm64"),
                architecture="arm64",
            ),
        ),
        "amd64",
    )
    for name, met in (("a-any", "perl"), ("a-native", "native"), ("a-named", "native")):
        assert added(resolved(index, f"{name}:arm64")).keys() == {f"{name}:arm64", met}
    both = added(resolved(index, "a-opposed:arm64", "native"))
    assert both.keys() == {"a-opposed:arm64", "native"}
    assert added(resolved(index, "native:native")).keys() == {"native"}


def test_recommendations_of_an_upgrade_are_the_new_ones() -> None:
    index = index_of(stanza("app", "2", Recommends="old, new"), stanza("old"), stanza("new"))
    base = base_of(stanza("app", "1", Recommends="old"))
    found = added(resolved(index, "app", base=base, recommends=True))
    assert found == {"app": "2", "new": "1.0"}


def test_reasons_end_where_a_name_is_unknown_or_provided_too_old() -> None:
    index = index_of(
        stanza("app", Depends="ghost | api (>= 9)"), stanza("real", Provides="api (= 1)")
    )
    with pytest.raises(NoSolution) as caught:
        resolved(index, "app")
    assert "ghost: no source has it" in caught.value.message
    assert "api: provided by real" in caught.value.message
    held = base_of(stanza("ghost", "1"))
    index = index_of(stanza("app", Depends="ghost (>= 2)"))
    with pytest.raises(NoSolution, match=r"ghost: the base has 1, and no source another"):
        resolved(index, "app", base=held)


SMALL = (
    stanza("core", Essential="yes", Pre_Depends="libc", Depends="awk"),
    stanza("libc", "2"),
    stanza("mawk", Provides="awk", Priority="required", Depends="libc (>> 1), libc (<< 3)"),
    stanza("gawk", Provides="awk"),
    stanza("tool", Priority="required"),
    stanza("later", Priority="important"),
)


def test_bootstrapped_sets() -> None:
    index = index_of(*SMALL, stanza("apt", Depends="libc"))
    found = resolve_bootstrap(index, variant=Variant.ESSENTIAL)
    assert added(found).keys() == {"core", "libc", "mawk"}
    found = resolve_bootstrap(index, variant=Variant.MINBASE)
    assert added(found).keys() == {"apt", "core", "libc", "mawk", "tool"}
    why = {
        key[0]: [str(edge.specifier) for edge in found.required_by[key]]
        for key in (("apt", "amd64"), ("core", "amd64"), ("mawk", "amd64"), ("libc", "amd64"))
    }
    assert why == {
        "apt": ["minbase"],
        "core": ["Essential: yes"],
        "mawk": ["Priority: required", "awk"],
        "libc": ["", "", "<< 3", ">> 1"],
    }
    assert not found.manual


def test_suite_without_what_a_base_needs() -> None:
    with pytest.raises(NoSolution, match="no source has a package 'apt'") as caught:
        resolve_bootstrap(index_of(*SMALL), variant=Variant.MINBASE)
    assert caught.value.where == "the bootstrapped base"


def test_mentions_count_over_all_files() -> None:
    index = Index(
        (
            index_file(stanza("app", Depends="thing"), stanza("aaa", Suggests="p1-x, xp1, p2")),
            index_file(
                stanza("p1", Provides="thing"), stanza("p2", Provides="thing"), suite="second"
            ),
        ),
        "amd64",
    )
    assert added(resolved(index, "app")).keys() == {"app", "p1"}
    keys = [("p2", "amd64"), ("nowhere", "amd64"), ("p1", "amd64")]
    assert list(index.last_mentioned(keys)) == [keys[1], keys[2], keys[0]]


def test_failing_provider_gives_way_to_the_next_in_order() -> None:
    index = index_of(
        stanza("app", Depends="thing"),
        stanza("p1", Provides="thing"),
        stanza("p2", Provides="thing"),
        stanza("p3", Provides="thing", Depends="missing"),
    )
    assert added(resolved(index, "app")).keys() == {"app", "p2"}


def test_own_name_that_fails_gives_way_to_a_provider() -> None:
    index = index_of(
        stanza("app", Depends="thing"),
        stanza("thing", Depends="missing"),
        stanza("other", Provides="thing"),
    )
    assert added(resolved(index, "app")).keys() == {"app", "other"}
