"""Which preinst scripts do nothing on this root, so that their packages can be merged.

Most move or remove files of versions that were never here. dpkg itself is asked: it unpacks the
packages without their files in a sandbox that is thrown away, which runs their preinst as ever and
refuses where a Pre-Depends is missing. A script is quiet when nothing but dpkg's own records of
its package changed.
"""

from __future__ import annotations

import errno
import io
import os
import re
from collections.abc import Iterator, Sequence
from typing import Final

from imagelock.build.oci.sandbox import Bind, Sandbox, Work
from imagelock.layers.deb import DebControl
from imagelock.layers.dpkg import DATABASE
from imagelock.layers.entries import Kind
from imagelock.layers.stub import stub_deb
from imagelock.layers.untar import read_tar
from imagelock.model.errors import BuildError

_STUBS: Final = "/run/imagelock/stubs"
_REFUSED: Final = 1
"""dpkg's status when it could not unpack a package (dpkg(1)); 2 and more are its own troubles."""

_TROUBLES: Final = (os.strerror(errno.ENOSPC), os.strerror(errno.ENOMEM), "killed by signal")
_TAIL: Final = 3000
_RECORDS: Final = re.compile(
    rf"{DATABASE}/(?:status|available|info/format|triggers/(?:Unincorp|File)|updates/.*)"
)


def quiet_preinsts(
    controls: Sequence[DebControl],
    *,
    sandbox: Sandbox,
    lower: tuple[str, ...],
    dpkg: tuple[str, ...],
    env: tuple[tuple[str, str], ...],
) -> Iterator[DebControl]:
    """Those of the packages that may be merged; none of them is installed in any version."""
    if not controls:
        return
    if _is_quiet(controls, sandbox=sandbox, lower=lower, dpkg=dpkg, env=env):
        yield from controls
    elif len(controls) > 1:
        half = len(controls) // 2
        for part in (controls[:half], controls[half:]):
            yield from quiet_preinsts(part, sandbox=sandbox, lower=lower, dpkg=dpkg, env=env)


def _is_quiet(
    controls: Sequence[DebControl],
    *,
    sandbox: Sandbox,
    lower: tuple[str, ...],
    dpkg: tuple[str, ...],
    env: tuple[tuple[str, str], ...],
) -> bool:
    with sandbox.scratch() as scratch:
        stubs = scratch / "stubs"
        stubs.mkdir()
        for number, control in enumerate(controls):
            (stubs / f"{number}.deb").write_bytes(stub_deb(control))
        names = (f"{_STUBS}/{number}.deb" for number in range(len(controls)))
        work = Work(
            lower=lower,
            commands=((*dpkg, "--no-triggers", "--unpack", *names),),
            env=env,
            binds=(Bind(source=stubs, target=_STUBS),),
        )
        code, output = sandbox.run(work, scratch)
        if code == _REFUSED and not any(word in output for word in _TROUBLES):
            return False
        if code:
            # Whatever this machine lacks must not decide which layer the files are in.
            raise BuildError(
                f"preinst scripts could not be tried (exit status {code}):\n"
                f"{output[-_TAIL:].strip()}",
                where=", ".join(str(control.name) for control in controls),
                hint=f"is there space and memory left? (the sandbox's tier is '{sandbox.tier}')",
            )
        with sandbox.changes(lower, scratch, epoch=0) as changes:
            tar = io.BytesIO(b"".join(changes))
        own = tuple(f"{DATABASE}/info/{control.info_name}." for control in controls)
        return all(
            entry.kind is Kind.DIRECTORY
            or _RECORDS.fullmatch(entry.path)
            or entry.path.startswith(own)
            for entry in read_tar(tar, where="preinst")
        )
