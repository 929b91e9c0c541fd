"""Credentials of rattler's file: for channels alone, and shown nowhere."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from imagelock.fetch.authorization import basic_authorization
from imagelock.fetch.credentials import HostCredentials
from imagelock.fetch.http import Http
from imagelock.lock import encode_lock
from imagelock.model.errors import ImagelockError, NetworkError, UsageError
from imagelock.model.lock import Lock
from support.conda_forge import Channels, conda_spec, record
from support.local_server import Answer, Request

CANARY = "tk-s3cret-canary"
FILE = "linux-64/repodata.json.zst"


def credentials(folder: Path, table: object, **variables: str) -> HostCredentials:
    path = folder / "auth.json"
    path.write_text(table if isinstance(table, str) else json.dumps(table))
    return HostCredentials({"RATTLER_AUTH_FILE": str(path), **variables})


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.parametrize(
    ("key", "url", "is_for_it"),
    [
        ("a.example.com", "https://a.example.com/c/", True),
        ("a.example.com", "https://b.example.com/c/", False),
        ("example.com", "https://a.example.com/c/", False),
        ("*.example.com", "https://a.b.example.com/c/", True),
        ("*.example.com", "https://example.com/c/", True),
        ("*.example.com", "https://example.com.evil/c/", False),
        ("*.example.com", "https://notexample.com/c/", False),
        ("A.Example.com", "https://a.EXAMPLE.com:8443/c/", True),
        ("127.0.0.1:80", "http://127.0.0.1:80/c/", True),
        ("127.0.0.1:80", "http://127.0.0.1:81/c/", False),
    ],
)
def test_an_entry_is_for_its_hosts(tmp_path: Path, key: str, url: str, *, is_for_it: bool) -> None:
    found = credentials(tmp_path, {key: {"BearerToken": CANARY}})
    assert found.known(url + FILE) == (f"Bearer {CANARY}" if is_for_it else None)
    assert found.known(url + "noarch/a-1-0.conda") == found.known(url + FILE)
    # No other request of the same host gets it: an index of pip, a registry, a page.
    for path in ("simple/a/", "a-1-py3-none-any.whl", "v2/x/manifests/1", "linux-64/"):
        assert found.known(url + path) is None


def test_the_nearest_entry_counts(tmp_path: Path) -> None:
    entries = {
        "*.example.com": {"BearerToken": "far"},
        "*.a.example.com": {"BasicHTTP": {"username": "me", "password": CANARY}},
    }
    found = credentials(tmp_path, entries)
    assert found.known(f"https://a.example.com/{FILE}") == basic_authorization("me", CANARY)
    assert found.known(f"https://b.example.com/{FILE}") == "Bearer far"


def test_a_conda_token_stands_in_the_path_of_its_host(tmp_path: Path) -> None:
    found = credentials(tmp_path, {"*.anaconda.org": {"CondaToken": f"{CANARY}/x"}})
    url = f"https://conda.anaconda.org/acme/{FILE}"
    assert found.located(url) == f"https://conda.anaconda.org/t/{CANARY}%2Fx/acme/{FILE}"
    assert found.known(url) is None
    with_token = url.replace("/acme", "/t/other/acme")
    assert found.located(with_token) == with_token
    for other in (url.replace("anaconda", "else"), "https://conda.anaconda.org/simple/x/"):
        assert found.located(other) == other


def test_the_file_in_the_home_and_before_netrc(tmp_path: Path) -> None:
    assert HostCredentials({}).known(f"https://h.example/{FILE}") is None
    (tmp_path / ".netrc").write_text("machine h.example login me password netrc\n")
    (tmp_path / ".netrc").chmod(0o600)
    (tmp_path / ".rattler").mkdir()
    entries = json.dumps({"h.example": {"BearerToken": CANARY}})
    (tmp_path / ".rattler/credentials.json").write_text(entries)
    found = HostCredentials({})
    assert found.known(f"https://h.example/{FILE}") == f"Bearer {CANARY}"
    assert found.known("https://h.example/simple/") == basic_authorization("me", "netrc")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (f'{{"h": {CANARY}', "expected a JSON object, got something else (line 1)"),
        ("[]", "expected a JSON object by host"),
        ({"h": CANARY}, "expected one of BasicHTTP, "),
        ({"h": {CANARY: 1}}, "expected one of BasicHTTP, "),
        ({"h": {"BearerToken": CANARY, "CondaToken": CANARY}}, "expected one of"),
        ({"h": {"BearerToken": [CANARY]}}, "the BearerToken of 'h'"),
        ({"h": {"BearerToken": f"{CANARY}\r\nX: y"}}, "the BearerToken of 'h'"),
        ({"h": {"BasicHTTP": {"username": CANARY}}}, "the BasicHTTP of 'h'"),
        ({"h": {"OAuth": {"access_token": CANARY}}}, "OAuth, which 'h' has, is not supported"),
    ],
)
def test_a_wrong_file_is_named_and_not_quoted(tmp_path: Path, table: object, said: str) -> None:
    found = credentials(tmp_path, table)
    assert found.known("https://h/simple/x/") is None
    with pytest.raises(UsageError) as caught:
        found.known(f"https://h/c/{FILE}")
    assert said in caught.value.message
    assert caught.value.where == str(tmp_path / "auth.json")
    assert CANARY not in f"{caught.value}{caught.value.hint}"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    found = HostCredentials({"RATTLER_AUTH_FILE": str(tmp_path / "none.json")})
    with pytest.raises(UsageError, match="RATTLER_AUTH_FILE names no file"):
        found.known(f"https://h/{FILE}")


def locked(channels: Channels, folder: Path, entry: object) -> Lock:
    """A lock of a private channel at its URL, by an entry of its host."""
    http = Http(credentials=credentials(folder, {"127.0.0.1": entry}))
    context = replace(channels.context(), http=http)
    channels.context = lambda **_: context  # type: ignore[method-assign]
    return channels.lock(conda_spec("lib", channels=(f"{channels.server.url}/lab/",)))


@pytest.mark.parametrize("kind", ["BearerToken", "CondaToken"])
def test_a_private_channel_is_locked_without_a_trace_of_its_secret(
    empty: Channels, tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    empty.add("lab", noarch=record("lib", "1.0"))
    routes = empty.server.routes

    def guarded(path: str) -> None:
        route = routes[path]
        assert callable(route)

        def ask(request: Request) -> Answer:
            shown = request.headers.get("authorization", "") + request.path
            return route(request) if CANARY in shown else Answer(status=401)

        routes[path] = routes[f"/t/{CANARY}{path}"] = ask

    for path in list(routes):
        guarded(path)
    lock = locked(empty, tmp_path, {kind: CANARY})
    assert [pin.version for pin in lock.conda] == ["1.0"]
    assert CANARY not in encode_lock(lock).decode()
    kept = [path for path in empty.store.root.rglob("*") if path.is_file()]
    assert not any(CANARY.encode() in path.read_bytes() for path in kept)
    assert "urllib3" in caplog.text
    assert CANARY not in caplog.text


def test_a_broken_channel_is_told_without_its_token(
    empty: Channels, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """urllib3 warns of what it tries again, with the path it asked for."""
    caplog.set_level(logging.DEBUG)
    path = f"/t/{CANARY}/lab/linux-64/repodata.json.zst"
    empty.server.routes[path] = Answer(b"x" * 100, cut=50)
    with pytest.raises(ImagelockError) as caught:
        locked(empty, tmp_path, {"CondaToken": CANARY})
    assert isinstance(caught.value, NetworkError)
    assert empty.server.asked(path)
    assert CANARY not in f"{caught.value}{caught.value.where}{caught.value.hint}{caplog.text}"
    shown: BaseException | None = caught.value
    while shown is not None:
        assert CANARY not in str(shown)
        shown = None if shown.__suppress_context__ else shown.__cause__ or shown.__context__
