"""dpkg's database as text: what unpacking a package writes to /var/lib/dpkg.

Formats: dpkg-query(1) and Debian Policy 5 for status; deb-triggers(5) for interests. dpkg itself
rewrites status and the trigger files when it configures, in its own order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from imagelock.layers.deb import DebControl, read_stanza

DATABASE: Final = "var/lib/dpkg"
INFO: Final = f"{DATABASE}/info"

_NOT_IN_STATUS: Final = frozenset({"Status", "Conffiles", "Filename", "Size", "MD5sum", "SHA256"})


def status_stanza(control: DebControl, conffiles: Mapping[str, str]) -> str:
    """The paragraph of an unpacked package; ``conffiles`` are md5 sums by absolute path."""
    fields = {key: text for key, text in control.fields.items() if key not in _NOT_IN_STATUS}
    lines = [f"Package: {fields.pop('Package')}", "Status: install ok unpacked"]
    lines += [
        f"{key}:{text}" if text[:1] == "\n" else f"{key}: {text}" for key, text in fields.items()
    ]
    listed = [(path, conffiles[path]) for path in control.conffiles() if path in conffiles]
    if listed:
        lines.append("Conffiles:")
        lines += [f" {path} {digest}" for path, digest in listed]
    return "\n".join(lines) + "\n"


def info_members(
    control: DebControl, members: Mapping[str, tuple[int, bytes]], listing: Iterable[str]
) -> Iterator[tuple[str, int, bytes]]:
    """Name, mode and bytes of each file in ``info/``; ``listing``: the absolute paths unpacked."""
    files = dict(members)
    text = "".join(f"{path}\n" for path in ("/.", *listing))
    files["list"] = (0o644, text.encode("utf-8", "surrogateescape"))
    for name in sorted(files):
        mode, data = files[name]
        yield f"{INFO}/{control.info_name}.{name}", 0o755 if mode & 0o111 else 0o644, data


@dataclass(slots=True)
class Triggers:
    """Who is interested in what, and what was activated and not yet processed.

    ``files`` by absolute path and ``names`` by trigger name give the interested packages, each
    perhaps with ``/noawait``.
    """

    files: dict[str, list[str]] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=dict)
    pending: dict[str, set[str]] = field(default_factory=dict)

    def read_file_interests(self, text: str) -> None:
        """Take over ``triggers/File``: lines of a path and a package."""
        for line in text.splitlines():
            path, _, package = line.strip().rpartition(" ")
            if path:
                self._interest(self.files, path, package)

    def read_name_interests(self, name: str, text: str) -> None:
        """Take over ``triggers/NAME``: a package a line."""
        for line in text.splitlines():
            if line.strip():
                self._interest(self.names, name, line.strip())

    def add_interests(self, control: DebControl) -> None:
        """Add what a package is interested in (deb-triggers(5))."""
        package = control.info_name
        for directive, trigger in _directives(control):
            if directive.startswith("interest"):
                mark = "/noawait" if directive.endswith("noawait") else ""
                table = self.files if trigger.startswith("/") else self.names
                self._interest(table, trigger, package + mark)

    def activate(self, control: DebControl, paths: Iterable[str]) -> None:
        """Note what unpacking a package triggers: its own directives, and by its files."""
        for directive, trigger in _directives(control):
            if directive.startswith("activate") and (
                trigger in self.names or trigger in self.files
            ):
                awaits = not directive.endswith("noawait")
                self._activate(trigger, control.info_name if awaits else "-")
        if not self.files:
            return
        for path in paths:
            folder = path
            while folder:
                if folder in self.files:
                    self._activate(folder, control.info_name)
                folder = folder.rpartition("/")[0]

    def written(self) -> Iterator[tuple[str, bytes]]:
        """Path and bytes of each trigger file, sorted."""
        folder = f"{DATABASE}/triggers"
        if self.files:
            lines = (f"{path} {who}\n" for path in sorted(self.files) for who in self.files[path])
            yield f"{folder}/File", "".join(lines).encode()
        if self.pending:
            pending = (
                f"{trigger} {' '.join(sorted(self.pending[trigger]))}\n"
                for trigger in sorted(self.pending)
            )
            yield f"{folder}/Unincorp", "".join(pending).encode()
        for name in sorted(self.names):
            yield f"{folder}/{name}", "".join(f"{who}\n" for who in self.names[name]).encode()

    def _activate(self, trigger: str, package: str) -> None:
        everyone = (*self.files.get(trigger, ()), *self.names.get(trigger, ()))
        noawait = bool(everyone) and all(who.endswith("/noawait") for who in everyone)
        self.pending.setdefault(trigger, set()).add("-" if noawait else package)

    @staticmethod
    def _interest(table: dict[str, list[str]], trigger: str, package: str) -> None:
        known = table.setdefault(trigger, [])
        bare = package.partition("/")[0]
        if all(who.partition("/")[0] != bare for who in known):
            known.append(package)


def _directives(control: DebControl) -> Iterator[tuple[str, str]]:
    for line in control.text("triggers").splitlines():
        words = line.partition("#")[0].split()
        if len(words) == 2 and not any(c in words[1] for c in "\0\n") and ".." not in words[1]:
            yield words[0], words[1]


def read_status(text: str) -> dict[tuple[str, str], dict[str, str]]:
    """A status file's paragraphs by name and architecture."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for paragraph in text.split("\n\n"):
        if paragraph.strip():
            fields = read_stanza(paragraph, where=f"/{DATABASE}/status")
            if "Package" in fields:
                found[fields["Package"], fields.get("Architecture", "")] = fields
    return found


def extended_states(packages: Iterable[tuple[str, str]]) -> str:
    """The marks of automatic installation for packages by name and architecture."""
    return "".join(
        f"Package: {name}\nArchitecture: {architecture}\nAuto-Installed: 1\n\n"
        for name, architecture in packages
    )
