"""What conda's packages hold for pip: the distributions that are in the image already."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from imagelock.app.context import Context
from imagelock.model.archives import Archive
from imagelock.model.conda import required_name
from imagelock.model.lock import CondaPin, NoArch
from imagelock.model.names import PipName, pip_name
from imagelock.model.platform import Platform

if TYPE_CHECKING:
    from imagelock.resolve.pip.installed import Installed


def installed_by_conda(
    pins: Iterable[CondaPin], archives: Iterable[Archive], *, context: Context, folder: Path
) -> dict[Platform, dict[PipName, Installed]]:
    """By platform, each distribution that a conda package brings. Fetches what it has to read.

    ``folder`` is the spec's, which local channels are relative to.
    """
    from imagelock.fetch.artifacts import ArtifactFetcher
    from imagelock.fetch.conda.dists import distributions, remembers
    from imagelock.resolve.pip.installed import Installed

    python = sorted(filter(_may_hold, pins), key=lambda pin: (pin.name, pin.artifact.sha256))
    unread = [pin.artifact for pin in python if not remembers(context.store, pin.artifact)]
    if unread:
        size = sum(artifact.size for artifact in unread)
        with context.progress.task("reading conda packages", size) as task:
            ArtifactFetcher(context.store, context.http, folder=folder).fetch(
                unread, tuple(archives), progress=lambda _artifact, amount: task.advance(amount)
            )
    found: dict[Platform, dict[PipName, Installed]] = {}
    for pin in python:
        for metadata in distributions(context.store, pin.artifact):
            item = Installed(
                metadata=metadata,
                package=f"{metadata.version} of the conda package "
                f"{pin.name} {pin.version} {pin.build}",
            )
            for platform in pin.platforms:
                found.setdefault(platform, {}).setdefault(pip_name(metadata.name), item)
    return found


def _may_hold(pin: CondaPin) -> bool:
    """Whether a package can have Python distributions at all."""
    needs = {required_name(text) for text in pin.depends}
    return pin.noarch is NoArch.PYTHON or not needs.isdisjoint({"python", "python_abi"})
