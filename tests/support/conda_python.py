"""A real CPython as a conda package: Debian's interpreter of the tests' base, placed anew."""

from __future__ import annotations

import tarfile
from functools import cache

from support.conda_channel import CondaFile, CondaPackage, conda_package, text
from support.minbase import minbase_tar

_LIBRARY = "./usr/lib/python3.11/"


@cache
def real_python() -> CondaPackage:
    """python 3.11 for linux-64 with the modules of python3-minimal."""
    files: dict[str, CondaFile | str | bytes] = {}
    with tarfile.open(minbase_tar()) as tar:
        for member in tar:
            inside = member.name.removeprefix(_LIBRARY)
            if member.name == "./usr/bin/python3.11":
                place = "bin/python3.11"
            elif inside != member.name and not inside.endswith(".pyc"):
                place = f"lib/python3.11/{inside}"
            else:
                continue
            file = tar.extractfile(member) if member.isreg() else None
            if file is not None:
                data = file.read()
                executable = bool(member.mode & 0o111)
                files[place] = CondaFile(data=data, executable=executable, mtime=int(member.mtime))
    files |= {
        "bin/python": CondaFile(link="python3.11"),
        "bin/python3": CondaFile(link="python3.11"),
        # Debian's site.py looks in dist-packages, conda's in site-packages.
        "lib/python3.11/dist-packages/conda.pth": text("@PREFIX@/lib/python3.11/site-packages\n"),
    }
    return conda_package("python", "3.11.2", "h1_0_cpython", files=files)
