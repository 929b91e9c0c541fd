"""What a lock holds, and who requires whom."""

# ruff: noqa: E501  # what is printed is as long as it is

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from inline_snapshot import snapshot

from imagelock.lock import show_json, show_text, tree, why
from imagelock.lock.graph import Branch
from imagelock.model.lock import BASE_ROOT, SPEC_ROOT, Lock
from imagelock.model.spec import ImageBase, Spec
from support.example_lock import AMD64, apt_pin, example_lock, pip_pin
from support.strategies import locks

LOCK = example_lock()
SMALL = Lock(
    roots=Spec(name="a", base=ImageBase(image="debian:12")),
    apt=(
        apt_pin("git", "1", (SPEC_ROOT, "")),
        apt_pin("libc6", "2", ("git", ">= 2"), (BASE_ROOT, "required"), ("libgcc", "")),
        apt_pin("libgcc", "3", ("libc6", "")),
        apt_pin("libc6", "2", ("wine", ""), architecture="i386"),
        apt_pin("wine", "9", (SPEC_ROOT, "")),
    ),
    pip=(
        pip_pin("flask", "3", (SPEC_ROOT, ">=3"), platforms=(AMD64,)),
        pip_pin("jinja2", "3.1", ("flask", ">=3.1"), platforms=(AMD64,)),
        pip_pin("markupsafe", "3", ("jinja2", ">=2"), ("flask", ""), platforms=(AMD64,)),
    ),
)


def test_the_fields_of_the_contract() -> None:
    data = show_json(LOCK, tag="abc")
    assert data["name"] == "acme/train"
    assert data["tag"] == "abc"
    assert data["platforms"] == ["linux/amd64", "linux/arm64"]
    assert data["base"] == snapshot(
        [
            {
                "platform": "linux/amd64",
                "reference": "debian:bookworm",
                "digest": "sha256:5861314d7fccb39c2192173240eab44fa35ca66426201ca2acd0630a6258dd51",
            },
            {
                "platform": "linux/arm64",
                "reference": "debian:bookworm",
                "digest": "sha256:f69162950f235e3cdbbad33f1f912d1a504be90d8a37d002c735d6f3e3882265",
            },
        ]
    )
    packages = data["packages"]
    assert isinstance(packages, list)
    by_name = {(package["kind"], package["name"]): package for package in packages}
    assert by_name["apt", "libc6"] == snapshot(
        {
            "kind": "apt",
            "name": "libc6",
            "version": "2.36-9+deb12u10",
            "platforms": ["linux/amd64"],
            "url": "http://deb.debian.org/debian/pool/main/l/libc6/libc6_2.36-9+deb12u10_amd64.deb",
            "sha256": "83a2200c657b203b42476aedcea053a381863c9e06a350693e9afbc0ed73fc81",
            "size": 1000,
            "required_by": [
                {"name": "<base>", "specifier": "required"},
                {"name": "git", "specifier": ">= 2.34"},
            ],
            "architecture": "amd64",
            "source": "libc6",
            "suite": "bookworm",
            "manual": False,
            "base": True,
        }
    )
    assert by_name["python", "python"] == snapshot(
        {
            "kind": "python",
            "name": "python",
            "version": "3.11.2",
            "platforms": ["linux/amd64", "linux/arm64"],
            "url": None,
            "sha256": None,
            "size": None,
            "required_by": [],
            "implementation": "cpython",
            "provider": "apt",
            "executable": "/usr/bin/python3.11",
        }
    )
    assert by_name["pip", "pandas"] == snapshot(
        {
            "kind": "pip",
            "name": "pandas",
            "version": "2.3.3",
            "platforms": ["linux/amd64", "linux/arm64"],
            "url": "https://files.pythonhosted.org/packages/pandas-2.3.3-py3-none-any.whl",
            "sha256": "261f77eb5b00f8f31c25b83a66f764e935799f4cc09ddfdbf1d3731900c70bfe",
            "size": 1000,
            "required_by": [{"name": "<spec>", "specifier": ">=2.2"}],
            "extras": ["excel"],
            "requested": True,
        }
    )
    assert by_name["conda", "_libgcc_mutex"]["url"] == snapshot(
        "https://conda.anaconda.org/conda-forge/linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2"
    )
    assert json.loads(json.dumps(data)) == data


