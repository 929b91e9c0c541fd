# ruff: noqa: E501 (what is said stands here as it is)
"""The keys that a spec trusts are those in its key files, whatever these are called."""

from __future__ import annotations

import dataclasses

import pytest
from inline_snapshot import snapshot

from imagelock.fetch.debian.keyrings import certificates, vendor_keyring
from imagelock.lock import staleness
from imagelock.model.lock import Lock
from imagelock.model.openpgp import key_fingerprints
from imagelock.model.spec import Spec
from support.debian_archive import key, public
from support.specs import BASE, KEY_FILE, problems_of, spec_of

TEXT = f"""{BASE}
[[apt.source]]
uris = "http://h/"
suites = "s"
components = "main"
signed-by = "keys/a.asc"
"""


def spec_with(keys: bytes) -> Spec:
    return spec_of(TEXT, {"keys/a.asc": keys})


def fingerprint(name: str) -> str:
    return str(key(name).extract_certificate().fingerprint).upper()


def test_fingerprints_are_those_of_the_certificates() -> None:
    keyring = vendor_keyring("debian")
    usable = {certificate.fingerprint.upper() for certificate in certificates(keyring)}
    assert usable <= set(key_fingerprints(keyring))
    assert key_fingerprints(public("good")) == (fingerprint("good"),)
    binary = bytes(key("good").extract_certificate())
    assert key_fingerprints(binary) == (fingerprint("good"),)


def test_a_key_that_is_too_weak_to_be_used_is_named_all_the_same() -> None:
    """What today's rules reject may not change what a lock says."""
    assert len(key_fingerprints(KEY_FILE)) == 1


def test_order_and_doubles_in_a_key_file_mean_nothing() -> None:
    one, two = public("good"), public("other")
    assert spec_with(one + two + one) == spec_with(two + b"\n\ntext between\n" + one)


@pytest.mark.parametrize(
    "line_end", [b"\n", b"\r\n"], ids=["LF", "CRLF"]
)  # a checkout may change them
def test_line_ends_of_a_key_file_mean_nothing(line_end: bytes) -> None:
    found = public("good").replace(b"\r\n", b"\n").replace(b"\n", line_end)
    assert spec_with(found).apt.sources[0].keys == (fingerprint("good"),)


def test_another_key_under_the_same_name_is_a_reason_to_lock_again() -> None:
    old = spec_with(public("good"))
    lock = Lock(roots=old, bases=())
    assert not [reason for reason in staleness(lock, old) if reason.path != "base"]
    changed = [str(reason) for reason in staleness(lock, spec_with(public("other")))]
    assert f"apt.source 'http://h/ s main' keys: {fingerprint('good')} was removed" in changed
    assert f"apt.source 'http://h/ s main' keys: {fingerprint('other')} was added" in changed


def test_a_lock_of_before_is_stale_with_a_reason() -> None:
    new = spec_with(public("good"))
    source = dataclasses.replace(new.apt.sources[0], keys=())
    old = dataclasses.replace(new, apt=dataclasses.replace(new.apt, sources=(source,)))
    changed = [str(reason) for reason in staleness(Lock(roots=old, bases=()), new)]
    assert f"apt.source 'http://h/ s main' keys: {fingerprint('good')} was added" in changed


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (None, snapshot("""\
train.toml:8:13: apt.source[0].signed-by: the key file 'keys/b' cannot be read: No such file or directory
  hint: the path is relative to the spec\
""")),
        ({"keys/b": b""}, snapshot("""\
train.toml:8:13: apt.source[0].signed-by: expected OpenPGP public keys in 'keys/b', found none
  hint: give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)\
""")),
        ({"keys/b": b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"}, snapshot("""\
train.toml:8:13: apt.source[0].signed-by: expected OpenPGP public keys in 'keys/b', found none
  hint: give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)\
""")),
        ({"keys/b": b"<html>not a key</html>"}, snapshot("""\
train.toml:8:13: apt.source[0].signed-by: expected OpenPGP public keys in 'keys/b', found none
  hint: give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)\
""")),
        ({"keys/b": str(key("good")).encode()}, snapshot("""\
train.toml:8:13: apt.source[0].signed-by: expected OpenPGP public keys in 'keys/b', found none
  hint: give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)\
""")),
    ],
    ids=["missing", "empty", "armor", "html", "secret"],
)  # fmt: skip
def test_key_files_that_are_none(files: dict[str, str | bytes] | None, problem: str) -> None:
    assert problems_of(TEXT.replace("a.asc", "b"), files) == problem
