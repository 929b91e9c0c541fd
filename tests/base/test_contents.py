"""What is found in a base: in a real Debian, and in what other images look like."""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from debian.deb822 import Deb822

from imagelock.model.base import BaseContents
from imagelock.model.errors import IntegrityError
from imagelock.resolve.base import contents_of_layers
from imagelock.resolve.base.deb822 import installed_versions
from imagelock.resolve.base.record import contents_from_json, contents_to_json
from support.layouts import Entry, sha256_of, tar_of

ELF = b"\x7fELF"


def contents(*layers: Sequence[Entry], environment: dict[str, str] | None = None) -> BaseContents:
    tars = [tar_of(layer) for layer in layers]
    return contents_of_layers(
        [("layer", io.BytesIO(tar), sha256_of(tar)) for tar in tars], environment=environment or {}
    )


def python(version: str) -> bytes:
    return ELF + b"\0pymalloc_debug\0" + version.encode() + b"\0strict\x003.2.0\0"


@pytest.fixture(scope="module")
def real(minbase: Path) -> BaseContents:
    with minbase.open("rb") as file:
        diff_id = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0)
        return contents_of_layers([("minbase", file, diff_id)], environment={})


def member(tar: Path, name: str) -> bytes:
    with tarfile.open(tar) as opened:
        file = opened.extractfile(name)
        assert file is not None
        return file.read()


@pytest.mark.network
def test_a_real_debian(real: BaseContents, minbase: Path) -> None:
    assert real.libc == "glibc 2.36"
    assert real.dpkg_status == member(minbase, "./var/lib/dpkg/status")
    assert real.extended_states == member(minbase, "./var/lib/apt/extended_states")
    assert real.dpkg_usable
    assert real.merged_usr
    assert real.os_release is not None
    assert (real.os_release.id, real.os_release.codename) == ("debian", "bookworm")
    assert {"root", "_apt", "nobody"} <= {user.name for user in real.users}


@pytest.mark.network
def test_its_python_is_what_it_says_when_run(
    real: BaseContents, minbase: Path, tmp_path: Path
) -> None:
    (found,) = real.pythons
    assert found.executable == "/usr/bin/python3.11"
    assert real.dpkg_status is not None
    package = installed_versions(real.dpkg_status)["python3.11-minimal"]
    assert package.startswith(f"{found.version}-")
    binary = tmp_path / "python3.11"
    binary.write_bytes(member(minbase, "./usr/bin/python3.11"))
    assert found.version.encode() in binary.read_bytes()


@pytest.mark.network
def test_its_installed_packages_are_those_another_reader_finds(
    real: BaseContents, minbase: Path
) -> None:
    assert real.dpkg_status is not None
    expected = {
        stanza["Package"]: stanza["Version"]
        for stanza in Deb822.iter_paragraphs(member(minbase, "./var/lib/dpkg/status"))
        if stanza["Status"].endswith(" installed")
    }
    assert installed_versions(real.dpkg_status) == expected


@pytest.mark.network
def test_its_sources_come_with_the_keys_that_may_sign_them(real: BaseContents) -> None:
    assert [source.suites for source in real.apt_sources] == [
        ("bookworm",),
        ("bookworm-updates",),
        ("bookworm-security",),
    ]
    assert all(source.components == ("main",) for source in real.apt_sources)
    names = {keyring.path for keyring in real.apt_sources[0].keyrings}
    assert "/etc/apt/trusted.gpg.d/debian-archive-bookworm-stable.asc" in names


@pytest.mark.network
def test_kept_contents_are_read_back_the_same(real: BaseContents) -> None:
    data = contents_to_json(real)
    assert contents_from_json(data) == real
    assert contents_to_json(contents_from_json(data)) == data


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b"null", b'{"libc": 1}'])
def test_other_bytes_are_no_kept_contents(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"expected|Expecting"):
        contents_from_json(data)


def test_an_official_python_image_prefers_its_own_interpreter() -> None:
    status = b"Package: python3.11-minimal\nStatus: install ok installed\nVersion: 3.11.2-6\n"
    found = contents(
        [
            Entry("usr/bin/python3.11", python("3.11.2"), mode=0o755),
            Entry("usr/bin/python3", link="python3.11"),
            Entry("var/lib/dpkg/status", status),
        ],
        [
            Entry("usr/local/bin/python3.12", ELF, mode=0o755),
            Entry("usr/local/lib/libpython3.12.so.1.0", python("3.12.4")),
            Entry("usr/local/bin/python3", link="python3.12"),
            Entry("usr/local/bin/python3.12-config", b"#!/bin/sh", mode=0o755),
        ],
        environment={"PATH": "/usr/local/bin:/usr/bin"},
    )
    assert [(python.executable, python.version) for python in found.pythons] == [
        ("/usr/local/bin/python3.12", "3.12.4"),
        ("/usr/bin/python3.11", "3.11.2"),
    ]


