"""What the renderers share: the words of a difference, safe to print."""

from __future__ import annotations

from collections.abc import Iterator

from imagelock.lock.diff.model import Download, LockDiff, PackageChange, ValueChange
from imagelock.model.platform import Platform

_DIGEST_SHOWN = 12


def short_digests(text: str) -> str:
    """Long digests cut to their first digits, for people."""
    words = text.split("sha256:")
    return "sha256:".join(
        [words[0], *(word[:_DIGEST_SHOWN] + "…" + word[64:] for word in words[1:])]
    )


def where(platforms: tuple[Platform, ...], diff: LockDiff) -> str:
    """The platforms, empty when it is all of them."""
    return "" if platforms in {(), diff.platforms} else ", ".join(map(str, platforms))


def moved(change: PackageChange) -> str:
    """``1.0 → 2.0``; for an interpreter also its path; for other bytes their hash."""
    old, new = change.old, change.new
    if old is None or new is None:
        state = new or old
        assert state is not None
        return state.version
    if old.version != new.version:
        return f"{old.version} → {new.version}"
    if old.sha256 and new.sha256 and old.sha256 != new.sha256:
        return f"{new.version}, sha256 {old.sha256[:12]}… → {new.sha256[:12]}…"
    return f"{new.version}, {old.source} → {new.source}"


def value_line(change: ValueChange) -> str:
    """``name: old → new``."""
    name = change.name if change.kind in {"base", "lock"} else f"{change.kind} {change.name}"
    if change.old is None:
        return f"{name}: {change.new} was added"
    if change.new is None:
        return f"{name}: {change.old} was removed"
    return f"{name}: {change.old} → {change.new}"


def size_text(count: int) -> str:
    """Bytes in the unit that suits them."""
    size = float(count)
    for unit in ("B", "KiB", "MiB"):
        if abs(size) < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def download_line(download: Download) -> str:
    """The size before and after, and what is new."""
    change = download.new - download.old
    sign = "+" if change >= 0 else "-"
    files = "1 new file" if download.files == 1 else f"{download.files} new files"
    return (
        f"download {size_text(download.old)} → {size_text(download.new)} "
        f"({sign}{size_text(abs(change))}); {files}, {size_text(download.fetched)}"
    )


KINDS = ("apt", "apt-removal", "conda", "python", "pip", "pip-build")
"""The kinds of packages in the order they are shown."""
TITLES = {
    "apt": "apt",
    "apt-removal": "removed from the base",
    "conda": "conda",
    "python": "Python",
    "pip": "pip",
    "pip-build": "pip, to build with",
}


def by_kind(diff: LockDiff) -> Iterator[tuple[str, tuple[PackageChange, ...]]]:
    """The title of each kind that moved, with its changes."""
    for kind in KINDS:
        changes = tuple(change for change in diff.packages if change.kind == kind)
        if changes:
            yield TITLES[kind], changes


def counted(diff: LockDiff) -> str:
    """One line that counts: ``1 added, 2 upgraded``."""
    counts: dict[str, int] = {}
    for change in diff.packages:
        counts[change.direction.value] = counts.get(change.direction.value, 0) + 1
    order = ("added", "removed", "upgraded", "downgraded", "replaced")
    listed = ", ".join(f"{counts[word]} {word}" for word in order if word in counts)
    return listed or "no package moved"
