"""What changed between two locks and why, and that no renderer can be fooled."""

# ruff: noqa: E501  # what is printed is as long as it is

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from inline_snapshot import snapshot

from imagelock.lock import (
    LockDiff,
    diff_locks,
    normalise,
    render_html,
    render_json,
    render_markdown,
    render_text,
)
from imagelock.lock.diff import PackageChange
from imagelock.lock.diff.versions import allows, direction
from imagelock.model.lock import BASE_ROOT, PYTHON_ROOT, SPEC_ROOT, Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import AptSpec
from support.example_lock import AMD64, ARM64, BOTH, apt_pin, example_lock, hash_of, pip_pin
from support.strategies import locks

OLD = example_lock()


def replaced(lock: Lock, **changes: object) -> Lock:
    return dataclasses.replace(lock, **changes)  # type: ignore[arg-type]  # by attribute name


def asking(lock: Lock, **changes: object) -> Lock:
    pip = dataclasses.replace(lock.roots.pip, **changes)  # type: ignore[arg-type]  # by attribute name
    return replaced(lock, roots=dataclasses.replace(lock.roots, pip=pip))


def reasons(diff: LockDiff, name: str) -> tuple[str, ...]:
    found = [change.reasons for change in diff.packages if change.name == name]
    assert len(found) == 1, found
    return found[0]


def test_a_review() -> None:
    new = asking(OLD, packages=("numpy>=2.4", "pandas[excel]>=2.2", "tqdm"), requirements=())
    new = replaced(
        new,
        pip=(
            pip_pin("numpy", "2.4.0", (SPEC_ROOT, ">=2.4"), ("pandas", ">=1.26")),
            pip_pin("pandas", "2.3.3", (SPEC_ROOT, ">=2.2"), extras=("excel",)),
            pip_pin("tqdm", "4.67", (SPEC_ROOT, "")),
            pip_pin("colorama", "0.4.6", ("tqdm", ">=0.4"), platforms=(AMD64,)),
        ),
        apt=(
            apt_pin("git", "1:2.39.5-0+deb12u3", (SPEC_ROOT, "")),
            apt_pin("libc6", "2.36-9+deb12u9", (BASE_ROOT, "required"), base=True),
            OLD.apt[2],
        ),
        apt_indexes=(
            dataclasses.replace(
                OLD.apt_indexes[0],
                date=OLD.apt_indexes[0].date.replace(month=11, day=1),
                sha256=hash_of("later"),
            ),
        ),
    )
    diff = diff_locks(OLD, new)
    assert render_text(diff) == snapshot("""\
spec
  pip.packages: numpy>=2 → numpy>=2.4
  pip.packages: tqdm was added
  pip.requirements: requirements.txt was removed
pinned
  apt-index debian bookworm 20261101T000000Z: 2026-10-31T23:59:59Z sha256:5bfc87e96c5f… signed by 4D64FEC119C2029067D6E791F8D2585B8783D481, components contrib main → 2026-11-01T23:59:59Z sha256:1d9283d848ea… signed by 4D64FEC119C2029067D6E791F8D2585B8783D481, components contrib main
apt
  ↑ git 1:2.39.5-0+deb12u2 → 1:2.39.5-0+deb12u3  [linux/amd64]
      the index of bookworm moved from 2026-10-31 to 2026-11-01
  ↓ libc6 2.36-9+deb12u10 → 2.36-9+deb12u9 (base)  [linux/amd64]
      the index of bookworm moved from 2026-10-31 to 2026-11-01
pip
  + colorama 0.4.6  [linux/amd64]
      required by tqdm (>=0.4), which was added
  ↑ numpy 2.3.5 → 2.4.0  [linux/arm64]
      the spec now asks >=2.4
  - six 1.16.0
      nothing requires it any more
      the spec no longer asks for it
      pandas required it, and does not any more
  + tqdm 4.67
      the spec asks for it
the same packages, otherwise required
  pip numpy
2 added, 1 removed, 2 upgraded, 1 downgraded; download 9.8 KiB → 9.8 KiB (+0 B); 4 new files, 3.9 KiB
""")
    assert render_markdown(diff) == snapshot("""\
**2 added, 1 removed, 2 upgraded, 1 downgraded**; download 9.8 KiB → 9.8 KiB (+0 B); 4 new files, 3.9 KiB

### Spec

- pip.packages: numpy&gt;=2 → numpy&gt;=2.4
- pip.packages: tqdm was added
- pip.requirements: requirements.txt was removed

### Pinned

- apt-index debian bookworm 20261101T000000Z: 2026-10-31T23:59:59Z sha256:5bfc87e96c5f… signed by 4D64FEC119C2029067D6E791F8D2585B8783D481, components contrib main → 2026-11-01T23:59:59Z sha256:1d9283d848ea… signed by 4D64FEC119C2029067D6E791F8D2585B8783D481, components contrib main

### apt

| | package | version | platforms | why |
|---|---|---|---|---|
| upgraded | git | 1:2.39.5-0+deb12u2 → 1:2.39.5-0+deb12u3 | linux/amd64 | the index of bookworm moved from 2026-10-31 to 2026-11-01 |
| downgraded | libc6 (base) | 2.36-9+deb12u10 → 2.36-9+deb12u9 | linux/amd64 | the index of bookworm moved from 2026-10-31 to 2026-11-01 |

### pip

| | package | version | platforms | why |
|---|---|---|---|---|
| added | colorama | 0.4.6 | linux/amd64 | required by tqdm (&gt;=0.4), which was added |
| upgraded | numpy | 2.3.5 → 2.4.0 | linux/arm64 | the spec now asks &gt;=2.4 |
| removed | six | 1.16.0 | all | nothing requires it any more<br>the spec no longer asks for it<br>pandas required it, and does not any more |
| added | tqdm | 4.67 | all | the spec asks for it |

### The same packages, otherwise required

- pip numpy
""")
    assert render_json(diff)["removed"] == snapshot(
        [
            {
                "kind": "pip",
                "name": "six",
                "platforms": ["linux/amd64", "linux/arm64"],
                "old": "1.16.0",
                "new": None,
                "direction": "removed",
                "reasons": [
                    "nothing requires it any more",
                    "the spec no longer asks for it",
                    "pandas required it, and does not any more",
                ],
                "old_sha256": "1e116ad2df4fa80a095f86edc54ff2953d8d1c8eb04ac6abeaedd78aa5ccd21d",
                "old_size": 1000,
            }
        ]
    )


