"""Where a wheel's files go: the install schemes of Python (sysconfig)."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme:
    """Where a wheel goes: absolute folders without the leading slash, and the interpreter."""

    prefix: str
    site_packages: str
    scripts: str
    headers: str
    interpreter: str

    @classmethod
    def of_venv(cls, prefix: str, python_version: str) -> Scheme:
        """The folders of a virtual environment (sysconfig's ``venv`` scheme)."""
        root = prefix.strip("/")
        minor = "python" + ".".join(python_version.split(".")[:2])
        return cls(
            prefix=root,
            site_packages=f"{root}/lib/{minor}/site-packages",
            scripts=f"{root}/bin",
            headers=f"{root}/include/site/{minor}",
            interpreter=f"/{root}/bin/python",
        )

    @classmethod
    def of_interpreter(cls, executable: str, python_version: str) -> Scheme:
        """The folders an interpreter of the base looks in (sysconfig, and Debian's own rule).

        Debian's ``/usr/bin`` interpreters have ``/usr/local/lib/python3.X/dist-packages`` for what
        its packages did not bring; all others ``site-packages`` below their prefix.
        """
        minor = "python" + ".".join(python_version.split(".")[:2])
        folder = posixpath.dirname(executable)
        debian = folder == "/usr/bin"
        root = "usr/local" if debian else posixpath.dirname(folder).strip("/")
        packages = "dist-packages" if debian else "site-packages"
        lead = f"{root}/" if root else ""
        return cls(
            prefix=root,
            site_packages=f"{lead}lib/{minor}/{packages}",
            scripts=f"{lead}bin",
            headers=f"{lead}include/{minor}",
            interpreter=executable,
        )
