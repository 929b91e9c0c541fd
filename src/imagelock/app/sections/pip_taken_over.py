"""Whether the locks of other tools (uv.lock, poetry.lock, pylock.toml) hold for a target."""

from __future__ import annotations

from imagelock.model.errors import UsageError
from imagelock.model.pip_spec import PipSpec, RequirementsFile
from imagelock.model.python import PythonTarget
from imagelock.resolve.pip.requirements import Markers, allows, parse
from imagelock.resolve.pip.resolution import Resolution
from imagelock.resolve.pip.target import environment_of


def check_taken_over(spec: PipSpec, target: PythonTarget, resolution: Resolution) -> None:
    """Check that every lock the spec takes over was made for a target's Python, and is whole.

    Such a lock's pins are the constraints of its file, its roots the requirements. It is whole
    where all that its packages need is in a lock or was asked for by the spec; else versions would
    be chosen that nobody locked. UsageError names the lock.
    """
    locks = [file for file in spec.requirements if file.pinned]
    for lock in locks:
        if lock.requires_python and not allows(lock.requires_python, target.version):
            raise UsageError(
                f"was made for Python {lock.requires_python}, and the image has {target.version}",
                where=lock.path,
                hint="choose another Python for the image, or lock again with the other tool",
            )
    for lock in locks:
        _check_whole(lock, resolution)


def _check_whole(lock: RequirementsFile, resolution: Resolution) -> None:
    markers = Markers(environment_of(resolution.target))
    pins = (parse(line) for line in lock.constraints)
    listed = {item.name for item in pins if markers.hold(item.marker)}
    for package in resolution.packages:
        by = [edge for edge in package.required_by if edge.name in listed]
        if package.name not in listed and by and len(by) == len(package.required_by):
            raise UsageError(
                f"does not lock {package.name}, which its {by[0].name} needs here",
                where=lock.path,
                hint="lock again with the other tool, with this platform among its environments",
            )
