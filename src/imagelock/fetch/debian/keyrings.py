"""OpenPGP certificates: the archives' own, shipped with us, and those a spec names."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from imagelock.model.errors import IntegrityError

if TYPE_CHECKING:
    from pysequoia import Cert

SHIPPED: Final = {"debian": "debian.pgp", "ubuntu": "ubuntu.pgp"}
"""The file in ``keys/`` that holds the certificates of a vendor's archives."""


@lru_cache(maxsize=4)
def vendor_keyring(vendor: str) -> bytes:
    """The certificates of ``debian`` or ``ubuntu``, the same on every host."""
    return files(__package__).joinpath("keys", SHIPPED[vendor]).read_bytes()


@lru_cache(maxsize=16)
def certificates(keyring: bytes) -> tuple[Cert, ...]:
    """The usable certificates of a keyring, armored or not, in file order.

    A certificate that today's rules reject (bound by SHA-1 alone, for instance) is left out.
    """
    from pysequoia import Cert
    from pysequoia.packet import Packet, PacketPile, Tag

    found: list[list[Packet]] = []
    for block in _blocks(keyring):
        try:
            packets = list(PacketPile.from_bytes(block))
        except Exception as error:
            raise _unreadable(error) from error
        for packet in packets:
            if packet.tag == Tag.PublicKey:
                found.append([])
            if found:
                found[-1].append(packet)
    usable = []
    for group in found:
        try:
            certificate = Cert.from_packets(group)
            _ = certificate.user_ids  # raises where no binding signature is acceptable
            usable.append(certificate)
        except Exception:  # noqa: BLE001, S112 - the library raises bare errors; unusable is unusable
            continue
    return tuple(usable)


def _blocks(keyring: bytes) -> list[bytes]:
    """The armored blocks of a file that holds several, or the file itself."""
    begin = b"-----BEGIN PGP PUBLIC KEY BLOCK-----"
    if begin not in keyring:
        return [keyring]
    return [begin + part for part in keyring.split(begin)[1:]]


def _unreadable(error: Exception) -> IntegrityError:
    return IntegrityError(
        f"the keyring is no OpenPGP data: {first_line(error)}",
        hint="give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)",
    )


def first_line(error: Exception) -> str:
    """The message of a library error without the stack that follows it."""
    return str(error).partition("\n")[0]
