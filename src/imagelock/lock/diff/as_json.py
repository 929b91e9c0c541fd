"""A difference for machines. The fields are the contract's; more may be added, none changed."""

from __future__ import annotations

from imagelock.lock.diff.model import LockDiff, PackageChange, PackageState


def render_json(diff: LockDiff) -> dict[str, object]:
    """JSON data: ``added``, ``removed`` and ``changed`` packages, and all else that differs."""
    return {
        "added": [_package(change) for change in diff.added],
        "removed": [_package(change) for change in diff.removed],
        "changed": [_package(change) for change in diff.changed],
        "requirements": list(diff.requirements),
        "values": [
            {
                "kind": change.kind,
                "name": change.name,
                "platforms": [platform.text for platform in change.platforms],
                "old": change.old,
                "new": change.new,
            }
            for change in diff.values
        ],
        "spec": [
            {
                "path": change.path,
                "change": change.kind.value,
                "old": change.old,
                "new": change.new,
                "text": str(change),
            }
            for change in diff.roots
        ],
        "download": {
            "old": diff.download.old,
            "new": diff.download.new,
            "fetched": diff.download.fetched,
            "files": diff.download.files,
        },
    }


def _package(change: PackageChange) -> dict[str, object]:
    package: dict[str, object] = {
        "kind": change.kind,
        "name": change.name,
        "platforms": [platform.text for platform in change.platforms],
        "old": change.old.version if change.old else None,
        "new": change.new.version if change.new else None,
        "direction": change.direction.value,
        "reasons": list(change.reasons),
    }
    if change.architecture:
        package["architecture"] = change.architecture
    if change.base:
        package["base"] = True
    for side, state in (("old", change.old), ("new", change.new)):
        package.update(_state(side, state))
    return package


def _state(side: str, state: PackageState | None) -> dict[str, object]:
    if state is None or state.sha256 is None:
        return {}
    return {f"{side}_sha256": state.sha256, f"{side}_size": state.size}
