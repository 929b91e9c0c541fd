"""What differs between two locks beside packages, and the bytes of their artifacts."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imagelock.lock.diff.model import Download, ValueChange
from imagelock.lock.document import unknown_keys
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.model.toml import key_text


def value_changes(old: Lock, new: Lock, platforms: tuple[Platform, ...]) -> Iterator[ValueChange]:
    """Bases, indexes, archives, recipe, context, keys of later versions and recorded builds."""
    yield from _base_changes(old, new, platforms)
    yield from _keyed_changes(
        "apt-index",
        old,
        new,
        lambda lock: {
            " ".join(filter(None, (pin.archive, pin.suite, pin.snapshot))): (
                f"{pin.date:%Y-%m-%dT%H:%M:%SZ} sha256:{pin.sha256} signed by {pin.signed_by}, "
                f"components {' '.join(pin.components)}"
            )
            for pin in lock.apt_indexes
        },
    )
    yield from _keyed_changes(
        "archive", old, new, lambda lock: {archive.name: archive.url for archive in lock.archives}
    )
    yield from _keyed_changes(
        "lock", old, new, lambda lock: {"recipe": str(lock.recipe), "context": lock.context}
    )
    yield from _keyed_changes(
        "unknown",
        old,
        new,
        lambda lock: {
            f"{place}.{key_text(key)}".removeprefix("."): text
            for place, keys in unknown_keys(lock).items()
            for key, text in keys
        },
    )
    yield from _keyed_changes(
        "image",
        old,
        new,
        lambda lock: {
            record.platform.text: f"{record.manifest_digest} ({record.image_id})"
            for record in lock.images
        },
    )


def _keyed_changes(
    kind: str, old: Lock, new: Lock, read: Callable[[Lock], dict[str, str]]
) -> Iterator[ValueChange]:
    before, after = read(old), read(new)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield ValueChange(kind=kind, name=name, old=before.get(name), new=after.get(name))


def _base_changes(old: Lock, new: Lock, platforms: tuple[Platform, ...]) -> Iterator[ValueChange]:
    found: dict[tuple[str | None, str | None], list[Platform]] = {}
    for platform in platforms:
        change = (_base_text(old, platform), _base_text(new, platform))
        if change[0] != change[1]:
            found.setdefault(change, []).append(platform)
    for (before, after), where in found.items():
        yield ValueChange(kind="base", name="base", platforms=tuple(where), old=before, new=after)


def _base_text(lock: Lock, platform: Platform) -> str | None:
    pin = next((pin for pin in lock.bases if platform in pin.platforms), None)
    if pin is None:
        return None
    details = [
        pin.kind.value,
        pin.variant,
        pin.libc,
        f"status {pin.dpkg_status}" if pin.dpkg_status else None,
    ]
    return f"{pin.reference} {pin.digest} ({', '.join(filter(None, details))})"


def download(old: Lock, new: Lock) -> Download:
    """The bytes of all artifacts of the two locks."""
    before, after = _sizes(old), _sizes(new)
    fetched = [size for sha256, size in after.items() if sha256 not in before]
    return Download(
        old=sum(before.values()),
        new=sum(after.values()),
        fetched=sum(fetched),
        files=len(fetched),
    )


def _sizes(lock: Lock) -> dict[str, int]:
    artifacts = (
        pin.artifact for pins in (lock.apt, lock.conda, lock.pip, lock.pip_builds) for pin in pins
    )
    return {artifact.sha256: artifact.size for artifact in artifacts}
