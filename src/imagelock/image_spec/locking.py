"""The lock of an ImageSpec: read, held against the fields, resolved where that is allowed."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock as Mutex
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakValueDictionary

from imagelock.app.build import BuildOrder
from imagelock.app.context import ResolveOptions, flag, host_context
from imagelock.app.files import load_lock_if_any
from imagelock.app.lock import lock_value
from imagelock.app.tag import image_reference, image_tag
from imagelock.app.writers import only_writer
from imagelock.image_spec.checks import CopyFileDetection
from imagelock.image_spec.document import document_of, is_image_spec, parsed_spec, where
from imagelock.image_spec.sources import Source, with_source
from imagelock.image_spec.spec import IMAGE_ID, ImageSpec
from imagelock.lock import StaleReason, staleness
from imagelock.model.errors import CheckFailed, UsageError
from imagelock.model.lock import Lock
from imagelock.model.spec import Spec

if TYPE_CHECKING:
    from imagelock.app.context import Context

LOG: Final = logging.getLogger("imagelock")

_HOLDERS: Final[WeakValueDictionary[Path, ImageSpec]] = WeakValueDictionary()
"""Who a lock file belongs to in this process."""

_CLAIMING: Final = Mutex()

FLYTEKIT_ROOT: Final = "/root"


def wanted_spec(spec: ImageSpec, *, for_flytekit: bool = False) -> Spec:
    """What the lock of an ImageSpec must answer: its spec, and the id in its variables.

    ``for_flytekit`` adds what flytekit needs when a task starts: itself, /root as the working
    folder and on Python's path. Left out are the builder's name, which whoever builds chooses, the
    loaded modules, which are this process's, and secrets where no command could read them.
    SpecError for what is wrong in the fields or in the files that they name.
    """
    document = document_of(spec)
    if "options" not in document.get("builder", {}):
        document.pop("builder", None)
    if uses_loaded_modules(spec, document):
        del document["source"]
    parsed = parsed_spec(spec, document, read=True)
    env = {**dict(parsed.env), IMAGE_ID: spec.id}
    if not parsed.runs and not parsed.pip.may_build:
        parsed = replace(parsed, secrets=())
    if for_flytekit:
        env = {"PYTHONPATH": FLYTEKIT_ROOT, **env}
        workdir = parsed.image.workdir or FLYTEKIT_ROOT
        parsed = replace(parsed, image=replace(parsed.image, workdir=workdir))
        parsed = replace(parsed, pip=replace(parsed.pip, packages=_with_flytekit(parsed)))
    return replace(parsed, env=tuple(sorted(env.items())))


def uses_loaded_modules(spec: ImageSpec, document: Mapping[str, Any]) -> bool:
    """Whether the modules to copy are this process's: no ``entry`` says where imports begin."""
    if spec.source_copy_mode is not CopyFileDetection.LOADED_MODULES:
        return False
    return "source" in document and "entry" not in document["source"]


def _with_flytekit(spec: Spec) -> tuple[str, ...]:
    import re

    names = {re.split(r"[^a-z0-9-]", line)[0] for line in spec.pip.all_requirements}
    extra = set() if "flytekit" in names else {"flytekit"}
    return tuple(sorted({*spec.pip.packages, *extra}))


def current_lock(
    spec: ImageSpec,
    *,
    upgrade: bool = False,
    for_flytekit: bool = False,
    context: Context | None = None,
) -> Lock:
    """The lock that answers an ImageSpec.

    Absent or stale it is resolved, its pins kept where nothing asks them to move, and written;
    in CI and where IMAGELOCK_FROZEN says so CheckFailed instead, with the reasons. UsageError when
    another ImageSpec of this process has the same lock.
    """
    path = spec.lock_path
    _claim(path, spec)
    context = context or host_context()
    base = spec.base_image
    if isinstance(base, ImageSpec):
        current_lock(base, upgrade=upgrade, for_flytekit=False, context=context)
    wanted = wanted_spec(spec, for_flytekit=for_flytekit)

    def standing() -> _Standing:
        return _standing(spec, wanted, context, upgrade=upgrade, for_flytekit=for_flytekit)

    found = standing()
    if found.lock is not None and not found.reasons:
        return found.lock
    _refuse_if_frozen(spec, path, found.reasons)
    with only_writer(path, context):
        found = standing()  # another may have written it while we waited
        if found.lock is not None and not found.reasons:
            return found.lock
        LOG.info("locking %s in %s", where(spec), path)
        return lock_value(
            wanted,
            path,
            spec_folder=spec.folder,
            context=context,
            options=ResolveOptions(upgrade=upgrade, upgrade_names=found.moved),
        ).lock