def test_no_difference() -> None:
    diff = diff_locks(OLD, OLD)
    assert not diff
    assert render_text(diff) == "no difference\n"
    assert render_markdown(diff) == "No difference.\n"
    assert "no difference" in render_html(diff)
    assert render_json(diff)["changed"] == []


def test_why_an_upgrade_was_forced() -> None:
    new = replaced(
        asking(OLD, packages=("numpy>=2.4", "pandas>=2.2")),
        pip=(pip_pin("numpy", "2.4.0", (SPEC_ROOT, ">=2.4"), ("pandas", ">=1.26")), *OLD.pip[2:]),
    )
    diff = diff_locks(OLD, new)
    assert reasons(diff, "numpy") == ("the spec now asks >=2.4",)
    assert [change.platforms for change in diff.changed] == [(ARM64,)]


def test_why_a_requirer_forced_it() -> None:
    new = replaced(
        OLD,
        pip=(
            pip_pin("numpy", "2.5", (SPEC_ROOT, ">=2"), ("pandas", ">=2.5")),
            pip_pin("pandas", "3.0", (SPEC_ROOT, ">=2.2")),
            OLD.pip[-1],
        ),
    )
    diff = diff_locks(OLD, new)
    assert {change.reasons for change in diff.changed if change.name == "numpy"} == {
        ("pandas requires >=2.5, now 3.0",)
    }


def test_why_a_constraint_forced_it() -> None:
    six = pip_pin("six", "1.15.0", (SPEC_ROOT, ""), ("pandas", ""))
    new = asking(replaced(OLD, pip=(*OLD.pip[:-1], six)), constraints=("Six<1.16",))
    diff = diff_locks(OLD, new)
    assert reasons(diff, "six") == ("the constraint Six<1.16 forbids 1.16.0",)
    assert [c.direction for c in diff.changed if c.name == "six"] == ["downgraded"]


