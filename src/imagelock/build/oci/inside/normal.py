"""Files that hold the time they were made in or the order of a folder, rewritten without.

Only formats that are documented and that installs really write: each has its test.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from typing import Final

_JKS: Final = 0xFEEDFEED
_TRUSTED: Final = 2
_PASSWORD: Final = "changeit"  # noqa: S105 — guards public certificates, for everybody
"""What ca-certificates-java protects the public certificates with (its postinst)."""


def java_keystore(data: bytes, epoch: int) -> bytes:
    """A Java keystore of trusted certificates with ``epoch`` (seconds) as its creation dates.

    The format is JKS: a header, an entry each of alias, date in milliseconds, type and
    certificate, and a SHA-1 over password, a fixed text and all before. What is anything else is
    returned as it is.
    """
    try:
        body = _dated(data[:-20], epoch)
    except (struct.error, ValueError):
        return data
    if _keystore_digest(data[:-20]) != data[-20:]:
        return data
    return body + _keystore_digest(body)


def _dated(body: bytes, epoch: int) -> bytes:
    magic, version, count = struct.unpack_from(">III", body)
    if magic != _JKS or version != 2:
        msg = "no JKS"
        raise ValueError(msg)
    out, place = bytearray(body), 12
    for _ in range(count):
        (tag,) = struct.unpack_from(">I", body, place)
        if tag != _TRUSTED:
            msg = "holds a private key"
            raise ValueError(msg)
        place = _after_text(body, place + 4)
        struct.pack_into(">Q", out, place, epoch * 1000)
        place = _after_text(body, place + 8)
        (size,) = struct.unpack_from(">I", body, place)
        place += 4 + size
    if place != len(body):
        msg = "has more after its entries"
        raise ValueError(msg)
    return bytes(out)


def _after_text(body: bytes, place: int) -> int:
    (size,) = struct.unpack_from(">H", body, place)
    return place + 2 + int(size)


def _keystore_digest(body: bytes) -> bytes:
    text = _PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + body
    return hashlib.sha1(text, usedforsecurity=False).digest()


def texmf_listing(data: bytes, epoch: int) -> bytes:  # noqa: ARG001 — one signature for all
    """A kpathsea ``ls-R``: comment lines, then a block for each folder, all in byte order.

    mktexlsr writes names in the order the file system gives them, which is another everywhere.
    """
    lines = data.split(b"\n")
    head = [line for line in lines if line.startswith(b"%")]
    body = b"\n".join(line for line in lines if not line.startswith(b"%"))
    blocks = []
    for block in body.strip(b"\n").split(b"\n\n"):
        name, *members = block.split(b"\n")
        blocks.append(b"\n".join([name, *sorted(members)]))
    same = b"\n".join([*head, b"\n\n".join(sorted(blocks))])
    # The empty lines at the end stay, so that the size does.
    return same + b"\n" * (len(data) - len(same)) if len(same) <= len(data) else data


NORMALISERS: Final[dict[str, Callable[[bytes, int], bytes]]] = {
    "etc/ssl/certs/java/cacerts": java_keystore,
    "usr/local/share/texmf/ls-R": texmf_listing,
    "var/lib/texmf/ls-R": texmf_listing,
}
"""By path in the image; the content may change, its size may not."""
