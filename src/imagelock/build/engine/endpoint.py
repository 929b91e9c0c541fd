"""Which Docker engine is meant, by the rules of the docker command line.

DOCKER_HOST, else the context that DOCKER_CONTEXT names, else `currentContext` of docker's
config.json, else the local socket. Contexts are files under ``contexts`` beside config.json
(docker/cli, cli/context/store): ``meta/ID/meta.json`` and ``tls/ID/docker/*.pem``, where ID is
the sha256 of the name.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from imagelock.model.errors import UsageError

LOCAL: Final = "unix:///var/run/docker.sock"
_SCHEMES: Final = ("unix://", "tcp://", "ssh://", "http://", "https://")
_DEFAULT_CONTEXT: Final = "default"
_NAMES: Final = ("ca.pem", "cert.pem", "key.pem")


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Files of a TLS connection; ``verify`` is whether the engine's certificate is checked."""

    ca: Path | None
    cert: Path | None
    key: Path | None
    verify: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An engine's address. ``origin`` says where it was found, for errors."""

    host: str
    origin: str
    tls: TlsFiles | None = None

    def __str__(self) -> str:
        return f"{self.host} ({self.origin})"


def find_endpoint(environment: Mapping[str, str]) -> Endpoint:
    """The engine that `docker` would use. UsageError for a context or address that is wrong."""
    folder = _docker_folder(environment)
    host = environment.get("DOCKER_HOST", "")
    if host:
        return Endpoint(
            host=_checked(host, "DOCKER_HOST"),
            origin="DOCKER_HOST",
            tls=_tls_of_environment(environment, folder),
        )
    name, said_by = _context_name(environment, folder)
    if name == _DEFAULT_CONTEXT:
        return Endpoint(host=LOCAL, origin="the default engine")
    return _of_context(name, folder, said_by)


def _docker_folder(environment: Mapping[str, str]) -> Path:
    """Where docker's config.json is; a folder that is not there has no contexts."""
    given = environment.get("DOCKER_CONFIG")
    if given:
        return Path(given)
    return Path(environment.get("HOME") or "/nonexistent") / ".docker"


def _checked(host: str, where: str) -> str:
    if not host.startswith(_SCHEMES):
        raise UsageError(
            f"expected an address like {LOCAL}, tcp://HOST:PORT or ssh://USER@HOST, got '{host}'",
            where=where,
        )
    return host


def _context_name(environment: Mapping[str, str], folder: Path) -> tuple[str, str]:
    """The context's name, and what said so."""
    named = environment.get("DOCKER_CONTEXT", "")
    if named:
        return named, "DOCKER_CONTEXT"
    path = folder / "config.json"
    config = _json(path)
    current = config.get("currentContext") if config is not None else None
    if current is not None and not isinstance(current, str):
        raise UsageError("currentContext: expected a string", where=str(path))
    return current or _DEFAULT_CONTEXT, f"{path}: currentContext"


def _of_context(name: str, folder: Path, said_by: str) -> Endpoint:
    identity = hashlib.sha256(name.encode()).hexdigest()
    path = folder / "contexts" / "meta" / identity / "meta.json"
    meta = _json(path)
    if meta is None:
        raise UsageError(
            f"there is no docker context '{name}'",
            where=said_by,
            hint="run `docker context ls`, or set DOCKER_HOST",
        )
    endpoints = meta.get("Endpoints")
    docker = endpoints.get("docker") if isinstance(endpoints, dict) else None
    host = docker.get("Host", "") if isinstance(docker, dict) else ""
    if not isinstance(host, str) or not isinstance(docker, dict):
        raise UsageError("expected Endpoints.docker.Host", where=str(path))
    origin = f"docker context '{name}'"
    if not host:
        return Endpoint(host=LOCAL, origin=origin)
    tls = folder / "contexts" / "tls" / identity / "docker"
    return Endpoint(
        host=_checked(host, origin),
        origin=origin,
        tls=_tls_in(tls, verify=not docker.get("SkipTLSVerify", False)),
    )


def _tls_of_environment(environment: Mapping[str, str], folder: Path) -> TlsFiles | None:
    """DOCKER_TLS_VERIFY checks the engine's certificate; DOCKER_TLS encrypts alone."""
    verify = bool(environment.get("DOCKER_TLS_VERIFY"))
    if not verify and not environment.get("DOCKER_TLS"):
        return None
    place = Path(environment.get("DOCKER_CERT_PATH") or folder)
    return _tls_in(place, verify=verify) or TlsFiles(ca=None, cert=None, key=None, verify=verify)


def _tls_in(folder: Path, *, verify: bool) -> TlsFiles | None:
    """What of ca.pem, cert.pem and key.pem is there; None for a folder without any."""
    ca, cert, key = (path if path.is_file() else None for path in map(folder.joinpath, _NAMES))
    if not (ca or cert or key):
        return None
    if (cert is None) != (key is None):
        raise UsageError("expected cert.pem and key.pem, found one of them", where=str(folder))
    return TlsFiles(ca=ca, cert=cert, key=key, verify=verify)


def _json(path: Path) -> dict[str, Any] | None:
    """A JSON object, or None where there is no such file."""
    try:
        value = json.loads(path.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"is not JSON: {error}", where=str(path)) from None
    if not isinstance(value, dict):
        raise UsageError("expected a JSON object", where=str(path))
    return value
