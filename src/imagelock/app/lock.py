"""``imagelock lock``: the only use-case that decides anything.

Flow: the sections that the spec's change made stale are resolved platform by platform (base,
conda, apt, python, pip); all others keep their pins without asking any index; the result is
joined and encoded. An unchanged spec therefore gives the same bytes without a network.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.files import Located, load_lock_if_any, load_spec, write_whole
from imagelock.app.writers import only_writer
from imagelock.lock import (
    Section,
    StaleReason,
    encode_lock,
    normalise,
    stale_sections,
    staleness,
)
from imagelock.model.errors import CheckFailed, UsageError
from imagelock.model.lock import NEWEST_RECIPE, BaseKind, Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import Spec

if TYPE_CHECKING:
    from imagelock.app.context import Context, ResolveOptions

RESOLVED = frozenset({Section.BASE, Section.APT, Section.CONDA, Section.PYTHON, Section.PIP})


@dataclass(frozen=True, slots=True, kw_only=True)
class LockOutcome:
    """What locking a spec gave; ``data`` is the file's new content."""

    path: Path
    lock: Lock
    previous: Lock | None
    data: bytes
    changed: bool


def check_lock(located: Located) -> tuple[StaleReason, ...]:
    """Why the lock does not fit its spec; empty when it does. No network, no store."""
    spec = load_spec(_spec_path(located))
    lock = load_lock_if_any(located.lock)
    if lock is None:
        raise CheckFailed(
            "there is no lock for this spec yet",
            where=str(located.lock),
            hint=f"run `imagelock lock {located.spec}`",
        )
    return staleness(lock, spec)


def lock_spec(
    located: Located,
    *,
    context: Context,
    options: ResolveOptions,
    platforms: tuple[Platform, ...] = (),
    write: bool = True,
) -> LockOutcome:
    """Bring the lock up to date with its spec; ``platforms`` limits what is resolved again.

    The file is written whole or not at all, and only when its bytes change. Others who would
    write it meanwhile wait.
    """
    spec_path = _spec_path(located)
    with only_writer(located.lock, context) if write else context.store.in_use():
        return lock_value(
            load_spec(spec_path),
            located.lock,
            spec_folder=spec_path.parent,
            context=context,
            options=options,
            platforms=platforms,
            write=write,
        )


def lock_value(
    spec: Spec,
    path: Path,
    *,
    spec_folder: Path,
    context: Context,
    options: ResolveOptions,
    platforms: tuple[Platform, ...] = (),
    write: bool = True,
) -> LockOutcome:
    """As :func:`lock_spec`, for a spec that no file holds, its paths below ``spec_folder``.

    The caller is the lock's :func:`only_writer`.
    """
    previous = load_lock_if_any(path)
    lock = resolve_lock(
        spec,
        previous=previous,
        context=context,
        options=options,
        spec_folder=spec_folder,
        platforms=platforms,
    )
    lock = replace(lock, context=_context_path(spec_folder, path))
    data = encode_lock(lock)
    changed = not path.exists() or path.read_bytes() != data
    if changed and write:
        write_whole(path, data)
    return LockOutcome(path=path, lock=lock, previous=previous, data=data, changed=changed)


def resolve_lock(
    spec: Spec,
    *,
    previous: Lock | None,
    context: Context,
    options: ResolveOptions,
    spec_folder: Path,
    platforms: tuple[Platform, ...] = (),
) -> Lock:
    """The lock of a spec, with the pins of ``previous`` where nothing asks them to move."""
    from imagelock.app.resolution import Resolution  # every resolver; `lock --check` needs none
    from imagelock.app.sections.gpu import check_gpu

    if options.security and previous is not None:
        context, _indexes = context.with_debian()
        options = _with_security(previous, context, options, spec_folder)
    sections = _sections_to_resolve(spec, previous, options)
    chosen = _platforms_to_resolve(spec, previous, platforms)
    resolution = Resolution(
        spec=spec,
        previous=previous,
        context=context,
        options=options,
        spec_folder=spec_folder,
        sections=sections,
    )
    if sections:
        resolution.resolve(chosen)
    resolution.keep(tuple(p for p in spec.platforms if not sections or p not in chosen))
    recipe = previous.recipe if previous and not options.upgrade else NEWEST_RECIPE
    lock = normalise(replace(resolution.lock(), recipe=recipe))
    check_gpu(lock)
    return _keep_what_did_not_move(lock, previous)


