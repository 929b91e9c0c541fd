"""OpenPGP certificates in a key file, armored or not (RFC 9580), and their fingerprints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pysequoia.packet import Packet

_ARMORED: Final = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"


def certificate_packets(keyring: bytes) -> list[list[Packet]]:
    """The packets of each certificate of a key file, in file order.

    ValueError for what is no OpenPGP data. Whether a certificate is fit for use is not asked.
    """
    from pysequoia.packet import PacketPile, Tag

    found: list[list[Packet]] = []
    for block in _blocks(keyring):
        try:
            packets = list(PacketPile.from_bytes(block))
        except Exception as error:
            raise ValueError(first_line(error)) from error
        for packet in packets:
            if packet.tag == Tag.PublicKey:
                found.append([])
            if found:
                found[-1].append(packet)
    return found


def key_fingerprints(keyring: bytes) -> tuple[str, ...]:
    """The fingerprints of the certificates of a key file, upper case, sorted and once each.

    ValueError for what is no OpenPGP data.
    """
    keys = (packets[0] for packets in certificate_packets(keyring))
    return tuple(sorted({str(key.fingerprint).upper() for key in keys}))


def first_line(error: Exception) -> str:
    """The message of a library error without the stack that follows it."""
    return str(error).partition("\n")[0]


def _blocks(keyring: bytes) -> list[bytes]:
    """The armored blocks of a file that holds several, or the file itself."""
    if _ARMORED not in keyring:
        return [keyring]
    return [_ARMORED + part for part in keyring.split(_ARMORED)[1:]]
