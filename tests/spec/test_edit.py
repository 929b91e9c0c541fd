# ruff: noqa: E501 (messages stand here as people see them)
"""Edits of a spec's text: what changes, and what must not."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from imagelock.model.errors import SpecError, UsageError
from imagelock.model.spec import DistributionBase, ImageBase
from imagelock.spec.edit import PackageKind, add_packages, new_spec, remove_packages
from support.spec_documents import FILES, Scribe, documents
from support.specs import BASE, spec_of

PIP, APT, CONDA = PackageKind.PIP, PackageKind.APT, PackageKind.CONDA

STYLED = """\
# our image
base = {image='a'}   # for now
[ pip ]  # wheels
packages = [
  "numpy>=2",  # fast
  # tables
  'Pandas[parquet]',
  "tomli; python_version < '3.11'",
]

# system
[apt]
packages = ["git", "curl=7.*"]
"""


def test_a_new_spec_is_short_commented_and_valid() -> None:
    text = new_spec("Train")
    assert text == snapshot("""\
#:schema schemas/spec.schema.json
# What the image holds. `imagelock lock` pins it, `imagelock build` builds what is pinned.
name = "train"
# python = "3.12"

[base]
distribution = "debian:bookworm"

[pip]  # like "numpy>=2"
packages = []

[apt]  # like "git"
packages = []
""")
    spec = spec_of(text)
    assert (spec.name, spec.python) == ("train", None)
    assert spec.base == DistributionBase(distribution="debian:bookworm")


def test_a_new_spec_of_one_s_own() -> None:
    text = new_spec("a", base="python:3.12-slim", python=">=3.11", schema="../s.json")
    assert text.startswith("#:schema ../s.json\n")
    spec = spec_of(text)
    assert (spec.base, spec.python) == (ImageBase(image="python:3.12-slim"), ">=3.11")


@pytest.mark.parametrize(
    "arguments", [{"name": "a b"}, {"name": "a", "base": "A"}, {"name": "a", "python": '3"'}]
)
def test_a_new_spec_of_nothing_sensible(arguments: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        new_spec(**arguments)


def test_adding_appends_in_the_style_of_the_list() -> None:
    text = add_packages(STYLED, PIP, ["scipy>=1", "idna"])
    assert text == STYLED.replace("'3.11'\",\n", '\'3.11\'",\n  "scipy>=1",\n  "idna",\n')
    assert add_packages(STYLED, APT, ["zip"]) == STYLED.replace('7.*"]', '7.*", "zip"]')


def test_adding_replaces_what_has_the_same_name() -> None:
    text = add_packages(STYLED, PIP, ["NumPy>=2.1", "pandas==3"])
    assert text == STYLED.replace("numpy>=2", "NumPy>=2.1").replace(
        "'Pandas[parquet]'", '"pandas==3"'
    )
    assert add_packages(STYLED, APT, ["curl"]) == STYLED.replace("curl=7.*", "curl")
    assert add_packages(STYLED, APT, ["git-"]) == STYLED.replace("git", "git-")


def test_adding_what_is_there_changes_nothing() -> None:
    assert add_packages(STYLED, PIP, ["numpy>=2"]) == STYLED
    assert add_packages(STYLED, PIP, []) == STYLED


def test_markers_and_architectures_stand_beside_each_other() -> None:
    text = add_packages(STYLED, PIP, ["tomli>=2"])
    assert '  "tomli>=2",\n' in text
    assert "tomli; python_version" in text
    text = add_packages(STYLED, APT, ["git:arm64"])
    assert '"git", "curl=7.*", "git:arm64"' in text


def test_doubles_become_one() -> None:
    text = add_packages('pip.packages = ["a", "b", "A>1"]\n', PIP, ["a==2"])
    assert text == 'pip.packages = ["a==2", "b"]\n'


def test_removing_takes_every_entry_of_the_name_and_its_comment_stays_off() -> None:
    text = remove_packages(STYLED, PIP, ["NUMPY", "tomli"])
    assert text == STYLED.replace('  "numpy>=2",  # fast\n', "").replace(
        "  \"tomli; python_version < '3.11'\",\n", ""
    )
    assert remove_packages(STYLED, APT, ["curl"]) == STYLED.replace(', "curl=7.*"', "")


@pytest.mark.parametrize(
    ("text", "kind", "expected"),
    [
        (STYLED, CONDA, STYLED + '\n[conda]\npackages = ["x1"]\n'),
        ("", PIP, '\n[pip]\npackages = ["x1"]\n'),
        ("a = 1", PIP, 'a = 1\n\n[pip]\npackages = ["x1"]\n'),
        ("[pip]\nindex = 'a'\n\n# b\n[apt]\n", PIP,
         "[pip]\npackages = [\"x1\"]\nindex = 'a'\n\n# b\n[apt]\n"),
        ("[pip]", PIP, '[pip]\npackages = ["x1"]\n'),
        ("[pip]\r\n# c\r\n", PIP, '[pip]\r\npackages = ["x1"]\r\n# c\r\n'),
        ("pip.index = 'a'\n[b]\n", PIP, "pip.index = 'a'\npip.packages = [\"x1\"]\n[b]\n"),
        ("pip.index = 'a'  # b", PIP, "pip.index = 'a'  # b\npip.packages = [\"x1\"]"),
        ("pip.packages = [ ]\n", PIP, 'pip.packages = ["x1"]\n'),
        ("pip.packages = [\r\n  # none\r\n]\r\n", PIP,
         'pip.packages = [\r\n  "x1",\r\n  # none\r\n]\r\n'),
        ("[[apt.source]]\nx = 1\n", APT, '[[apt.source]]\nx = 1\n\n[apt]\npackages = ["x1"]\n'),
        ("[[apt.source]]\nx = 1\n[apt]\n", APT,
         '[[apt.source]]\nx = 1\n[apt]\npackages = ["x1"]\n'),
    ],
)  # fmt: skip
def test_a_missing_list_goes_where_a_person_would_put_it(
    text: str, kind: PackageKind, expected: str
) -> None:
    assert add_packages(text, kind, ["x1"]) == expected


def test_an_inline_table_stays_one() -> None:
    text = add_packages("pip = {index = 'a'}\n", PIP, ["x1"])
    assert text.count("\n") == 1
    assert spec_of(text.replace("index = 'a'", "index = 'pypi'") + BASE).pip.packages == ("x1",)


def test_quotes_are_chosen_to_spare_escapes() -> None:
    markers = ["a; os_name == 'b'", 'c; os_name == "d"']
    text = add_packages("pip.packages = ['no requirement!']", PIP, markers)
    assert text == (
        "pip.packages = ['no requirement!', \"a; os_name == 'b'\", 'c; os_name == \"d\"']"
    )


@pytest.mark.parametrize(
    ("kind", "package", "expected"),
    [
        (
            PIP,
            "numpy=2",
            snapshot("""\
