"""OCI images as values: descriptors, and what a build gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagelock.model.lock import BuiltWheel
from imagelock.model.names import Digest
from imagelock.model.platform import Platform

INDEX: Final = "application/vnd.oci.image.index.v1+json"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER_TAR: Final = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD: Final = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER_GZIP: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptor:
    """A reference to a blob (OCI image-spec, descriptor.md); ``size`` is in bytes."""

    media_type: str
    digest: Digest
    size: int
    platform: Platform | None = None
    annotations: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """The image of one platform as read from a registry or layout: exact bytes, checked."""

    platform: Platform
    manifest: Descriptor
    config: bytes
    layers: tuple[Descriptor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltLayer:
    """A layer of a built image. ``diff_id`` is the digest of the uncompressed tar."""

    title: str
    descriptor: Descriptor
    diff_id: Digest
    cached: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltImage:
    """The image of one platform. ``image_id`` is the digest of its config.

    ``wheels`` were built of sources. ``notices`` say what of the build somebody should know of,
    one line each.
    """

    platform: Platform
    manifest: Descriptor
    image_id: Digest
    layers: tuple[BuiltLayer, ...]
    notices: tuple[str, ...] = ()
    wheels: tuple[BuiltWheel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """What ``build`` reports: the images, and the index over them.

    ``engine`` is the product and version of the engine that had part in it, if one had.
    """

    tag: str
    reference: str
    index: Descriptor
    images: tuple[BuiltImage, ...]
    engine: str = ""
