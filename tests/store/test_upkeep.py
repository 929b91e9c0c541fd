"""``imagelock store verify`` and ``gc``."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagelock.app.context import Context
from imagelock.app.store import collect_garbage, verify_store
from imagelock.fetch.git import GitRepository
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.model.archives import Artifact
from imagelock.model.errors import ExitCode
from imagelock.model.lock import BaseKind, BasePin, Lock, PipPin
from imagelock.model.names import PipName, Sha256, digest_of
from imagelock.model.platform import Platform
from imagelock.model.spec import ImageBase, Spec
from support.processes import PATIENCE
from support.sources import make_repository

NOW = datetime.now(UTC)
AMD64 = Platform("linux/amd64")


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(store=Store(tmp_path), http=Http(offline=True), now=NOW)


def add(store: Store, data: bytes, *, days_ago: float = 0) -> Sha256:
    found = store.add_bytes(data)
    used = (NOW - timedelta(days=days_ago)).timestamp()
    os.utime(store.path(found), (used, used))
    return found


def lock_of(artifact: Sha256, base: Sha256) -> Lock:
    pin = PipPin(
        name=PipName("a"),
        version="1",
        artifact=Artifact(archive="pypi", path="a.whl", sha256=artifact, size=1),
        platforms=(AMD64,),
        required_by=(),
    )
    image = BasePin(
        kind=BaseKind.IMAGE, reference="a:1", digest=digest_of(base), platforms=(AMD64,)
    )
    spec = Spec(name="t", base=ImageBase(image="a:1"))
    return Lock(roots=spec, pip=(pin,), bases=(image,))


def test_a_whole_store_is_said_to_be_whole(context: Context) -> None:
    for number in range(20):
        context.store.add_bytes(b"%d" % number * 1000)
    report = verify_store(context)
    assert (report.entries, report.damaged, report.strays) == (20, (), ())
    assert report.error(context.store) is None


def test_damage_is_named_and_repaired(context: Context) -> None:
    store = context.store
    good = store.add_bytes(b"good")
    bad = store.add_bytes(b"bad bytes")
    store.path(bad).chmod(0o644)
    store.path(bad).write_bytes(b"bad bytez")
    stray = store.root / "sha256" / "notes.txt"
    stray.write_text("x")
    report = verify_store(context)
    assert (report.damaged, report.strays) == ((bad,), (stray,))
    error = report.error(store)
    assert error is not None
    assert error.exit_code is ExitCode.INTEGRITY
    assert error.where == str(store.path(bad))
    assert store.find(bad)
    repaired = verify_store(context, repair=True)
    assert repaired.error(store) is None
    assert store.find(bad) is None
    assert not stray.exists()
    assert store.read(good) == b"good"
    assert verify_store(context).is_whole


def test_what_was_not_used_for_long_is_removed(context: Context) -> None:
    store = context.store
    old, young = add(store, b"old", days_ago=31), add(store, b"young", days_ago=29)
    dry = collect_garbage(context, dry_run=True)
    assert (dry.removed, dry.freed, dry.kept) == (1, 3, 1)
    assert store.find(old)
    os.utime(store.path(old), (0, 0))
    report = collect_garbage(context)
    assert (report.removed, report.freed, report.kept, report.kept_size) == (1, 3, 1, 5)
    assert store.find(old) is None
    assert store.find(young)
    assert collect_garbage(context, unused=timedelta(0)).kept == 0


def test_use_is_noted(context: Context) -> None:
    store = context.store
    found = add(store, b"old", days_ago=400)
    store.find(found)
    (entry,) = store.entries()
    assert entry.used > (NOW - timedelta(days=399)).timestamp()


def test_locks_keep_their_artifacts_and_bases(context: Context) -> None:
    store = context.store
    layer = add(store, b"layer", days_ago=99)
    config = add(store, b"config", days_ago=99)
    blobs = [{"digest": digest_of(blob)} for blob in (config, layer)]
    manifest = json.dumps({"config": blobs[0], "layers": blobs[1:]}).encode()
    base = add(store, manifest, days_ago=99)
    wheel, other = add(store, b"wheel", days_ago=99), add(store, b"other", days_ago=99)
    report = collect_garbage(context, unused=timedelta(0), keep=[lock_of(wheel, base)])
    assert report.removed == 1
    assert store.find(other) is None
    assert all(store.find(kept) for kept in (wheel, base, config, layer))
    missing = Sha256(hashlib.sha256(b"missing").hexdigest())
    report = collect_garbage(context, unused=timedelta(0), keep=[lock_of(wheel, missing)])
    assert (report.kept, report.kept_size) == (1, 5)


def test_leftovers_records_and_layouts_go_too(context: Context) -> None:
    store = context.store
    store.keep_record("kind", "old", 1)
    store.keep_record("kind", "new", 1)
    layout = store.root / "layouts" / "tag"
    layout.mkdir(parents=True)
    (layout / "index.json").write_text("{}")
    os.utime(layout, (0, 0))
    os.utime(store.root / "records/kind/old", (0, 0))
    (store.root / "tmp" / "left").write_bytes(b"half")
    assert collect_garbage(context).leftovers == 1
    assert store.record("kind", "old") is None
    assert store.record("kind", "new") == 1
    assert not layout.exists()


def test_repositories_go_by_their_last_use(context: Context, tmp_path: Path) -> None:
    store, kept = context.store, context.store.root / "git"
    commit = make_repository(tmp_path / "origin", {"a.txt": "a"})
    repository = GitRepository(f"git+file://{tmp_path}/origin", store=store, folder=tmp_path)
    first = b"".join(repository.tree_tar(commit))
    (lock,) = kept.glob("*.lock")
    assert collect_garbage(context).removed == 0
    os.utime(lock, (0, 0))
    dry = collect_garbage(context, dry_run=True)
    assert (dry.removed, dry.kept) == (1, 0)
    assert dry.freed > 0
    assert b"".join(repository.tree_tar(commit)) == first
    assert collect_garbage(context).kept == 1, "used again"
    os.utime(lock, (0, 0))
    with lock.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        collect_garbage(context)
        assert lock.with_suffix("").exists(), "a process reads it"
    assert collect_garbage(context).freed == dry.freed
    assert list(kept.iterdir()) == []
    assert b"".join(repository.tree_tar(commit)) == first


def test_gc_waits_for_those_who_use_the_store(context: Context) -> None:
    old = add(context.store, b"old", days_ago=99)
    with ThreadPoolExecutor(1) as pool:
        with context.store.in_use(), context.store.in_use():
            collected = pool.submit(collect_garbage, context)
            with pytest.raises(TimeoutError):
                collected.result(timeout=0.3)
            assert context.store.find(old) is not None
            assert collect_garbage(context, dry_run=True).removed == 0, "found above, so used today"
        assert collected.result(timeout=PATIENCE).kept == 1


def test_a_killed_user_holds_nothing(context: Context) -> None:
    hold = (
        "import sys, time; from pathlib import Path; from imagelock.fetch.store import Store\n"
        "with Store(Path(sys.argv[1])).in_use(): print('held', flush=True); time.sleep(60)"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", hold, str(context.store.root)], stdout=subprocess.PIPE
    )
    assert user.stdout is not None
    assert user.stdout.readline() == b"held\n"
    user.kill()
    user.communicate()
    assert collect_garbage(context).removed == 0


def test_temporary_folders_of_killed_users_are_swept(context: Context) -> None:
    with context.store.temporary_folder() as folder:
        (folder / "file").touch()
        assert context.store.sweep() == 0
    assert not folder.exists()
    left = context.store.root / "tmp" / "left"
    left.mkdir()
    (left / "file").touch()
    assert context.store.sweep() == 1
    assert not left.exists()
