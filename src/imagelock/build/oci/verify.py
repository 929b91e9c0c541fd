"""Does an image hold what its lock says: layers, packages, their files, interpreter, config.

Read from the image alone; who built it does not matter. Files that packages let be changed
(conffiles, what scripts write) are not compared.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any, Final

from imagelock.build.oci.contents import Contents
from imagelock.build.oci.verify_conda import conda_findings
from imagelock.build.oci.verify_finding import Finding
from imagelock.layers.dpkg import INFO, read_status
from imagelock.layers.dpkg_filter import PathFilter, read_filter
from imagelock.model.lock import BasePin, Lock, PythonPin
from imagelock.model.names import pip_name
from imagelock.model.plan import ConfigChange
from imagelock.model.platform import Platform
from imagelock.plan import plan_image

__all__ = ["Finding", "verify_contents"]

_METADATA: Final = re.compile(r"(?P<folder>.*/[^/]+\.dist-info)/METADATA")


def verify_contents(
    lock: Lock, platform: Platform, config: dict[str, Any], contents: Contents
) -> tuple[Finding, ...]:
    """What differs, sorted; empty when the image holds what the lock says."""
    found = [
        *_layers(config, contents),
        *_apt(lock, platform, contents),
        *conda_findings(lock, platform, contents),
        *_pip(lock, platform, contents),
        *_python(lock.python_for(platform), contents),
        *_config(plan_image(lock, platform).config, config),
    ]
    return tuple(sorted(set(found)))


def _layers(config: dict[str, Any], contents: Contents) -> Iterator[Finding]:
    """A config that names other layers than those that are there, or in another order.

    Engines know a layer by its diff ID: such an image may run as what its config names.
    """
    rootfs = config.get("rootfs")
    listed = rootfs.get("diff_ids") if isinstance(rootfs, dict) else None
    named = map(str, listed) if isinstance(listed, list) else ()
    for number, (content, said) in enumerate(zip_longest(contents.diff_ids, named), 1):
        if content != said:
            yield Finding(
                kind="layer",
                name=f"{number}, by the config's diff ID",
                expected=content or "",
                found=said or "",
            )


def _apt(lock: Lock, platform: Platform, contents: Contents) -> Iterator[Finding]:
    wanted = {
        (str(pin.name), pin.architecture): pin.version
        for pin in lock.apt
        if platform in pin.platforms
    }
    text = contents.texts.get("var/lib/dpkg/status", b"").decode("utf-8", "surrogateescape")
    installed = {
        pair: fields["Version"].strip()
        for pair, fields in read_status(text).items()
        if fields.get("Status", "").strip() == "install ok installed" and "Version" in fields
    }
    for (name, architecture), version in wanted.items():
        found = installed.get((name, architecture), "")
        if found != version:
            yield Finding(kind="apt", name=name, expected=version, found=found)
    for removal in lock.apt_removals:
        found = installed.get((str(removal.name), removal.architecture), "")
        if platform in removal.platforms and found:
            yield Finding(kind="apt", name=str(removal.name), expected="", found=found)
    if _complete(lock.base_for(platform), lock):
        for (name, architecture), version in installed.items():
            if (name, architecture) not in wanted:
                yield Finding(kind="apt", name=name, expected="", found=version)
    left_out = read_filter(
        {path: data.decode("utf-8", "replace") for path, data in contents.texts.items()}
    )
    for name, architecture in wanted:
        yield from _deb_files(name, architecture, contents, left_out)


def _complete(base: BasePin, lock: Lock) -> bool:
    """Whether the lock lists every package of the image: its base was made from packages."""
    return base.kind == "distribution" and any(pin.base for pin in lock.apt)


def _deb_files(
    name: str, architecture: str, contents: Contents, left_out: PathFilter
) -> Iterator[Finding]:
    sums = contents.texts.get(f"{INFO}/{name}.md5sums") or contents.texts.get(
        f"{INFO}/{name}:{architecture}.md5sums", b""
    )
    for line in sums.decode("utf-8", "surrogateescape").splitlines():
        digest, _, path = line.partition("  ")
        found = contents.find(path) if path else None
        if found is None and left_out.leaves_out(f"/{path}"):
            continue
        # A diverted file has moved; dpkg --verify looks where it went, we say what we see.
        if path and (found is None or (found.md5 and found.md5 != digest)):
            if contents.find(f"{path}.distrib") is not None:
                continue
            now = found.md5 if found else ""
            yield Finding(kind="file", name=f"/{path}", expected=f"md5:{digest}", found=now)


def _pip(lock: Lock, platform: Platform, contents: Contents) -> Iterator[Finding]:
    wanted = {pin.name: pin.version for pin in lock.pip if platform in pin.platforms}
    installed: dict[str, tuple[str, str]] = {}
    for path, data in contents.texts.items():
        match = _METADATA.fullmatch(path)
        if match is None:
            continue
        name, version = _name_and_version(data)
        ours = f"{match['folder']}/INSTALLER" in contents.paths
        if name in wanted and (ours or name not in installed):
            installed[name] = (version, match["folder"])
        elif match["folder"].startswith("opt/venv/"):
            yield Finding(kind="pip", name=name, expected="", found=version)
    for name, version in wanted.items():
        found, folder = installed.get(name, ("", ""))
        if found != version:
            yield Finding(kind="pip", name=name, expected=version, found=found)
        elif folder:
            yield from _wheel_files(folder, contents)


def _name_and_version(metadata: bytes) -> tuple[str, str]:
    head = metadata.partition(b"\n\n")[0].decode("utf-8", "replace")
    fields = dict(line.partition(": ")[::2] for line in head.splitlines() if ": " in line)
    try:
        return pip_name(fields.get("Name", "").strip()), fields.get("Version", "").strip()
    except ValueError:
        return "", ""


def _wheel_files(folder: str, contents: Contents) -> Iterator[Finding]:
    site = posixpath.dirname(folder)
    data = contents.texts.get(f"{folder}/RECORD", b"")
    for row in data.decode("utf-8", "replace").splitlines():
        path, digest, *_ = [*row.rsplit(",", 2), "", ""]
        place = posixpath.normpath(posixpath.join(site, path.strip('"')))
        if not digest.startswith("sha256=") or place.startswith(".."):
            continue
        found = contents.find(place)
        raw = base64.urlsafe_b64decode(digest.removeprefix("sha256=") + "==").hex()
        if found is None or found.sha256 != raw:
            now = f"sha256:{found.sha256}" if found else ""
            yield Finding(kind="file", name=f"/{place}", expected=f"sha256:{raw}", found=now)


def _python(python: PythonPin | None, contents: Contents) -> Iterator[Finding]:
    if python is not None and contents.find(python.executable) is None:
        yield Finding(kind="python", name=python.executable, expected=python.version, found="")


def _config(change: ConfigChange, config: dict[str, Any]) -> Iterator[Finding]:
    runtime: dict[str, Any] = config.get("config") or {}
    env = dict(item.partition("=")[::2] for item in runtime.get("Env") or ())
    for key, text in change.env:
        if env.get(key) != text:
            yield Finding(kind="config", name=f"env {key}", expected=text, found=env.get(key, ""))
    for folder in change.prepend_path:
        if folder not in env.get("PATH", "").split(":"):
            yield Finding(
                kind="config", name="env PATH", expected=folder, found=env.get("PATH", "")
            )
    pairs = (
        ("Entrypoint", change.entrypoint and list(change.entrypoint)),
        ("Cmd", change.cmd and list(change.cmd)),
        ("WorkingDir", change.workdir),
        ("User", change.user),
    )
    for key, wanted in pairs:
        if wanted and runtime.get(key) != wanted:
            now = str(runtime.get(key, ""))
            yield Finding(kind="config", name=key, expected=str(wanted), found=now)
    labels = runtime.get("Labels") or {}
    for key, text in change.labels:
        if labels.get(key) != text:
            yield Finding(
                kind="config", name=f"label {key}", expected=text, found=labels.get(key, "")
            )