@pytest.mark.parametrize(
    ("entries", "version"),
    [
        ([Entry("usr/local/bin/python3.12", python("3.12.0rc3"), mode=0o755)], "3.12.0rc3"),
        ([Entry("usr/local/bin/python3.12", python("3.12.1+"), mode=0o755)], "3.12.1"),
        (
            [
                Entry("usr/local/bin/python3.12", ELF, mode=0o755),
                Entry(
                    "usr/local/include/python3.12/patchlevel.h",
                    b'#define PY_MICRO_VERSION 7\n#define PY_VERSION      "3.12.7"\n',
                ),
            ],
            "3.12.7",
        ),
        (
            [
                Entry("opt/conda/bin/python3.12", ELF, mode=0o755),
                Entry("opt/conda/conda-meta/python-3.12.9-h9e4cc4f_1_cpython.json", b"{}"),
                Entry("opt/conda/pkgs/python-3.12.9/bin/python3.12", ELF, mode=0o755),
            ],
            "3.12.9",
        ),
        ([Entry("usr/bin/python3.12", ELF, mode=0o755)], "3.12.3"),
        (
            [
                Entry("usr/bin/python3.12", ELF, mode=0o755),
                Entry("usr/lib64/libpython3.12.so.1.0", python("3.12.8")),
            ],
            "3.12.8",
        ),
    ],
)
def test_the_patch_is_found_wherever_it_is_written(entries: list[Entry], version: str) -> None:
    found = contents(
        entries,
        [
            Entry(
                "var/lib/dpkg/status",
                b"Package: python3.12-minimal\nStatus: install ok installed\n"
                b"Version: 3.12.3-1ubuntu0.5\n",
            )
        ],
    )
    assert [python.version for python in found.pythons] == [version]


def test_the_environment_decides_only_where_nothing_else_speaks() -> None:
    silent = [Entry("usr/local/bin/python3.12", ELF, mode=0o755)]
    hint = {"PYTHON_VERSION": "3.12.11"}
    assert contents(silent, environment=hint).pythons[0].version == "3.12.11"
    speaking = [Entry("usr/local/bin/python3.12", python("3.12.4"), mode=0o755)]
    assert contents(speaking, environment=hint).pythons[0].version == "3.12.4"
    assert contents(silent).pythons == ()


def test_what_is_no_interpreter_of_the_image_is_left_out() -> None:
    found = contents(
        [
            Entry("usr/bin/python3.9", python("3.9.1"), mode=0o644),
            Entry("usr/bin/pypy3.9", python("3.9.1"), mode=0o755),
            Entry("root/.local/share/uv/python/x/bin/python3.13", python("3.13.1"), mode=0o755),
            Entry("opt/venv/bin/python3.11", link="/usr/bin/python3.11"),
        ]
    )
    assert found.pythons == ()


@pytest.mark.parametrize(
    ("entries", "libc"),
    [
        (
            [Entry("lib64/libc.so.6", b"\0GNU C Library stable release version 2.34.\n")],
            "glibc 2.34",
        ),
        (
            [
                Entry("lib/x86_64-linux-gnu/libc.so.6", link="libc-2.31.so"),
                Entry("lib/x86_64-linux-gnu/libc-2.31.so", b"\0stable release version 2.31.\n"),
            ],
            "glibc 2.31",
        ),
        (
            [Entry("lib/ld-musl-x86_64.so.1", ELF + b"\0" + b"1.2.5\0musl libc (x86_64)\n")],
            "musl 1.2",
        ),
        ([Entry("bin/busybox", ELF)], None),
    ],
)
def test_the_c_library(entries: list[Entry], libc: str | None) -> None:
    assert contents(entries).libc == libc


