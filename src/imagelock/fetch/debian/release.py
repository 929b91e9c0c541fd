"""A suite's signed Release file: verified, then read from the signed bytes alone.

The format is that of Debian's repository format (https://wiki.debian.org/DebianRepository/Format).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

from imagelock.fetch.debian.keyrings import certificates
from imagelock.model.errors import ImagelockError, IntegrityError
from imagelock.model.names import Sha256, sha256
from imagelock.model.openpgp import first_line

_CLOCKS_DIFFER: Final = timedelta(days=1)
_OWNERS: Final = "the archive's owners signed an index that is malformed: tell them"
_CLEARSIGNED: Final = b"-----BEGIN PGP SIGNED MESSAGE-----"
_FIELD: Final = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)
_BLOCK: Final = re.compile(
    rb"-----BEGIN PGP SIGNATURE-----.*?-----END PGP SIGNATURE-----", re.DOTALL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file as the Release lists it; ``size`` is in bytes."""

    sha256: Sha256
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What a suite's Release says. ``sha256`` is of the whole file as it was fetched.

    ``signed_by`` is the fingerprint (upper case) of the certificate that signed it, the smallest
    when several did. ``files`` are by path relative to the Release file.
    """

    sha256: Sha256
    signed_by: str
    suite: str
    codename: str
    origin: str
    label: str
    date: datetime
    valid_until: datetime | None
    architectures: tuple[str, ...]
    no_all_packages: bool
    by_hash: bool
    not_automatic: bool
    automatic_upgrades: bool
    files: Mapping[str, ListedFile]


def verified(
    data: bytes,
    *,
    keyrings: tuple[bytes, ...],
    fingerprints: tuple[str, ...] = (),
    detached: bytes | None = None,
    where: str,
) -> tuple[bytes, str]:
    """The signed bytes and the signer's fingerprint. IntegrityError when nobody trusted signed.

    ``data`` is clear-signed (InRelease), or any bytes with a ``detached`` signature (Release.gpg).
    Bytes before or behind a clear-signed message are not part of the result.
    """
    from pysequoia import verify

    trusted = _trusted(keyrings, fingerprints, where)
    if detached is not None:
        return data, _detached_signer(data, detached, list(trusted), where)
    if _CLEARSIGNED not in data:
        raise IntegrityError(
            "the index is not signed", where=where, hint="only signed archives are accepted"
        )
    try:
        message = verify(bytes=data, store=lambda _ids: list(trusted))
    except Exception as error:
        raise _rejected(error, where) from error
    if message.bytes is None or not message.valid_sigs:
        raise _rejected(ValueError("no valid signatures found"), where)
    return message.bytes, min(signature.certificate.upper() for signature in message.valid_sigs)


def _trusted(
    keyrings: tuple[bytes, ...], fingerprints: tuple[str, ...], where: str
) -> tuple[object, ...]:
    try:
        trusted = tuple(cert for keyring in keyrings for cert in certificates(keyring))
    except ImagelockError as error:
        error.where = where
        raise
    if fingerprints:
        wanted = {text.rstrip("!").upper() for text in fingerprints}
        trusted = tuple(cert for cert in trusted if cert.fingerprint.upper() in wanted)
    if not trusted:
        raise IntegrityError(
            "no usable key to verify it with",
            where=where,
            hint="name the archive's key file in signed-by",
        )
    return trusted


def _detached_signer(data: bytes, detached: bytes, trusted: list[object], where: str) -> str:
    from pysequoia import Sig, verify
    from pysequoia.packet import PacketPile, Tag

    signers: list[str] = []
    last: Exception = ValueError("no signature found")
    for block in _BLOCK.findall(detached) or [detached]:
        try:
            packets = [packet for packet in PacketPile.from_bytes(block)]  # noqa: C416 - no list()
        except Exception as error:  # noqa: BLE001 - the library raises bare errors
            last = error
            continue
        for packet in packets:
            if packet.tag != Tag.Signature:
                continue
            try:
                signature = Sig.from_bytes(bytes(packet))
                found = verify(bytes=data, store=lambda _ids: trusted, signature=signature)
            except Exception as error:  # noqa: BLE001 - the library raises bare errors
                last = error
                continue
            signers.extend(valid.certificate.upper() for valid in found.valid_sigs)
    if not signers:
        raise _rejected(last, where) from last
    return min(signers)


def _rejected(error: Exception, where: str) -> IntegrityError:
    return IntegrityError(
        f"the signature was refused: {first_line(error)}",
        where=where,
        hint="the archive was changed, or signed by a key that signed-by does not name",
    )


def parse_release(signed: bytes, *, sha256: Sha256, signed_by: str, where: str) -> Release:
    """Read the signed bytes. IntegrityError for what no archive would sign, or weak hashes only."""
    fields = {
        match[1].lower(): match[2].strip()
        for match in _FIELD.finditer(signed.decode("utf-8", "replace"))
    }
    date = _date(fields, "date", where)
    if date is None:
        raise IntegrityError("expected a Date field in the signed index", where=where, hint=_OWNERS)
    if not fields.get("sha256"):
        raise IntegrityError(
            "the index lists no SHA256 hashes, and weaker ones are not accepted",
            where=where,
            hint=_OWNERS,
        )
    return Release(
        sha256=sha256,
        signed_by=signed_by,
        suite=fields.get("suite", ""),
        codename=fields.get("codename", ""),
        origin=fields.get("origin", ""),
        label=fields.get("label", ""),
        date=date,
        valid_until=_date(fields, "valid-until", where),
        architectures=tuple(fields.get("architectures", "").split()),
        no_all_packages=fields.get("no-support-for-architecture-all", "") == "Packages",
        by_hash=fields.get("acquire-by-hash", "") == "yes",
        not_automatic=fields.get("notautomatic", "") == "yes",
        automatic_upgrades=fields.get("butautomaticupgrades", "") == "yes",
        files=_listed(fields["sha256"], where),
    )


def _date(fields: Mapping[str, str], name: str, where: str) -> datetime | None:
    text = fields.get(name)
    if text is None:
        return None
    try:
        date = parsedate_to_datetime(text.replace(" UTC", " +0000"))
    except ValueError:
        raise IntegrityError(
            f"expected a date in '{name}', got '{text}'", where=where, hint=_OWNERS
        ) from None
    return date.replace(tzinfo=date.tzinfo or UTC).astimezone(UTC)


def _listed(text: str, where: str) -> dict[str, ListedFile]:
    listed = {}
    for line in text.splitlines():
        parts = line.split()
        if not parts:
            continue
        try:
            value, size, path = parts
            listed[path.removeprefix("./")] = ListedFile(sha256=sha256(value), size=int(size))
        except ValueError:
            raise IntegrityError(
                f"expected 'hash size path' under SHA256, got '{line.strip()}'",
                where=where,
                hint=_OWNERS,
            ) from None
    return listed


def check_validity(release: Release, now: datetime, *, where: str) -> None:
    """Raise IntegrityError for an index past its Valid-Until, or dated in days to come.

    An old state may be replayed; and after one from the future every honest index would be older
    than the lock's.
    """
    if release.valid_until is not None and now > release.valid_until:
        raise IntegrityError(
            f"the index expired on {release.valid_until:%Y-%m-%d %H:%M} UTC",
            where=where,
            hint="the mirror is out of date, or the clock is wrong; --as-of uses a snapshot",
        )
    if release.date > now + _CLOCKS_DIFFER:
        raise IntegrityError(
            f"the index is of {release.date:%Y-%m-%d %H:%M} UTC, which is to come",
            where=where,
            hint="is the clock of this machine right? If it is, the mirror is not",
        )
