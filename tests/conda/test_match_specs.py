"""Match specs and versions against py-rattler, which reads them for conda and pixi."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rattler import MatchSpec, Version

from imagelock.model.conda import (
    InvalidMatchSpec,
    normal_channel,
    parse_match_spec,
    required_name,
    required_specifier,
)
from imagelock.model.conda_version import compare_conda_versions
from imagelock.model.names import Sha256
from imagelock.resolve.conda.pythons import python_spec
from imagelock.spec.parser import parse_spec
from support.conda_forge import records
from support.specs import problems_of

suffixes = st.sampled_from(["", "", "a", "rc1", "dev", "post1", "_1", "alpha"])
numbers = st.builds(lambda number, end: f"{number}{end}", st.integers(0, 12), suffixes)
versions = st.builds(
    lambda epoch, parts, end: epoch + ".".join(parts) + end,
    st.sampled_from(["", "", "1!"]),
    st.lists(numbers, min_size=1, max_size=4),
    st.sampled_from(["", "", "", "_", "+1", "+abc.2", "-1"]),
)


@given(versions, versions)
@settings(max_examples=400)
def test_the_order_of_versions(first: str, second: str) -> None:
    assume(all("_" not in text or "-" not in text for text in (first, second)))
    one, other = Version(first), Version(second)
    assert compare_conda_versions(first, second) == (one > other) - (one < other)


operators = st.sampled_from(["", "=", "==", "!=", ">=", "<=", ">", "<", "~="])
plain = st.sampled_from(["1.2", "1", "2.0a1", "1.2.*"])
constraints = st.builds(lambda operator, version: operator + version, operators, plain)
several = st.builds(
    lambda items, join: join.join(items),
    st.lists(constraints, min_size=1, max_size=3),
    st.sampled_from([",", "|", ", ", " , "]),
)
builds = st.sampled_from(["", "", "py_0", "*cuda*"])


@given(
    st.sampled_from(["numpy", "Py-thon_x", "conda-forge::Numpy"]),
    several,
    builds,
    st.sampled_from([" ", "=", "["]),
)
@settings(max_examples=400)
def test_the_normal_form_means_the_same(name: str, version: str, build: str, form: str) -> None:
    text = f"{name}{' ' if version[0].isdigit() else ''}{version}"
    text += f"{form}{build}" if build else ""
    if form == "[":
        text = f"{name}[version='{version}'" + (f", build='{build}']" if build else "]")
    try:
        normal = str(parse_match_spec(text))
    except InvalidMatchSpec:
        return
    assert str(parse_match_spec(normal)) == normal
    ours = MatchSpec(normal, strict=True)
    try:
        theirs = MatchSpec(text)
    except Exception:  # noqa: BLE001 - we read more than it does
        return
    assert meaning(ours) == meaning(theirs)


def meaning(spec: MatchSpec) -> tuple[object, ...]:
    alternatives = spec.version.split("|") if spec.version else []
    version = sorted({",".join(sorted(set(item.split(",")))) for item in alternatives})
    return str(spec.name).lower(), version, spec.build, str(spec.channel)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Numpy", "numpy"),
        ("numpy=1.2", "numpy 1.2.*"),
        ("numpy 1.2", "numpy ==1.2"),
        ("numpy=1.2=py_0", "numpy ==1.2 py_0"),
        ("numpy >=1.2, <2", "numpy >=1.2,<2"),
        ("numpy<2,>=1.2", "numpy >=1.2,<2"),
        ("blas * *mkl", "blas * *mkl"),
        ("numpy[build_number='>=1']", 'numpy[build_number=">=1"]'),
        ("https://conda.anaconda.org/conda-forge::numpy", "conda-forge::numpy"),
        ("conda-forge/linux-64::numpy 1.*", "conda-forge/linux-64::numpy 1.*"),
    ],
)
def test_normal_forms(text: str, normal: str) -> None:
    assert str(parse_match_spec(text)) == normal


@pytest.mark.parametrize(
    "text", ["", "==1", "py*", "numpy ==1.*", "numpy 1 2 3", "numpy[foo=1]", "a b c d", "numpy >"]
)
def test_what_is_no_match_spec(text: str) -> None:
    with pytest.raises(InvalidMatchSpec):
        parse_match_spec(text)


def test_every_real_dependency_is_read() -> None:
    for subdir in ("linux-64", "linux-aarch64", "noarch"):
        for section in ("packages", "packages.conda"):
            for item in records(subdir)[section].values():
                for text in (*item["depends"], *item["constrains"]):
                    spec = MatchSpec(text)
                    assert required_name(text) == spec.name.normalized
                    assert required_name(text) + (
                        " " + required_specifier(text) if required_specifier(text) else ""
                    ) == " ".join(text.split())


@pytest.mark.parametrize(
    ("wanted", "spec"),
    [
        (None, "python"),
        ("3.12", "python 3.12.*"),
        ("3.12.4", "python ==3.12.4"),
        (">=3.11,<3.13", "python >=3.11,<3.13"),
        ("==3.11.*", "python 3.11.*"),
        ("~=3.11", "python ~=3.11"),
        ("!=3.12.1,>=3.12", "python >=3.12,!=3.12.1"),
    ],
)
def test_the_python_that_is_asked_for(wanted: str | None, spec: str) -> None:
    assert python_spec(wanted) == spec


BASE = '[base]\ndistribution = "debian:bookworm"\n'


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('channels = ["https://u:p-canary@h/c"]', "without credentials"),
        ('channels = ["https://h/t/tk-canary/c"]', "without a token"),
        ('packages = ["https://h/t/tk-canary/c::x"]', "without credentials"),
        ('channels = ["defaults"]', "got 'defaults', which stands for several"),
        ('channels = []\npackages = ["a"]', "at least one channel"),
        ('packages = ["other::a"]', "add 'other' to conda.channels"),
        ('packages = ["__glibc >=2"]', "which tells what the image runs on"),
        ('packages = ["numpy ==1.*"]', "write '1.*'"),
        ('channels = ["/srv/channel"]', "where the spec's folder is known"),
        ('exclude-newer = "soon"', "expected a date"),
    ],
)
def test_what_a_spec_may_not_say(line: str, says: str) -> None:
    said = problems_of(f"{BASE}[conda]\n{line}\n")
    assert says in said
    assert "canary" not in said


class Here:
    """A spec in /srv/specs."""

    def relative(self, path: str) -> str:
        return posixpath.relpath(path, "/srv/specs")

    def digest(self, path: str) -> Sha256:
        raise OSError(path)


@pytest.mark.parametrize(
    ("text", "channel"),
    [
        ("/srv/specs/lab", "./lab/"),
        ("file:///srv/channels/a%20b/", "../channels/a%20b/"),
        ("file:/srv/specs/./x/../lab", "./lab/"),
        ("/srv/channels/a b", "../channels/a%20b/"),
    ],
)
def test_an_absolute_folder_becomes_a_relative_one(text: str, channel: str) -> None:
    data = f'{BASE}[conda]\npackages = ["x"]\nchannels = ["{text}"]\n'.encode()
    spec = parse_spec(data, source="a.toml", read_file=lambda _: b"", files=Here())
    assert spec.conda.channels == (channel,)


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("conda-forge", "conda-forge"),
        ("https://conda.anaconda.org/bioconda", "bioconda"),
        ("https://host.example/lab", "https://host.example/lab/"),
        ("./channel", "./channel/"),
        ("../a/./b//", "../a/b/"),
        ("conda-forge/label/dev", "conda-forge/label/dev"),
    ],
)
def test_channels_have_one_spelling(text: str, normal: str) -> None:
    assert normal_channel(text) == normal
    assert normal_channel(normal) == normal
