"""The real apt-get as an oracle: simulated installs over given indexes and a given dpkg status.

Everything it reads is in one folder: no list, cache, configuration or status of the host.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from imagelock.fetch.debian.index import FetchedIndex

_INSTALL = re.compile(
    r"^Inst (?P<name>\S+) (?:\[(?P<old>[^\]]+)\] )?\((?P<new>\S+) .*?\[(?P<arch>\S+)\]\)"
)
_REMOVE = re.compile(r"^(?:Remv|Purg) (?P<name>\S+) ")


@dataclass(frozen=True)
class Answer:
    """What apt would do: (name or name:architecture, version) installed, names removed."""

    installed: frozenset[tuple[str, str]]
    removed: frozenset[str]


class AptOracle:
    """One apt set-up in a folder."""

    def __init__(
        self,
        folder: Path,
        indexes: tuple[FetchedIndex, ...],
        status: bytes,
        architecture: str,
        *,
        foreign: tuple[str, ...] = (),
        chroot: Path | None = None,
        preferences: bytes = b"",
    ) -> None:
        self.folder = folder
        self.architecture = architecture
        self._foreign = foreign
        self._chroot = chroot
        for name in ("lists/partial", "cache/archives/partial", "etc/apt.conf.d", "log"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "status").write_bytes(status)
        (folder / "extended_states").touch()
        (folder / "etc/preferences").write_bytes(preferences)
        lines = []
        for item in indexes:
            base = f"{item.source.url}dists/{item.source.suite}/"
            stem = base.partition("://")[2].replace("_", "%5f").replace("/", "_")
            release = item.release
            text = "".join(
                f"{field}: {value}\n"
                for field, value in (
                    ("Origin", release.origin),
                    ("Label", release.label),
                    ("Suite", release.suite),
                    ("Codename", release.codename),
                    ("Date", f"{release.date:%a, %d %b %Y %H:%M:%S} UTC"),
                    ("Architectures", " ".join(release.architectures)),
                    ("NotAutomatic", "yes" if release.not_automatic else ""),
                    ("ButAutomaticUpgrades", "yes" if release.automatic_upgrades else ""),
                    ("No-Support-for-Architecture-all", "Packages"),
                )
                if value
            )
            (folder / "lists" / f"{stem}Release").write_text(text)
            for packages in item.packages:
                name = f"{stem}{packages.component}_binary-{packages.architecture}_Packages"
                shutil.copy(packages.path, folder / "lists" / name)
            components = " ".join(dict.fromkeys(p.component for p in item.packages))
            lines.append(f"deb [trusted=yes] {item.source.url} {item.source.suite} {components}\n")
        (folder / "sources.list").write_text("".join(lines))
        self.last_error = ""
        self._inside = Path("/oracle") if chroot else folder
        self._configure()
        self._call([*self._command("apt-cache"), "gencaches"]).check_returncode()

    def install(self, *words: str, recommends: bool = False) -> Answer | None:
        """The outcome of ``apt-get -s install WORDS``."""
        return parse_answer(self.run(*words, recommends=recommends), self.architecture)

    def run(self, *words: str, recommends: bool = False, extra: tuple[str, ...] = ()) -> str | None:
        """The output of the simulation, None when apt refused."""
        command = [*self._command("apt-get", recommends=recommends), "-s", "-q", "-y", *extra]
        done = self._call([*command, "install", *words])
        self.last_error = done.stdout + done.stderr
        return done.stdout if done.returncode == 0 else None

    def _call(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        prefix = ["chroot", str(self._chroot)] if self._chroot else []
        return subprocess.run(
            [*prefix, *command],
            capture_output=True,
            text=True,
            check=False,
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "LC_ALL": "C",
                "APT_CONFIG": f"{self._inside}/apt.conf",
            },
        )

    def _command(self, program: str, *, recommends: bool = False) -> list[str]:
        return [program, "-o", f"APT::Install-Recommends={str(recommends).lower()}"]

    def _configure(self) -> None:
        """Write what apt reads before anything of the host, so that it reads none of that."""
        inside = self._inside
        options: dict[str, object] = {
            "Dir::State": inside,
            "Dir::State::lists": inside / "lists",
            "Dir::State::status": inside / "status",
            "Dir::State::extended_states": inside / "extended_states",
            "Dir::Cache": inside / "cache",
            "Dir::Cache::pkgcache": "pkgcache.bin",
            "Dir::Cache::srcpkgcache": "srcpkgcache.bin",
            "Dir::Etc": inside / "etc",
            "Dir::Etc::sourcelist": inside / "sources.list",
            "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::parts": "/dev/null",
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Log": inside / "log",
            "APT::Architecture": self.architecture,
            "APT::Get::AutomaticRemove": "false",
            "APT::Get::Show-User-Simulation-Note": "false",
            "Acquire::Languages": "none",
        }
        lines = [f'{key} "{value}";\n' for key, value in options.items()]
        names = " ".join(f'"{item}";' for item in (self.architecture, *self._foreign))
        lines.append(f"APT::Architectures {{ {names} }};\n")
        (self.folder / "apt.conf").write_text("".join(lines))


def parse_answer(output: str | None, native: str) -> Answer | None:
    """Read the ``Inst`` and ``Remv`` lines of a simulation."""
    if output is None:
        return None
    installed, removed = set(), set()
    for line in output.splitlines():
        if match := _INSTALL.match(line):
            name, architecture = match["name"].partition(":")[0], match["arch"]
            label = name if architecture in {native, "all"} else f"{name}:{architecture}"
            installed.add((label, match["new"]))
        elif match := _REMOVE.match(line):
            removed.add(match["name"])
    return Answer(frozenset(installed), frozenset(removed))
