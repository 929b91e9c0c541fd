"""Platforms, and what each ecosystem calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class _Names:
    debian: str
    conda: str
    machine: str


_NAMES: Final = {
    "linux/386": _Names("i386", "linux-32", "i686"),
    "linux/amd64": _Names("amd64", "linux-64", "x86_64"),
    "linux/arm/v7": _Names("armhf", "linux-armv7l", "armv7l"),
    "linux/arm64": _Names("arm64", "linux-aarch64", "aarch64"),
    "linux/ppc64le": _Names("ppc64el", "linux-ppc64le", "ppc64le"),
    "linux/riscv64": _Names("riscv64", "linux-riscv64", "riscv64"),
    "linux/s390x": _Names("s390x", "linux-s390x", "s390x"),
}
_ALIASES: Final = {
    "linux/arm64/v8": "linux/arm64",
    "linux/aarch64": "linux/arm64",
    "linux/x86_64": "linux/amd64",
}


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An OCI platform, written ``os/architecture[/variant]`` (OCI image-spec, image-index.md)."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Normalise a platform; ValueError names the known ones."""
        normal = _ALIASES.get(text, text)
        if normal not in _NAMES:
            msg = f"expected one of {', '.join(sorted(_NAMES))}, got '{text}'"
            raise ValueError(msg)
        return cls(normal)

    def __str__(self) -> str:
        return self.text

    @property
    def os(self) -> str:
        """The operating system, always ``linux`` so far."""
        return self.text.split("/")[0]

    @property
    def architecture(self) -> str:
        """OCI's (Go's) name of the architecture."""
        return self.text.split("/")[1]

    @property
    def variant(self) -> str | None:
        """OCI's variant, such as ``v7``."""
        parts = self.text.split("/")
        return parts[2] if len(parts) > 2 else None

    @property
    def debian_architecture(self) -> str:
        """As in ``dpkg --print-architecture``."""
        return _NAMES[self.text].debian

    @property
    def conda_subdir(self) -> str:
        """As in a conda channel."""
        return _NAMES[self.text].conda

    @property
    def machine(self) -> str:
        """As in ``uname -m``, PEP 508's ``platform_machine`` and wheel tags."""
        return _NAMES[self.text].machine


KNOWN_PLATFORMS: Final = tuple(Platform(text) for text in sorted(_NAMES))
DEFAULT_PLATFORM: Final = Platform("linux/amd64")


def host_platform(machine: str) -> Platform:
    """The Linux platform of a machine as ``uname -m`` calls it. ValueError for an unknown one."""
    for text, names in _NAMES.items():
        if machine.lower() == names.machine or machine.lower() == text.split("/")[1]:
            return Platform(text)
    msg = f"no platform is known for the machine '{machine}'"
    raise ValueError(msg)
