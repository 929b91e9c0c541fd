"""Which spellings mean the same, and which one a Spec holds."""

from __future__ import annotations

import pytest

from imagelock.model.openpgp import key_fingerprints
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.model.spec import (
    AptSource,
    BuilderChoice,
    CopyRule,
    DistributionBase,
    ImageBase,
    LayoutBase,
    Spec,
    Variant,
)
from support.specs import BASE, KEY_FILE, problems_of, spec_of


def pip(line: str) -> PipSpec:
    return spec_of(f"[pip]\n{line}\n{BASE}").pip


def test_the_smallest_spec() -> None:
    base = DistributionBase(distribution="debian:bookworm", variant=Variant.MINBASE)
    assert spec_of(BASE) == Spec(name="train", base=base)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("NumPy", "numpy"),
        ("zope.interface_x", "zope-interface-x"),
        (" numpy >=2 , <3 ", "numpy<3,>=2"),
        ("numpy (>=2)", "numpy>=2"),
        ("pandas[Y_z,X]", "pandas[x,y-z]"),
        ("a[f,d,G,b,h,a,E,c]", "a[a,b,c,d,e,f,g,h]"),
        ("tomli; python_version < '3.11'", 'tomli; python_version < "3.11"'),
        ("a==1.0 ; os_name=='nt' and extra=='B_c'", 'a==1.0; os_name == "nt" and extra == "b-c"'),
    ],
)
def test_requirements(written: str, kept: str) -> None:
    assert pip(f'packages = ["{written}"]').packages == (kept,)
    assert pip(f'overrides = ["{written}"]').overrides == (kept,)


def test_sets_are_sorted_and_single() -> None:
    spec = spec_of(
        'platforms = ["linux/arm64/v8", "linux/amd64", "linux/aarch64"]\n' + BASE
        + '[pip]\npackages = ["b", "A", "B"]\nconstraints = ["d", "c"]\n'
        + '[env]\nB = "1"\nA = "2"\n[image]\nlabels = { b = "1", a = "2" }\n'
    )  # fmt: skip
    assert spec.platforms == (Platform("linux/amd64"), Platform("linux/arm64"))
    assert spec.pip.packages == ("a", "b")
    assert spec.pip.constraints == ("c", "d")
    assert spec.env == (("A", "2"), ("B", "1"))
    assert spec.image.labels == (("a", "2"), ("b", "1"))


def test_lists_whose_order_counts_only_lose_doubles() -> None:
    spec = spec_of(f'apt.packages = ["zip", "git", "zip", "zip=1"]\n{BASE}')
    assert spec.apt.packages == ("zip", "git", "zip=1")
    spec = spec_of(f'image = {{ entrypoint = ["a", "b", "a"], cmd = [] }}\n{BASE}')
    assert spec.image.entrypoint == ("a", "b", "a")
    assert spec.image.cmd == ()
    assert spec_of(BASE).image.cmd is None


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("3.12", "3.12"),
        ("3.12.04", "3.12.4"),
        ("3", "3"),
        ("3.14.0rc1", "3.14.0rc1"),
        (" >= 3.11 , <3.13", "<3.13,>=3.11"),
        ("==3.12.*", "==3.12.*"),
        ("~=3.12.1", "~=3.12.1"),
    ],
)
def test_python(written: str, kept: str) -> None:
    assert spec_of(f'python = "{written}"\n{BASE}').python == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("2026-11-01", "2026-11-01"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
        ("2026-11-01 12:00:00z", "2026-11-01T12:00:00Z"),
        ("2026-11-01t01:30:00.250+02:00", "2026-10-31T23:30:00.25Z"),
        ("0001-01-02T00:00:00Z", "0001-01-02T00:00:00Z"),
        ("1 week", "7 days"),
        ("2 weeks", "14 days"),
        ("1 days", "1 day"),
        ("24 hours", "1 day"),
        ("36 hours", "36 hours"),
        ("1 hour", "1 hour"),
    ],
)
def test_exclude_newer(written: str, kept: str) -> None:
    assert pip(f'exclude-newer = "{written}"').exclude_newer == kept


@pytest.mark.parametrize(
    "written", ["0001-01-01T00:00:00+01:00", "0 days", "1000000 days", "20261101", "2026-1-1", ""]
)
def test_exclude_newer_that_means_nothing(written: str) -> None:
    assert "1:21: pip.exclude-newer" in problems_of(f'pip.exclude-newer = "{written}"\n{BASE}')


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("pypi", "pypi"),
        ("https://pypi.org/simple", "pypi"),
        ("https://PyPI.org/simple/", "pypi"),
        ("https://h:8080/simple", "https://h:8080/simple/"),
        ("http://[::1]:80/s//", "http://[::1]:80/s/"),
        ("http://127.0.0.1", "http://127.0.0.1/"),
        ("https://h/a@b/simple", "https://h/a@b/simple/"),
    ],
)
def test_index(written: str, kept: str) -> None:
    assert pip(f'index = "{written}"').index == kept


