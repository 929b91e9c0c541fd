"""Layers for sandboxes, a sandbox with a real Debian root, and one in a process of its own."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from imagelock.build.oci.sandbox import Sandbox, Tier, open_sandbox
from imagelock.model.image import LAYER_TAR, BuiltLayer, Descriptor
from imagelock.model.names import digest
from support.archives import Member, tar_of
from support.command import kept_folder


def members(*listed: Member) -> bytes:
    return tar_of(listed)


def layer_of(folder: Path, name: str, tar: bytes) -> BuiltLayer:
    (folder / name).write_bytes(tar)
    return BuiltLayer(
        title=name,
        descriptor=Descriptor(
            media_type=LAYER_TAR, digest=digest("sha256:" + "0" * 64), size=len(tar)
        ),
        diff_id=digest(f"sha256:{hashlib.sha256(tar).hexdigest()}"),
        cached=False,
    )


def site_sandbox() -> Sandbox:
    return open_sandbox(kept_folder() / "sandbox")


SCRIPT = """
import sys
sys.path[:0] = {path!r}
from pathlib import Path
from imagelock.build.oci.sandbox import *
import hashlib
lower = tuple(sys.argv[2].split(","))
work = Work(lower=lower, commands=(("/bin/sh", "-c", sys.argv[3]),), env=(("PATH", PATH),))
with open_sandbox(Path(sys.argv[1])) as sandbox, sandbox.scratch() as scratch:
    print(sandbox.tier, flush=True)
    status, output = sandbox.run(work, scratch)
    assert status == 0, output
    with sandbox.changes(lower, scratch, epoch=1000) as changes:
        print(hashlib.sha256(b"".join(changes)).hexdigest(), flush=True)
"""


def script() -> str:
    return SCRIPT.format(path=[path for path in sys.path if path])


def linked_trees(folder: Path, lower: tuple[str, ...]) -> None:
    """Give another root the unpacked trees of the shared one."""
    trees = folder / "trees" / Tier.ROOT
    trees.mkdir(parents=True)
    for name in lower:
        (trees / name).symlink_to(kept_folder() / "sandbox" / "trees" / Tier.ROOT / name)
