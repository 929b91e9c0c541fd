from __future__ import annotations

from pathlib import Path

import pytest

from imagelock.fetch.authorization import basic_authorization
from imagelock.fetch.credentials import HostCredentials
from imagelock.fetch.http import Http
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.fetch.store import Store
from imagelock.model.errors import NetworkError, NotFound, UsageError
from imagelock.model.names import PipName
from support.local_server import Answer, LocalServer, Request

CANARY = basic_authorization("me", "canary")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def netrc(home: Path, text: str) -> None:
    (home / ".netrc").write_text(text)
    (home / ".netrc").chmod(0o600)


def test_netrc_knows_hosts(home: Path) -> None:
    netrc(home, "machine private.example login me password canary\n")
    known = HostCredentials({}).known
    assert known("https://private.example/simple/x/") == CANARY
    assert known("https://other.example/simple/x/") is None


def test_the_netrc_of_the_environment(home: Path, tmp_path: Path) -> None:
    netrc(home, "machine private.example login me password wrong\n")
    other = tmp_path / "other"
    other.write_text("machine private.example login me password canary\n")
    known = HostCredentials({"NETRC": str(other)}).known
    assert known("https://private.example/") == CANARY


def test_a_broken_netrc_is_named_but_not_quoted(home: Path) -> None:
    netrc(home, "machine private.example login me passwort canary\n")
    with pytest.raises(UsageError) as caught:
        HostCredentials({}).known("https://private.example/")
    assert str(home / ".netrc") in str(caught.value)
    assert "canary" not in str(caught.value)


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_INDEX_URL": "https://me:canary@private.example/simple"},
        {"PIP_EXTRA_INDEX_URL": "https://pypi.org/simple https://me:canary@private.example/x"},
        {"UV_INDEX": "mine=https://me:canary@private.example/simple"},
        {"UV_DEFAULT_INDEX": "https://me:%63anary@PRIVATE.example/simple"},
    ],
)
def test_index_urls_of_the_environment(variables: dict[str, str]) -> None:
    known = HostCredentials(variables).known
    assert known("https://private.example/files/a.whl") == CANARY
    assert known("http://private.example/files/a.whl") is None
    assert known("https://private.example:8443/") is None
    assert known("https://private.example.evil/") is None


@pytest.mark.usefixtures("home")
def test_the_keyring_is_asked_once_after_a_refusal(tmp_path: Path) -> None:
    program = tmp_path / "keyring"
    program.write_text(
        "#!/bin/sh\n"
        f'echo "$@" >> {tmp_path}/asked\n'
        '[ "$2 $3" = "https://private.example/ me" ] && echo canary\n'
    )
    program.chmod(0o755)
    variables = {"PATH": f"{tmp_path}:/bin", "UV_INDEX_URL": "https://me@private.example/simple"}
    found = HostCredentials(variables)
    assert found.known("https://private.example/a") is None
    assert found.refused("https://private.example/a") == CANARY
    assert found.refused("https://private.example/b") == CANARY
    assert (tmp_path / "asked").read_text() == "get https://private.example/ me\n"


def test_a_private_index(server: LocalServer, home: Path, store: Store) -> None:
    def guarded(request: Request) -> Answer:
        if request.headers.get("authorization") != CANARY:
            return Answer(status=401)
        return Answer(b"<a href='demo-1-py3-none-any.whl'>", headers={"Content-Type": "text/html"})

    server.routes["/simple/demo/"] = guarded
    urls = [f"{server.url}/simple/"]
    with (
        SimpleIndexes(store, Http(), urls) as index,
        pytest.raises(NetworkError, match="401") as caught,
    ):
        index.project(PipName("demo"))
    assert not isinstance(caught.value, NotFound)
    netrc(home, "machine 127.0.0.1 login me password canary\n")
    with SimpleIndexes(store, Http(credentials=HostCredentials({})), urls) as index:
        assert [release.version for release in index.project(PipName("demo")).releases] == ["1"]
