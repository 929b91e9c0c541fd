"""``imagelock build``: an image from a lock alone. Nothing is resolved, no index is asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.context import Context
from imagelock.app.fetch import fetcher_for
from imagelock.app.files import Located, load_lock, load_spec
from imagelock.app.tag import image_reference, image_tag
from imagelock.lock import staleness
from imagelock.model.errors import CheckFailed, UsageError
from imagelock.model.image import BuildResult, BuiltLayer
from imagelock.model.lock import BasePin, Lock
from imagelock.model.platform import Platform
from imagelock.plan import plan_image

if TYPE_CHECKING:
    from imagelock.build.oci.builder import BuildContext
    from imagelock.build.oci.cache import SharedLayers
    from imagelock.build.oci.compare import Difference
    from imagelock.model.plan import ImagePlan
    from imagelock.ports import Builder, ImageSource


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """A lock that may be built: it fits its spec, if the call named one."""

    lock: Lock
    folder: Path
    tag: str
    reference: str

    @property
    def context_folder(self) -> Path:
        """Where copied files are relative to."""
        return self.folder / self.lock.context


def order_of(located: Located) -> BuildOrder:
    """Read the lock to build. CheckFailed when it is stale: a build decides nothing."""
    lock = load_lock(located.lock)
    if located.spec is not None:
        refuse_stale(located, lock)
    folder = located.lock.parent
    tag = image_tag(lock, folder)
    return BuildOrder(lock=lock, folder=folder, tag=tag, reference=image_reference(lock, tag))


def refuse_stale(located: Located, lock: Lock) -> None:
    """CheckFailed with every reason when the lock does not fit the spec."""
    assert located.spec is not None
    reasons = staleness(lock, load_spec(located.spec))
    if reasons:
        listed = "".join(f"\n  {reason}" for reason in reasons)
        raise CheckFailed(
            f"the lock does not fit its spec:{listed}",
            where=str(located.lock),
            hint=f"run `imagelock lock {located.spec}`, and review `imagelock diff`",
        )


def chosen_platforms(lock: Lock, asked: Sequence[Platform]) -> tuple[Platform, ...]:
    """The platforms to build: those asked for, else all. UsageError for one not in the lock."""
    for platform in asked:
        if platform not in lock.platforms:
            raise UsageError(
                f"the lock is not for {platform}, but for {', '.join(map(str, lock.platforms))}",
                where="--platform",
                hint="add the platform to the spec, and lock it",
            )
    return tuple(sorted(asked)) or lock.platforms


def plans(order: BuildOrder, platforms: Sequence[Platform]) -> tuple[ImagePlan, ...]:
    """What a build would do."""
    return tuple(plan_image(order.lock, platform) for platform in platforms)


def build(
    order: BuildOrder,
    platforms: Sequence[Platform],
    *,
    output: str,
    context: Context,
    builder: str | None = None,
    layer_done: Callable[[BuiltLayer], None] = lambda _layer: None,
    said: Callable[[str], None] = lambda _line: None,
    cache_from: str | None = None,
    cache_to: str | None = None,
    run_checked: Callable[[tuple[Difference, ...]], None] | None = None,
    arrived: Callable[[int], None] = lambda _size: None,
) -> BuildResult:
    """Build with the named builder (default: the spec's) and write to ``output``.

    ``said`` is told of the steps that an engine is at, ``arrived`` of the bytes of artifacts that
    are fetched, from any thread.

    ``cache_from`` and ``cache_to`` are repositories (``registry/name``) that a team shares layers
    in: read, and written to, only where the user names them. With ``run_checked`` every run is made
    twice, and it is told in what each was unlike itself.
    """
    chosen = _builder(builder_name(order, builder))
    with context.store.in_use():
        return chosen.build(
            order.lock,
            platforms,
            output,
            context=replace(
                build_context(order, context=context, layer_done=layer_done, arrived=arrived),
                said=said,
                shared_from=_shared_layers(cache_from, context),
                shared_to=_shared_layers(cache_to, context),
                run_checked=run_checked,
            ),
            tag=order.tag,
            reference=order.reference,
        )


def build_context(
    order: BuildOrder,
    *,
    context: Context,
    layer_done: Callable[[BuiltLayer], None] = lambda _layer: None,
    arrived: Callable[[int], None] = lambda _size: None,
) -> BuildContext:
    """What a builder is given of the outside."""
    from imagelock.build.oci.builder import BuildContext

    return BuildContext(
        store=context.store,
        fetch=fetcher_for(order.lock, context, order.context_folder, arrived),
        folder=order.context_folder,
        source_of=partial(_source_of, context, order.context_folder),
        step_done=layer_done,
        progress=context.progress,
    )


def _shared_layers(repository: str | None, context: Context) -> SharedLayers | None:
    if repository is None:
        return None
    from imagelock.app.push import target_reference
    from imagelock.registry.client import RegistryClient
    from imagelock.registry.shared_layers import SharedLayers as RegistryLayers

    client = RegistryClient(context.http, context.store)
    return RegistryLayers(client, context.store, target_reference(repository))


def stored_layout(context: Context, order: BuildOrder) -> Path:
    """The layout in the store that a build without ``--output`` writes."""
    return context.store.root / "layouts" / order.tag


def builder_name(order: BuildOrder, asked: str | None) -> str:
    """The builder of a call: the one asked for, else the spec's."""
    return asked or order.lock.roots.builder.name


def _builder(name: str) -> Builder[BuildContext]:
    from importlib.metadata import entry_points

    found = {point.name: point for point in entry_points(group="imagelock.builders")}
    if name not in found:
        raise UsageError(
            f"there is no builder '{name}'; there are: {', '.join(sorted(found)) or 'none'}",
            where="builder",
            hint="install the package that provides it",
        )
    made: Builder[BuildContext] = found[name].load()()
    return made


def _source_of(context: Context, folder: Path, pin: BasePin) -> ImageSource:
    from imagelock.app.sections.base import image_source

    return image_source(pin.kind, context=context, folder=folder)
