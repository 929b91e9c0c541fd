"""The second process that reads pages: the same answers, and nothing lost when it dies."""

from __future__ import annotations

import json
import time
from concurrent.futures import Future
from typing import Any

import pytest

from imagelock.fetch.credentials import HostCredentials
from imagelock.fetch.http import Http
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.fetch.pypi.page_process import PageProcess
from imagelock.fetch.pypi.page_source import PageSource
from imagelock.fetch.store import Store
from imagelock.model.errors import NetworkError, NotFound
from imagelock.model.names import PipName
from support.local_server import Answer, LocalServer, Request
from support.processes import PATIENCE

JSON = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
NAMES = [PipName(f"demo-{number}") for number in range(20)]


def page(name: str) -> Answer:
    files = [
        {
            "filename": f"{name.replace('-', '_')}-{version}-py3-none-any.whl",
            "url": f"/files/{name}-{version}",
            "hashes": {"sha256": "a" * 64},
            "size": 10,
        }
        for version in ("1.0", "2.0")
    ]
    return Answer(json.dumps({"meta": {"api-version": "1.1"}, "files": files}).encode(), 200, JSON)


@pytest.fixture
def source(server: LocalServer, store: Store) -> PageSource:
    for name in NAMES:
        server.routes[f"/simple/{name}/"] = page(name)
    return PageSource(store, Http(), [f"{server.url}/simple"], ())


def lost(_name: PipName, _future: Future[Any]) -> None:
    pytest.fail("the process left a name")


def ask(process: PageProcess, name: PipName) -> Future[Any]:
    """Ask as soon as the process is up."""
    future: Future[Any] = Future()
    end = time.monotonic() + PATIENCE
    while not process.ask(name, future):
        assert time.monotonic() < end
        time.sleep(0.01)
    return future


def test_the_same_answers(source: PageSource) -> None:
    process = PageProcess(source, lost)
    try:
        asked = {name: ask(process, name) for name in NAMES}
        assert {name: future.result(PATIENCE) for name, future in asked.items()} == {
            name: source.releases(name) for name in NAMES
        }
    finally:
        process.close()


def test_errors_are_the_same(source: PageSource, server: LocalServer) -> None:
    server.routes["/simple/html/"] = Answer(b"{}", 200, JSON)
    process = PageProcess(source, lost)
    try:
        for name, kind in (("none", NotFound), ("html", NetworkError)):
            with pytest.raises(kind) as here:
                source.releases(PipName(name))
            with pytest.raises(kind) as there:
                ask(process, PipName(name)).result(PATIENCE)
            assert str(there.value) == str(here.value)
    finally:
        process.close()


def test_what_nobody_expected_is_met_by_the_parent(store: Store) -> None:
    source = PageSource(store, Http(), ["http://[no-address"], ())
    left: list[str] = []
    process = PageProcess(source, lambda name, _future: left.append(name))
    try:
        ask(process, NAMES[0])
        end = time.monotonic() + PATIENCE
        while not left and time.monotonic() < end:
            time.sleep(0.01)
        assert left == [NAMES[0]]
    finally:
        process.close()
    with SimpleIndexes(store, Http(), source.indexes) as index:
        for name in NAMES:
            with pytest.raises(ValueError, match="IPv6"):
                index.project(name)


def test_it_has_our_credentials_and_mirrors(store: Store, server: LocalServer) -> None:
    def guarded(request: Request) -> Answer:
        return page("demo-1") if "authorization" in request.headers else Answer(b"", 401)

    server.routes["/mirror/demo-1/"] = guarded
    address = server.url.removeprefix("http://")
    environment = {"PIP_INDEX_URL": f"http://somebody:word@{address}/", "NETRC": "/dev/null"}
    client = Http(
        mirrors={"https://index.invalid/simple/": f"{server.url}/mirror/"},
        credentials=HostCredentials(environment),
    )
    process = PageProcess(PageSource(store, client, ["https://index.invalid/simple/"], ()), lost)
    try:
        index, releases = ask(process, PipName("demo-1")).result(PATIENCE)
    finally:
        process.close()
    assert index == "https://index.invalid/simple/"
    assert [version for version, _rows in releases] == ["2.0", "1.0"]


def test_what_a_killed_process_leaves_is_given_back(
    source: PageSource, server: LocalServer
) -> None:
    def slow(_request: Request) -> Answer:
        time.sleep(5)
        return page("slow")

    server.routes["/simple/slow/"] = slow
    left: list[str] = []
    process = PageProcess(source, lambda name, _future: left.append(name))
    try:
        ask(process, PipName("slow"))
        process._process.kill()
        process._reader.join(PATIENCE)
        assert left == ["slow"]
        assert not process.ask(PipName("demo-1"), Future())
    finally:
        process.close()


@pytest.mark.parametrize("executable", ["/bin/false", "/nonexistent", ""])
def test_a_resolution_goes_on_without_it(
    source: PageSource, monkeypatch: pytest.MonkeyPatch, executable: str
) -> None:
    monkeypatch.setattr("sys.executable", executable)
    with SimpleIndexes(source.store, source.http, source.indexes) as index:
        for name in NAMES:
            assert [release.version for release in index.project(name).releases] == ["2.0", "1.0"]


def test_many_names_use_it(source: PageSource) -> None:
    with SimpleIndexes(source.store, source.http, source.indexes) as index:
        for name in NAMES:
            assert index.project(name).name == name
        assert index._pages is not None
    assert index._pages._process.returncode is not None