def test_why_it_was_set_free() -> None:
    six = pip_pin("six", "1.17.0", (SPEC_ROOT, ""), ("pandas", ""))
    diff = diff_locks(OLD, replaced(OLD, pip=(*OLD.pip[:-1], six)))
    assert reasons(diff, "six") == ("the spec no longer asks ==1.16.0",)


def test_why_when_only_rules_changed() -> None:
    pandas = pip_pin("pandas", "2.4.0", (SPEC_ROOT, ">=2.2"), extras=("excel",))
    pins = (*OLD.pip[:2], pandas, OLD.pip[3])
    new = asking(replaced(OLD, pip=pins), exclude_newer="2026-11-15")
    assert reasons(diff_locks(OLD, new), "pandas") == ("exclude-newer is now 2026-11-15",)
    assert reasons(diff_locks(OLD, replaced(OLD, pip=pins)), "pandas") == (
        "both versions were allowed; it was resolved anew",
    )


def test_why_when_the_interpreter_changed() -> None:
    six = pip_pin("six", "1.17.0", (SPEC_ROOT, "==1.16.0"), ("pandas", ""))
    six = dataclasses.replace(six, required_by=OLD.pip[-1].required_by[1:])
    before = replaced(OLD, pip=(*OLD.pip[:-1], pip_pin("six", "1.16.0", ("pandas", ""))))
    pythons = (dataclasses.replace(OLD.pythons[0], version="3.12.1"),)
    new = replaced(asking(before, constraints=("no requirement!",)), pip=(six,), pythons=pythons)
    assert reasons(diff_locks(before, new), "six") == ("Python is now 3.12.1",)
    assert "<td>3.11.2 → 3.12.1</td>" in render_html(diff_locks(before, new))


def test_why_python_itself_changed() -> None:
    roots = dataclasses.replace(OLD.roots, python="3.12")
    pythons = (dataclasses.replace(OLD.pythons[0], version="3.12.1"),)
    diff = diff_locks(OLD, replaced(OLD, roots=roots, pythons=pythons))
    assert reasons(diff, "python") == ("the spec now asks for 3.12",)
    gone = diff_locks(OLD, replaced(OLD, pythons=()))
    assert [c.direction.value for c in gone.packages] == ["removed"]
    assert [c.direction.value for c in diff_locks(replaced(OLD, pythons=()), OLD).packages] == [
        "added"
    ]


def test_why_other_bytes() -> None:
    six = OLD.pip[-1]
    other = dataclasses.replace(
        six, artifact=dataclasses.replace(six.artifact, sha256=hash_of("other"), size=2000)
    )
    diff = diff_locks(OLD, replaced(OLD, pip=(*OLD.pip[:-1], other)))
    assert reasons(diff, "six") == ("the same version, from other bytes",)
    assert diff.changed[0].direction == "replaced"
    assert diff.download.fetched == 2000
    assert "six 1.16.0, sha256" in render_text(diff)


def test_why_a_package_came() -> None:
    pins = (
        apt_pin("ncurses-base", "6.4", ("libc6", ">= 6"), (BASE_ROOT, "Essential")),
        apt_pin("python3", "3.11", (PYTHON_ROOT, ">= 3.11")),
        apt_pin("zsh", "5.9", (SPEC_ROOT, "=5.*")),
        apt_pin("zsh-common", "5.9", ("zsh", "= 5.9")),
    )
    diff = diff_locks(OLD, replaced(OLD, apt=(*OLD.apt, *pins)))
    assert {change.name: change.reasons for change in diff.added} == {
        "ncurses-base": ("part of the base (Essential)", "required by libc6 (>= 6)"),
        "python3": ("pip packages need an interpreter (>= 3.11)",),
        "zsh": ("the spec asks for it (=5.*)",),
        "zsh-common": ("required by zsh (= 5.9), which was added",),
    }
    gone = diff_locks(replaced(OLD, apt=(*OLD.apt, *pins)), OLD)
    assert {change.name: change.reasons[1:] for change in gone.removed} == {
        "ncurses-base": (
            "it is no part of the base any more",
            "libc6 required it, and does not any more",
        ),
        "python3": ("the interpreter does not come from it any more",),
        "zsh": ("the spec no longer asks for it",),
        "zsh-common": ("zsh required it, which was removed",),
    }


