"""Faults that cannot be ordered from a real registry: limits, redirects, mirrors, lies."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.names import digest
from imagelock.model.platform import Platform
from imagelock.registry.client import RegistryClient
from imagelock.registry.credentials import Credential
from imagelock.registry.source import RegistrySource
from support.local_server import Answer, LocalServer, Request, Route, local_server
from support.registry import PASSWORD, USER

AMD64 = Platform("linux/amd64")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = b"layer bytes"


def sha256_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


CONFIG = json.dumps(
    {"os": "linux", "architecture": "amd64", "rootfs": {"diff_ids": [sha256_of(LAYER)]}}
).encode()
MANIFEST_DATA = json.dumps(
    {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": "c", "digest": sha256_of(CONFIG), "size": len(CONFIG)},
        "layers": [
            {
                "mediaType": "application/vnd.oci.image.layer.v1.tar",
                "digest": sha256_of(LAYER),
                "size": len(LAYER),
            }
        ],
    }
).encode()


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        serve(running)
        yield running


def serve(server: LocalServer, *, repository: str = "team/app") -> None:
    root = f"/v2/{repository}"
    headers = {"Docker-Content-Digest": sha256_of(MANIFEST_DATA), "Content-Type": MANIFEST}
    server.routes[f"{root}/manifests/1"] = Answer(MANIFEST_DATA, headers=headers)
    server.routes[f"{root}/manifests/{sha256_of(MANIFEST_DATA)}"] = Answer(MANIFEST_DATA)
    server.routes[f"{root}/blobs/{sha256_of(CONFIG)}"] = Answer(CONFIG)
    server.routes[f"{root}/blobs/{sha256_of(LAYER)}"] = Answer(LAYER)


def source(
    tmp_path: Path,
    *,
    mirrors: dict[str, str] | None = None,
    credentials: dict[str, Credential] | None = None,
) -> RegistrySource:
    store = Store(tmp_path)
    client = RegistryClient(
        Http(mirrors=mirrors),
        store,
        credentials=(credentials or {}).get,
        mirrors=mirrors or {},
        environment={},
    )
    return RegistrySource(client, store)


def name_of(server: LocalServer) -> str:
    return f"{server.url.removeprefix('http://')}/team/app:1"


def pull(found: RegistrySource, reference: str) -> bytes:
    image = found.image(reference, found.digest(reference, AMD64), AMD64)
    return found.layer(reference, image.layers[0]).read_bytes()


def test_a_rate_limit_is_waited_for(server: LocalServer, tmp_path: Path) -> None:
    path = f"/v2/team/app/blobs/{sha256_of(LAYER)}"
    server.routes[path] = [Answer(status=429, headers={"Retry-After": "0"}), Answer(LAYER)]
    assert pull(source(tmp_path), name_of(server)) == LAYER
    assert len(server.asked(path)) >= 2


def test_a_rate_limit_that_stays_is_said(server: LocalServer, tmp_path: Path) -> None:
    limited = Answer(status=429, headers={"Retry-After": "0"})
    server.routes["/v2/team/app/manifests/1"] = limited
    with pytest.raises(NetworkError, match="rate limit"):
        source(tmp_path).digest(name_of(server), AMD64)


@pytest.mark.parametrize("status", [401, 403, 418])
def test_exists_is_unknown_when_the_registry_does_not_say(
    status: int, server: LocalServer, tmp_path: Path
) -> None:
    server.routes["/v2/team/app/manifests/1"] = Answer(status=status, headers={"Retry-After": "0"})
    assert source(tmp_path).exists(name_of(server), AMD64) is None


HARBOR = b'{"errors":[{"code":"NOT_FOUND","message":"artifact team/app:1 not found"}]}'
HUB = (
    b'{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":'
    b'[{"Type":"repository","Class":"","Name":"team/app","Action":"pull"}]}]}'
)
HARBOR_DENIED = b'{"errors":[{"code":"UNAUTHORIZED","message":"unauthorized to access"}]}'


@pytest.mark.parametrize(
    ("status", "body", "answer"),
    [(404, HARBOR, False), (401, HUB, None), (401, HARBOR_DENIED, None), (404, b"<html>", False)],
)
def test_exists_goes_by_the_answer_s_status_whatever_its_text(
    status: int, body: bytes, *, answer: bool | None, server: LocalServer, tmp_path: Path
) -> None:
    server.routes["/v2/team/app/manifests/1"] = Answer(body, status=status)
    assert source(tmp_path).exists(name_of(server), AMD64) is answer


def test_a_registry_without_head_or_digest_header(server: LocalServer, tmp_path: Path) -> None:
    def no_head(request: Request) -> Answer:
        return Answer(status=405) if request.method == "HEAD" else Answer(MANIFEST_DATA)

    server.routes["/v2/team/app/manifests/1"] = no_head
    assert pull(source(tmp_path), name_of(server)) == LAYER


def test_a_manifest_that_is_not_its_digest_is_refused(server: LocalServer, tmp_path: Path) -> None:
    path = f"/v2/team/app/manifests/{sha256_of(MANIFEST_DATA)}"
    server.routes[path] = Answer(MANIFEST_DATA + b" ")
    with pytest.raises(IntegrityError, match="expected the manifest"):
        source(tmp_path).digest(name_of(server), AMD64)


def test_a_layer_longer_than_said_is_not_read_on(server: LocalServer, tmp_path: Path) -> None:
    server.routes[f"/v2/team/app/blobs/{sha256_of(LAYER)}"] = Answer(LAYER * 100_000)
    with pytest.raises(IntegrityError, match="got more"):
        pull(source(tmp_path), name_of(server))


def test_a_token_does_not_follow_a_blob_to_another_host(
    server: LocalServer, tmp_path: Path
) -> None:
    host = server.url.removeprefix("http://")
    layer = f"/v2/team/app/blobs/{sha256_of(LAYER)}"
    with local_server() as storage:
        storage.routes["/bucket/layer"] = Answer(LAYER)
        redirect = Answer(status=307, headers={"Location": f"{storage.url}/bucket/layer"})
        for path, route in list(server.routes.items()):
            target = redirect if path == layer else route
            server.routes[path] = _locked(target)
        found = source(tmp_path, credentials={host: Credential(user=USER, secret=PASSWORD)})
        assert pull(found, name_of(server)) == LAYER
        assert "authorization" in server.asked(layer)[-1].headers
        assert all("authorization" not in request.headers for request in storage.requests)
        assert storage.requests


def _locked(answer: object) -> Route:
    expected = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    def route(request: Request) -> Answer:
        if request.headers.get("authorization") != expected:
            return Answer(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})
        assert isinstance(answer, Answer)
        return answer

    return route


def test_a_mirror_answers_for_the_hub_and_never_sees_its_password(tmp_path: Path) -> None:
    with local_server() as mirror:
        serve(mirror, repository="library/python")
        for path, route in list(mirror.routes.items()):
            mirror.routes[path] = _locked(route)
        mirrors = {"https://registry-1.docker.io/": f"{mirror.url}/"}
        hub = {"docker.io": Credential(user=USER, secret=PASSWORD)}
        with pytest.raises(NetworkError, match="asks for a user and password") as caught:
            source(tmp_path, mirrors=mirrors, credentials=hub).digest("python:1", AMD64)
        assert mirror.url not in str(caught.value)
        assert all("authorization" not in request.headers for request in mirror.requests)
        own = {mirror.url.removeprefix("http://"): Credential(user=USER, secret=PASSWORD)}
        found = source(tmp_path, mirrors=mirrors, credentials=own)
        assert pull(found, "python:1") == LAYER


def test_credentials_are_not_sent_in_the_clear(tmp_path: Path) -> None:
    """A mirror on plain http stands for a registry; a password for it would be readable."""
    with local_server() as mirror:
        port = mirror.url.rpartition(":")[2]
        realm = f"http://registry.invalid:{port}/token"
        challenge = {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}
        mirror.routes["/v2/team/app/manifests/1"] = Answer(status=401, headers=challenge)
        host = f"127.0.0.1:{port}"
        found = source(tmp_path, credentials={host: Credential(user=USER, secret=PASSWORD)})
        with pytest.raises(NetworkError, match="over plain http"):
            found.digest(f"{host}/team/app:1", AMD64)


def test_a_layer_cut_short_goes_on_where_it_stopped(server: LocalServer, tmp_path: Path) -> None:
    path = f"/v2/team/app/blobs/{sha256_of(LAYER)}"
    found = source(tmp_path)
    image = found.image(name_of(server), found.digest(name_of(server), AMD64), AMD64)
    progress: list[int] = []
    server.routes[path] = [Answer(LAYER, cut=4), Answer(LAYER)]
    layer = found.layer(name_of(server), image.layers[0], progress=progress.append)
    assert layer.read_bytes() == LAYER
    assert sum(progress) == len(LAYER)
    assert server.asked(path)[-1].headers["range"] == f"bytes={len(LAYER) - 4}-"


def test_a_blob_whose_storage_refuses_head(server: LocalServer, tmp_path: Path) -> None:
    """Signed URLs are good for one method; a layer must be read without the manifest before it."""
    path = f"/v2/team/app/blobs/{sha256_of(LAYER)}"
    image = source(tmp_path).image(name_of(server), digest(sha256_of(MANIFEST_DATA)), AMD64)

    def no_head(request: Request) -> Answer:
        return Answer(status=403) if request.method == "HEAD" else Answer(LAYER)

    server.routes[path] = no_head
    later = source(tmp_path)
    assert later.layer(name_of(server), image.layers[0]).read_bytes() == LAYER
    server.routes[path] = Answer(status=404)
    with pytest.raises(NotFound, match="no such image"):
        source(tmp_path / "fresh").layer(name_of(server), image.layers[0])
