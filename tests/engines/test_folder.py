"""Rendered folders: whole or not at all, the same from everywhere; bases as one tree."""

from __future__ import annotations

import errno
import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from build.conftest import Site, layout_of
from engines.conftest import written
from imagelock.build.engines.folder import new_folder
from imagelock.build.engines.result import settled_config
from imagelock.fetch.store import Store
from imagelock.model.errors import BuildError, UsageError
from imagelock.model.lock import Lock
from imagelock.model.spec import CopyRule, LayoutBase, RunRule, Secret, Spec
from imagelock.render import Dialect
from support.archives import Member, tar_of
from support.command import call

LOWER = tar_of(
    [
        Member(path="etc"),
        Member(path="etc/old", data=b"old"),
        Member(path="etc/kept", data=b"kept", mode=0o640, owner=(0, 42)),
        Member(path="etc/linked", hard="etc/kept"),
        Member(path="gone"),
        Member(path="gone/inner", data=b"x"),
        Member(path="opaque"),
        Member(path="opaque/inner", data=b"x"),
        Member(path="was-folder"),
        Member(path="was-folder/inner", data=b"x"),
    ]
)
UPPER = tar_of(
    [
        Member(path="etc/.wh.old", data=b""),
        Member(path="etc/kept", data=b"new"),
        Member(path=".wh.gone", data=b""),
        Member(path="opaque"),
        Member(path="opaque/.wh..wh..opq", data=b""),
        Member(path="opaque/new", data=b"new"),
        Member(path="was-folder", data=b"a file now"),
    ]
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    base = layout_of(tmp_path / "base", [LOWER, UPPER])
    (tmp_path / "app.ini").write_text("[app]\n")
    return Site(folder=tmp_path, base=base, store=Store(tmp_path / "store"))


def held(site: Site, *, copy: str = "app.ini", runs: tuple[RunRule, ...] = ()) -> Lock:
    secrets = (Secret(id="t", source="app.ini", target="/run/secrets/t"),) if runs else ()
    return site.lock(
        roots=Spec(
            name="t",
            base=LayoutBase(layout=f"oci:{site.base}"),
            copies=(CopyRule(source=copy, target="/app/"),),
            runs=runs,
            secrets=secrets,
        )
    )


def write(site: Site, target: Path, dialect: Dialect = Dialect.DOCKER, **more: object) -> Path:
    return written(held(site, **more), target, site, dialect=dialect).path  # type: ignore[arg-type]


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def test_a_base_is_one_tree_with_nothing_that_was_removed(site: Site, tmp_path: Path) -> None:
    folder = write(site, tmp_path / "out")
    with tarfile.open(folder / "0-base" / "tree.tar") as tar:
        found = {item.name: item for item in tar}
        assert sorted(found) == [
            "etc",
            "etc/kept",
            "etc/linked",
            "opaque",
            "opaque/new",
            "was-folder",
        ]
        texts = {
            name: file.read()
            for name in ("etc/kept", "etc/linked", "was-folder")
            if (file := tar.extractfile(name)) is not None
        }
    assert texts == {"etc/kept": b"new", "etc/linked": b"kept", "was-folder": b"a file now"}
    assert (found["etc/linked"].mode, found["etc/linked"].gid) == (0o640, 42)


@pytest.mark.parametrize("dialect", Dialect)
def test_the_folder_is_the_same_from_everywhere(
    site: Site, tmp_path: Path, dialect: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = listing(write(site, tmp_path / "one", dialect))
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    monkeypatch.chdir(tmp_path / "base")
    before = os.umask(0o077)
    try:
        other = listing(write(site, tmp_path / "two", dialect))
    finally:
        os.umask(before)
    assert one == other
    script = (tmp_path / "one" / "Dockerfile").stat().st_mtime
    assert script == (tmp_path / "two" / "Dockerfile").stat().st_mtime
    assert {path for path in one if "/" not in path} == {"0-base", "1-copy", "Dockerfile"}


def test_nothing_is_left_when_rendering_fails(site: Site, tmp_path: Path) -> None:
    target = tmp_path / "parent" / "out"
    lock = held(site, runs=(RunRule(commands=("true",)),))
    with pytest.raises(UsageError), new_folder(target) as folder:
        written(lock, folder, site, dialect=Dialect.DOCKER)
    assert list(target.parent.iterdir()) == []


def test_what_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "full")
    (tmp_path / "file").write_text("mine")
    for name in ("full", "link", "file"):
        with pytest.raises(UsageError, match="something already"), new_folder(tmp_path / name):
            pass
    (tmp_path / "empty").mkdir()
    with new_folder(tmp_path / "empty") as folder:
        (folder / "x").write_text("x")
    assert (tmp_path / "empty" / "x").read_text() == "x"


def test_a_base_with_triggers_is_refused() -> None:
    from imagelock.build.engines.prepare import _runtime

    with pytest.raises(BuildError, match="ONBUILD"):
        _runtime({"Env": []}, b'{"config": {"OnBuild": ["RUN rm -rf /"]}}', flat=True)


def test_an_engines_config_keeps_no_clock_and_no_container() -> None:
    def config(day: str, container: str) -> bytes:
        value = {
            "architecture": "amd64",
            "os": "linux",
            "container": container,
            "created": day,
            "docker_version": "20",
            "config": {"Env": ["A=b"], "Image": container, "Hostname": container},
            "history": [{"created": day, "created_by": "x", "empty_layer": True}],
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        return json.dumps(value).encode()

    one = settled_config(config("2026-01-01T00:00:00Z", "a1"), 1_700_000_000)
    assert one == settled_config(config("2027-01-01T00:00:00Z", "b2"), 1_700_000_000)
    assert b"2023-11-14T22:13:20Z" in one
    assert b'"Env":["A=b"]' in one
    assert b"a1" not in one


def test_render_by_the_command_line(site: Site, tmp_path: Path) -> None:
    spec = tmp_path / "t.toml"
    spec.write_text(
        'name = "t"\n[base]\nlayout = "oci:base"\n[[copy]]\nfrom = "app.ini"\nto = "/app/"\n'
    )
    store = {"IMAGELOCK_STORE": str(site.store.root)}
    assert call("lock", str(spec), env=store).code == 0
    target = tmp_path / "out"
    done = call("render", str(spec), str(target), "--for", "bake", env=store)
    assert done.code == 0, done.err
    assert "docker buildx build" in done.out
    assert (target / "docker-bake.json").exists()
    assert call("render", str(spec), str(target), env=store).code == 2
    other = tmp_path / "other.toml"
    other.write_text(spec.read_text().replace('"t"', '"other"'))
    assert call("lock", str(other), env=store).code == 0
    fleet = tmp_path / "fleet"
    both = (str(spec), str(other), str(fleet))
    assert call("render", *both, env=store).code == 2
    done = call("render", *both, "--for", "bake", env=store)
    assert done.code == 0, done.err
    bake = json.loads((fleet / "docker-bake.json").read_text())
    assert bake["group"]["default"]["targets"] == ["other", "t"]
    assert bake["target"]["other"]["context"] == "other"
    assert (fleet / "other" / "Dockerfile").exists()
    twice = call("render", str(spec), str(spec), f"{fleet}2", "--for", "bake", env=store)
    assert twice.code == 2
    with tarfile.open(fileobj=io.BytesIO((target / "1-copy" / "tree.tar").read_bytes())) as tar:
        assert tar.getnames() == ["app", "app/app.ini"]
    refused = call("build", str(spec), "--builder", "docker", "--record", env=store)
    assert refused.code == 2
    assert "--builder oci" in refused.err
    for option in ("--check-runs", "--cache-from=r.example/c", "--cache-to=r.example/c"):
        refused = call("build", str(spec), "--builder", "docker", option, env=store)
        assert refused.code == 2
        assert option.partition("=")[0] in refused.err
    unknown = call("build", str(spec), "--builder", "nobody", env=store)
    assert unknown.code == 2
    assert "buildkit, docker, oci, podman" in unknown.err


def test_an_artifact_is_read_only_whether_linked_or_copied(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from imagelock.build.engines import folder as module

    (site.folder / "store").mkdir(exist_ok=True)
    digest = site.store.add_bytes(b"x")
    listed = []
    for name in ("linked", "copied"):
        target = tmp_path / name
        target.mkdir()
        if name == "copied":

            def other_device(_self: Path, _source: Path) -> None:
                raise OSError(errno.EXDEV, "another device")

            monkeypatch.setattr(Path, "hardlink_to", other_device)
        module._link(site.store.path(digest), module._place(target, "a"), digest)
        listed.append(listing(target))
    assert listed[0] == listed[1]
    assert listed[0]["a"][0] & 0o777 == 0o444


def test_another_content_has_another_time(site: Site, tmp_path: Path) -> None:
    """BuildKit would not look at it: it compares files it knows by size and time."""
    paths = []
    for number, name in enumerate(("one", "two")):
        (site.folder / "app.ini").write_text(f"[app{number}]\n")
        paths.append(write(site, tmp_path / name) / "1-copy")
    for name in ("tree.tar", "SHA256SUMS"):
        one, two = ((path / name).stat() for path in paths)
        assert one.st_size == two.st_size
        assert one.st_mtime_ns != two.st_mtime_ns