def test_a_distroless_image_lists_packages_but_has_no_dpkg() -> None:
    found = contents(
        [
            Entry("var/lib/dpkg/status.d/libc6", b"Package: libc6\nVersion: 2.36-9+deb12u7\n"),
            Entry("var/lib/dpkg/status.d/libc6.md5sums", b"0  usr/lib/libc.so.6\n"),
            Entry("var/lib/dpkg/status.d/base-files", b"Package: base-files\nVersion: 12.4\n"),
        ]
    )
    assert found.dpkg_status is not None
    assert installed_versions(found.dpkg_status) == {
        "libc6": "2.36-9+deb12u7",
        "base-files": "12.4",
    }
    assert not found.dpkg_usable
    assert found.libc == "glibc 2.36"


def test_sources_in_both_styles() -> None:
    found = contents(
        [
            Entry("usr/share/keyrings/debian.gpg", b"debian key"),
            Entry("etc/apt/keyrings/vendor.asc", b"vendor key"),
            Entry("etc/apt/trusted.gpg.d/any.gpg", b"any key"),
            Entry(
                "etc/apt/sources.list",
                b"# comment\n"
                b"deb [arch=amd64,arm64 signed-by=/etc/apt/keyrings/vendor.asc] "
                b"https://v.example/apt stable main extra # why\n"
                b"deb-src http://x.example s main\n"
                b"deb [ trusted=yes ] file:/flat ./\n",
            ),
            Entry(
                "etc/apt/sources.list.d/debian.sources",
                b"Types: deb deb-src\nURIs: http://deb.debian.org/debian\n"
                b"Suites: bookworm bookworm-updates\nComponents: main\n"
                b"Signed-By: /usr/share/keyrings/debian.gpg\n\n"
                b"Types: deb\nEnabled: no\nURIs: http://off.example/\nSuites: x\nComponents: y\n\n"
                b"Types: deb\nURIs: http://in.example/\nSuites: a\nComponents: b\nSigned-By:\n"
                b" -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mQINBF\n"
                b" -----END PGP PUBLIC KEY BLOCK-----\n",
            ),
            Entry("etc/apt/sources.list.d/off.list.disabled", b"deb http://off.example x y\n"),
        ]
    )
    listed, flat, debian, inline = found.apt_sources
    assert listed.uris == ("https://v.example/apt/",)
    assert (listed.suites, listed.components) == (("stable",), ("main", "extra"))
    assert listed.architectures == ("amd64", "arm64")
    assert [key.data for key in listed.keyrings] == [b"vendor key"]
    assert listed.origin == "/etc/apt/sources.list:2"
    assert flat.trusted
    assert (flat.suites, flat.components) == (("./",), ())
    assert [key.data for key in flat.keyrings] == [b"any key"]
    assert debian.suites == ("bookworm", "bookworm-updates")
    assert [key.data for key in debian.keyrings] == [b"debian key"]
    assert inline.keyrings[0].data.splitlines()[1:3] == [b"", b"mQINBF"]


def test_a_base_without_anything_known_is_empty_but_no_error() -> None:
    found = contents([Entry("app", ELF, mode=0o755)])
    assert found == BaseContents(libc=None)


def test_a_layer_that_is_not_the_configs_is_refused() -> None:
    tar = tar_of([Entry("a", b"")])
    with pytest.raises(IntegrityError, match="do not belong together"):
        contents_of_layers([("x", io.BytesIO(tar), sha256_of(b""))], environment={})


def test_a_kept_file_of_no_sensible_size_is_refused() -> None:
    with pytest.raises(IntegrityError, match="expected at most"):
        contents([Entry("etc/os-release", b"x" * (1 << 20) + b"y")])


def test_a_large_file_that_only_looks_like_a_key_is_of_no_interest() -> None:
    grid = Entry("usr/share/gis/terrain.asc", b"1 " * (1 << 20))
    assert contents([grid, Entry("etc/os-release", b"ID=x\n")]).os_release is not None


def test_interpreters_of_this_machine_are_found_with_their_versions() -> None:
    """Real binaries: whatever CPythons are installed here must say their version."""
    candidates = sorted(Path("/usr/bin").glob("python3.[0-9]*"))
    real_ones = [path for path in candidates if re.fullmatch(r"python3\.\d+", path.name)]
    if not real_ones:
        pytest.skip("no /usr/bin/python3.X here")
    for path in real_ones:
        found = contents([Entry(f"usr/bin/{path.name}", path.read_bytes(), mode=0o755)])
        said = subprocess.run([str(path), "-V"], capture_output=True, check=True, text=True)
        assert [f"Python {python.version}" for python in found.pythons] == [said.stdout.strip()]
