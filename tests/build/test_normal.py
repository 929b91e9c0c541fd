"""Files rewritten without the clock and without the order of a folder."""

from __future__ import annotations

import hashlib
import struct

from hypothesis import given
from hypothesis import strategies as st

from imagelock.build.oci.inside.normal import java_keystore, texmf_listing
from imagelock.build.oci.inside.scrub import Scrub, scrub


def keystore(dates: list[int]) -> bytes:
    body = struct.pack(">III", 0xFEEDFEED, 2, len(dates))
    for number, date in enumerate(dates):
        alias = b"debian:%d.pem" % number
        body += struct.pack(">IH", 2, len(alias)) + alias + struct.pack(">Q", date)
        body += struct.pack(">H", 5) + b"X.509" + struct.pack(">I", 3) + b"der"
    text = "changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body
    return body + hashlib.sha1(text, usedforsecurity=False).digest()


@given(st.lists(st.integers(0, 1 << 44), max_size=4))
def test_a_keystore_gets_the_layer_s_time_and_a_right_digest(dates: list[int]) -> None:
    assert java_keystore(keystore(dates), 1700) == keystore([1_700_000] * len(dates))


@given(st.binary(max_size=80))
def test_what_is_no_keystore_is_left_alone(data: bytes) -> None:
    assert java_keystore(data, 1) == data
    assert java_keystore(keystore([1])[:-1] + b"x", 2) == keystore([1])[:-1] + b"x"


LISTING = b"""% ls-R -- filename database for kpathsea; do not change this line.
./:
b
a

./a:
y
x

./b:

"""


def test_a_listing_is_sorted_and_keeps_its_size() -> None:
    found = texmf_listing(LISTING, 0)
    assert found.split() == [*LISTING.split(b"\n")[0].split(), *b"./: a b ./a: x y ./b:".split()]
    assert len(found) == len(LISTING)
    assert texmf_listing(found, 0) == found


def test_what_the_clock_and_chance_wrote_is_dropped() -> None:
    dropped = (
        *("var/log/dpkg.log", "etc/passwd-", "var/cache/ldconfig/aux-cache", "tmp/x", "run/lock"),
        *("etc/ssh/ssh_host_ed25519_key", "var/lib/dpkg/status-old", "var/lib/apt/lists/x"),
        *("var/lib/postgresql/15/main", "var/lib/postgresql/15/main/global/pg_control"),
    )
    assert {scrub(path) for path in dropped} == {Scrub.DROP}
    kept = ("etc/passwd", "var/lib/dpkg/status", "var/log", "usr/bin/run", "etc/ssh/sshd_config")
    assert {scrub(path) for path in kept} == {Scrub.KEEP}
    assert scrub("etc/machine-id") is Scrub.EMPTY
