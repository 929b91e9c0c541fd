"""One lock, one digest: whoever builds it, wherever, whenever."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from acceptance.conftest import LOCKS, Build, run_build, store_with_artifacts_alone
from imagelock.app.files import load_lock
from support.command import call, kept_folder

pytestmark = [pytest.mark.network]


def test_two_builds_with_nothing_in_common_but_the_lock(
    hello: Build, hello_lock: Path, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "a folder of another name"
    elsewhere.mkdir()
    lock = elsewhere / "hello.lock"
    shutil.copy(hello_lock, lock)
    shutil.copytree(hello_lock.parent / "hello", elsewhere / "hello")
    store = store_with_artifacts_alone(hello_lock, tmp_path / "other store")
    again = run_build(
        lock,
        tmp_path / "image",
        store=store,
        cwd=elsewhere,
        environment={
            "TZ": "Pacific/Kiritimati",
            "LC_ALL": "C",
            "PYTHONHASHSEED": "4242",
            "SOURCE_DATE_EPOCH": "1",
            "HOME": str(elsewhere),
        },
        umask=0o077,
        offline=True,
    )
    assert not any(layer["cached"] for layer in again.report["images"][0]["layers"])
    assert again.manifest_digest == hello.manifest_digest
    assert again.report["index_digest"] == hello.report["index_digest"]
    assert again.report["tag"] == hello.report["tag"]


def test_the_digest_is_the_recorded_one(hello: Build, hello_lock: Path) -> None:
    """Recorded by `imagelock build locks/hello.toml --record` on another machine, another day."""
    recorded = {str(image.platform): image for image in load_lock(hello_lock).images}
    if hello_lock != LOCKS / "hello.lock":
        assert not recorded, "pins that moved keep no record"
        return
    image = hello.report["images"][0]
    if image["platform"] == "linux/amd64":
        assert image["manifest_digest"] == recorded["linux/amd64"].manifest_digest
        assert image["image_id"] == recorded["linux/amd64"].image_id


def test_an_archive_holds_the_same_image_and_is_the_same_twice(
    hello: Build, hello_lock: Path, tmp_path: Path
) -> None:
    files = []
    for name in ("one.tar", "two.tar"):
        file = tmp_path / name
        built = call(
            *("build", str(hello_lock), "--platform", hello.report["images"][0]["platform"]),
            *("--output", f"oci-archive:{file}"),
        )
        assert built.code == 0, built.err
        assert hello.manifest_digest in built.out
        files.append(file.read_bytes())
    assert files[0] == files[1]


def test_a_flipped_byte_in_a_stored_artifact_is_exit_5(
    hello: Build, hello_lock: Path, tmp_path: Path
) -> None:
    platform = hello.report["images"][0]["platform"]
    root = store_with_artifacts_alone(hello_lock, tmp_path / "store")
    victim = max((root / "sha256").rglob("*"), key=lambda path: path.stat().st_size)
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)
    called = call(
        *("build", str(hello_lock), "--platform", platform, "--output", f"oci:{tmp_path / 'out'}"),
        env={"IMAGELOCK_STORE": str(root), "IMAGELOCK_OFFLINE": "1"},
    )
    assert called.code == 5
    assert victim.name in called.err
    assert "hint:" in called.err
    assert not (tmp_path / "out" / "index.json").exists()


def test_a_flipped_byte_in_a_stored_layer_is_exit_5(
    hello: Build, hello_lock: Path, tmp_path: Path
) -> None:
    image = hello.report["images"][0]
    root = tmp_path / "store"
    shutil.copytree(kept_folder() / "store" / "records", root / "records")
    digests = [layer["digest"].partition(":")[2] for layer in image["layers"]]
    for sha256 in digests:
        path = root / "sha256" / sha256[:2] / sha256[2:]
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(kept_folder() / "store" / "sha256" / sha256[:2] / sha256[2:], path)
    victim = root / "sha256" / digests[-2][:2] / digests[-2][2:]
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.chmod(0o644)
    victim.write_bytes(data)
    called = call(
        *("build", str(hello_lock), "--platform", image["platform"]),
        *("--output", f"oci:{tmp_path / 'out'}"),
        env={"IMAGELOCK_STORE": str(root), "IMAGELOCK_OFFLINE": "1"},
    )
    assert called.code == 5
    assert not (tmp_path / "out" / "index.json").exists()


def test_a_stale_lock_is_not_built(hello_lock: Path, tmp_path: Path) -> None:
    shutil.copy(hello_lock, tmp_path / "hello.lock")
    shutil.copytree(hello_lock.parent / "hello", tmp_path / "hello")
    text = hello_lock.with_suffix(".toml").read_text().replace("numpy>=2", "numpy>=2.1")
    (tmp_path / "hello.toml").write_text(text)
    called = call("build", str(tmp_path / "hello.toml"))
    assert called.code == 1
    assert "numpy>=2.1" in called.err
    assert "imagelock lock" in called.err