@dataclass(frozen=True, slots=True)
class _Standing:
    """The lock there is, and why it must change; ``moved`` is what may move with it."""

    lock: Lock | None
    reasons: tuple[str, ...]
    moved: frozenset[str] = frozenset()


def _standing(
    spec: ImageSpec, wanted: Spec, context: Context, *, upgrade: bool, for_flytekit: bool
) -> _Standing:
    lock = load_lock_if_any(spec.lock_path)
    if lock is None:
        return _Standing(None, ("there is none",))
    if upgrade:
        return _Standing(lock, ("an upgrade",))
    reasons = tuple(map(str, _reasons(lock, spec, wanted, for_flytekit=for_flytekit)))
    if _base_moved(spec, lock, context):
        return _Standing(lock, (*reasons, "the base has moved"), frozenset({"base"}))
    return _Standing(lock, reasons)


def _claim(path: Path, spec: ImageSpec) -> None:
    with _CLAIMING:
        _claimed(path, spec)


def _claimed(path: Path, spec: ImageSpec) -> None:
    holder = _HOLDERS.get(path)
    if holder is not None and holder.id != spec.id and holder.to_spec() != spec.to_spec():
        raise UsageError(
            f"two ImageSpecs called '{spec.name}' have the same lock",
            where=str(path),
            hint='give each a name of its own, as with_name("…") does, or a lock_file',
        )
    _HOLDERS[path] = spec


def _reasons(
    lock: Lock, spec: ImageSpec, wanted: Spec, *, for_flytekit: bool
) -> tuple[StaleReason, ...]:
    """Why a lock is stale. One that flytekit has added to serves everybody else as well."""
    reasons = staleness(lock, wanted)
    if reasons and not for_flytekit and not staleness(lock, wanted_spec(spec, for_flytekit=True)):
        return ()
    return reasons


def _base_moved(spec: ImageSpec, lock: Lock, context: Context) -> bool:
    """Whether the lock of a base that is an ImageSpec gives another image than the pinned one."""
    if not is_image_spec(spec.base_image) or not lock.bases:
        return False
    from imagelock.app.spec_base import SpecSource

    source = SpecSource(context, folder=spec.folder)
    return any(
        source.digest(pin.reference, platform) != pin.digest
        for pin in lock.bases
        for platform in pin.platforms
    )


def frozen() -> bool:
    """Whether locks may not change: IMAGELOCK_FROZEN if it is set, else CI."""
    return flag("IMAGELOCK_FROZEN", default=flag("CI"))


def _refuse_if_frozen(spec: ImageSpec, path: Path, reasons: Iterable[str]) -> None:
    if not frozen():
        return
    listed = "".join(f"\n  {reason}" for reason in reasons)
    variable = "IMAGELOCK_FROZEN" if "IMAGELOCK_FROZEN" in os.environ else "CI"
    raise CheckFailed(
        f"the lock of {where(spec)} must not change here ({variable} is set):{listed}",
        where=str(path),
        hint="call its lock() on a developer's machine, and commit the lock",
    )


def order_for(
    spec: ImageSpec,
    *,
    for_flytekit: bool = False,
    source: Source | None = None,
    context: Context | None = None,
) -> BuildOrder:
    """What to build: the current lock with its tag and name.

    ``source`` is copied where the ImageSpec has none of its own. It is in the tag by its content;
    the lock on disk stays without it.
    """
    lock = current_lock(spec, for_flytekit=for_flytekit, context=context)
    folder = spec.lock_path.parent
    if spec.source_copy_mode is CopyFileDetection.LOADED_MODULES and spec.source_root is not None:
        # not used where the lock has a source of its own, which begins at an entry
        assert spec.place is not None
        root = spec.place.folder / spec.source_root
        source = Source(root.resolve(), spec.source_copy_mode)
    if source is not None and lock.roots.source is None:
        lock = with_source(lock, source, spec.folder, folder)
    tag = image_tag(lock, folder)
    return BuildOrder(lock=lock, folder=folder, tag=tag, reference=image_reference(lock, tag))
