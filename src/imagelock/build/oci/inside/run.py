"""Commands in the root of a sandbox, under a first process that reaps and dies with them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from imagelock.build.oci.inside import mounts, namespaces

_ISOLATED = (
    namespaces.CLONE_NEWNS
    | namespaces.CLONE_NEWPID
    | namespaces.CLONE_NEWIPC
    | namespaces.CLONE_NEWUTS
)


def run_job(job: dict[str, Any]) -> int:
    """Set the sandbox up, run the commands in order, and return the first status that is not 0."""
    flags = _ISOLATED if job["network"] else _ISOLATED | namespaces.CLONE_NEWNET
    namespaces.unshare(flags)
    first = os.fork()
    if first:
        return _status(os.waitpid(first, 0)[1])
    namespaces.die_with_parent()
    try:
        code = _as_first_process(job)
    except BaseException as error:  # noqa: BLE001 — a forked child must not return
        sys.stderr.write(f"sandbox: {type(error).__name__}: {error}\n")
        code = 125
    sys.stderr.flush()
    os._exit(code)


def _as_first_process(job: dict[str, Any]) -> int:
    os.umask(0o022)
    mounts.make_private()
    root = job["root"]
    mounts.mount_overlay(
        root,
        trees=job["trees"],
        lower=job["lower"],
        upper=job["upper"],
        work=job["work"],
        user=job["user"],
    )
    mounts.furnish(root)
    placed = _bound(root, job["binds"])
    namespaces.call("sethostname", b"imagelock", 9)
    mounts.enter(root)
    _prepare(job)
    # As runtimes do (and WORKDIR): a working folder that is not there is made.
    Path(job["workdir"]).mkdir(parents=True, exist_ok=True)
    namespaces.drop_capabilities()
    for command in job["commands"]:
        code = _run(command, job)
        if code:
            return code
    for path in job["remove"]:
        Path(path).unlink(missing_ok=True)
    _unbound(placed)
    return 0


def _bound(root: str, binds: list[list[Any]]) -> list[tuple[str, bool, list[str]]]:
    """Show files of the host; what had to be made for it is listed to be taken away again."""
    placed = []
    for source, target, is_folder in binds:
        place = _resolved(root, target)
        made = [str(folder) for folder in place.parents if not os.path.lexists(folder)]
        place.parent.mkdir(parents=True, exist_ok=True)
        new = not os.path.lexists(place)
        if new and is_folder:
            place.mkdir()
        elif new:
            place.touch()
        mounts.bind(source, str(place))
        inside = [folder.removeprefix(root) for folder in made]
        placed.append((str(place).removeprefix(root), new, inside))
    return placed


def _resolved(root: str, target: str) -> Path:
    """A path of the image below its root, links on the way followed inside it."""
    done: list[str] = []
    todo = [part for part in target.split("/") if part][::-1]
    for _ in range(200):
        if not todo:
            break
        part = todo.pop()
        if part in {"", "."}:
            continue
        if part == "..":
            done = done[:-1]
            continue
        place = Path(root, *done, part)
        if place.is_symlink():
            text = str(place.readlink())
            done = [] if text.startswith("/") else done
            todo += [piece for piece in text.split("/") if piece][::-1]
        else:
            done.append(part)
    return Path(root, *done)


def _unbound(placed: list[tuple[str, bool, list[str]]]) -> None:
    for place, new, folders in reversed(placed):
        mounts.unmount(place)
        if new and Path(place).is_dir():
            Path(place).rmdir()
        elif new:
            Path(place).unlink(missing_ok=True)
        for folder in folders:
            try:
                Path(folder).rmdir()
            except OSError:
                break


def _prepare(job: dict[str, Any]) -> None:
    for path, mode, text in job["files"]:
        place = Path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode("utf-8", "surrogateescape"))
        place.chmod(mode)
    for before, after in job["renames"]:
        Path(before).rename(after)
    for target, path in job["links"]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).symlink_to(target)


def _run(command: list[str], job: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        try:
            _become(job)
            job["env"].setdefault("HOME", "/root")
            os.chdir(job["workdir"])
            namespaces.fixed_addresses()
            os.execvpe(command[0], command, job["env"])  # noqa: S606 — there is no shell to want
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or error
            sys.stderr.write(f"{command[0]}: {said}\n")
            sys.stderr.flush()
        os._exit(127)
    while True:
        ended, status = os.wait()
        if ended == child:
            return _status(status)


def _become(job: dict[str, Any]) -> None:
    """Take the user of the image's config, looked up in the image (OCI image-spec, config.md)."""
    user, _, group = str(job["identity"]).partition(":")
    if not user:
        return
    line = _line("/etc/passwd", user) or [user, "", user, "0", "", "/"]
    uid, gid, home = int(line[2]), int(line[3]), line[5]
    groups = [gid]
    if group:
        gid = int((_line("/etc/group", group) or [group, "", group])[2])
        groups = [gid]
    else:
        groups += [
            int(other[2]) for other in _lines("/etc/group") if line[0] in other[3].split(",")
        ]
    os.setgroups(sorted(set(groups)))
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    job["env"].setdefault("HOME", home)


def _line(path: str, wanted: str) -> list[str] | None:
    """The line of a name, else of an id; OSError when a name is unknown."""
    found = None
    for line in _lines(path):
        if line[0] == wanted:
            return line
        if line[2] == wanted:
            found = line
    if found is None and not wanted.isdigit():
        raise OSError(2, f"no such user or group in the image: {wanted}")
    return found


def _lines(path: str) -> list[list[str]]:
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return []
    return [line.split(":") for line in text.splitlines() if line.count(":") >= 3]


def _status(status: int) -> int:
    """As a shell says it: the exit code, or 128 and the signal."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