def test_a_foreign_architecture_is_named() -> None:
    pin = apt_pin("libc6", "2.36", (SPEC_ROOT, ""), architecture="i386")
    diff = diff_locks(OLD, replaced(OLD, apt=(*OLD.apt, pin)))
    assert [change.label for change in diff.added] == ["libc6:i386"]
    assert render_json(diff)["added"][0]["architecture"] == "i386"  # type: ignore[index]  # JSON


def test_an_architecture_that_becomes_all_is_a_change_not_a_swap() -> None:
    before = replaced(OLD, apt=(*OLD.apt, apt_pin("zsh", "1", (SPEC_ROOT, ""))))
    after = apt_pin("zsh", "2", (SPEC_ROOT, ""), architecture="all")
    diff = diff_locks(before, replaced(OLD, apt=(*OLD.apt, after)))
    assert [(c.label, c.direction.value) for c in diff.packages] == [("zsh", "upgraded")]


def test_other_requirers_alone_are_a_difference() -> None:
    six = pip_pin("six", "1.16.0", (SPEC_ROOT, "==1.16.0"))
    diff = diff_locks(OLD, replaced(OLD, pip=(*OLD.pip[:-1], six)))
    assert diff
    assert diff.packages == ()
    assert diff.requirements == ("pip six",)


def test_base_python_index_and_records() -> None:
    new = replaced(
        OLD,
        bases=tuple(dataclasses.replace(pin, libc="glibc 2.41") for pin in OLD.bases),
        pythons=(
            dataclasses.replace(OLD.pythons[0], version="3.12.1", executable="/usr/bin/python3.12"),
        ),
        archives=(),
        images=(),
        context=".",
    )
    text = render_text(diff_locks(OLD, new))
    assert "  ↑ python 3.11.2 → 3.12.1\n" in text
    assert "  context: ../spec → .\n" in text
    assert "  archive vendor: https://apt.example/debian/ was removed\n" in text
    assert "glibc 2.41" in text
    assert "<li>context: ../spec → .</li>" in render_html(diff_locks(OLD, new))
    assert "[linux/amd64]" in text


HOSTILE = (
    "\x1b[31mred",
    "\u202ereversed",
    "<script>alert(1)</script>",
    "| cell |",
    "@maintainer",
    "`code` **bold** [link](http://evil)",
    "](javascript:1)",
    "a\nb",
)


