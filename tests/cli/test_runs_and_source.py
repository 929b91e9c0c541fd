"""Runs, secrets and source folders through the command line."""

from __future__ import annotations

import os
import platform
import tarfile
from pathlib import Path

import pytest

from support.command import call

pytestmark = [pytest.mark.network, pytest.mark.root]

CANARY = "CANARY-6f1d2c-do-not-keep"
SPEC = """\
name = "runs"
platforms = ["{platform}"]

[base]
distribution = "debian:bookworm"

[image]
workdir = "/app"

[source]
root = "src"

[[run]]
commands = ["wc -c < /run/secrets/token > /length", "echo made > /made"]

[[secret]]
id = "token"
src = "{secret}"
target = "/run/secrets/token"
"""


@pytest.mark.skipif(os.geteuid() != 0 and not os.environ.get("CI"), reason="runs as root in CI")
def test_a_run_reads_a_secret_that_nothing_keeps(tmp_path: Path) -> None:
    machine = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text("print('app')\n")
    (tmp_path / "src" / "app.log").write_text("noise\n")
    (tmp_path / "src" / ".dockerignore").write_text("*.log\n")
    secret = tmp_path / "token.txt"
    secret.write_text(CANARY)
    spec = tmp_path / "runs.toml"
    spec.write_text(SPEC.format(platform=machine, secret=secret))
    outputs = [call("lock", str(spec))]
    outputs.append(call("build", str(spec), "--output", f"oci:{tmp_path / 'image'}"))
    assert [called.code for called in outputs] == [0, 0], outputs
    names: set[str] = set()
    for blob in (tmp_path / "image" / "blobs" / "sha256").iterdir():
        if tarfile.is_tarfile(blob):
            with tarfile.open(blob) as layer:
                for member in layer:
                    names.add(member.name)
                    file = layer.extractfile(member) if member.isreg() else None
                    assert file is None or CANARY.encode() not in file.read(), member.name
        else:
            assert CANARY.encode() not in blob.read_bytes()
    assert {"app/app.py", "made", "length"} <= names
    assert "app/app.log" not in names
    assert CANARY not in (tmp_path / "runs.lock").read_text()
    assert all(CANARY not in called.out + called.err for called in outputs)
    before = call("tag", str(tmp_path / "runs.lock")).out
    (tmp_path / "src" / "app.log").write_text("other noise\n")
    assert call("tag", str(tmp_path / "runs.lock")).out == before
    (tmp_path / "src" / "app.py").write_text("print('changed')\n")
    assert call("tag", str(tmp_path / "runs.lock")).out != before
