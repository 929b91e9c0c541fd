"""Locks of pixi and conda-lock, made of a channel's records: imported, locked, the same files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from imagelock.app.files import load_lock, load_spec
from imagelock.app.importing.model import ImportRequest
from imagelock.app.importing.writing import import_file
from imagelock.lock import encode_lock
from imagelock.model.archives import artifact_url
from imagelock.model.conda import InvalidMatchSpec, parse_match_spec
from imagelock.model.errors import ImagelockError, NoSolution
from imagelock.model.lock import Lock
from imagelock.model.platform import Platform
from support.command import call
from support.conda_channel import Channel, CondaPackage, conda_package
from support.conda_examples import packages
from support.conda_forge import Channels, conda_spec, joined, record
from support.conda_python import real_python
from support.local_server import Answer, local_server
from support.minbase import minbase_layout

HOST = "https://conda.anaconda.org"
SUBDIRS = ("linux-64", "linux-aarch64")
Held = dict[str, list[tuple[str, Mapping[str, Any]]]]
"""What an environment holds on each platform: URLs and records."""


def pixi(held: Held, channel: str) -> str:
    """As pixi writes it, version 6."""
    known = {url: item for listed in held.values() for url, item in listed}
    lines = ["version: 6", "environments:", "  default:", "    channels:"]
    lines += [f"    - url: {channel}/", "    packages:"]
    for subdir, listed in held.items():
        lines += [f"      {subdir}:", *(f"      - conda: {url}" for url, _item in listed)]
    lines.append("packages:")
    for url, item in sorted(known.items()):
        lines += [
            f"- conda: {url}",
            f"  sha256: {item['sha256']}",
            f"  md5: {item['md5'] or 'null'}",
        ]
        lines += ["  depends:", *(f"  - {text}" for text in item["depends"])]
        lines += [f"  size: {item['size']}", f"  timestamp: {item['timestamp']}"]
    return "\n".join(lines) + "\n"


def conda_lock(held: Held, channel: str) -> str:
    """As conda-lock writes it, version 1."""
    lines = ["version: 1", "metadata:", "  channels:", f"  - url: {channel}"]
    lines += ["    used_env_vars: []", "  platforms:", *(f"  - {name}" for name in held)]
    lines += ["  sources:", "  - environment.yml", "package:"]
    for subdir, listed in held.items():
        for url, item in listed:
            lines += [f"- name: {item['name']}", f"  version: {item['version']}"]
            lines += ["  manager: conda", f"  platform: {subdir}", "  dependencies: {}"]
            lines += [f"  url: {url}", "  hash:", f"    md5: {item['md5'] or 'null'}"]
            lines += [f"    sha256: {item['sha256']}", "  category: main", "  optional: false"]
    return "\n".join(lines) + "\n"


FORMATS = {"pixi.lock": pixi, "conda-lock.yml": conda_lock}


def entry(name: str, version: str, *depends: str, subdir: str = "noarch", **more: Any) -> Any:  # noqa: ANN401 - a record
    md5 = hashlib.md5(f"{subdir}{name}{version}".encode(), usedforsecurity=False).hexdigest()
    return record(name, version, *depends, subdir=subdir, md5=md5, **more)


RECORDS = {
    subdir: joined(
        *(entry("lib", version, "data", subdir=subdir) for version in ("1.0", "1.1", "2.0")),
        entry("tool", "1.0", "lib <2", subdir=subdir),
    )
    for subdir in SUBDIRS
}
COMMON = joined(
    *(entry("data", version) for version in ("1.0", "2.0")),
    *(entry("sysroot", version) for version in ("2.17", "2.28")),
)


def held_by(lab: str) -> Held:
    """Older versions than the channel has, and a noarch package for one platform alone."""

    def at(subdir: str, name: str) -> tuple[str, Mapping[str, Any]]:
        item = (COMMON if subdir == "noarch" else RECORDS[subdir])[f"{name}-0.conda"]
        return f"{lab}/{subdir}/{name}-0.conda", item

    held = {
        subdir: [at(subdir, "lib-1.0"), at(subdir, "tool-1.0"), at("noarch", "data-1.0")]
        for subdir in SUBDIRS
    }
    held["linux-64"].append(at("noarch", "sysroot-2.17"))
    return held


def locked(channels: Channels, folder: Path, name: str, text: str) -> Lock:
    (folder / name).write_text(text)
    request = ImportRequest(path=folder / name, folder=folder, python="")
    (made,) = import_file(request, output=folder / "image.toml", force=True)
    assert made.left_behind == ()
    return channels.lock(load_spec(folder / "image.toml"))


@pytest.fixture
def lab(empty: Channels) -> Channels:
    return empty.add(
        "lab",
        linux_64=RECORDS["linux-64"],
        linux_aarch64=RECORDS["linux-aarch64"],
        noarch=COMMON,
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_files_by_url_and_hash(lab: Channels, tmp_path: Path, name: str) -> None:
    held = held_by(f"{HOST}/lab")
    lock = locked(lab, tmp_path, name, FORMATS[name](held, f"{HOST}/lab"))
    for subdir, text in zip(SUBDIRS, ("linux/amd64", "linux/arm64"), strict=True):
        found = {
            (artifact_url(pin.artifact, lock.archives), pin.artifact.sha256)
            for pin in lock.conda
            if Platform(text) in pin.platforms
        }
        assert found == {(url, item["sha256"]) for url, item in held[subdir]}
    (data,) = (pin for pin in lock.conda if pin.name == "data")
    assert len(data.platforms) == 2
    again = lab.lock(load_spec(tmp_path / "image.toml"), previous=lock)
    assert encode_lock(again) == encode_lock(lock)


def test_both_formats_say_the_same(lab: Channels, tmp_path: Path) -> None:
    held = held_by(f"{HOST}/lab")
    found = []
    for name, write in FORMATS.items():
        (tmp_path / name).mkdir()
        lock = locked(lab, tmp_path / name, name, write(held, f"{HOST}/lab"))
        found.append(lock.conda)
    assert found[0] == found[1]


@pytest.mark.parametrize("name", FORMATS)
def test_a_real_environment_comes_back_as_it_was(
    conda_forge: Channels, tmp_path: Path, name: str
) -> None:
    before = conda_forge.lock(conda_spec("python 3.12.*", "numpy", "compilers"))
    held: Held = {
        platform.conda_subdir: [
            (
                artifact_url(pin.artifact, before.archives),
                {"sha256": pin.artifact.sha256, "size": pin.artifact.size, "depends": pin.depends}
                | {"md5": pin.md5, "timestamp": pin.timestamp}
                | {"name": pin.name, "version": pin.version},
            )
            for pin in before.conda
            if platform in pin.platforms
        ]
        for platform in before.platforms
    }
    assert min(map(len, held.values())) > 20
    after = locked(conda_forge, tmp_path, name, FORMATS[name](held, f"{HOST}/conda-forge"))

    def files(lock: Lock) -> set[tuple[str, str, tuple[Platform, ...]]]:
        return {(pin.name, pin.artifact.sha256, pin.platforms) for pin in lock.conda}

    assert files(after) == files(before)


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_that_the_channel_has_not_is_no_solution(
    lab: Channels, tmp_path: Path, name: str
) -> None:
    """The same version and build with other bytes: built anew under one name, or changed."""
    held = held_by(f"{HOST}/lab")
    url, item = held["linux-aarch64"][0]
    held["linux-aarch64"][0] = (url, {**item, "sha256": "0" * 64})
    with pytest.raises(NoSolution, match=r"lib ==1\.0") as caught:
        locked(lab, tmp_path, name, FORMATS[name](held, f"{HOST}/lab"))
    assert "linux/arm64" in caught.value.where


def test_a_platform_of_a_match_spec() -> None:
    spec = parse_match_spec("a 1.0[platform='linux/x86_64', sha256='" + "A" * 64 + "']")
    assert (spec.platform, spec.sha256) == ("linux/amd64", "a" * 64)
    assert parse_match_spec(str(spec)) == spec
    with pytest.raises(InvalidMatchSpec, match=r"expected one of linux/386, .*, got 'osx-64'"):
        parse_match_spec("a[platform='osx-64']")


def test_one_platform_asks_and_the_other_does_not(lab: Channels, tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text(
        'platforms = ["linux/amd64", "linux/arm64"]\n[base]\nlayout = "oci:base"\n[conda]\n'
        'packages = ["data", "sysroot[platform=\'linux/arm64\']"]\nchannels = ["lab"]\n'
    )
    lock = lab.lock(load_spec(tmp_path / "t.toml"))
    found = {pin.name: [str(platform) for platform in pin.platforms] for pin in lock.conda}
    assert found == {"data": ["linux/amd64", "linux/arm64"], "sysroot": ["linux/arm64"]}
    (sysroot,) = (pin for pin in lock.conda if pin.name == "sysroot")
    assert [edge.specifier for edge in sysroot.required_by] == [""]


@contextmanager
def served(
    made: list[CondaPackage], folder: Path, *, damaged: str = "none"
) -> Iterator[dict[str, str]]:
    """The environment of a machine that reaches a channel of these packages by its name."""
    with local_server() as server:
        for path, data in Channel(made).files().items():
            changed = data[:-1] + b"?" if path.endswith(damaged) else data
            server.routes[f"/lab/{path}"] = Answer(changed)
        mirrors = folder / "mirrors.toml"
        mirrors.write_text(f'"{HOST}/" = "{server.url}/"\n')
        yield {
            "IMAGELOCK_MIRRORS": str(mirrors),
            "IMAGELOCK_STORE": str(folder / f"store-{damaged}"),
        }


@pytest.mark.network  # the base is made of Debian's packages the first time
@pytest.mark.parametrize("name", FORMATS)
def test_imported_locked_built_and_checked(tmp_path: Path, name: str) -> None:
    made = [real_python(), *(p for p in packages() if p.entry["name"] != "python")]
    wanted = [p for p in made if p.entry["name"] in {"greet", "python", "data"}]
    newer = conda_package("data", "99", noarch="generic", files={"share/new": "x"})
    held: Held = {
        "linux-64": [
            (
                f"{HOST}/lab/{p.subdir}/{p.filename}",
                {**p.entry, "md5": hashlib.md5(p.data, usedforsecurity=False).hexdigest()},
            )
            for p in wanted
        ]
    }
    (tmp_path / name).write_text(FORMATS[name](held, f"{HOST}/lab"))
    (tmp_path / "base").symlink_to(minbase_layout())
    spec, lock = tmp_path / "image.toml", tmp_path / "image.lock"
    assert call("import", str(tmp_path / name), "-o", str(spec)).code == 0
    text = spec.read_text().replace('distribution = "debian:bookworm"', 'layout = "oci:base"')
    spec.write_text(text)
    with served([*made, newer], tmp_path) as env:
        done = call("lock", str(spec), env=env)
        assert done.code == 0, done.err
        pins = {pin.name: pin.artifact.sha256 for pin in load_lock(lock).conda}
        assert pins == {p.entry["name"]: p.entry["sha256"] for p in wanted}
        out = f"oci:{tmp_path}/out"
        done = call("build", str(spec), "--output", out, "--json", env=env)
        assert done.code == 0, done.err
        assert json.loads(done.out)["images"]
        assert call("verify", str(lock), out, env=env).code == 0
    # The channel serves other bytes under the same name: nothing is built of them.
    (greet,) = (p.filename for p in wanted if p.entry["name"] == "greet")
    with served(made, tmp_path, damaged=greet) as env:
        done = call("build", str(spec), "--output", out, env=env)
    assert done.code == 5, done.err
    assert greet in done.err


def test_nothing_hidden_in_an_error(tmp_path: Path) -> None:
    held = held_by("https://h/t/tk-canary/lab")
    for name, write in FORMATS.items():
        (tmp_path / name).write_text(write(held, f"{HOST}/lab"))
        request = ImportRequest(path=tmp_path / name, folder=tmp_path, python="")
        with pytest.raises(ImagelockError) as caught:
            import_file(request, output=tmp_path / "image.toml")
        assert "canary" not in f"{caught.value}{caught.value.where}{caught.value.hint}"
