"""Channels over a real server: priorities, folders, what is kept, and what bad ones give."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from imagelock.app.context import ResolveOptions
from imagelock.app.sections.conda_report import outdated
from imagelock.lock import encode_lock
from imagelock.model.errors import ImagelockError, IntegrityError, NetworkError, NotFound
from imagelock.model.lock import Lock
from imagelock.model.spec import ChannelPriority
from support.conda_forge import (
    AMD,
    ARM,
    Channels,
    channels,
    conda_spec,
    index_bytes,
    joined,
    record,
)
from support.local_server import Answer


def chosen(lock: Lock, name: str) -> str:
    """Archive and version of a package."""
    pin = next(pin for pin in lock.conda if pin.name == name)
    return f"{pin.artifact.archive} {pin.version}"


@pytest.fixture
def two(empty: Channels) -> Channels:
    """Two channels with one package in both, and one that needs the newer of it."""
    empty.add("first", noarch=joined(record("lib", "1.0"), record("own", "1.0", "lib")))
    return empty.add("second", noarch=joined(record("lib", "2.0"), record("app", "1.0", "lib >=2")))


@pytest.mark.parametrize(
    ("priority", "packages", "answer"),
    [
        (ChannelPriority.STRICT, ["lib"], "first 1.0"),
        (ChannelPriority.FLEXIBLE, ["lib"], "first 1.0"),
        (ChannelPriority.FLEXIBLE, ["app"], "second 2.0"),
        (ChannelPriority.DISABLED, ["lib"], "second 2.0"),
        (ChannelPriority.STRICT, ["second::lib"], "second 2.0"),
        (ChannelPriority.STRICT, ["second::lib", "app"], "second 2.0"),
    ],
)
def test_how_channels_rank(
    two: Channels, priority: ChannelPriority, packages: list[str], answer: str
) -> None:
    spec = conda_spec(*packages, channels=("first", "second"), channel_priority=priority)
    assert chosen(two.lock(spec), "lib") == answer


def test_strict_means_strict(two: Channels) -> None:
    with pytest.raises(ImagelockError) as caught:
        two.lock(conda_spec("app", channels=("first", "second")))
    assert caught.value.exit_code == 3


def test_the_lock_names_origins_not_mirrors(two: Channels) -> None:
    """The channels are read from a mirror; the lock says where they are, in its usual place."""
    lock = two.lock(conda_spec("own", "second::app", channels=("first", "second"),
                               channel_priority=ChannelPriority.DISABLED))  # fmt: skip
    assert {(archive.name, archive.url) for archive in lock.archives} == {
        ("first", "https://conda.anaconda.org/first/"),
        ("second", "https://conda.anaconda.org/second/"),
    }
    assert "127.0.0.1" not in encode_lock(lock).decode()


def test_a_channel_by_its_url(empty: Channels) -> None:
    empty.add("lab", noarch=record("lib", "1.0"))
    url = f"{empty.server.url}/lab/"
    lock = empty.lock(conda_spec(f"{url}::lib", channels=(url,)))
    (archive,) = lock.archives
    assert archive.url == url
    assert archive.name == f"127.0.0.1-{url.split(':')[2].split('/', maxsplit=1)[0]}-lab"
    again = empty.lock(conda_spec("lib", channels=(url,)), previous=lock)
    assert again.archives == lock.archives


def test_a_folder_is_relative_to_the_spec(empty: Channels, tmp_path: Path) -> None:
    """Written and built on another machine, in another folder: the same lock."""
    locks = []
    for home in ("here", "somewhere/else"):
        folder = tmp_path / home / "spec"
        for subdir, packages in (("noarch", record("lib", "1.0")), ("linux-64", {})):
            place = tmp_path / home / "channel" / subdir
            place.mkdir(parents=True)
            (place / "repodata.json").write_bytes(index_bytes(subdir, packages))
        empty.folder = folder
        locks.append(empty.lock(conda_spec("lib", channels=("../channel/",))))
    assert locks[0] == locks[1]
    assert str(tmp_path) not in encode_lock(locks[0]).decode()
    (archive,) = locks[0].archives
    assert (archive.name, archive.url) == ("channel", "../channel/")
    assert locks[0].conda[0].artifact.path == "noarch/lib-1.0-0.conda"


def test_files_may_be_elsewhere_than_their_channel(empty: Channels) -> None:
    """CEP 15: an index may say where its packages are."""
    document = json.loads(index_bytes("noarch", record("lib", "1.0")))
    document["info"]["base_url"] = "https://files.example/packages/noarch/"
    empty.server.routes["/lab/noarch/repodata.json"] = Answer(json.dumps(document).encode())
    lock = empty.lock(conda_spec("lib", channels=("lab",)))
    (pin,) = lock.conda
    assert pin.channel == "https://conda.anaconda.org/lab/"
    assert lock.archives[0].url == "https://files.example/packages/"
    assert empty.lock(conda_spec("lib", channels=("lab",)), previous=lock) == lock


def test_an_index_is_fetched_once_and_asked_for_when_it_changed(empty: Channels) -> None:
    empty.add("lab", noarch=record("lib", "1.0"))
    spec = conda_spec("lib", channels=("lab",))
    assert chosen(empty.lock(spec), "lib") == "lab 1.0"
    empty.lock(spec)
    asked = empty.server.asked("/lab/noarch/repodata.json")
    assert [("if-none-match" in request.headers) for request in asked] == [False, True]
    empty.add("lab", noarch=joined(record("lib", "1.0"), record("lib", "2.0")))
    assert chosen(empty.lock(spec, offline=True), "lib") == "lab 1.0"
    assert chosen(empty.lock(spec), "lib") == "lab 2.0"
    assert chosen(empty.lock(spec, offline=True), "lib") == "lab 2.0"


def test_offline_needs_the_store(empty: Channels) -> None:
    empty.add("lab", noarch=record("lib", "1.0"))
    with pytest.raises(NetworkError, match="not in the store, and the network is off"):
        empty.lock(conda_spec("lib", channels=("lab",)), offline=True)


def test_a_folder_for_one_platform_may_be_missing(empty: Channels) -> None:
    empty.add("lab", noarch=record("lib", "1.0"), linux_64=record("c", "1", subdir="linux-64"))
    assert {pin.name for pin in empty.lock(conda_spec("lib", channels=("lab",))).conda} == {"lib"}
    with pytest.raises(ImagelockError, match="no channel has it for linux-aarch64 or noarch"):
        empty.lock(conda_spec("c", channels=("lab",), platforms=(ARM,)))


def test_what_left_its_channel_stays_locked(empty: Channels) -> None:
    spec = conda_spec("lib", channels=("lab",))
    empty.add("lab", noarch=record("lib", "1.0", "dep", md5="0" * 32) | record("dep", "1.0"))
    lock = empty.lock(spec)
    empty.add("lab", noarch=record("lib", "2.0") | record("dep", "1.0"))
    more = conda_spec("dep", "lib", channels=("lab",))
    kept = empty.lock(more, previous=lock)
    assert [pin.artifact for pin in kept.conda] == [pin.artifact for pin in lock.conda]
    found = outdated(lock, lock.platforms, context=empty.context(), spec_folder=empty.folder)
    assert [(item.name, item.locked, item.allowed, item.gone) for item in found] == [
        ("lib", "1.0", "2.0", True),
        ("lib", "1.0", "2.0", True),
    ]
    moved = empty.lock(spec, previous=lock, options=ResolveOptions(upgrade=True))
    assert chosen(moved, "lib") == "lab 2.0"


def wrong(**changes: object) -> Mapping[str, Any]:
    found = record("lib", "1.0")
    (name,) = found
    fields = {key: v for key, v in (found[name] | changes).items() if v is not None}
    return {name: fields}


@pytest.mark.parametrize(
    ("answer", "error", "says"),
    [
        (Answer(status=500), NetworkError, "HTTP 500"),
        (Answer(b"<html>login</html>"), NetworkError, "expected a channel's index"),
        (Answer(b'{"info": {"subdir": "noarch"}, "packages": {'), NetworkError, "expected a chan"),
        (Answer(index_bytes("noarch", wrong()), cut=20), NetworkError, "could not be reached"),
        (Answer(index_bytes("noarch", wrong(sha256=None))), IntegrityError, "gives no sha256"),
        (Answer(index_bytes("noarch", wrong(size=None))), IntegrityError, "gives no size"),
        (Answer(index_bytes("noarch", wrong(subdir="../../etc"))), IntegrityError, "index puts it"),
        (
            Answer(index_bytes("noarch", {"..%2f..%2fx.conda": wrong()["lib-1.0-0.conda"]})),
            ImagelockError,
            "",
        ),
    ],
)
def test_bad_channels(
    empty: Channels, answer: Answer, error: type[ImagelockError], says: str
) -> None:
    empty.server.routes["/lab/noarch/repodata.json"] = answer
    with pytest.raises(error) as caught:
        empty.lock(conda_spec("lib", channels=("lab",), platforms=(AMD,)))
    assert says in caught.value.message
    assert caught.value.exit_code in {3, 4, 5}


@pytest.mark.parametrize("damage", ["cut", "garbage"])
def test_bad_compression(empty: Channels, damage: str) -> None:
    packed = zstandard.ZstdCompressor().compress(index_bytes("noarch", record("lib", "1.0")))
    body = packed[:-9] if damage == "cut" else b"no zstd at all"
    empty.server.routes["/lab/noarch/repodata.json.zst"] = Answer(body)
    with pytest.raises(NetworkError, match=r"ends early|cannot be decompressed"):
        empty.lock(conda_spec("lib", channels=("lab",), platforms=(AMD,)))


@pytest.mark.parametrize(
    "fields",
    [
        {"depends": ["==", "dep [["]},
        {"depends": 7},
        {"version": "no version at all"},
        {"sha256": "xyz"},
        {"size": -1},
        {"name": "../../etc"},
        {"depends": ["dep\nb"]},
    ],
)
def test_records_that_cannot_be_read(empty: Channels, fields: dict[str, object]) -> None:
    """Whatever an index holds is an error with a code, and never a traceback."""
    empty.add("lab", noarch=wrong(**fields))
    with pytest.raises(ImagelockError) as caught:
        encode_lock(empty.lock(conda_spec("lib", channels=("lab",), platforms=(AMD,))))
    assert caught.value.exit_code in {2, 3, 4, 5}


def test_a_channel_that_is_not_there(empty: Channels) -> None:
    with pytest.raises(NotFound, match="there is no channel"):
        empty.lock(conda_spec("lib", channels=("nowhere",), platforms=(AMD,)))


def test_a_bad_index_is_not_kept(empty: Channels) -> None:
    empty.server.routes["/lab/noarch/repodata.json"] = Answer(b"[]", headers={"ETag": '"x"'})
    with pytest.raises(NetworkError):
        empty.lock(conda_spec("lib", channels=("lab",), platforms=(AMD,)))
    empty.add("lab", noarch=record("lib", "1.0"))
    assert chosen(empty.lock(conda_spec("lib", channels=("lab",))), "lib") == "lab 1.0"


def test_credentials_of_the_host_reach_its_channel_alone(
    empty: Channels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagelock.fetch.credentials import HostCredentials
    from imagelock.fetch.http import Http

    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password s3cret-canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    empty.add("lab", noarch=record("lib", "1.0"))
    url = f"{empty.server.url}/lab/"
    context = empty.context()
    object.__setattr__(context, "http", Http(credentials=HostCredentials()))
    empty.context = lambda **_: context  # type: ignore[method-assign]
    lock = empty.lock(conda_spec("lib", channels=(url,)))
    assert all("authorization" in request.headers for request in empty.server.requests)
    assert "canary" not in encode_lock(lock).decode()


BUILDS = [
    record("tie", "1.0", build=f"{letter}_0", subdir=subdir)
    for letter in "abcd"
    for subdir in ("noarch", "linux-64")
]


@given(st.randoms(use_true_random=False))
@settings(max_examples=5)
def test_the_order_of_records_does_not_matter(source: random.Random) -> None:
    shuffled = list(BUILDS)
    source.shuffle(shuffled)
    lock = solve_in_order(shuffled)
    assert [(pin.subdir, pin.build) for pin in lock.conda] == EXPECTED


def solve_in_order(builds: list[dict[str, Any]]) -> Lock:
    import tempfile

    with tempfile.TemporaryDirectory() as folder, channels(Path(folder)) as found:
        folders: dict[str, dict[str, Any]] = {"noarch": {}, "linux-64": {}}
        for item in builds:
            for name, fields in item.items():
                folders[fields["subdir"]][name] = fields
        found.add("lab", **{name.replace("-", "_"): items for name, items in folders.items()})
        return found.lock(conda_spec("tie", channels=("lab",), platforms=(AMD,)))


EXPECTED = [("linux-64", "a_0")]
