"""Which repositories of a registry have a blob, as far as this machine has seen.

Kept in the store so that a layer that one image pushed is mounted into the next one's repository
instead of sent again. A wrong note costs one request: the registry then asks for an upload.
"""

from __future__ import annotations

from typing import Final

from imagelock.fetch.store import Store
from imagelock.model.names import Digest, hash_of
from imagelock.registry.reference import Reference

_RECORDS: Final = "blob-homes"
_MOST: Final = 5


def known_homes(store: Store, target: Reference, digest: Digest) -> tuple[str, ...]:
    """Repositories of the target's registry that had the blob, the last seen first."""
    return tuple(_read(store, digest).get(target.registry, ()))


def note_home(store: Store, target: Reference, digest: Digest) -> None:
    """Note that the target's repository has the blob."""
    homes = _read(store, digest)
    before = homes.get(target.registry, [])
    if before[:1] == [target.repository]:
        return
    others = [name for name in before if name != target.repository]
    homes[target.registry] = [target.repository, *others][:_MOST]
    store.keep_record(_RECORDS, hash_of(digest), homes)


def _read(store: Store, digest: Digest) -> dict[str, list[str]]:
    record = store.record(_RECORDS, hash_of(digest))
    if not isinstance(record, dict):
        return {}
    return {
        host: [name for name in names if isinstance(name, str)]
        for host, names in record.items()
        if isinstance(names, list)
    }
