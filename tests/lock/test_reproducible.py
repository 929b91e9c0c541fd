"""A run with a network: the lock says that it is not reproducible."""

from __future__ import annotations

import dataclasses

import pytest

from imagelock.lock import decode_lock, encode_lock, lock_digest
from imagelock.lock.show import show_json, show_text
from imagelock.model.errors import LockError
from imagelock.model.spec import RunRule
from support.example_lock import example_lock

LINE = b"\nreproducible = false\n"


def with_network(*, network: bool) -> bytes:
    lock = example_lock()
    runs = (RunRule(commands=("true",)), RunRule(commands=("curl x",), network=network))
    return encode_lock(dataclasses.replace(lock, roots=dataclasses.replace(lock.roots, runs=runs)))


def test_the_lock_has_a_line_for_it() -> None:
    assert with_network(network=True).count(LINE) == 1
    assert LINE not in with_network(network=False)


def test_a_lock_without_the_line_is_read_and_has_the_same_tag() -> None:
    data = with_network(network=True)
    lock, old = (decode_lock(text, source="a.lock") for text in (data, data.replace(LINE, b"\n")))
    assert lock == old
    assert not lock.reproducible
    assert lock_digest(lock) == lock_digest(old)
    assert encode_lock(old) == data


@pytest.mark.parametrize("line", [b"reproducible = true", b"reproducible = 0"])
def test_the_line_cannot_say_anything_else(line: bytes) -> None:
    data = with_network(network=True).replace(LINE, b"\n" + line + b"\n")
    with pytest.raises(LockError, match="expected false"):
        decode_lock(data, source="a.lock")


def test_the_line_is_no_claim_of_its_own() -> None:
    data = with_network(network=False).replace(b"recipe = 1\n", b"recipe = 1" + LINE)
    with pytest.raises(LockError, match="only with a run that has a network"):
        decode_lock(data, source="a.lock")


def test_show_says_it() -> None:
    for network in (True, False):
        lock = decode_lock(with_network(network=network), source="a.lock")
        assert show_json(lock, tag="t")["reproducible"] is not network
        assert ("not reproducible" in show_text(lock, tag="t")) is network
