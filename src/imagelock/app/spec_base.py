"""``base.spec``: the image of another spec, or of a lock without one, as a base.

The other spec's lock is built (a build is a function of the lock, so every machine gets the same
image), and what it left in the store is read like any other base. The derived lock pins the
manifest digest: it builds on the reviewed base for as long as the store has it, and is refused
when the base's lock has come to give another image.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from imagelock.app.context import Context
from imagelock.model.errors import BuildError, CheckFailed, UsageError
from imagelock.model.image import BaseImage, Descriptor
from imagelock.model.names import Digest, hash_of
from imagelock.model.platform import Platform
from imagelock.model.spec import Spec, SpecBase
from imagelock.registry.layout import LayoutSource
from imagelock.registry.manifest import base_image, config_descriptor, parse_manifest


class SpecSource:
    """An :class:`imagelock.ports.ImageSource`; references are specs relative to ``folder``."""

    def __init__(self, context: Context, *, folder: Path) -> None:
        self._context = context
        self._folder = folder

    def digest(self, reference: str, platform: Platform) -> Digest:
        """The manifest digest of the spec's image, which is built if need be.

        CheckFailed when its lock is missing or stale, UsageError when it is for other platforms.
        """
        layout = self._built(reference, platform)
        return self._layouts(layout).digest(f"oci:{layout.name}", platform)

    def image(self, reference: str, digest: Digest, platform: Platform) -> BaseImage:
        """The manifest and config by digest. CheckFailed when the lock gives another image now."""
        store = self._context.store
        if store.find(hash_of(digest)) is None:
            self._check(reference, digest, platform)
        try:
            data = store.read(hash_of(digest))
            manifest = parse_manifest(data, where=f"{reference}: {digest}")
            named = config_descriptor(manifest, where=f"{reference}: {digest}")
            config = store.read(hash_of(named.digest))
        except KeyError:
            layout = self._check(reference, digest, platform)
            return self._layouts(layout).image(f"oci:{layout.name}", digest, platform)
        descriptor = Descriptor(
            media_type=str(manifest["mediaType"]), digest=digest, size=len(data), platform=platform
        )
        return base_image(manifest, descriptor, config, platform)

    def layer(self, reference: str, descriptor: Descriptor) -> Path:
        """A file of the store with the layer's bytes; the base is built again when it is gone."""
        path = self._context.store.find(hash_of(descriptor.digest))
        if path is not None:
            return path
        for layout in self._all_built(reference):
            if (layout / "blobs" / "sha256" / hash_of(descriptor.digest)).is_file():
                return self._layouts(layout).layer(f"oci:{layout.name}", descriptor)
        raise CheckFailed(
            f"the base's lock gives no layer {descriptor.digest} any more",
            where=reference,
            hint="run `imagelock lock -P base`, or go back to the base's former lock",
        )

    def _all_built(self, reference: str) -> Iterator[Path]:
        """The base's layouts; a platform that this machine cannot build is left out."""
        for platform in _spec_of(self._folder / reference).platforms:
            with contextlib.suppress(BuildError, UsageError):
                yield self._built(reference, platform)

    def _check(self, reference: str, digest: Digest, platform: Platform) -> Path:
        layout = self._built(reference, platform)
        found = self._layouts(layout).digest(f"oci:{layout.name}", platform)
        if found != digest:
            raise CheckFailed(
                f"the base's lock now gives {found}, not the pinned {digest}",
                where=reference,
                hint="run `imagelock lock -P base`, or go back to the base's former lock",
            )
        return layout

    def _built(self, reference: str, platform: Platform) -> Path:
        """The layout of the base's image for a platform, in the store."""
        from imagelock.app.build import build, chosen_platforms, order_of
        from imagelock.app.files import locate

        spec = self._folder / reference
        _refuse_cycle(spec)
        order = order_of(locate(str(spec)))
        platforms = chosen_platforms(order.lock, (platform,))
        layout = self._layout_of(order.tag, platform)
        if not self._is_whole(layout, platform):
            build(order, platforms, output=f"oci:{layout}", context=self._context, builder="oci")
        return layout

    def _layout_of(self, tag: str, platform: Platform) -> Path:
        return self._context.store.root / "layouts" / f"{tag}.{platform.text.replace('/', '-')}"

    def _is_whole(self, layout: Path, platform: Platform) -> bool:
        """Whether the image was built before and all its blobs are still there."""
        if not (layout / "index.json").is_file():
            return False
        name = f"oci:{layout.name}"
        source = self._layouts(layout)
        image = source.image(name, source.digest(name, platform), platform)
        blobs = layout / "blobs" / "sha256"
        return all((blobs / hash_of(layer.digest)).is_file() for layer in image.layers)

    def _layouts(self, layout: Path) -> LayoutSource:
        return LayoutSource(self._context.store, folder=layout.parent)


def _refuse_cycle(spec: Path) -> None:
    """UsageError when following bases leads back to a spec that was met before."""
    met: list[Path] = []
    while True:
        met.append(spec.resolve())
        base = _spec_of(spec).base
        if not isinstance(base, SpecBase):
            return
        spec = spec.parent / base.spec
        if spec.resolve() in met:
            raise UsageError(
                "a base that is built on itself",
                where=" → ".join(path.name for path in (*met, spec)),
                hint="give one of these specs another base",
            )


def _spec_of(path: Path) -> Spec:
    """The spec, or the roots of a lock: an ImageSpec of Python has no other file."""
    from imagelock.app.files import LOCK_SUFFIX, load_lock, load_spec

    return load_lock(path).roots if path.suffix == LOCK_SUFFIX else load_spec(path)