class Tags(HTMLParser):
    """The names of all tags of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:  # noqa: ARG002
        self.seen.add(tag)


@pytest.mark.parametrize("text", HOSTILE)
def test_no_renderer_is_fooled(text: str) -> None:
    roots = dataclasses.replace(OLD.roots, env=((text, text),), apt=AptSpec(packages=(text,)))
    pin = dataclasses.replace(pip_pin("evil", "1", (text, text)), version=text)
    diff = diff_locks(OLD, replaced(OLD, roots=roots, pip=(*OLD.pip, pin)))
    for page in (render_text(diff), render_markdown(diff), render_html(diff)):
        assert all(line.isprintable() for line in page.split("\n"))
    tags = Tags()
    tags.feed(render_html(diff))
    assert "script" not in tags.seen
    assert "<script" not in render_markdown(diff)
    assert "@maintainer" not in render_markdown(diff)
    rows = [line for line in render_markdown(diff).split("\n") if line.startswith("| ")]
    assert all(line.replace("\\|", "").count("|") == 6 for line in rows)


def test_colour_is_only_added() -> None:
    diff = diff_locks(OLD, replaced(OLD, pip=()))
    colored = render_text(diff, color=True)
    assert "\x1b[31m- six 1.16.0\x1b[0m" in colored
    for code in ("0", "1", "31"):
        colored = colored.replace(f"\x1b[{code}m", "")
    assert colored == render_text(diff)


some = settings(max_examples=settings().max_examples // 4)


@some
@given(locks(), locks())
def test_a_difference_is_seen_exactly_when_there_is_one(old: Lock, new: Lock) -> None:
    assert bool(diff_locks(old, new)) == (normalise(old) != normalise(new))
    assert not diff_locks(old, old)


def seen(changes: tuple[PackageChange, ...]) -> set[tuple[str, str, Platform]]:
    return {(c.kind, c.label, platform) for c in changes for platform in c.platforms}


@some
@given(locks(), locks())
def test_there_and_back_are_mirrored(old: Lock, new: Lock) -> None:
    there, back = diff_locks(old, new), diff_locks(new, old)
    assert len(there.roots) == len(back.roots)
    assert seen(there.added) == seen(back.removed)
    assert seen(there.removed) == seen(back.added)
    assert seen(there.changed) == seen(back.changed)
    assert sorted(c.platforms for c in there.values) == sorted(c.platforms for c in back.values)
    assert there.download.old == back.download.new


def states(lock: Lock) -> dict[tuple[str, Platform], object]:
    return {
        (pin.name, platform): (pin.version, pin.artifact)
        for pin in lock.pip
        for platform in pin.platforms
    }


@some
@given(locks(), locks())
def test_every_package_that_moved_is_named_once_a_platform(old: Lock, new: Lock) -> None:
    diff = diff_locks(old, new)
    moved = [(c.kind, c.label, platform) for c in diff.packages for platform in c.platforms]
    assert len(moved) == len(set(moved))
    before, after = states(old), states(new)
    expected = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {(name, platform) for kind, name, platform in moved if kind == "pip"} == expected


@some
@given(locks(), locks())
def test_every_renderer_takes_every_difference(old: Lock, new: Lock) -> None:
    diff = diff_locks(old, new)
    assert render_text(diff).endswith("\n")
    assert render_markdown(diff).endswith("\n")
    assert render_html(diff).endswith("</html>\n")
    data = json.loads(json.dumps(render_json(diff)))
    assert {"added", "removed", "changed"} <= data.keys()
    for package in data["changed"]:
        assert {"kind", "name", "platforms", "old", "new"} <= package.keys()


@pytest.mark.parametrize(
    ("kind", "specifier", "version", "answer"),
    [
        ("pip", "", "1", True),
        ("pip", ">=1.26", "1.25", False),
        ("pip", ">=1.26", "1.27rc1", True),
        ("pip", "~=1.4.2", "1.5", False),
        ("pip", "@ https://x", "1", None),
        ("pip", ">=1", "not a version", None),
        ("apt", ">= 2.34", "2.34~rc1", False),
        ("apt", ">= 2.34", "1:1", True),
        ("apt", "<< 3", "3", False),
        ("apt", "<= 3", "3", True),
        ("apt", ">> 3", "3+b1", True),
        ("apt", "= 3", "3", True),
        ("apt", "=7.88.*", "7.88.1-10", True),
        ("apt", "=7.88.*", "8.0", False),
        ("apt", "tzdata | tz", "1", None),
        ("conda", ">=1", "0", None),
    ],
)
def test_constraints(kind: str, specifier: str, version: str, *, answer: bool | None) -> None:
    assert allows(kind, specifier, version) is answer


@pytest.mark.parametrize(
    ("kind", "old", "new", "way"),
    [
        ("pip", "1.9", "1.10", "upgraded"),
        ("pip", "1.10", "1.10rc1", "downgraded"),
        ("pip", "1.0", "1", "replaced"),
        ("apt", "1.0~rc1-1", "1.0-1", "upgraded"),
        ("apt", "1:1", "2", "downgraded"),
        ("conda", "9e", "9f", "upgraded"),
        ("python", "3.9.1", "3.11.0", "upgraded"),
    ],
)
def test_directions(kind: str, old: str, new: str, way: str) -> None:
    assert direction(kind, old, new).value == way


def test_platforms_that_agree_are_one_change() -> None:
    new = replaced(OLD, pip=(*OLD.pip[:-1], pip_pin("six", "1.17", (SPEC_ROOT, ""))))
    changes = diff_locks(OLD, new).changed
    assert [change.platforms for change in changes] == [BOTH]