pip.packages: expected a requirement like 'numpy>=2', got 'numpy=2': expected semicolon (after name with no version specifier) or end
hint: a version is pinned with '==', as in 'numpy==2.1'\
"""),
        ),
        (
            PIP,
            "-r x",
            snapshot("""\
pip.packages: expected a requirement like 'numpy>=2', got '-r x': expected package name at the start of dependency specifier
hint: options belong in a requirements file, listed under pip.requirements\
"""),
        ),
        (
            APT,
            "Git",
            snapshot("""\
apt.packages: expected a Debian package, got 'Git'
hint: package names are lower-case\
"""),
        ),
        (CONDA, "", snapshot("conda.packages: expected a match spec like 'numpy >=2', got ''")),
    ],
)
def test_what_is_no_package_is_refused(kind: PackageKind, package: str, expected: str) -> None:
    for edit in (add_packages, remove_packages):
        with pytest.raises(UsageError) as caught:
            edit(STYLED, kind, [package])
        assert str(caught.value) == expected


@pytest.mark.parametrize(
    ("kind", "package", "expected"),
    [
        (
            PIP,
            "nunpy",
            snapshot("""\
pip.packages: expected a package of the spec, got 'nunpy'
hint: did you mean 'numpy'?\
"""),
        ),
        (APT, "zip", snapshot("apt.packages: expected a package of the spec, got 'zip'")),
        (CONDA, "a", snapshot("conda.packages: expected a package of the spec, got 'a'")),
    ],
)
def test_removing_what_is_not_there(kind: PackageKind, package: str, expected: str) -> None:
    with pytest.raises(UsageError) as caught:
        remove_packages(STYLED, kind, [package])
    assert str(caught.value) == expected


def test_texts_that_cannot_be_edited() -> None:
    with pytest.raises(SpecError, match="<spec>:1:1"):
        add_packages("=", PIP, ["a"])
    for text in ("pip.packages = 'a'\n", "pip.packages = [1]\n"):
        with pytest.raises(UsageError, match="expected an array of strings"):
            remove_packages(text, PIP, ["a"])
        with pytest.raises(UsageError, match="expected an array of strings"):
            add_packages(text, PIP, ["a"])
    for text in ("pip = 1\n", "pip = ['a']\n", "pip = []\n", "[[pip]]\npackages = ['a']\n"):
        with pytest.raises(UsageError, match="pip: expected a table"):
            remove_packages(text, PIP, ["a"])
        with pytest.raises(UsageError, match="pip: expected a table"):
            add_packages(text, PIP, ["a"])


def test_conda_names() -> None:
    text = add_packages("", CONDA, ["conda-forge::A >=1", "b=1"])
    assert add_packages(text, CONDA, ["a[version='2']"]).count("::") == 0
    assert remove_packages(text, CONDA, ["B"]).count("b=1") == 0


@given(documents(), st.randoms(use_true_random=False), st.sampled_from([*PackageKind]))
def test_adding_and_removing_is_seen_by_the_parser_and_nothing_else_changes(
    document: dict[str, object], random: Random, kind: PackageKind
) -> None:
    text = Scribe(random).write(document).lstrip("\ufeff")
    before = spec_of(text, FILES)
    added = add_packages(text, kind, ["zzz"])
    after = spec_of(added, FILES)
    assert "zzz" in getattr(after, kind).packages
    assert spec_of(remove_packages(added, kind, ["zzz"]), FILES) == before
