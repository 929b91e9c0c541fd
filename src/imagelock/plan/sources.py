"""The apt sources of a bootstrapped base: what `apt-get update` in the image would ask.

A live archive and no snapshot: the file says where updates come from, as in the distribution's
own images. deb822 form (sources.list(5)).
"""

from __future__ import annotations

from typing import Final

from imagelock.model.archives import WELL_KNOWN_ARCHIVES, ubuntu_archive
from imagelock.model.platform import Platform
from imagelock.model.spec import DistributionBase

_DEBIAN_ROLLING: Final = frozenset({"sid", "unstable", "experimental"})


def sources_list(base: DistributionBase, platform: Platform) -> str:
    """The text of ``/etc/apt/sources.list.d/VENDOR.sources``; empty for an unknown vendor."""
    suite = base.suite
    if base.vendor == "debian":
        keyring = "/usr/share/keyrings/debian-archive-keyring.gpg"
        if suite in _DEBIAN_ROLLING:
            return _stanza("http://deb.debian.org/debian", suite, "main", keyring)
        return "\n".join(
            (
                _stanza(
                    "http://deb.debian.org/debian", f"{suite} {suite}-updates", "main", keyring
                ),
                _stanza(
                    "http://deb.debian.org/debian-security", f"{suite}-security", "main", keyring
                ),
            )
        )
    if base.vendor == "ubuntu":
        keyring = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
        suites = f"{suite} {suite}-updates {suite}-security"
        uri = WELL_KNOWN_ARCHIVES[ubuntu_archive(platform)].rstrip("/")
        return _stanza(uri, suites, "main universe", keyring)
    return ""


def _stanza(uri: str, suites: str, components: str, keyring: str) -> str:
    return (
        f"Types: deb\nURIs: {uri}\nSuites: {suites}\nComponents: {components}\n"
        f"Signed-By: {keyring}\n"
    )
