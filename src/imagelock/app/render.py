"""``imagelock render``: locks as Dockerfiles with their context, for engines without imagelock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagelock.app.build import BuildOrder, build_context, chosen_platforms
from imagelock.app.context import Context
from imagelock.model.errors import UsageError
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from imagelock.render import Dialect, Rendered

BAKE: Final = "bake"
BAKE_FILE: Final = "docker-bake.json"


def render(
    orders: Sequence[BuildOrder],
    asked: Sequence[Platform],
    target: Path,
    *,
    dialect: str,
    context: Context,
) -> tuple[Rendered, ...]:
    """Write the folder, whole or not at all; what was rendered.

    BuildKit builds all platforms from one Dockerfile. For the others each platform has a folder of
    its own when there are several. Several locks go with ``bake`` alone: a folder and a target
    each. UsageError when the target holds anything, or for a step that the dialect cannot do.
    """
    from imagelock.build.engines.folder import new_folder
    from imagelock.render import Dialect
    from imagelock.render.bake import bake_json

    spoken = Dialect.BUILDKIT if dialect == BAKE else Dialect(dialect)
    named = _named(orders, dialect)
    targets: dict[str, tuple[str, Rendered]] = {}
    found: list[Rendered] = []
    with context.store.in_use(), new_folder(target) as folder:
        for name, order in named.items():
            platforms = chosen_platforms(order.lock, asked)
            made = _one(order, platforms, folder / name, dialect=spoken, context=context)
            targets[name] = (order.reference, made[0])
            found += made
        if dialect == BAKE:
            (folder / BAKE_FILE).write_text(bake_json(targets), encoding="utf-8")
    return tuple(found)


def _named(orders: Sequence[BuildOrder], dialect: str) -> dict[str, BuildOrder]:
    """The folder of each lock: the target itself for one, else by the name of its spec."""
    if len(orders) == 1:
        return {".": orders[0]}
    if dialect != BAKE:
        raise UsageError(
            f"got {len(orders)} locks, which go with `--for bake` alone",
            where="--for",
            hint="render each into a folder of its own",
        )
    named = {order.lock.roots.name: order for order in orders}
    if len(named) != len(orders):
        raise UsageError("two locks have the same name", where="name", hint="rename one spec")
    return named


def _one(
    order: BuildOrder,
    platforms: Sequence[Platform],
    target: Path,
    *,
    dialect: Dialect,
    context: Context,
) -> list[Rendered]:
    from imagelock.build.engines.folder import write_context
    from imagelock.render import Dialect, platform_folder

    together = dialect is Dialect.BUILDKIT or len(platforms) == 1
    parts = [(".", platforms)] if together else [(platform_folder(p), [p]) for p in platforms]
    found = []
    for name, chosen in parts:
        (target / name).mkdir(parents=True, exist_ok=True)
        written = write_context(
            order.lock,
            chosen,
            target / name,
            dialect=dialect,
            reference=order.reference,
            context=build_context(order, context=context),
        )
        found.append(written.rendered)
    return found
