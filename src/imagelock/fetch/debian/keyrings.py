"""OpenPGP certificates: the archives' own, shipped with us, and those a spec names."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from imagelock.model.errors import IntegrityError
from imagelock.model.openpgp import certificate_packets

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

    try:
        found = certificate_packets(keyring)
    except ValueError as error:
        raise _unreadable(error) from error
    usable = []
    for group in found:
        try:
            certificate = Cert.from_packets(group)
            _ = certificate.user_ids  # raises where no binding signature is acceptable
            usable.append(certificate)
        except Exception:  # noqa: BLE001, S112 - the library raises bare errors; unusable is unusable
            continue
    return tuple(usable)


def _unreadable(error: Exception) -> IntegrityError:
    return IntegrityError(
        f"the keyring is no OpenPGP data: {error}",
        hint="give the public keys of the archive, armored (.asc) or binary (.gpg, .pgp)",
    )
