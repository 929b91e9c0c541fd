"""Keys of later minor versions: kept, covered by the tag, and gone with their table."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.lock.normal import normalise
from imagelock.lock.tag import canonical_bytes, lock_digest
from imagelock.model.lock import Lock
from support.example_lock import hash_of

GOLDEN = (Path(__file__).parent / "golden/train.lock").read_text(encoding="utf-8")


def with_key(before: str, text: str) -> bytes:
    assert before in GOLDEN
    return GOLDEN.replace(before, f"{text}\n{before}", 1).encode()


def read(data: bytes) -> Lock:
    return decode_lock(data, source="train.lock")


PLACES = {
    "top": "\n[roots]\n",
    "roots": 'python = ">=3.11',
    "roots.base": 'distribution = "debian',
    "roots.pip": 'index = "https://pypi',
    "roots.pip.requirements": 'path = "requirements.txt"',
    "roots.conda": 'channel-priority = "flexible"',
    "roots.copy": 'to = "/app/c"',
    "roots.builder": 'name = "docker"',
    "archive": 'url = "https://apt',
    "base": 'libc = "glibc',
    "apt-index": 'snapshot = "20261101T000000Z"\nsha256',
    "apt": "manual = true",
    "apt-removal": 'version = "1.3.4',
    "conda": 'build = "conda_forge"',
    "python": 'implementation = "cpython"',
    "pip": 'version = "2.4.0"',
}  # fmt: skip
VALUES = (
    '"text"',
    "1",
    "1.0",
    "true",
    "1979-05-27T07:32:00Z",
    "1979-05-27T07:32:00+01:30",
    "1979-05-27T07:32:00",
    "1979-05-27",
    "07:32:00",
    "inf",
    "-0.0",
    "1e100",
    "9007199254740993",
    "[]",
    "{}",
    "[1, [2, {a = 3}]]",
    "[{a = 1}, {a = 2}]",
    '{b = 1, a = {"x y" = [1.5]}}',
    '{toml = "1.0"}',
    '"1979-05-27"',
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("value", VALUES)
def test_a_key_is_kept_in_its_table(place: str, value: str) -> None:
    data = with_key(PLACES[place], f"later = {value}")
    lock = read(data)
    assert lock.unknown
    again = encode_lock(lock)
    assert read(again) == lock
    assert tomllib.loads(again.decode()) == tomllib.loads(data.decode())


@pytest.mark.parametrize("place", PLACES)
def test_each_value_gives_another_tag(place: str) -> None:
    digests = {lock_digest(read(with_key(PLACES[place], f"later = {value}"))) for value in VALUES}
    other_key = lock_digest(read(with_key(PLACES[place], "later2 = 1")))
    assert len(digests | {other_key, lock_digest(read(GOLDEN.encode()))}) == len(VALUES) + 2


def test_in_an_image_record_it_is_kept_but_not_in_the_tag() -> None:
    lock = read(with_key('image-id = "', "later = 1"))
    assert b"later = 1\n" in encode_lock(lock)
    assert canonical_bytes(lock) == canonical_bytes(read(GOLDEN.encode()))


def test_in_a_requirer_it_is_kept_too() -> None:
    data = GOLDEN.replace('specifier = ">= 2.34"', 'specifier = ">= 2.34", marker = "x"').encode()
    lock = read(data)
    assert b'{ name = "git", specifier = ">= 2.34", marker = "x" },' in encode_lock(lock)
    assert read(encode_lock(lock)) == lock
    assert lock_digest(lock) != lock_digest(read(GOLDEN.encode()))


@pytest.mark.parametrize("header", ["[later]", "[[later]]", '["la ter"]', '[["la.ter"]]'])
def test_a_whole_section_stays_a_section(header: str) -> None:
    inner = f"[{header.strip('[]')}.inner]"
    data = with_key("# Recorded builds", f'{header}\nname = "a"\n\n{inner}\nb = 1\n')
    again = encode_lock(read(data))
    assert f'\n{header}\nname = "a"\n'.encode() in again
    assert f"\n{inner}\nb = 1\n".encode() in again
    assert tomllib.loads(again.decode()) == tomllib.loads(data.decode())
    assert encode_lock(read(again)) == again


def test_key_order_in_an_unknown_table_means_nothing() -> None:
    one = read(with_key("manual = true", "later = {a = 1, b = {d = 1, c = 2}}"))
    two = read(with_key("manual = true", "later = {b = {c = 2, d = 1}, a = 1}"))
    assert one == two
    assert lock_digest(one) == lock_digest(two)


def test_it_goes_with_its_table() -> None:
    lock = read(with_key('version = "2.4.0"', "later = 1"))
    without = dataclasses.replace(lock, pip=lock.pip[2:])
    assert b"later" not in encode_lock(without)
    assert normalise(without).unknown == ()


def test_it_does_not_move_to_another_version_of_the_package() -> None:
    lock = read(with_key('version = "2.4.0"', "later = 1"))
    pin = lock.pip[0]
    artifact = dataclasses.replace(pin.artifact, sha256=hash_of("other"))
    upgraded = dataclasses.replace(pin, version="2.5.0", artifact=artifact)
    assert b"later" not in encode_lock(dataclasses.replace(lock, pip=(upgraded, *lock.pip[1:])))


def test_entries_with_different_keys_are_not_joined() -> None:
    pip = GOLDEN.index('[[pip]]\nname = "six"')
    end = GOLDEN.index("# What pip packages are built with")
    entry = GOLDEN[pip:end]
    amd = entry.replace("requested", 'platforms = ["linux/amd64"]\nlater = 1\nrequested')
    arm = entry.replace("requested", 'platforms = ["linux/arm64"]\nlater = 2\nrequested')
    apart = read((GOLDEN[:pip] + amd + arm + GOLDEN[end:]).encode())
    assert [pin.platforms for pin in apart.pip if pin.name == "six"] == [
        (apart.platforms[0],),
        (apart.platforms[1],),
    ]
    assert encode_lock(apart).count(b"later = ") == 2
    joined = read(
        (GOLDEN[:pip] + amd + arm.replace("later = 2", "later = 1") + GOLDEN[end:]).encode()
    )
    assert [pin.platforms for pin in joined.pip if pin.name == "six"] == [joined.platforms]
    assert encode_lock(joined).count(b"later = 1") == 1


_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
_plain = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _text,
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)  # fmt: skip


@settings(max_examples=settings().max_examples // 2)
@given(_plain, st.sampled_from(sorted(PLACES)))
def test_any_value_comes_back(value: object, place: str) -> None:
    from imagelock.model.toml import inline_text

    data = with_key(PLACES[place], f"later = {inline_text(value)}")
    again = encode_lock(read(data))
    assert repr(tomllib.loads(again.decode())).count("later") == 1
    assert tomllib.loads(again.decode()) == tomllib.loads(data.decode())
    assert encode_lock(read(again)) == again
