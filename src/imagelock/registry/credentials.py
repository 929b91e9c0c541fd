"""Registry credentials as docker keeps them: ``auths``, ``credHelpers`` and ``credsStore``.

The files are those of `docker login` (DOCKER_CONFIG or ~/.docker/config.json) and of podman
(REGISTRY_AUTH_FILE). Secrets stay in :class:`Credential` values, whose repr shows none.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from imagelock.model.errors import UsageError
from imagelock.registry.reference import DOCKER_HUB

_HELPER_NAME: Final = re.compile(r"[A-Za-z0-9._-]+\Z")
_HELPER_SECONDS: Final = 60
_TOKEN_USER: Final = "<token>"  # noqa: S105 - docker's marker for an identity token, no secret
_NOT_FOUND: Final = "credentials not found"
HUB_KEY: Final = "https://index.docker.io/v1/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A user and password, or an identity token (then ``user`` is empty)."""

    user: str
    secret: str = field(repr=False)
    is_token: bool = False


def config_files(environment: Mapping[str, str]) -> tuple[Path, ...]:
    """The files that may hold credentials, the first to know a registry wins."""
    folder = environment.get("DOCKER_CONFIG")
    home = environment.get("HOME")
    files = []
    if folder:
        files.append(Path(folder) / "config.json")
    elif home:
        files.append(Path(home) / ".docker" / "config.json")
    if environment.get("REGISTRY_AUTH_FILE"):
        files.append(Path(environment["REGISTRY_AUTH_FILE"]))
    elif environment.get("XDG_RUNTIME_DIR"):
        files.append(Path(environment["XDG_RUNTIME_DIR"]) / "containers" / "auth.json")
    return tuple(files)


def find_credential(
    registry: str, *, environment: Mapping[str, str] | None = None
) -> Credential | None:
    """The credential for a registry's host, or None. UsageError for a file or helper at fault."""
    known = os.environ if environment is None else environment
    for path in config_files(known):
        config = _config(path)
        if config is None:
            continue
        found = _from_config(config, registry, path, known)
        if found is not None:
            return found
    return None


def _config(path: Path) -> dict[str, object] | None:
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            hint="make the file readable, or point DOCKER_CONFIG to another folder",
        ) from None
    try:
        config = json.loads(data)
    except ValueError:
        config = None
    if not isinstance(config, dict):
        # The parser's own message would quote the file, and the file holds passwords.
        raise UsageError(
            "expected a JSON object",
            where=str(path),
            hint="repair the file, or run `docker login` with another DOCKER_CONFIG",
        ) from None
    return config


def _from_config(
    config: dict[str, object], registry: str, path: Path, environment: Mapping[str, str]
) -> Credential | None:
    keys = _keys(registry)
    helpers = config.get("credHelpers")
    if isinstance(helpers, dict):
        for key in keys:
            helper = helpers.get(key)
            if isinstance(helper, str) and helper:
                return _ask_helper(helper, key, path, environment)
    listed = _from_auths(config.get("auths"), keys, path)
    if listed is not None:
        return listed
    store = config.get("credsStore")
    if isinstance(store, str) and store:
        key = HUB_KEY if registry == DOCKER_HUB else registry
        return _ask_helper(store, key, path, environment)
    return None


def _keys(registry: str) -> tuple[str, ...]:
    """The names docker has used for a registry over the years."""
    if registry == DOCKER_HUB:
        return (HUB_KEY, "docker.io", "index.docker.io", "registry-1.docker.io")
    names = (registry, f"https://{registry}", f"http://{registry}")
    return (*names, *(f"{name}/{end}" for name in names for end in ("", "v1/", "v2/")))


def _from_auths(auths: object, keys: tuple[str, ...], path: Path) -> Credential | None:
    if not isinstance(auths, dict):
        return None
    for key in keys:
        entry = auths.get(key)
        if not isinstance(entry, dict):
            continue
        token = entry.get("identitytoken")
        if isinstance(token, str) and token:
            return Credential(user="", secret=token, is_token=True)
        encoded = entry.get("auth")
        if isinstance(encoded, str) and encoded:
            return _decoded(encoded, key, path)
        user, password = entry.get("username"), entry.get("password")
        if isinstance(user, str) and isinstance(password, str) and user:
            return Credential(user=user, secret=password)
    return None


def _decoded(encoded: str, key: str, path: Path) -> Credential:
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        text = ""
    user, colon, password = text.partition(":")
    if not colon or not user:
        raise UsageError(
            "expected base64 of 'user:password' as `auth`",
            where=f"{path}: auths.'{key}'",
            hint=f"run `docker login {key}` again",
        ) from None
    # docker pads old entries with NUL
    return Credential(user=user, secret=password.rstrip("\0"))


def _ask_helper(
    helper: str, key: str, path: Path, environment: Mapping[str, str]
) -> Credential | None:
    program = f"docker-credential-{helper}"
    where = f"{path}: {program}"
    if not _HELPER_NAME.match(helper):
        raise UsageError("expected the name of a credential helper", where=where)
    output = _run_helper(program, key, where, environment)
    if output is None:
        return None
    try:
        answer = json.loads(output)
    except ValueError:
        answer = None
    secret = answer.get("Secret") if isinstance(answer, dict) else None
    user = answer.get("Username") if isinstance(answer, dict) else None
    if not isinstance(secret, str) or not isinstance(user, str) or not secret:
        raise UsageError(
            f"the credential helper printed no credentials for {key}",
            where=where,
            hint=f"run `echo {key} | {program} get` to see what is wrong, or log in again",
        ) from None
    if user == _TOKEN_USER:
        return Credential(user="", secret=secret, is_token=True)
    return Credential(user=user, secret=secret)


def _run_helper(program: str, key: str, where: str, environment: Mapping[str, str]) -> bytes | None:
    """What the helper printed, or None when it says that it has nothing for this registry."""
    try:
        done = subprocess.run(
            [program, "get"],
            input=key.encode(),
            capture_output=True,
            check=False,
            timeout=_HELPER_SECONDS,
            env=dict(environment),
        )
    except OSError:
        raise UsageError(
            "the credential helper is not on PATH",
            where=where,
            hint="install it, or remove it from the file",
        ) from None
    except subprocess.TimeoutExpired:
        raise UsageError(
            f"the credential helper did not answer in {_HELPER_SECONDS} s",
            where=where,
            hint=f"run `echo {key} | {program} get` to see what it waits for",
        ) from None
    if done.returncode == 0:
        return done.stdout
    if _NOT_FOUND in (done.stdout + done.stderr).decode(errors="replace"):
        return None
    # Its output is not shown: it may hold what it was asked for.
    raise UsageError(
        f"the credential helper failed with exit code {done.returncode}",
        where=where,
        hint=f"run `echo {key} | {program} get` to see what is wrong, or log in again",
    )
