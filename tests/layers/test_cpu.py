"""Compressed bytes do not depend on the CPU's model: the golden digests under qemu's."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import sys

import pytest

from imagelock.layers.gzip import Compression, compressed

MODELS = ["qemu64", "Nehalem", "Haswell"]
CODE = """
import hashlib, sys
sys.path[:0] = {path!r}
from imagelock.layers.gzip import Compression, compressed
data = b"".join(hashlib.sha256(b"%d" % (i % 500)).digest() + b"text " * 9 for i in range(20000))
for kind in (Compression.GZIP, Compression.ZSTD):
    print(hashlib.sha256(b"".join(compressed([data], kind))).hexdigest())
"""


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_every_cpu_writes_the_same(model: str) -> None:
    qemu = shutil.which("qemu-x86_64")
    if qemu is None or platform.machine() != "x86_64":
        if os.environ.get("CI") == "true":
            pytest.fail("CI needs qemu-user")
        pytest.skip("needs qemu-user on x86_64")
    data = b"".join(hashlib.sha256(b"%d" % (i % 500)).digest() + b"text " * 9 for i in range(20000))
    here = [
        hashlib.sha256(b"".join(compressed([data], kind))).hexdigest()
        for kind in (Compression.GZIP, Compression.ZSTD)
    ]
    code = CODE.format(path=[path for path in sys.path if path])
    done = subprocess.run(
        [qemu, "-cpu", model, sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.stdout.split() == here