@pytest.mark.parametrize("end", ["?", "?token=hunter2", "#", "#hunter2"])
def test_an_index_holds_no_query(end: str) -> None:
    said = problems_of(f'pip.index = "https://h/simple{end}"\n{BASE}')
    assert "expected a URL without '?' and '#'" in said
    assert "hunter2" not in said


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ({"from": "./conf//app.ini", "to": "/app//x/"}, ("conf/app.ini", "/app/x/")),
        ({"from": "conf/", "to": "/app/./x/."}, ("conf", "/app/x/")),
        ({"from": ".", "to": "//app"}, (".", "/app")),
        ({"from": "..a/b", "to": "/"}, ("..a/b", "/")),
    ],
)
def test_copies(written: dict[str, str], kept: tuple[str, str]) -> None:
    text = f"{BASE}[[copy]]\nfrom = '{written['from']}'\nto = '{written['to']}'\n"
    assert spec_of(text).copies == (CopyRule(source=kept[0], target=kept[1]),)


@pytest.mark.parametrize(
    "image",
    [
        "python",
        "python:3.12-slim_x.Y",
        "library/python",
        "docker.io/library/python:latest",
        "LOCALHOST:5000/a/b__c/d-e.f",
        "[::1]:5000/a",
        "a@sha256:" + "0" * 64,
        "h.example/a:1@sha256:" + "0" * 64,
    ],
)
def test_image_references(image: str) -> None:
    assert spec_of(f"base.image = '{image}'").base == ImageBase(image=image)


@pytest.mark.parametrize(
    "image",
    ["", ":1", "a:", "a:-b", "a//b", "a/", "/a", "a___b", "a b", "a@", "a:1:2", "-a", "a@sha256:x"],
)
def test_what_is_no_image_reference(image: str) -> None:
    assert "1:14: base.image" in problems_of(f"base.image = '{image}'")


def test_a_digest_is_folded() -> None:
    base = spec_of(f"base.image = 'a@sha256:{'AB' * 32}'").base
    assert base == ImageBase(image=f"a@sha256:{'ab' * 32}")


def test_a_layout_may_lie_outside() -> None:
    assert spec_of("base.layout = 'oci:./../out/'").base == LayoutBase(layout="oci:../out")


@pytest.mark.parametrize(
    "package", ["git", "g++", "libstdc++6", "curl=7.88.*", "curl=1:2~rc+b1-3",
                "nvtop/bookworm-backports", "libc6:arm64", "libc6:any", "libc6:arm64=2.36*",
                "git-", "0ad"]
)  # fmt: skip
def test_apt_packages(package: str) -> None:
    assert spec_of(f"apt.packages = ['{package}']\n{BASE}").apt.packages == (package,)


@pytest.mark.parametrize(
    "package", ["", "g", "-git", "git=", "git/", "git:", "git=1/sid", "git=1=2", "a_b", "git;rm"]
)
def test_what_is_no_apt_package(package: str) -> None:
    assert "1:17: apt.packages[0]" in problems_of(f"apt.packages = ['{package}']\n{BASE}")


def test_apt_sources() -> None:
    text = (
        f"""{BASE}[[apt.source]]
uris = "HTTPS://H/debian"
""".replace("HTTPS", "https")
        + """suites = " bookworm  bookworm-updates bookworm "
components = "main non-free-firmware"
signed-by = "./keys/../keys/a.asc"

[[apt.source]]
uris = "http://h/flat/"
suites = "./"
signed-by = "abcdef0123456789abcdef0123456789abcdef01"
"""
    )
    assert spec_of(text).apt.sources == (
        AptSource(
            uris="https://h/debian/",
            suites=("bookworm", "bookworm-updates"),
            components=("main", "non-free-firmware"),
            signed_by="keys/a.asc",
            keys=key_fingerprints(KEY_FILE),
        ),
        AptSource(
            uris="http://h/flat/",
            suites=("./",),
            signed_by="ABCDEF0123456789ABCDEF0123456789ABCDEF01",
        ),
    )


def test_names_and_registries_are_lower_case() -> None:
    spec = spec_of(f'name = "Train"\nregistry = "GHCR.io/Acme"\n{BASE}')
    assert (spec.name, spec.registry) == ("train", "ghcr.io/acme")


@pytest.mark.parametrize(
    "tag_format", ["{lock}", "{spec_hash}", "v1.{name}_{lock}-{source}", "fixed", "x" * 128]
)
def test_tag_formats(tag_format: str) -> None:
    assert spec_of(f'tag-format = "{tag_format}"\n{BASE}').tag_format == tag_format


def test_the_length_of_a_tag_counts_the_name() -> None:
    text = f'name = "{{}}"\ntag-format = "{{{{lock}}}}-{{{{name}}}}"\n{BASE}'
    assert spec_of(text.format("a" * 95)).name == "a" * 95
    assert "2:14: tag-format" in problems_of(text.format("a" * 96))


def test_builder_options_keep_their_types() -> None:
    spec = spec_of(f'builder = {{ name = "x", options = {{ c = "1", b = true, a = 1 }} }}\n{BASE}')
    assert spec.builder == BuilderChoice(name="x", options=(("a", 1), ("b", True), ("c", "1")))
    assert [type(value) for _, value in spec.builder.options] == [int, bool, str]
