"""``imagelock render``: a lock as a Dockerfile with its context, for engines without imagelock."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from imagelock.app.build import BuildOrder, build_context
from imagelock.app.context import Context
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from imagelock.render import Rendered

BAKE: Final = "bake"
BAKE_FILE: Final = "docker-bake.json"
DIALECTS: Final = ("docker", "buildkit", BAKE, "podman")


def render(
    order: BuildOrder,
    platforms: Sequence[Platform],
    target: Path,
    *,
    dialect: str,
    context: Context,
) -> tuple[Rendered, ...]:
    """Write the folder, whole or not at all; what was rendered.

    BuildKit builds all platforms from one Dockerfile. For the others each platform has a folder of
    its own when there are several. UsageError when the target holds anything, or for a step that
    the dialect cannot do.
    """
    from imagelock.build.engines.folder import new_folder, write_context
    from imagelock.render import Dialect, platform_folder
    from imagelock.render.bake import bake_json

    spoken = Dialect.BUILDKIT if dialect == BAKE else Dialect(dialect)
    together = spoken is Dialect.BUILDKIT or len(platforms) == 1
    parts = [(".", platforms)] if together else [(platform_folder(p), [p]) for p in platforms]
    found: list[Rendered] = []
    with new_folder(target) as folder:
        for name, chosen in parts:
            (folder / name).mkdir(exist_ok=True)
            written = write_context(
                order.lock,
                chosen,
                folder / name,
                dialect=spoken,
                reference=order.reference,
                context=build_context(order, context=context),
            )
            found.append(written.rendered)
        if dialect == BAKE:
            text = bake_json({".": (order.reference, found[0])})
            (folder / BAKE_FILE).write_text(text, encoding="utf-8")
    return tuple(found)