def test_for_people() -> None:
    assert show_text(LOCK, tag="abc") == snapshot("""\
acme/train:abc
platforms  linux/amd64, linux/arm64
base       debian:bookworm sha256:5861314d7fccb39c2192173240eab44fa35ca66426201ca2acd0630a6258dd51  [linux/amd64]
base       debian:bookworm sha256:f69162950f235e3cdbbad33f1f912d1a504be90d8a37d002c735d6f3e3882265  [linux/arm64]
python     3.11.2 /usr/bin/python3.11 (apt)
not reproducible: a run has a network

apt, in the base (1)
  libc6  2.36-9+deb12u10  by <base>, git  [linux/amd64]

apt (2)
  git     1:2.39.5-0+deb12u2  asked for  [linux/amd64]
  tzdata  2025b-0+deb12u1     by libc6

conda (2)
  _libgcc_mutex  0.1     asked for  [linux/amd64]
  mkl            2024.0  asked for 2024.*  [linux/amd64]

pip (3)
  numpy   2.4.0   asked for >=2; by pandas  [linux/amd64]
  numpy   2.3.5   asked for >=2; by pandas  [linux/arm64]
  pandas  2.3.3   asked for >=2.2
  six     1.16.0  asked for ==1.16.0; by pandas

pip, to build with (1)
  hatchling  1.27.0  by six  [linux/amd64]

removed from the base (1)
  mawk 1.3.4.20200120-3.1  [linux/amd64]
""")


@settings(max_examples=settings().max_examples // 4)
@given(locks())
def test_every_pin_is_shown(lock: Lock) -> None:
    data = show_json(lock, tag="t")
    packages = data["packages"]
    assert isinstance(packages, list)
    shown = {
        (package["kind"], package["name"], platform)
        for package in packages
        for platform in package["platforms"]
    }
    for kind, pins in (("apt", lock.apt), ("conda", lock.conda), ("pip", lock.pip)):
        for pin in pins:
            assert {(kind, pin.name, platform.text) for platform in pin.platforms} <= shown
    assert all(set(p) >= {"url", "sha256", "size", "required_by"} for p in packages)
    assert show_text(lock, tag="t").count("\n") >= len(lock.bases) + 2


def chains(lock: Lock, name: str) -> dict[str, list[str]]:
    return {
        f"{found.node.kind} {found.node.name}": [
            " > ".join(f"{step.name} {step.specifier}".rstrip() for step in chain)
            for chain in found.chains
        ]
        for found in why(lock, name)
    }


def test_why() -> None:
    assert chains(SMALL, "markupsafe") == {
        "pip markupsafe": [
            "<spec> > flask >=3 > markupsafe",
            "<spec> > flask >=3 > jinja2 >=3.1 > markupsafe >=2",
        ]
    }
    assert chains(SMALL, "MarkupSafe") == chains(SMALL, "markupsafe")
    assert chains(SMALL, "libc6") == {
        "apt libc6": ["<base> > libc6 required", "<spec> > git > libc6 >= 2"],
        "apt libc6:i386": ["<spec> > wine > libc6:i386"],
    }
    assert chains(SMALL, "libc6:i386") == {"apt libc6:i386": ["<spec> > wine > libc6:i386"]}
    assert why(SMALL, "nothing") == ()


def drawn(branch: Branch, depth: int = 1) -> list[str]:
    mark = " …" if branch.repeated else ""
    line = f"{'  ' * depth}{branch.node.name} {branch.specifier}".rstrip() + mark
    return [line, *(inner for item in branch.branches for inner in drawn(item, depth + 1))]


def test_tree() -> None:
    lines = []
    for root in tree(SMALL):
        lines.append(f"{root.kind} {root.name}")
        lines += [line for branch in root.branches for line in drawn(branch)]
    assert lines == snapshot(
        [
            "apt <spec>",
            "  git",
            "    libc6 >= 2",
            "      libgcc",
            "        libc6 …",
            "  wine",
            "    libc6:i386",
            "apt <base>",
            "  libc6 required …",
            "pip <spec>",
            "  flask >=3",
            "    jinja2 >=3.1",
            "      markupsafe >=2",
            "    markupsafe",
        ]
    )


@pytest.mark.parametrize("kind", ["apt", "pip"])
def test_a_circle_ends(kind: str) -> None:
    make = apt_pin if kind == "apt" else pip_pin
    pins = (
        make("aa", "1", (SPEC_ROOT, ""), ("cc", ""), platforms=(AMD64,)),
        make("bb", "1", ("aa", ""), platforms=(AMD64,)),
        make("cc", "1", ("bb", ""), platforms=(AMD64,)),
    )
    lock = Lock(roots=SMALL.roots, **{kind: pins})  # type: ignore[arg-type]  # by attribute name
    assert chains(lock, "cc") == {f"{kind} cc": ["<spec> > aa > bb > cc"]}
    assert len(tree(lock)) == 1


@settings(max_examples=settings().max_examples // 4)
@given(locks())
def test_the_tree_spreads_each_package_at_most_once(lock: Lock) -> None:
    for root in tree(lock):
        spread: list[str] = []
        waiting = list(root.branches)
        while waiting:
            branch = waiting.pop()
            waiting += branch.branches
            if branch.branches:
                spread.append(branch.node.name)
        assert len(spread) == len(set(spread))
