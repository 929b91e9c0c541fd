"""Artifacts from servers with faults: always the right bytes, or a clear error."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.fetch.artifacts import ArtifactFetcher, snapshot_archives
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.fetch.trees import folder_tar
from imagelock.model.archives import Archive, Artifact
from imagelock.model.errors import IntegrityError, NetworkError, NotFound
from imagelock.model.lock import AptIndexPin
from imagelock.model.names import Sha256
from support.local_server import Answer, LocalServer, Request, local_server

DATA = bytes(range(256)) * 4000


def artifact(path: str = "pool/a.deb", data: bytes = DATA) -> Artifact:
    digest = Sha256(hashlib.sha256(data).hexdigest())
    return Artifact(archive="test", path=path, sha256=digest, size=len(data))


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as running:
        yield running


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path)


class Watch:
    """Adds up what the progress says."""

    def __init__(self) -> None:
        self.total = 0

    def __call__(self, _artifact: Artifact, size: int) -> None:
        self.total += size


def fetch(
    store: Store,
    server: LocalServer,
    *artifacts: Artifact,
    watch: Watch | None = None,
    offline: bool = False,
) -> dict[str, Path]:
    archives = (Archive(name="test", url=f"{server.url}/live/"),)
    fallbacks = {"test": (f"{server.url}/snapshot-1/", f"{server.url}/snapshot-2/")}
    fetcher = ArtifactFetcher(store, Http(offline=offline))
    return fetcher.fetch(artifacts, archives, progress=watch or Watch(), fallbacks=fallbacks)


def test_the_live_archive_is_asked_first_and_alone(store: Store, server: LocalServer) -> None:
    server.routes["/live/pool/a.deb"] = Answer(DATA)
    watch = Watch()
    found = fetch(store, server, artifact(), watch=watch)
    assert found[artifact().sha256].read_bytes() == DATA
    assert [request.path for request in server.requests] == ["/live/pool/a.deb"]
    assert watch.total == len(DATA)
    fetch(store, server, artifact())
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", [Answer(status=404), Answer(b"x" * len(DATA)), Answer(b"short")])
def test_a_snapshot_is_asked_when_the_live_archive_has_other_bytes(
    fault: Answer, store: Store, server: LocalServer
) -> None:
    server.routes["/live/pool/a.deb"] = fault
    server.routes["/snapshot-2/pool/a.deb"] = Answer(DATA)
    watch = Watch()
    found = fetch(store, server, artifact(), watch=watch)
    assert found[artifact().sha256].read_bytes() == DATA
    assert watch.total == len(DATA)
    assert [entry.sha256 for entry in store.entries()] == [artifact().sha256]


def test_wrong_bytes_everywhere_is_exit_5_and_names_the_source(
    store: Store, server: LocalServer
) -> None:
    server.routes["/live/pool/a.deb"] = Answer(b"x" * len(DATA))
    with pytest.raises(IntegrityError, match="expected sha256") as caught:
        fetch(store, server, artifact())
    assert caught.value.where == f"{server.url}/live/pool/a.deb"
    assert list(store.entries()) == []
    assert list((store.root / "tmp").iterdir()) == []


def test_gone_everywhere_names_the_live_archive(store: Store, server: LocalServer) -> None:
    with pytest.raises(NotFound) as caught:
        fetch(store, server, artifact())
    assert caught.value.where == f"{server.url}/live/pool/a.deb"


def test_a_download_cut_short_goes_on_where_it_stopped(store: Store, server: LocalServer) -> None:
    half = len(DATA) // 2
    server.routes["/live/pool/a.deb"] = [Answer(DATA, cut=half), Answer(DATA)]
    watch = Watch()
    found = fetch(store, server, artifact(), watch=watch)
    assert found[artifact().sha256].read_bytes() == DATA
    ranges = [request.headers.get("range") for request in server.requests]
    assert ranges[0] is None
    assert ranges[1] is not None
    assert ranges[1].startswith("bytes=")
    assert int(ranges[1][6:-1]) > 0
    assert watch.total == len(DATA)


def test_a_server_without_ranges_starts_again(store: Store, server: LocalServer) -> None:
    server.ranges = False
    server.routes["/live/pool/a.deb"] = [Answer(DATA, cut=1000), Answer(DATA)]
    watch = Watch()
    found = fetch(store, server, artifact(), watch=watch)
    assert found[artifact().sha256].read_bytes() == DATA
    assert watch.total == len(DATA)


def test_a_server_that_always_cuts_is_given_up(store: Store, server: LocalServer) -> None:
    def cut(_request: Request) -> Answer:
        return Answer(DATA, cut=len(DATA) - 10)

    server.routes["/live/pool/a.deb"] = cut
    with pytest.raises(NetworkError):
        fetch(store, server, artifact())
    assert len(server.asked("/live/pool/a.deb")) < 40


def test_more_bytes_than_locked_are_not_read_on(store: Store, server: LocalServer) -> None:
    server.routes["/live/pool/a.deb"] = Answer(DATA * 3)
    with pytest.raises(IntegrityError, match="got more"):
        fetch(store, server, artifact())


def test_offline_names_all_that_is_missing(store: Store, server: LocalServer) -> None:
    store.add_bytes(DATA)
    wanted = [artifact(), *(artifact(f"pool/{n}.deb", b"%d" % n) for n in range(7))]
    with pytest.raises(NetworkError) as caught:
        fetch(store, server, *wanted, offline=True)
    assert caught.value.message == "7 artifacts are not in the store, and the network is off"
    assert caught.value.where == "0.deb, 1.deb, 2.deb, 3.deb, 4.deb and 2 more"
    assert fetch(store, server, artifact(), offline=True)
    assert server.requests == []


def test_one_failure_ends_the_rest_soon(store: Store, server: LocalServer) -> None:
    many = [artifact(f"pool/{number}.deb", b"%d" % number) for number in range(300)]
    with pytest.raises(NotFound):
        fetch(store, server, *many)
    assert len(server.requests) < 300


def index(archive: str, date: datetime, snapshot: str | None = None) -> AptIndexPin:
    return AptIndexPin(
        archive=archive,
        suite="bookworm",
        components=("main",),
        sha256=Sha256("0" * 64),
        date=date,
        signed_by="A" * 40,
        snapshot=snapshot,
    )


def test_snapshots_are_those_that_have_what_the_indexes_list() -> None:
    day = datetime(2026, 11, 1, 20, 30, tzinfo=UTC)
    found = snapshot_archives(
        [index("debian", day), index("debian", day, "20261020T000000Z"), index("vendor", day)]
    )
    assert found == {
        "debian": (
            "http://snapshot.debian.org/archive/debian/20261102T083000Z/",
            "http://snapshot.debian.org/archive/debian/20261020T000000Z/",
        )
    }


LOCAL = (Archive(name="test", url="wheels/"),)


def fetch_local(
    store: Store, folder: Path, made: Artifact, archives: tuple[Archive, ...] = LOCAL
) -> dict[str, Path]:
    return ArtifactFetcher(store, Http(offline=True), folder=folder).fetch((made,), archives)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images" / "wheels" / "sub").mkdir(parents=True)
    return tmp_path / "images"


def test_a_folder_is_an_archive_that_needs_no_network(store: Store, folder: Path) -> None:
    (folder / "wheels/sub/a b%.whl").write_bytes(DATA)
    found = fetch_local(store, folder, artifact("sub/a b%.whl"))
    assert found[artifact().sha256].read_bytes() == DATA


def test_a_folder_above_the_context_is_an_archive_too(store: Store, folder: Path) -> None:
    (folder / "a.whl").write_bytes(DATA)
    above = (Archive(name="test", url="../"),)
    assert fetch_local(store, folder / "wheels", artifact("a.whl"), above)


@pytest.mark.parametrize("data", [b"x" * len(DATA), DATA + b"x"])
def test_other_bytes_in_a_folder_are_exit_5(store: Store, folder: Path, data: bytes) -> None:
    (folder / "wheels/a.whl").write_bytes(data)
    with pytest.raises(IntegrityError, match="expected"):
        fetch_local(store, folder, artifact("a.whl"))
    assert list(store.entries()) == []


def test_a_file_that_is_gone_from_its_folder_is_named(store: Store, folder: Path) -> None:
    with pytest.raises(NotFound, match="no such file") as caught:
        fetch_local(store, folder, artifact("a.whl"))
    assert caught.value.where == str(folder / "wheels/a.whl")


def test_a_link_out_of_the_folder_is_exit_5(store: Store, folder: Path) -> None:
    (folder / "a.whl").write_bytes(DATA)
    (folder / "wheels/a.whl").symlink_to("../a.whl")
    with pytest.raises(IntegrityError, match="leads out of its folder"):
        fetch_local(store, folder, artifact("a.whl"))
    (folder / "wheels/sub/b.whl").write_bytes(DATA)
    (folder / "wheels/b.whl").symlink_to("sub/b.whl")
    assert fetch_local(store, folder, artifact("b.whl"))


def test_what_is_no_file_is_not_opened(store: Store, folder: Path) -> None:
    os.mkfifo(folder / "wheels/a.whl")
    with pytest.raises(IntegrityError, match="expected a file"):
        fetch_local(store, folder, artifact("a.whl"))


@settings(max_examples=20, deadline=None)
@given(
    files=st.dictionaries(
        st.sampled_from(["a", "b c", "d/e", "d/f.py", "g/h/i", "é"]),
        st.tuples(st.binary(max_size=40), st.booleans()),
        min_size=1,
    ),
    data=st.data(),
)
def test_the_tar_of_a_folder_is_a_function_of_its_files(
    tmp_path_factory: pytest.TempPathFactory,
    files: dict[str, tuple[bytes, bool]],
    data: st.DataObject,
) -> None:
    """Not of the order in which they were made, their times, nor the umask."""
    tars = []
    for umask in (0o022, 0o077):
        folder = tmp_path_factory.mktemp("tree")
        before = os.umask(umask)
        try:
            for path in data.draw(st.permutations(sorted(files))):
                place = folder / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(files[path][0])
                place.chmod(0o700 if files[path][1] else 0o600)
                os.utime(place, (umask, umask))
        finally:
            os.umask(before)
        tars.append(b"".join(folder_tar(folder)))
    assert tars[0] == tars[1]


def test_the_tar_of_a_folder_is_the_recorded_one(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/run.sh").write_bytes(b"#!/bin/sh\n")
    (tmp_path / "sub/run.sh").chmod(0o755)
    (tmp_path / "link").symlink_to("sub/run.sh")
    digest = hashlib.sha256(b"".join(folder_tar(tmp_path))).hexdigest()
    assert digest == "20a6787f4b9e03e0a616933a68ebf6a126150698b519d4aa1ffee34aaff139d1"
