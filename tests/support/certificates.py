"""Certificates made by openssl: an authority, a server on 127.0.0.1 and a client."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_certificates(folder: Path) -> Path:
    """``ca.pem``, ``cert.pem`` and ``key.pem`` of a client, ``server.pem`` and ``server-key.pem``.

    A second authority, ``other.pem``, signed none of them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("ca", "other"):
        _openssl(
            *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", f"/CN=authority {name}", "-keyout", f"{folder}/{name}-key.pem"),
            *("-out", f"{folder}/{name}.pem"),
        )
    for name, key, usage in (
        ("server", "server-key", "serverAuth"),
        ("cert", "key", "clientAuth"),
    ):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.cnf"
        extensions.write_text(f"subjectAltName=IP:127.0.0.1\nextendedKeyUsage={usage}\n")
        _openssl(
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}"),
            *("-keyout", f"{folder}/{key}.pem", "-out", str(request)),
        )
        _openssl(
            *("x509", "-req", "-days", "2", "-in", str(request), "-CA", f"{folder}/ca.pem"),
            *("-CAkey", f"{folder}/ca-key.pem", "-CAcreateserial"),
            *("-extfile", str(extensions), "-out", f"{folder}/{name}.pem"),
        )
    return folder


def _openssl(*arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
