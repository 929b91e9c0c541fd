"""What a lock file must not be: each refusal with its place, what was found and what next."""

# ruff: noqa: E501  # one case a line reads as a table

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.model.errors import LockError

GOLDEN = (Path(__file__).parent / "golden/train.lock").read_text(encoding="utf-8")
NEXT = "restore the file from version control, or run `imagelock lock`"


def changed(old: str, new: str, count: int = 1) -> bytes:
    assert old in GOLDEN
    return GOLDEN.replace(old, new, count).encode()


def refusal(data: bytes) -> LockError:
    with pytest.raises(LockError) as caught:
        decode_lock(data, source="train.lock")
    return caught.value


@pytest.mark.parametrize(
    ("old", "new", "where", "message"),
    [
        ("version = 1", "version = 2", "version", "lock version 2 is not known here; this release reads 1"),
        ("version = 1", 'version = "1"', "version", "expected the number 1, got a string"),
        ("version = 1", "version = true", "version", "expected the number 1, got a boolean"),
        ("version = 1\n", "", "version", "expected the number 1, got nothing"),
        ("recipe = 1", "recipe = 999", "recipe", "recipe 999 is not known here; this release builds up to 1"),
        ("recipe = 1", "recipe = 0", "recipe", "recipe 0 is not known here; this release builds up to 1"),
        ("recipe = 1\n", "", "recipe", "expected a number, got nothing"),
        ('name = "acme/train"\n', "", "roots", "expected the key 'name', which is missing"),
        ('  "linux/arm64",\n', '  "linux/vax",\n', "roots.platforms", "expected one of linux/386, linux/amd64, linux/arm/v7, linux/arm64, linux/ppc64le, linux/riscv64, linux/s390x, got 'linux/vax'"),
        ('  "linux/arm64",\n', '  "linux/amd64",\n', "roots.platforms", "expected each platform once, got linux/amd64, linux/amd64"),
        ('distribution = "debian:bookworm"\n', "", "roots.base", "expected a table with one of image, distribution, layout, spec, got none of them"),
        ('distribution = "debian:bookworm"\n', 'distribution = "debian:bookworm"\nimage = "a"\n', "roots.base", "expected a table with one of image, distribution, layout, spec, got image and distribution"),
        ('variant = "essential"\n', 'variant = "tiny"\n', "roots.base.variant", "expected one of minbase, essential, got 'tiny'"),
        ("recommends = true", 'recommends = "yes"', "roots.apt.recommends", "expected true or false, got a string"),
        ("level = -3", "level = 1.5", "roots.builder.options.level", "expected a whole number, got a float"),
        ('from = "conf/app.ini"', 'from = "../secret"', "roots.copy[0].from", "expected a relative path without empty parts, '.' and '..', got '../secret'"),
        ('from = "conf/app.ini"', 'from = "/etc/shadow"', "roots.copy[0].from", "expected a relative path without empty parts, '.' and '..', got '/etc/shadow'"),
        ('to = "/app/conf/"', 'to = "/app/../etc/"', "roots.copy[0].to", "expected an absolute path without '..', got '/app/../etc/'"),
        ('root = "src"', 'root = "/"', "roots.source.root", "expected a relative path without empty parts, '.' and '..', got '/'"),
        ('context = "../spec"', 'context = "/spec"', "context", "expected a relative path, got '/spec'"),
        ('index = "https://pypi.example/simple/"', 'index = "https://me:pw@pypi.example/simple/"', "roots.pip.index", "expected a URL without credentials, got one with a user for pypi.example"),
        ('  "https://extra.example/simple/",', '  "https://token@extra.example/simple/",', "roots.pip.extra-indexes[0]", "expected a URL without credentials, got one with a user for extra.example"),
        ('  "https://channel.example/acme/",', '  "https://h/t/tk-123/acme",', "roots.conda.channels[1]", "expected a channel without credentials, got one with a token in its path"),
        ('uris = "https://apt.example/debian/"', 'uris = "https://u:p@apt.example/debian/"', "roots.apt.source[0].uris", "expected a URL without credentials, got one with a user for apt.example"),
        ('url = "https://apt.example/debian/"', 'url = "https://u:p@apt.example/debian/"', "archive[0].url", "expected a URL without credentials, got one with a user for apt.example"),
        ('url = "https://apt.example/debian/"', 'url = "https://apt.example/debian"', "archive[0].url", "expected an http or https URL or a relative folder that ends in '/', got 'https://apt.example/debian'"),
        ('url = "https://apt.example/debian/"', 'url = "file:///debian/"', "archive[0].url", "expected an http or https URL or a relative folder that ends in '/', got 'file:///debian/'"),
        ('url = "https://apt.example/debian/"', 'url = "https://apt.example/?token=1/"', "archive[0].url", "expected a URL without a query and a fragment, got one for apt.example"),
        ('name = "vendor"', 'name = "pypi"', "archive[0].name", "expected a name beside the well-known ones, got 'pypi'"),
        ('kind = "distribution"', 'kind = "squashfs"', "base[0].kind", "expected one of image, distribution, layout, spec, got 'squashfs'"),
        ('digest = "sha256:', 'digest = "sha512:', "base[0].digest", "expected a digest like 'sha256:…', got 'sha512:"),
        ('date = "2026-10-31T23:59:59Z"', 'date = "2026-10-31T23:59:59+01:00"', "apt-index[0].date", "expected a time like '2026-11-01T00:00:00Z', got '2026-10-31T23:59:59+01:00'"),
        ('date = "2026-10-31T23:59:59Z"', 'date = "2026-02-31T23:59:59Z"', "apt-index[0].date", "expected a time like '2026-11-01T00:00:00Z', got '2026-02-31T23:59:59Z'"),
        ('date = "2026-10-31T23:59:59Z"', "date = 2026-10-31T23:59:59Z", "apt-index[0].date", "expected a time like '2026-11-01T00:00:00Z', got a date or time"),
        ('name = "git"\n', 'name = "Git"\n', "apt[0].name", "expected a Debian package name, got 'Git'"),
        ('version = "1:2.39.5-0+deb12u2"', 'version = "1:2.39 $(id)"', "apt[0].version", "expected a Debian version (Policy 5.6.12), got '1:2.39 $(id)'"),
        ('path = "pool/main/g/git/', 'path = "pool/../../', "apt[0].path", "expected a relative path without empty parts, '.' and '..', got 'pool/../../git_1:2.39.5-0+deb12u2_amd64.deb'"),
        ('path = "pool/main/g/git/', 'path = "/pool/', "apt[0].path", "expected a relative path without empty parts, '.' and '..', got '/pool/git_1:2.39.5-0+deb12u2_amd64.deb'"),
        ('path = "pool/main/g/git/', 'path = "pool\\\\', "apt[0].path", "expected a path without backslashes and control characters, got 'pool\\\\git_1:2.39.5-0+deb12u2_amd64.deb'"),
        ('path = "pool/main/g/git/', 'path = "https://evil.example/', "apt[0].path", "expected a relative path without empty parts, '.' and '..', got 'https://evil.example/git_1:2.39.5-0+deb12u2_amd64.deb'"),
        ("size = 1000\n", "size = -1\n", "apt[0].size", "expected a whole number from 0 to 9007199254740991, got -1"),
        ("size = 1000\n", "size = true\n", "apt[0].size", "expected a whole number, got a boolean"),
        ('archive = "debian"\npath', 'archive = "acme"\npath', "apt[0].archive", "expected a well-known archive or one of [[archive]], got 'acme'"),
        ('  { name = "git", specifier = ">= 2.34" },', '  { specifier = ">= 2.34" },', "apt[1].required-by[1]", "expected the key 'name', which is missing"),
        ('platforms = ["linux/amd64"]', 'platforms = ["linux/s390x"]', "base[0].platforms", "expected platforms of this lock (linux/amd64, linux/arm64), got 'linux/s390x'"),
        ('platforms = ["linux/amd64"]', "platforms = []", "base[0].platforms", "expected at least one platform"),
        ('platforms = ["linux/amd64"]', 'platforms = "linux/amd64"', "base[0].platforms", "expected a list of platforms, got a string"),
        ('executable = "/usr/bin/python3.11"', 'executable = "python3"', "python[0].executable", "expected an absolute path without '..', got 'python3'"),
        ('name = "pandas"\nversion', 'name = "Pandas"\nversion', "pip[2].name", "expected a normalised name like 'pandas', got 'Pandas'"),
        ('version = "2.3.5"\n', 'version = "2.3.5\\n"\n', "pip[1].version", "expected a version (PEP 440), got '2.3.5\\n'"),
        ("[[python]]", "[python]", "python", "expected an array of tables, got a table"),
        ('extras = ["excel"]', "extras = [1]", "pip[2].extras[0]", "expected a text without spaces, got an integer"),
        ('extras = ["excel"]', 'extras = "excel"', "pip[2].extras", "expected an array of strings, got a string"),
    ],
)  # fmt: skip
def test_a_wrong_value(old: str, new: str, where: str, message: str) -> None:
    error = refusal(changed(old, new))
    assert error.where == (f"train.lock: {where}" if where else "train.lock")
    assert error.message.startswith(message)
    assert error.hint


