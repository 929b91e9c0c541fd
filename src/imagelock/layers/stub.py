"""A package without its files: what dpkg needs to run its preinst (deb(5))."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Final

from imagelock.layers.deb import DebControl
from imagelock.layers.entries import EARLIEST, Entry, Kind
from imagelock.layers.tar import tar_chunks

_ABOUT_FILES: Final = frozenset({"conffiles", "md5sums"})


def stub_deb(control: DebControl) -> bytes:
    """A .deb with the control member of another, and no files."""
    text = "".join(f"{name}: {value}\n" for name, value in control.fields.items())
    members: Mapping[str, tuple[int, bytes]] = {
        "control": (0o644, text.encode("utf-8", "surrogateescape")),
        **{name: member for name, member in control.members.items() if name not in _ABOUT_FILES},
    }
    files = [
        Entry(path=name, mode=mode, size=len(data), content=(data,), mtime=EARLIEST)
        for name, (mode, data) in sorted(members.items())
    ]
    root = Entry(path=".", kind=Kind.DIRECTORY, mode=0o755)
    out = io.BytesIO()
    out.write(b"!<arch>\n")
    for name, data in (
        ("debian-binary", b"2.0\n"),
        ("control.tar", b"".join(tar_chunks(files))),
        ("data.tar", b"".join(tar_chunks([root]))),
    ):
        out.write(f"{name:<16}{EARLIEST:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode())
        out.write(data + b"\n" * (len(data) % 2))
    return out.getvalue()
