"""What a lock holds, for machines and for people."""

from __future__ import annotations

from collections.abc import Iterator

from imagelock.lock.normal import normalise
from imagelock.lock.words import printable
from imagelock.model.archives import artifact_url
from imagelock.model.lock import (
    SPEC_ROOT,
    AptPin,
    AptRemoval,
    CondaPin,
    Lock,
    PipBuildPin,
    PipPin,
    PythonPin,
    Requirer,
)
from imagelock.model.platform import Platform

Json = dict[str, object]
PackagePin = AptPin | CondaPin | PipPin | PipBuildPin


def show_json(lock: Lock, *, tag: str) -> Json:
    """JSON data with the fields of the contract; more may be added, none changed."""
    lock = normalise(lock)
    return {
        "name": lock.roots.name,
        "tag": tag,
        "recipe": lock.recipe,
        "registry": lock.roots.registry,
        "platforms": _texts(lock.platforms),
        "reproducible": lock.reproducible,
        "base": [
            {"platform": platform.text, "reference": pin.reference, "digest": pin.digest}
            for platform in lock.platforms
            for pin in lock.bases
            if platform in pin.platforms
        ],
        "packages": list(_packages(lock)),
        "removed": [_removal(pin) for pin in lock.apt_removals],
        "images": [
            {
                "platform": record.platform.text,
                "manifest_digest": record.manifest_digest,
                "image_id": record.image_id,
                "wheels": [
                    {"name": str(wheel.name), "sha256": wheel.sha256} for wheel in record.wheels
                ],
            }
            for record in lock.images
        ],
    }


def _packages(lock: Lock) -> Iterator[Json]:
    for pin in lock.apt:
        base: Json = {"base": True} if pin.base else {}
        own: Json = {"architecture": pin.architecture, "source": pin.source, "suite": pin.suite}
        yield _package("apt", pin, lock) | own | {"manual": pin.manual} | base
    for conda in lock.conda:
        yield _package("conda", conda, lock) | {"build": conda.build, "subdir": conda.subdir}
    for python in lock.pythons:
        yield _interpreter(python)
    for wheel in lock.pip:
        more: Json = {"extras": list(wheel.extras), "requested": wheel.requested}
        built: Json = {} if wheel.artifact.is_wheel else {"built": True}
        yield _package("pip", wheel, lock) | more | built
    for tool in lock.pip_builds:
        yield _package("pip-build", tool, lock) | {"builds": list(map(str, tool.builds))}


def _package(kind: str, pin: PackagePin, lock: Lock) -> Json:
    return {
        "kind": kind,
        "name": str(pin.name),
        "version": pin.version,
        "platforms": _texts(pin.platforms),
        "url": artifact_url(pin.artifact, lock.archives),
        "sha256": pin.artifact.sha256,
        "size": pin.artifact.size,
        "required_by": _requirers(pin.required_by),
    }


def _interpreter(pin: PythonPin) -> Json:
    return {
        "kind": "python",
        "name": "python",
        "version": pin.version,
        "platforms": _texts(pin.platforms),
        "url": None,
        "sha256": None,
        "size": None,
        "required_by": [],
        "implementation": pin.implementation,
        "provider": pin.provider.value,
        "executable": pin.executable,
    }


def _removal(pin: AptRemoval) -> Json:
    return {
        "kind": "apt",
        "name": str(pin.name),
        "version": pin.version,
        "platforms": _texts(pin.platforms),
        "architecture": pin.architecture,
        "required_by": _requirers(pin.required_by),
    }


def _requirers(edges: tuple[Requirer, ...]) -> list[dict[str, str]]:
    return [{"name": edge.name, "specifier": edge.specifier} for edge in edges]


def _texts(platforms: tuple[Platform, ...]) -> list[str]:
    return [platform.text for platform in platforms]


def show_text(lock: Lock, *, tag: str) -> str:
    """Lines for a person: the image, its base, and a line a package; each ended."""
    lock = normalise(lock)
    lines = [f"{lock.roots.name}:{tag}", f"platforms  {', '.join(_texts(lock.platforms))}"]
    lines += [
        f"base       {pin.reference} {pin.digest}{_on(pin.platforms, lock)}" for pin in lock.bases
    ]
    for python in lock.pythons:
        place = f"{python.executable} ({python.provider.value})"
        lines.append(f"python     {python.version} {place}{_on(python.platforms, lock)}")
    if not lock.reproducible:
        lines.append("not reproducible: a run has a network")
    in_base = tuple(pin for pin in lock.apt if pin.base)
    installed = tuple(pin for pin in lock.apt if not pin.base)
    groups: tuple[tuple[str, tuple[PackagePin, ...]], ...] = (
        ("apt, in the base", in_base),
        ("apt", installed),
        ("conda", lock.conda),
        ("pip", lock.pip),
        ("pip, to build with", lock.pip_builds),
    )
    for title, pins in groups:
        if pins:
            count = len({_label(pin) for pin in pins})
            lines += ["", f"{title} ({count})", *_rows(pins, lock)]
    if lock.apt_removals:
        lines += ["", f"removed from the base ({len(lock.apt_removals)})"]
        lines += [
            f"  {pin.name} {pin.version}{_on(pin.platforms, lock)}" for pin in lock.apt_removals
        ]
    return "".join(f"{printable(line)}\n" for line in lines)


def _rows(pins: tuple[PackagePin, ...], lock: Lock) -> list[str]:
    """A line for each version of a package, whatever the number of its files."""
    found: dict[tuple[str, str, str], set[Platform]] = {}
    for pin in pins:
        key = (_label(pin), pin.version, _because(pin.required_by) + _source(pin))
        found.setdefault(key, set()).update(pin.platforms)
    name_width = max(len(name) for name, _, _ in found)
    version_width = max(len(version) for _, version, _ in found)
    return [
        f"  {name:<{name_width}}  {version:<{version_width}}  {because}".rstrip()
        + _on(tuple(sorted(platforms)), lock)
        for (name, version, because), platforms in found.items()
    ]


def _because(edges: tuple[Requirer, ...]) -> str:
    """Who requires a package, in a few words."""
    asked = [edge.specifier for edge in edges if edge.name == SPEC_ROOT]
    others = [edge.name for edge in edges if edge.name != SPEC_ROOT]
    because = [f"asked for {asked[0]}".rstrip()] if asked else []
    if others:
        more = f" and {len(others) - 2} more" if len(others) > 2 else ""
        because.append(f"by {', '.join(others[:2])}{more}")
    return "; ".join(because)


def _source(pin: PackagePin) -> str:
    """That a package is built, and of what."""
    if not isinstance(pin, PipPin) or pin.artifact.is_wheel:
        return ""
    return f" (built from {'its folder' if pin.artifact.path == '.' else pin.artifact.filename})"


def _label(pin: PackagePin) -> str:
    """The name, with the architecture of a Debian package that is foreign somewhere."""
    if not isinstance(pin, AptPin):
        return str(pin.name)
    own = {"all", *(platform.debian_architecture for platform in pin.platforms)}
    return str(pin.name) if pin.architecture in own else f"{pin.name}:{pin.architecture}"


def _on(platforms: tuple[Platform, ...], lock: Lock) -> str:
    """The platforms in brackets, unless it is all of the lock's."""
    return "" if platforms == lock.platforms else f"  [{', '.join(_texts(platforms))}]"
