"""Where a registry answers: scheme, certificates, mirror and authorization of one host."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.registry.authorization import LOOPBACK, Authorizer
from imagelock.registry.credentials import Credential
from imagelock.registry.reference import DOCKER_HUB, Reference

CredentialFinder = Callable[[str], Credential | None]
_CERTIFICATE_FOLDERS: Final = ("/etc/docker/certs.d", "/etc/containers/certs.d")
_PROBE_SECONDS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One registry: ``root`` is its canonical URL with a slash at the end, before ``v2/``."""

    root: str
    http: Http
    authorizer: Authorizer


def make_endpoint(
    reference: Reference,
    *,
    http: Http,
    store: Store,
    credentials: CredentialFinder,
    mirrors: Mapping[str, str],
    environment: Mapping[str, str],
) -> Endpoint:
    """The endpoint of a reference's registry.

    Plain http is spoken only to this machine, or where a mirror table says so: a line
    ``"https://registry.lan:5000/" = "http://registry.lan:5000/"``.
    """
    host = reference.api_host
    scheme = "https" if http.offline else _scheme(host)
    root = f"{scheme}://{host}/"
    mirror = _mirror_of(root, mirrors)
    asked_host = urlsplit(mirror or root).netloc.rpartition("@")[2]
    authority = own_authority(asked_host, environment)
    if authority is not None:
        bundle = store.path(store.add_bytes(_with_system_roots(authority), where=asked_host))
        http = Http(offline=http.offline, mirrors=mirrors, ca_file=bundle)
    # A mirror is given its own credentials, never those of the registry it stands for.
    named = reference.registry if mirror is None else asked_host
    registry = DOCKER_HUB if named == "registry-1.docker.io" else named
    return Endpoint(
        root=root, http=http, authorizer=Authorizer(http, lambda: credentials(registry))
    )


def own_authority(host: str, environment: Mapping[str, str]) -> bytes | None:
    """The PEM certificates kept for a registry's host, joined, or None.

    Read from ``$DOCKER_CERT_PATH/ca.pem`` and from the ``*.crt`` files of docker's and podman's
    ``certs.d/HOST`` folders (system-wide and of the user).
    """
    files: list[Path] = []
    named = environment.get("DOCKER_CERT_PATH")
    if named:
        files.append(Path(named) / "ca.pem")
    folders = [Path(folder) for folder in _CERTIFICATE_FOLDERS]
    home = environment.get("HOME")
    if home:
        config = Path(environment.get("XDG_CONFIG_HOME") or Path(home) / ".config")
        folders += [config / "docker" / "certs.d", config / "containers" / "certs.d"]
    for folder in folders:
        if (folder / host).is_dir():
            files += sorted((folder / host).glob("*.crt"))
    found = [path.read_bytes() for path in files if path.is_file()]
    return b"\n".join(found) if found else None


def _with_system_roots(authority: bytes) -> bytes:
    """A bundle that also trusts the public roots: registries redirect blobs to public hosts."""
    import ssl

    roots = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    public = Path(roots).read_bytes() if roots and Path(roots).is_file() else b""
    return authority + b"\n" + public


def _mirror_of(root: str, mirrors: Mapping[str, str]) -> str | None:
    for prefix in sorted(mirrors, key=len, reverse=True):
        if root.startswith(prefix) or f"{root}v2/".startswith(prefix):
            return mirrors[prefix]
    return None


def _scheme(host: str) -> str:
    parts = urlsplit(f"//{host}")
    name = parts.hostname or ""
    if not LOOPBACK.match(name):
        return "https"
    return "https" if _speaks_tls(name, parts.port or 443) else "http"


def _speaks_tls(name: str, port: int) -> bool:
    """Whether a server on this machine answers a TLS greeting; nothing is sent over it."""
    import socket
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((name, port), timeout=_PROBE_SECONDS) as plain,
            context.wrap_socket(plain),
        ):
            return True
    except OSError:
        return False
