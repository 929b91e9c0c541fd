"""The Simple API over a real server: formats, ranges, caches, and what goes wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from imagelock.fetch.http import Http
from imagelock.fetch.pypi.client import SimpleIndexes
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.names import PipName
from imagelock.resolve.pip.ports import CoreMetadata, IndexFile
from support.local_server import Answer, LocalServer, local_server
from support.wheels import metadata_text, sdist, sha256, wheel

JSON = "application/vnd.pypi.simple.v1+json"
DEMO = PipName("demo")


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urllib3.util.retry.time.sleep", lambda _seconds: None)


@pytest.fixture
def index(server: LocalServer, store: Store) -> Iterator[SimpleIndexes]:
    with SimpleIndexes(store, Http(), [f"{server.url}/simple"]) as made:
        yield made


def publish(server: LocalServer, *files: tuple[str, bytes, dict[str, Any]]) -> None:
    """A JSON page of files, each served under /files/."""
    listed = []
    for filename, data, more in files:
        server.routes[f"/files/{filename}"] = Answer(data)
        entry = {
            "filename": filename,
            "url": f"../../files/{filename}",
            "hashes": {"sha256": sha256(data)},
            "size": len(data),
            **more,
        }
        listed.append({key: value for key, value in entry.items() if value is not None})
    page = {"meta": {"api-version": "1.1"}, "name": "demo", "files": listed}
    server.routes["/simple/demo/"] = Answer(
        json.dumps(page).encode(), headers={"Content-Type": JSON}
    )


def only_file(index: SimpleIndexes) -> IndexFile:
    (release,) = index.project(DEMO).releases
    (file,) = release.files
    return file


def only_metadata(index: SimpleIndexes) -> CoreMetadata:
    return index.metadata(only_file(index))


def test_a_json_page(server: LocalServer, index: SimpleIndexes) -> None:
    data = wheel("demo", "1.0")
    publish(
        server,
        ("demo-1.0-py3-none-any.whl", data, {"requires-python": ">=3.9", "yanked": "bad"}),
        ("demo-2.0-cp312-cp312-win_amd64.whl", data, {}),
        ("demo-1.0.tar.gz", data, {"yanked": True, "upload-time": "2026-01-01T00:00:00Z"}),
        ("demo-3.0rc1-py3-none-any.whl", data, {"core-metadata": {"sha256": "AB" * 32}}),
        ("demo-1.0.exe", data, {}),
        ("other-9-py3-none-any.whl", data, {}),
        ("demo-nonsense.tar.gz", data, {}),
    )
    project = index.project(DEMO)
    assert [release.version for release in project.releases] == ["3.0rc1", "1.0"]
    newest, older = (release.files for release in project.releases)
    assert newest[0].metadata_sha256 == "ab" * 32
    assert [file.filename for file in older] == ["demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"]
    assert [file.yanked for file in older] == ["bad", ""]
    assert older[0].requires_python == ">=3.9"
    assert older[0].size == len(data)
    assert older[0].url == f"{server.url}/files/demo-1.0-py3-none-any.whl"
    assert older[1].uploaded == "2026-01-01T00:00:00Z"


def test_an_html_page(server: LocalServer, index: SimpleIndexes) -> None:
    page = """<!DOCTYPE html><html><head><base href="/files/"></head><body>
    <a href="demo-1.0-py3-none-any.whl#sha256=ABCD" data-requires-python="&gt;=3.9"
       data-yanked="" data-dist-info-metadata="sha256=EF01">demo</a>
    <a href="http://[broken/demo-9-py3-none-any.whl">demo</a> <a>no link</a>
    <a href="demo-1.1%2Bcpu-py3-none-any.whl#md5=00">demo</a>
    </body></html>"""
    server.routes["/simple/demo/"] = Answer(page.encode(), headers={"Content-Type": "text/html"})
    local, plain = (release.files[0] for release in index.project(DEMO).releases)
    assert local.filename == "demo-1.1+cpu-py3-none-any.whl"
    assert local.sha256 is None
    assert plain == IndexFile(
        filename="demo-1.0-py3-none-any.whl",
        url=f"{server.url}/files/demo-1.0-py3-none-any.whl",
        sha256="abcd",
        requires_python=">=3.9",
        yanked="",
        metadata_sha256="ef01",
    )


def test_one_version_however_it_is_spelt(server: LocalServer, index: SimpleIndexes) -> None:
    publish(
        server,
        ("demo-1.0-py3-none-any.whl", b"a", {}),
        ("demo-1.0.0.tar.gz", b"b", {}),
        ("Demo-1.00.zip", b"c", {}),
    )
    (release,) = index.project(DEMO).releases
    assert len(release.files) == 3


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("size", [0, 100_000, 1_000_000])
@pytest.mark.parametrize("known_size", [True, False])
def test_metadata_of_a_wheel_by_ranges(
    server: LocalServer, index: SimpleIndexes, *, early: bool, size: int, known_size: bool
) -> None:
    data = wheel("demo", "1.0", ("other>=1",), padding=size, early=early)
    more = {} if known_size else {"size": None}
    publish(server, ("demo-1.0-py3-none-any.whl", data, more))
    assert only_metadata(index).requires_dist == ("other>=1",)
    requests = server.asked("/files/demo-1.0-py3-none-any.whl")
    assert len(requests) <= 2
    if size:
        assert all("range" in request.headers for request in requests)


def test_a_server_without_ranges(server: LocalServer, index: SimpleIndexes, store: Store) -> None:
    server.ranges = False
    data = wheel("demo", "1.0", ("other",), padding=200_000)
    publish(server, ("demo-1.0-py3-none-any.whl", data, {}))
    assert only_metadata(index).requires_dist == ("other",)
    assert store.find(only_file(index).sha256) is not None  # type: ignore[arg-type]


def test_a_whole_file_must_have_its_hash(server: LocalServer, index: SimpleIndexes) -> None:
    server.ranges = False
    publish(
        server,
        (
            "demo-1.0-py3-none-any.whl",
            wheel("demo", "1.0", padding=100_000),
            {"hashes": {"sha256": "0" * 64}},
        ),
    )
    with pytest.raises(IntegrityError, match="expected sha256 000"):
        only_metadata(index)


def test_advertised_metadata_is_used(server: LocalServer, index: SimpleIndexes) -> None:
    text = metadata_text("demo", "1.0", ("other",))
    more = {"core-metadata": {"sha256": sha256(text)}}
    publish(server, ("demo-1.0-py3-none-any.whl", b"never read", more))
    server.routes["/files/demo-1.0-py3-none-any.whl.metadata"] = Answer(text)
    assert only_metadata(index).requires_dist == ("other",)
    assert server.asked("/files/demo-1.0-py3-none-any.whl") == []


def test_advertised_metadata_must_have_its_hash(server: LocalServer, index: SimpleIndexes) -> None:
    more = {"core-metadata": {"sha256": "1" * 64}}
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), more))
    server.routes["/files/demo-1.0-py3-none-any.whl.metadata"] = Answer(
        metadata_text("demo", "1.0")
    )
    with pytest.raises(IntegrityError, match="expected sha256 1111"):
        only_metadata(index)


def test_advertised_metadata_that_is_missing(server: LocalServer, index: SimpleIndexes) -> None:
    publish(
        server,
        ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0", ("other",)), {"core-metadata": True}),
    )
    assert only_metadata(index).requires_dist == ("other",)


def test_nothing_is_tried_that_is_not_advertised(server: LocalServer, index: SimpleIndexes) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), {}))
    only_metadata(index)
    assert server.asked("/files/demo-1.0-py3-none-any.whl.metadata") == []


@pytest.mark.parametrize(
    "damaged",
    [
        b"",
        b"not a zip archive" * 10,
        wheel("demo", "1.0")[:-30],
        wheel("demo", "1.0").replace(b"PK\x01\x02", b"PK\x09\x09"),
        wheel("demo", "1.0").replace(b"METADATA", b"METADATE"),
    ],
)
def test_a_damaged_wheel_is_an_integrity_error(
    server: LocalServer, index: SimpleIndexes, damaged: bytes
) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", damaged, {}))
    with pytest.raises(IntegrityError) as caught:
        only_metadata(index)
    assert "demo-1.0-py3-none-any.whl" in caught.value.where


def test_a_size_that_disagrees_is_an_error(server: LocalServer, index: SimpleIndexes) -> None:
    data = wheel("demo", "1.0", padding=300_000)
    publish(server, ("demo-1.0-py3-none-any.whl", data, {"size": len(data) - 1}))
    with pytest.raises(NetworkError, match="asked for the end"):
        only_metadata(index)


def test_an_sdist_with_static_metadata(server: LocalServer, index: SimpleIndexes) -> None:
    data = sdist("demo", "1.0", metadata_text("demo", "1.0", ("other",)))
    publish(server, ("demo-1.0.tar.gz", data, {}))
    assert only_metadata(index).requires_dist == ("other",)


@pytest.mark.parametrize(
    "text",
    [
        metadata_text("demo", "1.0", dynamic="Requires-Dist"),
        metadata_text("demo", "1.0").replace(b"2.2", b"2.1"),
    ],
)
def test_an_sdist_without_static_metadata(
    server: LocalServer, index: SimpleIndexes, text: bytes
) -> None:
    publish(server, ("demo-1.0.tar.gz", sdist("demo", "1.0", text), {}))
    with pytest.raises(NotFound, match="after a build"):
        only_metadata(index)


def test_the_first_index_that_has_a_project_wins(server: LocalServer, store: Store) -> None:
    with local_server() as public:
        publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), {}))
        publish(public, ("demo-99.0-py3-none-any.whl", wheel("demo", "99.0"), {}))
        public.routes["/simple/common/"] = Answer(
            b'{"meta": {}, "files": []}', headers={"Content-Type": JSON}
        )
        urls = [f"{server.url}/simple", f"{public.url}/simple/"]
        with SimpleIndexes(store, Http(), urls) as index:
            assert [release.version for release in index.project(DEMO).releases] == ["1.0"]
            assert index.project(PipName("common")).index == f"{public.url}/simple/"
            with pytest.raises(NotFound, match="no index has a project 'missing'"):
                index.project(PipName("missing"))


def test_an_index_that_fails_does_not_open_the_next(server: LocalServer, store: Store) -> None:
    with local_server() as public:
        server.routes["/simple/demo/"] = Answer(status=500)
        publish(public, ("demo-99.0-py3-none-any.whl", wheel("demo", "99.0"), {}))
        urls = [f"{server.url}/simple", f"{public.url}/simple/"]
        with (
            SimpleIndexes(store, Http(), urls) as index,
            pytest.raises(NetworkError, match="HTTP 500"),
        ):
            index.project(DEMO)


def test_what_was_read_is_there_offline(server: LocalServer, store: Store) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0", ("other",)), {}))
    url = f"{server.url}/simple/"
    with SimpleIndexes(store, Http(), [url]) as index:
        before = only_file(index), only_metadata(index)
        with pytest.raises(NotFound):
            index.project(PipName("missing"))
    asked = len(server.requests)
    with SimpleIndexes(store, Http(offline=True), [url]) as index:
        assert (only_file(index), only_metadata(index)) == before
        with pytest.raises(NotFound):
            index.project(PipName("missing"))
        with pytest.raises(NetworkError, match="network is off"):
            index.project(PipName("unseen"))
    assert len(server.requests) == asked


@pytest.mark.parametrize("text", ["{}", "[]", "null", "3", '{"body": 1}', "not json"])
def test_a_damaged_record_counts_as_absent(server: LocalServer, store: Store, text: str) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0", ("other",)), {}))
    url = f"{server.url}/simple/"
    with SimpleIndexes(store, Http(), [url]) as index:
        before = only_file(index), only_metadata(index)
    records = [path for path in (store.root / "records").rglob("*") if path.is_file()]
    assert len(records) == 2
    for path in records:
        path.write_text(text)
    with SimpleIndexes(store, Http(), [url]) as index:
        assert (only_file(index), only_metadata(index)) == before


def test_a_page_is_revalidated_by_etag(server: LocalServer, store: Store) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), {}))
    page = server.routes["/simple/demo/"]
    assert isinstance(page, Answer)
    page.headers["ETag"] = '"one"'
    with SimpleIndexes(store, Http(), [f"{server.url}/simple/"]) as index:
        before = only_file(index)
    server.routes["/simple/demo/"] = Answer(status=304)
    with SimpleIndexes(store, Http(), [f"{server.url}/simple/"]) as index:
        assert only_file(index) == before
    assert server.requests[-1].headers["if-none-match"] == '"one"'


def test_a_changed_page_is_read_again(server: LocalServer, store: Store) -> None:
    for version in ("1.0", "2.0"):
        publish(server, (f"demo-{version}-py3-none-any.whl", wheel("demo", version), {}))
        with SimpleIndexes(store, Http(), [f"{server.url}/simple/"]) as index:
            assert index.project(DEMO).releases[0].version == version


def test_links_of_a_mirror_are_kept_as_canonical(server: LocalServer, store: Store) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), {}))
    page = server.routes["/simple/demo/"]
    assert isinstance(page, Answer)
    page.body = page.body.replace(b"../../files/", f"{server.url}/files/".encode())
    http = Http(
        mirrors={
            "https://index.invalid/simple/": f"{server.url}/simple/",
            "https://files.invalid/": f"{server.url}/files/",
        }
    )
    with SimpleIndexes(store, http, ["https://index.invalid/simple/"]) as index:
        file = only_file(index)
        assert file.url == "https://files.invalid/demo-1.0-py3-none-any.whl"
        assert index.metadata(file).version == "1.0"


def test_credentials_never_reach_a_file_url(server: LocalServer, store: Store) -> None:
    publish(server, ("demo-1.0-py3-none-any.whl", wheel("demo", "1.0"), {}))
    url = server.url.replace("http://", "http://user:canary@")
    with SimpleIndexes(store, Http(), [f"{url}/simple/"]) as index:
        assert "canary" not in only_file(index).url
        assert "canary" not in repr(index.project(DEMO))
    for path in store.root.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>captive portal</html>", JSON),
        (b'{"meta": {"api-version": "2.0"}, "files": []}', JSON),
        (b'{"files": [{"filename": 3}]}', JSON),
        (b'{"meta": {}}', JSON),
        (b"[]", JSON),
        (b"\x00", "application/octet-stream"),
    ],
)
def test_a_page_that_is_none(
    server: LocalServer, index: SimpleIndexes, body: bytes, kind: str
) -> None:
    server.routes["/simple/demo/"] = Answer(body, headers={"Content-Type": kind})
    with pytest.raises(NetworkError) as caught:
        index.project(DEMO)
    assert caught.value.where == f"{server.url}/simple/demo/"


def test_what_lies_beside_a_wheel_is_compared_with_the_wheel_once_it_is_at_hand(
    server: LocalServer, store: Store, http: Http
) -> None:
    """The advertised metadata asks for less than the wheel does."""
    data, told = wheel("demo", "1.0", ("evil",)), metadata_text("demo", "1.0")
    more = {"core-metadata": {"sha256": sha256(told)}}
    publish(server, ("demo-1.0-py3-none-any.whl", data, more))
    server.routes["/files/demo-1.0-py3-none-any.whl.metadata"] = Answer(told)
    with SimpleIndexes(store, http, [f"{server.url}/simple"]) as first:
        assert only_metadata(first).requires_dist == ()
    store.add_bytes(data)
    with (
        SimpleIndexes(store, http, [f"{server.url}/simple"]) as second,
        pytest.raises(IntegrityError, match="its own Requires-Dist is"),
    ):
        only_metadata(second)
