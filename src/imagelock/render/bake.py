"""The JSON of `docker buildx bake`: a target an image, all of them in the group `default`."""

from __future__ import annotations

import json
from collections.abc import Mapping

from imagelock.render.model import Rendered


def bake_json(images: Mapping[str, tuple[str, Rendered]]) -> str:
    """The file; ``images`` gives reference and rendering by folder (``.``: the file's own).

    Files of secrets are given by ``--set '*.secrets=id=ID,src=FILE'``: bake looks for them from
    where it is called, and a path of one machine has no place in the file.
    """
    targets = {}
    for folder, (reference, rendered) in sorted(images.items()):
        target: dict[str, object] = {
            "context": folder,
            "dockerfile": "Dockerfile",
            "platforms": [str(platform) for platform in rendered.platforms],
            "tags": [reference],
            "args": {"SOURCE_DATE_EPOCH": str(rendered.epoch)},
            "attest": ["type=provenance,disabled=true"],
            "output": ["type=image,rewrite-timestamp=true"],
        }
        targets[target_name(folder)] = target
    value = {"group": {"default": {"targets": list(targets)}}, "target": targets}
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def target_name(folder: str) -> str:
    """The target of a folder: bake allows letters, digits, dashes and underscores."""
    kept = "".join(c if c.isascii() and (c.isalnum() or c in "-_") else "-" for c in folder)
    return kept.strip("-") or "image"
