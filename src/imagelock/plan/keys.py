"""Step keys: a hash over what a layer's bytes depend on, and nothing else.

Where an artifact comes from, who required it and what the spec is called are left out, so that
specs share layers.
"""

from __future__ import annotations

import hashlib
import json

from imagelock.model.archives import is_tree
from imagelock.model.lock import (
    BASE_ROOT,
    PYTHON_ROOT,
    SPEC_ROOT,
    AptPin,
    AptRemoval,
    PipPin,
)
from imagelock.model.names import Sha256
from imagelock.model.plan import CondaOrigin


def step_key(kind: str, recipe: int, **parameters: object) -> Sha256:
    """The key of a step; parameters are JSON values."""
    value = {"kind": kind, "recipe": recipe, **parameters}
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return Sha256(hashlib.sha256(text.encode()).hexdigest())


def apt_inputs(packages: tuple[AptPin, ...]) -> list[list[object]]:
    """Of each .deb: its hash, and whether somebody asked for it (apt's auto mark)."""
    return [
        [pin.name, pin.architecture, pin.artifact.sha256, wanted_by_name(pin)] for pin in packages
    ]


def wanted_by_name(pin: AptPin) -> bool:
    """Whether the spec, the base or the need of a Python asked for it, and no other package."""
    roots = {SPEC_ROOT, BASE_ROOT, PYTHON_ROOT}
    return pin.manual or any(requirer.name in roots for requirer in pin.required_by)


def removal_inputs(removals: tuple[AptRemoval, ...]) -> list[list[str]]:
    """Of each removed package: what identifies it."""
    return [[pin.name, pin.architecture, pin.version] for pin in removals]


def source_inputs(pin: PipPin) -> list[object]:
    """Of a source: its hash, its name and version, and the folder of a tree that is built."""
    path = pin.artifact.path
    place = path.partition("/")[2] if is_tree(path) else pin.artifact.filename
    return [pin.name, pin.version, pin.artifact.sha256, place]


def wheel_inputs(wheels: tuple[PipPin, ...]) -> list[list[object]]:
    """Of each wheel: its hash, its name (dist-info depends on neither) and the REQUESTED mark."""
    return [[pin.artifact.filename, pin.artifact.sha256, pin.requested] for pin in wheels]


def conda_inputs(packages: tuple[CondaOrigin, ...]) -> list[list[object]]:
    """Of each conda package: its hash, and all that its file in conda-meta says of it."""
    return [
        [
            *(pin.name, pin.version, pin.build, pin.build_number, pin.subdir, pin.noarch),
            *(pin.artifact.sha256, pin.artifact.size, pin.md5, origin.channel, origin.url),
            *(list(pin.depends), list(pin.constrains), list(pin.track_features)),
            *(pin.timestamp, pin.license, pin.python_site_packages_path),
            any(requirer.name == SPEC_ROOT for requirer in pin.required_by),
        ]
        for origin in packages
        for pin in (origin.pin,)
    ]
