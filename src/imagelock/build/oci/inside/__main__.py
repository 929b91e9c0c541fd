"""Read a job, enter its namespaces, do it."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

from imagelock.build.oci.inside import mounts, namespaces
from imagelock.build.oci.inside.diff import changes
from imagelock.build.oci.inside.run import run_job
from imagelock.build.oci.inside.seal import seal
from imagelock.build.oci.inside.survey import survey
from imagelock.build.oci.inside.unpack import unpack
from imagelock.layers.tar import tar_chunks
from imagelock.model.errors import IntegrityError

_PIPE = 1 << 20


def main() -> int:
    """Do the job; 5 when an archive is unsafe, whose message is on stderr as JSON."""
    namespaces.die_with_parent()
    with os.fdopen(int(sys.argv[1]), "rb") as pipe:
        job: dict[str, Any] = json.load(pipe)
    if job["maps"]:
        namespaces.enter_user_namespace(job["maps"])
        # Entering drops the wish to die with the parent.
        namespaces.die_with_parent()
    try:
        return _TASKS[job["task"]](job)
    except IntegrityError as error:
        sys.stderr.write(json.dumps(error.as_json()))
        return 5
    except OSError as error:
        # No traceback for what a disk, a kernel or the tier refuses.
        sys.stderr.write(f"{job['task']}: {error}")
        return 1


def _unpack(job: dict[str, Any]) -> int:
    folder = job["folder"]
    with os.fdopen(0, "rb", buffering=_PIPE) as tar:
        unpack(tar, folder, user=job["user"], single=job["single"], where=job["where"])
    sys.stdout.write(seal(folder))
    return 0


def _seals(job: dict[str, Any]) -> int:
    json.dump([seal(f"{job['trees']}/{name}") for name in job["names"]], sys.stdout)
    return 0


def _diff(job: dict[str, Any]) -> int:
    lower = _mounted(job)
    entries = changes(
        Path(job["upper"]), lower, epoch=job["epoch"], user=job["user"], single=job["single"]
    )
    for chunk in tar_chunks(entries):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()
    return 0


def _survey(job: dict[str, Any]) -> int:
    json.dump(survey(_mounted(job)), sys.stdout)
    return 0


def _mounted(job: dict[str, Any]) -> Path:
    namespaces.unshare(namespaces.CLONE_NEWNS)
    mounts.make_private()
    mounts.mount_overlay(
        job["root"], trees=job["trees"], lower=job["lower"], upper="", work="", user=job["user"]
    )
    return Path(job["root"])


def _probe(job: dict[str, Any]) -> int:
    """Try what a sandbox needs; what was made for it is removed."""
    namespaces.unshare(namespaces.CLONE_NEWNS | namespaces.CLONE_NEWPID)
    mounts.make_private()
    folder = Path(job["folder"])
    try:
        return _tried(folder, job)
    finally:
        if (folder / "root").is_mount():
            mounts.unmount(str(folder / "root"))
        shutil.rmtree(folder, ignore_errors=True)


def _tried(folder: Path, job: dict[str, Any]) -> int:
    """Mount an overlay, write a whiteout, change an owner."""
    for name in ("lower", "upper", "work", "root"):
        (folder / name).mkdir(parents=True)
    (folder / "lower/file").touch()
    mounts.mount_overlay(
        str(folder / "root"),
        trees=str(folder),
        lower=["lower"],
        upper="upper",
        work="work",
        user=job["user"],
    )
    (folder / "root/file").unlink()
    if not stat.S_ISCHR((folder / "upper/file").lstat().st_mode):
        return 1
    if not job["single"]:
        os.chown(folder / "root", 33, 33)
    return 0


def _remove(job: dict[str, Any]) -> int:
    shutil.rmtree(job["folder"], ignore_errors=True)
    return 0


_TASKS = {
    "diff": _diff,
    "probe": _probe,
    "remove": _remove,
    "run": run_job,
    "seals": _seals,
    "survey": _survey,
    "unpack": _unpack,
}

if __name__ == "__main__":
    sys.exit(main())
