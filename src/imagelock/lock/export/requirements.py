"""A lock's pip packages as a requirements file, for pip and uv (pip's Requirements File Format)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from imagelock.lock.export.entries import Entry, entries_of, index_urls, pythons_of
from imagelock.model.archives import artifact_url, is_local, is_tree, local_path
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform


def export_requirements(lock: Lock, platform: Platform | None = None) -> str:
    """Every pip package with ``==`` and the hashes of its files; one platform's, or all.

    Where platforms differ, markers say which line is for which. Indexes other than PyPI are
    named, without credentials, as a lock has none. UsageError for a platform that the lock is
    not for.
    """
    entries = entries_of(lock, platform)
    platforms = lock.platforms if platform is None else (platform,)
    lines = [_comment(lock, platforms), *_indexes(lock)]
    lines += [
        " \\\n    ".join([_requirement(lock, entry), *_hashes(entry), *_settings(lock, entry)])
        for entry in entries
    ]
    return "".join(f"{line}\n" for line in lines)


def _comment(lock: Lock, platforms: tuple[Platform, ...]) -> str:
    pythons = " and ".join(pythons_of(lock, platforms))
    python = f", for Python {pythons}" if pythons else ""
    return f"# The pip packages of an imagelock lock{python} on {', '.join(map(str, platforms))}."


def _indexes(lock: Lock) -> Iterator[str]:
    main, extra = index_urls(lock)
    if lock.roots.pip.index != "pypi":
        yield f"--index-url {main}"
    for url in extra:
        yield f"--{'find-links' if url.endswith('.html') else 'extra-index-url'} {url}"
    for place in lock.roots.pip.find_links:
        yield f"--find-links {place}"


def _requirement(lock: Lock, entry: Entry) -> str:
    if entry.direct:
        named = f"{entry.name} @ {_place(artifact_url(entry.pins[0].artifact, lock.archives))}"
    else:
        named = f"{entry.name}=={entry.version}"
    return f"{named} ; {entry.marker}" if entry.marker else named


def _place(url: str) -> str:
    """A URL, or a path as pip and uv read it: relative to the folder they run in."""
    if not is_local(url):
        return url
    path = local_path(url)
    return path if path.startswith("../") or path in {".", ".."} else f"./{path}"


def _settings(lock: Lock, entry: Entry) -> Iterator[str]:
    """What the build backend of a source is told."""
    if not all(pin.artifact.is_wheel for pin in entry.pins):
        for setting in lock.roots.pip.settings_of(entry.name):
            yield f"--config-settings={shlex.quote(setting)}"


def _hashes(entry: Entry) -> list[str]:
    """The hashes of files; of repositories and folders there are none that pip could check."""
    if any(is_tree(pin.artifact.path) for pin in entry.pins):
        return []
    return [f"--hash=sha256:{value}" for value in sorted({p.artifact.sha256 for p in entry.pins})]