def _with_security(
    previous: Lock, context: Context, options: ResolveOptions, spec_folder: Path
) -> ResolveOptions:
    from imagelock.app.outdated import security_names

    names = security_names(previous, context=context, spec_folder=spec_folder)
    return replace(options, upgrade_names=options.upgrade_names | names)


def _sections_to_resolve(
    spec: Spec, previous: Lock | None, options: ResolveOptions
) -> frozenset[Section]:
    if previous is None or options.upgrade:
        return RESOLVED
    sections = set(stale_sections(previous, spec)) & RESOLVED
    if previous.roots.needs_python != spec.needs_python:
        sections |= {Section.APT, Section.PYTHON, Section.PIP}
    for name in options.upgrade_names:
        sections |= _sections_of(name, previous)
    return frozenset(sections)


def _sections_of(name: str, lock: Lock) -> set[Section]:
    found: set[Section] = set()
    if any(pin.name == name for pin in lock.pip):
        found.add(Section.PIP)
    if any(pin.name == name for pin in lock.conda):
        found |= {Section.CONDA, Section.PYTHON, Section.PIP}
    if any(pin.name == name and not pin.base for pin in lock.apt):
        found |= {Section.APT, Section.PYTHON}
    if any(pin.name == name and pin.base for pin in lock.apt):
        found |= {Section.BASE, Section.APT, Section.PYTHON}
    images = [pin for pin in lock.bases if pin.kind is not BaseKind.DISTRIBUTION]
    if images and name in {"base", *(pin.reference for pin in images)}:
        found |= RESOLVED
    if not found:
        raise UsageError(
            f"the lock has no package '{name}'", where="-P", hint="see `imagelock show LOCK`"
        )
    return found


def _platforms_to_resolve(
    spec: Spec, previous: Lock | None, platforms: tuple[Platform, ...]
) -> tuple[Platform, ...]:
    if not platforms:
        return spec.platforms
    for platform in platforms:
        if platform not in spec.platforms:
            listed = ", ".join(map(str, spec.platforms))
            raise UsageError(
                f"the spec has no platform '{platform}'; it has {listed}",
                where="--platform",
                hint="add it to `platforms` in the spec",
            )
    others = set(spec.platforms) - set(platforms)
    known = set(previous.platforms) if previous else set()
    if others - known:
        missing = ", ".join(map(str, sorted(others - known)))
        raise UsageError(
            f"the existing lock has nothing to keep for {missing}",
            where="--platform",
            hint="lock once without --platform",
        )
    return tuple(platform for platform in spec.platforms if platform in platforms)


def _keep_what_did_not_move(lock: Lock, previous: Lock | None) -> Lock:
    """Keep index tables and build records where no pin moved: the diff stays empty."""
    if previous is None:
        return lock
    same_apt = (lock.bases, lock.apt, lock.apt_removals) == (
        previous.bases,
        previous.apt,
        previous.apt_removals,
    )
    kept = replace(lock, unknown=previous.unknown)
    if same_apt and _same_sources(lock, previous):
        kept = replace(kept, apt_indexes=previous.apt_indexes)
    if replace(kept, images=previous.images) == previous:
        return replace(kept, images=previous.images)
    return kept


def _same_sources(lock: Lock, previous: Lock) -> bool:
    def sources(of: Lock) -> list[tuple[object, ...]]:
        return [(i.archive, i.suite, i.components, i.snapshot) for i in of.apt_indexes]

    return sources(lock) == sources(previous)


def _spec_path(located: Located) -> Path:
    if located.spec is None:
        raise UsageError(
            "expected a spec (*.toml), got a lock",
            where=str(located.lock),
            hint="a lock is resolved from its spec",
        )
    return located.spec


def _context_path(folder: Path, lock: Path) -> str:
    """Where copies are relative to, as seen from the lock's folder; never absolute."""
    import os.path

    relative = os.path.relpath(folder.resolve(), lock.parent.resolve())
    return relative.replace(os.sep, "/")
