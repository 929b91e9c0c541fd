"""Secrets that an ImageSpec's build uses are nowhere afterwards."""

from __future__ import annotations

import base64
import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagelock import ImageBuildEngine, ImageSpec
from imagelock.fetch.authorization import basic_authorization
from imagelock.image_spec.place import Place
from imagelock.model.errors import ImagelockError
from support.archives import wheel_of
from support.layouts import Entry, LayoutWriter, tar_of
from support.local_server import Answer, LocalServer, Request, local_server
from support.minbase import minbase_layout
from support.registry import PASSWORD, USER, running_registry
from support.wheels import sha256

NETRC, MOUNTED = "netrc-canary-7f3a", "mounted-canary-91bc"
CANARIES = (
    *(NETRC, MOUNTED, PASSWORD),
    base64.b64encode(f"me:{NETRC}".encode()).decode(),
    base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode(),
)

pytestmark = pytest.mark.registry


@pytest.fixture
def index() -> Iterator[LocalServer]:
    """An index that answers whoever knows the password."""
    data = wheel_of({"demo.py": b"A = 1\n"}, name="demo")
    link = (
        f"<a href='demo-1.0-py3-none-any.whl#sha256={sha256(data)}'>demo-1.0-py3-none-any.whl</a>"
    )

    def guarded(body: bytes, kind: str) -> object:
        def answer(request: Request) -> Answer:
            if request.headers.get("authorization") != basic_authorization("me", NETRC):
                return Answer(status=401)
            return Answer(body, headers={"Content-Type": kind})

        return answer

    with local_server() as server:
        server.routes["/simple/demo/"] = guarded(link.encode(), "text/html")  # type: ignore[assignment]
        server.routes["/simple/demo/demo-1.0-py3-none-any.whl"] = guarded(  # type: ignore[assignment]
            data, "application/octet-stream"
        )
        yield server


def found_in(folders: list[Path], besides: set[Path]) -> list[tuple[Path, str]]:
    """Where a canary is, packed or not."""
    hits = []
    for path in (file for folder in folders for file in folder.rglob("*")):
        if not path.is_file() or path in besides:
            continue
        data = path.read_bytes()
        if data[:2] == b"\x1f\x8b":
            data += gzip.decompress(data)
        hits += [(path, canary) for canary in CANARIES if canary.encode() in data]
    return hits


@pytest.mark.parametrize(
    "commands",
    [
        False,
        pytest.param(
            True, marks=[pytest.mark.slow, pytest.mark.root, pytest.mark.network], id="commands"
        ),
    ],
)
def test_no_secret_stays(
    index: LocalServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    *,
    commands: bool,
) -> None:
    """Commands that read a mounted secret need a whole Debian below them."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home, project):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    (home / ".netrc").write_text(f"machine 127.0.0.1 login me password {NETRC}\n")
    (home / ".netrc").chmod(0o600)
    (project / "token").write_text(MOUNTED)
    caplog.set_level(logging.DEBUG)
    with running_registry(tmp_path / "registry", htpasswd=True) as registry:
        (tmp_path / "docker").mkdir()
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (tmp_path / "docker" / "config.json").write_text(
            json.dumps({"auths": {registry.host: {"auth": auth}}})
        )
        layout = minbase_layout() if commands else small_layout(tmp_path / "base")
        spec = ImageSpec(
            name="private",
            registry=registry.host,
            base_image=f"oci:{_up(project)}{layout}",
            packages=["demo"],
            pip_index=f"{index.url}/simple/",
            pip_secret_mounts=[("token", "/run/secrets/token")],
            commands=[f'test "$(wc -c < /run/secrets/token)" = {len(MOUNTED)}'] * commands,
            place=Place(project, "images"),
        )
        reference = ImageBuildEngine.build(spec)
        assert reference is not None
        assert spec.exist() is True
        broken = spec.with_commands("cat /run/secrets/token; exit 3").with_name("broken")
        if not commands:
            (home / ".netrc").write_text(f"machine 127.0.0.1 login you password {NETRC}\n")
            broken = spec.with_packages("other").with_name("broken")
        with pytest.raises(ImagelockError) as caught:
            ImageBuildEngine.build(broken)
    assert [request.path for request in index.requests if request.headers.get("authorization")]
    said = "\n".join(
        [
            *(caplog.text, repr(spec), spec.to_spec(), reference, str(caught.value)),
            json.dumps(caught.value.as_json()),
        ]
    )
    assert not [canary for canary in CANARIES if canary in said]
    assert found_in([home, project], set()), "the search finds what is there"
    given = {home / ".netrc", project / "token", tmp_path / "registry" / "htpasswd"}
    assert found_in([tmp_path / "store", project, tmp_path / "registry"], given) == []


def small_layout(folder: Path) -> Path:
    """A base with a Python, a C library, and nothing else."""
    writer = LayoutWriter(folder)
    python = Entry("usr/bin/python3.11", b"\x7fELF\x003.11.2\x00", mode=0o755)
    libc = Entry("lib64/libc.so.6", b"\0GNU C Library stable release version 2.36.\n")
    writer.finish([writer.image([tar_of([python, libc])])])
    return folder


def _up(folder: Path) -> str:
    """The way from a folder to the root: a base is named by a relative path."""
    return "/".join([".."] * (len(folder.parts) - 1))
