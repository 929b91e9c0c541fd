"""``imagelock verify``: does an image hold what a lock says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from imagelock.ports import ImageSource

if TYPE_CHECKING:
    from imagelock.build.oci.verify import Finding


def verify_image(
    lock: Lock, platform: Platform, source: ImageSource, reference: str
) -> tuple[Finding, ...]:
    """What of an image is not as locked: packages, files, interpreter, config; empty for nothing.

    ``source`` reads it from a layout or a registry. IntegrityError when its bytes are not what
    its manifest says.
    """
    from imagelock.build.oci.contents import read_contents
    from imagelock.build.oci.verify import verify_contents

    image = source.image(reference, source.digest(reference, platform), platform)
    contents = read_contents((layer, source.layer(reference, layer)) for layer in image.layers)
    return verify_contents(lock, platform, json.loads(image.config), contents)
