"""Debian's docker-registry on a free port of 127.0.0.1: plain, with htpasswd, TLS or tokens."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.registry.client import RegistryClient
from imagelock.registry.credentials import find_credential
from support.processes import PATIENCE, reserved_port, stop

USER = "tester"
PASSWORD = "s3cret-canary"
# bcrypt of PASSWORD: the registry takes nothing else, and Python has no bcrypt of its own.
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuullx5kP6GYZcFnepqhmI2H03s5Hsbhlm\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningRegistry:
    """``host`` is like ``127.0.0.1:5000``; ``authority`` its certificate when it speaks TLS."""

    host: str
    folder: Path
    log: Path
    authority: Path | None = None

    @property
    def url(self) -> str:
        return f"{'https' if self.authority else 'http'}://{self.host}"


def needs(*programs: str) -> None:
    """Skip where a program is missing; in CI that is a failure."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing and os.environ.get("CI") == "true":
        pytest.fail(f"not installed: {', '.join(missing)}")
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)} (tests/install-debian-packages.sh)")


@contextlib.contextmanager
def running_registry(
    folder: Path, *, htpasswd: bool = False, tls: bool = False, realm: str | None = None
) -> Iterator[RunningRegistry]:
    """A registry whose data is in ``folder``, stopped by its process id at the end."""
    needs("docker-registry", *(("openssl",) if tls or realm else ()))
    folder.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port:
        host = f"127.0.0.1:{port}"
        yield from _registry(folder, host, htpasswd=htpasswd, tls=tls, realm=realm)


def _registry(
    folder: Path, host: str, *, htpasswd: bool, tls: bool, realm: str | None
) -> Iterator[RunningRegistry]:
    authority = make_certificate(folder, "server") if tls else None
    config = folder / "config.json"
    config.write_text(json.dumps(_config(folder, host, htpasswd=htpasswd, tls=tls, realm=realm)))
    log = folder / "log"
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "OTEL_TRACES_EXPORTER": "none"}
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["docker-registry", "serve", str(config)],
            stdout=output,
            stderr=output,
            env=environment,
        )
    try:
        _wait_for(host, process, log)
        yield RunningRegistry(host=host, folder=folder, log=log, authority=authority)
    finally:
        stop(process)


def _config(
    folder: Path, host: str, *, htpasswd: bool, tls: bool, realm: str | None
) -> dict[str, object]:
    http: dict[str, object] = {"addr": host, "secret": "a secret for uploads"}
    config: dict[str, object] = {
        "version": "0.1",
        "log": {"level": "info"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
        "http": http,
    }
    if tls:
        http["tls"] = {
            "certificate": str(folder / "server.crt"),
            "key": str(folder / "server.key"),
        }
    if htpasswd:
        (folder / "htpasswd").write_text(_HTPASSWD)
        config["auth"] = {"htpasswd": {"realm": "tests", "path": str(folder / "htpasswd")}}
    if realm:
        config["auth"] = {
            "token": {
                "realm": realm,
                "service": "tests",
                "issuer": "tests",
                "rootcertbundle": str(folder / "issuer.crt"),
            }
        }
    return config


def _wait_for(host: str, process: subprocess.Popen[bytes], log: Path) -> None:
    name, port = host.split(":")
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection((name, int(port)), 1):
            return
        time.sleep(0.02)
    pytest.fail(f"docker-registry did not start: {log.read_text()[-2000:]}")


def make_certificate(folder: Path, name: str) -> Path:
    """A certificate for 127.0.0.1 that signs itself: ``NAME.crt`` and ``NAME.key``."""
    certificate = folder / f"{name}.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
    command += ["-keyout", str(folder / f"{name}.key"), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


class TokenService:
    """Gives the registry's Bearer tokens (distribution, token auth): real ones, signed by RS256.

    ``asked`` holds the scope and Authorization header of every request.
    """

    def __init__(self, folder: Path, *, anonymous: str = "pull") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._anonymous = anonymous
        self.seconds = 300
        self.asked: list[tuple[str, str]] = []
        make_certificate(folder, "issuer")
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)
                service.answer(self, query.get("scope", []), self.headers.get("Authorization", ""))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = parse_qs(body)
                token = form.get("refresh_token", [""])[0]
                service.answer(self, form.get("scope", [""])[0].split(), f"Identity {token}")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.realm = f"http://127.0.0.1:{self._server.server_address[1]}/token"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, handler: BaseHTTPRequestHandler, scopes: list[str], header: str) -> None:
        self.asked.append((" ".join(scopes), header))
        basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        known = header in {basic, f"Identity {PASSWORD}"}
        if header and not known:
            handler.send_response(401)
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        allowed = ["pull", "push"] if known else self._anonymous.split(",")
        token = self._token(scopes, allowed)
        body = json.dumps({"token": token, "expires_in": self.seconds}).encode()
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    def _token(self, scopes: list[str], allowed: list[str]) -> str:
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":")
            granted = [action for action in actions.split(",") if action in allowed]
            access.append({"type": kind, "name": name, "actions": granted})
        certificate = (self._folder / "issuer.crt").read_text()
        der = "".join(certificate.splitlines()[1:-1])
        now = int(time.time())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [der]}
        claims = {
            "iss": "tests",
            "aud": "tests",
            "sub": "",
            "exp": now + 3600,
            "nbf": now - 60,
            "iat": now - 60,
            "jti": hashlib.sha256(os.urandom(8)).hexdigest(),
            "access": access,
        }
        signed = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
        command = ["openssl", "dgst", "-sha256", "-sign", str(self._folder / "issuer.key")]
        signature = subprocess.run(command, input=signed.encode(), check=True, capture_output=True)
        return f"{signed}.{_base64url(signature.stdout)}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def skopeo_push(
    layout: Path, registry: RunningRegistry, name: str, *, credentials: str | None = None
) -> str:
    needs("skopeo")
    command = ["skopeo", "copy", "--all", "--quiet", "--dest-tls-verify=false"]
    if credentials:
        command += ["--dest-creds", credentials]
    reference = f"{registry.host}/{name}"
    done = subprocess.run(
        [*command, f"oci:{layout}", f"docker://{reference}"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return reference


def client_with(store: Store, environment: dict[str, str] | None = None) -> RegistryClient:
    """A client that reads no configuration of this machine."""
    known = environment or {}
    return RegistryClient(
        Http(),
        store,
        credentials=lambda host: find_credential(host, environment=known),
        mirrors={},
        environment=known,
    )
