"""A lock's conda packages as an explicit file, for conda, mamba and pixi (CEP 23)."""

from __future__ import annotations

from imagelock.model.archives import artifact_url, is_local
from imagelock.model.errors import UsageError
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform


def export_conda_explicit(lock: Lock, platform: Platform | None = None) -> str:
    """Every conda package of one platform by its URL, with its sha256; sorted by name.

    UsageError for a platform that the lock is not for, and for none where it is for several:
    such a file is for one platform. UsageError as well for a channel that is a local folder,
    whose place no other machine knows.
    """
    chosen = _chosen(lock, platform)
    pins = sorted((pin for pin in lock.conda if chosen in pin.platforms), key=lambda p: p.name)
    lines = [
        f"# The conda packages of an imagelock lock on {chosen}.",
        f"# platform: {chosen.conda_subdir}",
        "@EXPLICIT",
    ]
    for pin in pins:
        url = artifact_url(pin.artifact, lock.archives)
        if is_local(url):
            raise UsageError(
                f"{pin.name} is from the local folder '{url}', which an explicit file cannot name",
                where="--format conda-explicit",
                hint="put the channel on a server, and lock from there",
            )
        lines.append(f"{url}#{pin.artifact.sha256}")
    return "".join(f"{line}\n" for line in lines)


def _chosen(lock: Lock, platform: Platform | None) -> Platform:
    known = ", ".join(map(str, lock.platforms))
    if platform is None and len(lock.platforms) == 1:
        return lock.platforms[0]
    if platform is None:
        raise UsageError(
            "an explicit file is for one platform",
            where="--platform",
            hint=f"name one of {known}",
        )
    if platform not in lock.platforms:
        raise UsageError(f"expected a platform of this lock ({known}), got '{platform}'")
    return platform