def test_a_secret_is_not_repeated() -> None:
    error = refusal(changed('https://apt.example/debian/"', 'https://u:hunter2@apt.example/"', 9))
    assert "hunter2" not in str(error)


@pytest.mark.parametrize(("digits", "found"), [("0" * 63, "63 characters"), ("g" * 64, "'ggg")])
def test_a_wrong_hash(digits: str, found: str) -> None:
    first = decode_lock(GOLDEN.encode(), source="").apt[0].artifact.sha256
    error = refusal(changed(first, digits))
    assert str(error).startswith(f"train.lock: apt[0].sha256: expected 64 hex digits, got {found}")
    assert str(error).endswith(f"\nhint: {NEXT}")


def test_a_package_twice() -> None:
    head, git, tail = GOLDEN.partition('[[apt]]\nname = "git"')
    error = refusal(f"{head}{git}{tail.partition('[[apt]]')[0]}{git}{tail}".encode())
    assert error.where == "train.lock: apt[1]"
    assert error.message == "expected one entry for linux/amd64, got a second of 'git'"
    assert error.hint == "after a merge, run `imagelock lock` on the merged spec"


def test_an_archive_twice() -> None:
    extra = '[[archive]]\nname = "vendor"\nurl = "https://evil.example/"\n\n# Base image'
    error = refusal(changed("# Base image", extra))
    assert str(error).startswith("train.lock: archive[1]: expected one entry, got a second")


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> theirs", "||||||| base"])
def test_merge_conflicts_are_named(marker: str) -> None:
    for end in ("\n", "\r\n"):
        text = GOLDEN.replace("[roots.apt]\n", f"{marker}\n[roots.apt]\n").replace("\n", end)
        error = refusal(text.encode())
        assert error.message == "this lock has unresolved merge conflicts"
        assert (
            error.where == f"train.lock:{GOLDEN[: GOLDEN.index('[roots.apt]')].count(chr(10)) + 1}"
        )
        assert "imagelock lock" in error.hint


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "expected the number 1, got nothing"),
        (b"version = 1\nrecipe = 1\n", "expected the table 'roots', which is missing"),
        (b"version = ", "expected TOML: Invalid value (at end of document)"),
        (b"a = 1\na = 2", "expected TOML: Cannot overwrite a value (at end of document)"),
        (b"\xff\xfe", "expected UTF-8, got the byte 0xff at offset 0"),
        (b"version = 1\rrecipe = 1", "expected TOML: "),
        (b"a = " + b"[" * 5000, "expected a lock, got values nested too deeply"),
        (b"\0", "expected TOML: "),
    ],
)
def test_what_is_no_toml(data: bytes, message: str) -> None:
    error = refusal(data)
    assert error.message.startswith(message)
    assert error.where.startswith("train.lock")


def test_upper_case_hashes_are_folded() -> None:
    lock = decode_lock(GOLDEN.encode(), source="")
    first = lock.pip[0].artifact.sha256
    upper = GOLDEN.replace(first, first.upper())
    assert decode_lock(upper.encode(), source="") == lock
    assert encode_lock(decode_lock(upper.encode(), source="")) == GOLDEN.encode()


@given(st.data())
def test_damage_is_refused_or_read_but_never_crashes(data: st.DataObject) -> None:
    raw = bytearray(GOLDEN.encode())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        lock = decode_lock(bytes(raw), source="train.lock")
    except LockError:
        return
    assert decode_lock(encode_lock(lock), source="again") == lock


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(data: bytes) -> None:
    refusal(data)
