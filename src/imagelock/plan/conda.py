"""The conda step: which packages share a layer, and where each says it came from."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from imagelock.model.archives import archive_url, artifact_url
from imagelock.model.lock import CONDA_PREFIX, CondaPin, Lock, NoArch
from imagelock.model.plan import CondaOrigin, CondaPart, CondaStep
from imagelock.model.platform import Platform
from imagelock.plan.keys import conda_inputs, step_key

BIG_PACKAGE: Final = 20_000_000
"""Bytes of a package file from which it has a layer of its own."""

BIG_PACKAGES: Final = 30
"""At most so many layers of one package: runtimes stop at 127 layers, and wheels have 40."""


def conda_steps(lock: Lock, platform: Platform) -> Iterator[CondaStep]:
    """The step that links a platform's conda packages, if there are any."""
    pins = sorted((pin for pin in lock.conda if platform in pin.platforms), key=lambda p: p.name)
    if not pins:
        return
    found = next((pin for pin in pins if pin.name == "python"), None)
    python = ".".join(found.version.split(".")[:2]) if found else ""
    default = f"lib/python{python}/site-packages" if found else ""
    site_packages = (found and found.python_site_packages_path) or default
    origins = {pin.name: _origin(pin, lock) for pin in pins}
    small, big = split_packages(tuple(pins))
    groups = [("conda: " + _count(len(small)), small)] if small else []
    groups += [(f"conda: {pin.name} {pin.version}", (pin,)) for pin in big]
    parts = []
    for number, (title, group) in enumerate(groups):
        packages = tuple(origins[pin.name] for pin in group)
        for_python = any(pin.noarch is NoArch.PYTHON for pin in group)
        key = step_key(
            "conda-part",
            lock.recipe,
            packages=conda_inputs(packages),
            prefix=CONDA_PREFIX,
            python=[python, site_packages] if for_python else [],
            first=number == 0,
        )
        parts.append(CondaPart(title=title, key=key, packages=packages))
    yield CondaStep(
        title="conda: " + _count(len(pins)),
        key=step_key("conda", lock.recipe, parts=[part.key for part in parts]),
        prefix=CONDA_PREFIX,
        python=python,
        site_packages=site_packages,
        parts=tuple(parts),
    )


def split_packages(pins: tuple[CondaPin, ...]) -> tuple[tuple[CondaPin, ...], tuple[CondaPin, ...]]:
    """Small and big ones, each in name order; beyond the cap the smaller of the big are small."""
    ranked = sorted(pins, key=lambda pin: (-pin.artifact.size, pin.name))
    names = {pin.name for pin in ranked[:BIG_PACKAGES] if pin.artifact.size >= BIG_PACKAGE}
    small = tuple(pin for pin in pins if pin.name not in names)
    return small, tuple(pin for pin in pins if pin.name in names)


def _origin(pin: CondaPin, lock: Lock) -> CondaOrigin:
    channel = pin.channel or archive_url(pin.artifact.archive, lock.archives)
    url = artifact_url(pin.artifact, lock.archives)
    return CondaOrigin(pin=pin, channel=public_url(channel).rstrip("/"), url=public_url(url))


def public_url(url: str) -> str:
    """A URL as the image may say it: a local folder is known by its own name, not by its place.

    ``../channels/lab/noarch/x.conda`` becomes ``file:///channels/lab/noarch/x.conda``: tools that
    read conda-meta want a URL.
    """
    if "://" in url:
        return url
    parts = [part for part in posixpath.normpath(url).split("/") if part not in {"", ".", ".."}]
    return "file:///" + "/".join(parts)


def _count(number: int) -> str:
    return f"{number} package" + ("" if number == 1 else "s")
