"""Linking: what py-rattler writes for a prefix is what our layer holds, without a file system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from imagelock.fetch.store import Store
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from support.conda_channel import PLACEHOLDER, CondaFile, CondaPackage, conda_package, text
from support.conda_examples import packages
from support.conda_sites import ROOT, Prefix, folder_contents, link, rattler_link

ARM = Platform("linux/arm64")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.mark.parametrize("platform", [DEFAULT_PLATFORM, ARM], ids=str)
def test_the_prefix_is_the_one_py_rattler_makes(
    platform: Platform, store: Store, tmp_path: Path
) -> None:
    chosen = packages(platform.conda_subdir)
    ours = link(store, chosen, platform=platform)
    theirs = folder_contents(rattler_link(tmp_path, chosen, platform))
    expected = {
        path: content
        for path, content in theirs.items()
        if not path.startswith(("__clobbers__/", "conda-meta/")) and path != "CACHEDIR.TAG"
    }
    found: dict[str, bytes | str] = {
        path: item.linkname if item.issym() else ours.contents[path]
        for path, item in ours.members.items()
        if not item.isdir() and not path.startswith("conda-meta/")
    }
    assert found.keys() == expected.keys()
    # A launcher is our own text; that it runs is the business of the tests in an engine.
    launcher = found.pop("bin/pure")
    assert b"from pure.cli import main" in launcher if isinstance(launcher, bytes) else False
    expected.pop("bin/pure")
    assert found == expected


def test_conda_meta_is_what_py_rattler_reads(store: Store, tmp_path: Path) -> None:
    from rattler import PrefixRecord

    ours = link(store, packages())
    theirs = rattler_link(tmp_path, packages(), DEFAULT_PLATFORM) / "conda-meta"
    names = {path.name for path in theirs.iterdir() if path.suffix == ".json"}
    assert {path for path in ours.members if path.startswith("conda-meta/")} == {
        f"conda-meta/{name}" for name in (*names, "history")
    }
    for name in names:
        written = tmp_path / name
        written.write_bytes(ours.contents[f"conda-meta/{name}"])
        record, theirs_record = (
            PrefixRecord.from_path(written),
            PrefixRecord.from_path(theirs / name),
        )
        kept = [path for path in theirs_record.files if "__clobbers__" not in str(path)]
        assert [str(path) for path in record.files] == sorted(map(str, kept))
        assert record.sha256 == theirs_record.sha256
        assert record.url.startswith("https://conda.anaconda.org/conda-forge/")
        mine = {str(entry.relative_path): entry for entry in record.paths_data.paths}
        for entry in theirs_record.paths_data.paths:
            path = str(entry.relative_path)
            if "__clobbers__" in path or path == "bin/pure":
                continue
            assert mine[path].sha256 == entry.sha256
            if entry.sha256_in_prefix:
                assert mine[path].sha256_in_prefix == entry.sha256_in_prefix


def test_hashes_in_conda_meta_are_those_of_the_layer(store: Store) -> None:
    import hashlib

    ours = link(store, packages())
    checked = 0
    for path, data in ours.contents.items():
        if not path.startswith("conda-meta/") or not path.endswith(".json"):
            continue
        for entry in json.loads(data)["paths_data"]["paths"]:
            if entry["path_type"] != "softlink":
                content = ours.contents[entry["_path"]]
                assert entry["sha256_in_prefix"] == hashlib.sha256(content).hexdigest()
                checked += 1
    assert checked > 15


def test_modes_and_owners_are_of_the_layer_alone(store: Store) -> None:
    ours = link(store, packages())
    assert {item.mode for item in ours.members.values() if item.isreg()} == {0o644, 0o755}
    assert {item.mode for item in ours.members.values() if item.isdir()} == {0o755}
    assert {(item.uid, item.gid) for item in ours.members.values()} == {(0, 0)}
    assert ours.members["bin/greet"].mode == ours.members["bin/pure"].mode == 0o755
    assert ours.members["etc/old.conf"].mode == 0o644


def test_a_clobber_is_said_with_who_won_and_once(store: Store) -> None:
    ours = link(store, packages())
    assert ours.contents["share/both"] == b"of newer\n"
    assert ours.notices == ["conda: newer 1 replaces 1 file of old 1: share/both"]
    files = [
        path
        for name in ("newer-1-0", "old-1-0")
        for path in json.loads(ours.contents[f"conda-meta/{name}.json"])["files"]
    ]
    assert files.count("share/both") == 1
    # From the records of a build before, too.
    assert link(store, packages()).notices == ours.notices
    assert all(layer.layer.cached for layer in link(store, packages()).layers)


def test_a_program_with_a_binary_prefix_runs(store: Store, tmp_path: Path) -> None:
    program = tmp_path / "greet"
    program.write_bytes(link(store, packages()).contents["bin/greet"])
    program.chmod(0o755)
    done = subprocess.run([str(program)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "/opt/conda/share/greeting",
        "/opt/conda/bin:/opt/conda/sbin",
    ]


def with_files(store: Store, *made: CondaPackage) -> Prefix:
    return link(store, list(made))


def test_hard_links_of_an_archive(store: Store) -> None:
    prefix = with_files(
        store,
        conda_package(
            "git",
            form=".tar.bz2",
            files={
                "bin/git": text("#!@PREFIX@/bin/sh\n", executable=True),
                "libexec/git-add": CondaFile(hard="bin/git", prefix="text", executable=True),
                "libexec/git-rm": CondaFile(hard="bin/git", executable=True),
            },
        ),
    )
    assert prefix.members["libexec/git-add"].islnk()
    assert prefix.members["libexec/git-add"].linkname == f"{ROOT}/bin/git"
    assert prefix.contents["libexec/git-add"] == b"#!/opt/conda/bin/sh\n"
    # The same content as packed, and not the same as installed: a file of its own.
    assert prefix.members["libexec/git-rm"].isreg()
    assert prefix.contents["libexec/git-rm"].startswith(b"#!" + PLACEHOLDER.encode())


def test_a_hard_link_whose_target_lost_keeps_the_content(store: Store) -> None:
    prefix = with_files(
        store,
        conda_package("aa", files={"bin/x": "of aa\n", "bin/y": CondaFile(hard="bin/x")}),
        conda_package("bb", files={"bin/x": "of bb\n"}, depends=["aa"]),
    )
    assert prefix.contents["bin/x"] == b"of bb\n"
    assert prefix.contents["bin/y"] == b"of aa\n"


def test_links_with_the_build_prefix_lead_into_the_image(store: Store) -> None:
    prefix = with_files(
        store,
        conda_package(
            "fonts",
            files={
                "share/a": "a",
                "etc/a": CondaFile(link=f"{PLACEHOLDER}/share/a", prefix="text"),
                "etc/b": CondaFile(link="../share/a"),
            },
        ),
    )
    assert prefix.members["etc/a"].linkname == "/opt/conda/share/a"
    assert prefix.members["etc/b"].linkname == "../share/a"


def test_files_below_a_link_of_another_package_go_where_it_leads(store: Store) -> None:
    prefix = with_files(
        store,
        conda_package("base", files={"lib/x": "x", "lib64": CondaFile(link="lib")}),
        conda_package("more", files={"lib64/y/z": "z"}),
    )
    assert prefix.members["lib64"].issym()
    assert prefix.contents["lib/y/z"] == b"z"
    assert json.loads(prefix.contents["conda-meta/more-1.0-0.json"])["files"] == ["lib/y/z"]


def test_a_launcher_goes_where_a_link_leads(store: Store) -> None:
    interpreter = CondaFile(data=b"\x7fELF", executable=True)
    prefix = with_files(
        store,
        conda_package("python", "3.11.9", files={"tools/python3.11": interpreter}),
        conda_package("links", files={"bin": CondaFile(link="tools")}),
        conda_package("pure", noarch="python", entry_points=["run = pure:main"]),
    )
    assert prefix.members["bin"].issym()
    assert prefix.contents["tools/run"].startswith(b"#!/opt/conda/bin/python3.11\n")


def test_a_message_is_no_place_for_a_terminal_s_orders(store: Store) -> None:
    prefix = with_files(
        store,
        conda_package("aa", files={"a\x1b[2Jb": "a"}),
        conda_package("bb", files={"a\x1b[2Jb": "b"}),
    )
    assert "\x1b" not in prefix.notices[0]
    assert "a\\x1b[2Jb" in prefix.notices[0]


def test_packages_from_before_paths_json(store: Store) -> None:
    has_prefix = (
        f'{PLACEHOLDER} text "etc/conf"\n/opt/anaconda1anaconda2anaconda3 binary bin/x\netc/plain\n'
    )
    old = "/opt/anaconda1anaconda2anaconda3"
    prefix = with_files(
        store,
        conda_package(
            "ancient",
            form=".tar.bz2",
            files={
                "etc/conf": CondaFile(data=f"at {PLACEHOLDER}\n".encode()),
                "etc/plain": CondaFile(data=f"at {old}\n".encode()),
                "bin/x": CondaFile(data=f"\x7fELF{old}/x\0end".encode(), executable=True),
                "bin/l": CondaFile(link="x"),
            },
            info={"info/paths.json": None, "info/has_prefix": has_prefix.encode()},
        ),
    )
    assert prefix.contents["etc/conf"] == prefix.contents["etc/plain"] == b"at /opt/conda\n"
    assert prefix.contents["bin/x"] == b"\x7fELF/opt/conda/x".ljust(6 + len(old), b"\0") + b"\0end"
    assert prefix.members["bin/l"].issym()


def test_a_menu_entry_is_a_file_and_nothing_more(store: Store) -> None:
    entry = text('{"menu_name": "x", "command": ["@PREFIX@/bin/x"]}')
    prefix = with_files(store, conda_package("menu", files={"Menu/x.json": entry}))
    assert prefix.contents["Menu/x.json"] == b'{"menu_name": "x", "command": ["/opt/conda/bin/x"]}'
    assert {path for path in prefix.members if not path.startswith("conda-meta")} == {
        "Menu",
        "Menu/x.json",
    }


def test_an_empty_folder_is_kept(store: Store) -> None:
    prefix = with_files(store, conda_package("dirs", files={"var/empty": CondaFile(folder=True)}))
    assert prefix.members["var/empty"].isdir()


def test_a_free_threaded_python_says_where_its_packages_go(store: Store) -> None:
    where = "lib/python3.13t/site-packages"
    prefix = with_files(
        store,
        conda_package(
            "python",
            "3.13.1",
            files={"bin/python3.13": CondaFile(data=b"\x7fELF", executable=True)},
            fields={"python_site_packages_path": where},
        ),
        conda_package("pure", noarch="python", files={"site-packages/pure.py": ""}),
    )
    assert f"{where}/pure.py" in prefix.members


BIG = """
import re, sys
from pathlib import Path
from imagelock.fetch.store import Store
from support.conda_channel import PLACEHOLDER, CondaPackage
from support.conda_sites import conda_lock, conda_step
from imagelock.build.oci.cache import LayerCache
from imagelock.build.oci.conda import CondaLayers
from imagelock.layers.gzip import Compression
import json
store = Store(Path(sys.argv[1]))
filename, entry = json.loads(sys.argv[2])
step = conda_step(conda_lock([CondaPackage(filename=filename, data=b"", entry=entry)]))
def peak():
    # Of this program alone: getrusage remembers the process it was forked from.
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
files = {item.sha256: store.path(item.sha256) for item in step.artifacts}
CondaLayers(LayerCache(store, Compression.NONE)).build(step, files)
print(peak() - before)
"""


def test_a_big_package_is_never_in_memory(store: Store) -> None:
    data = (b"\x7fELF" + PLACEHOLDER.encode() + b"/lib\0" + bytes(1 << 20)) * 100
    big = conda_package("big", files={"lib/big.so": CondaFile(data=data, prefix="binary")})
    store.add_bytes(big.data)
    described = json.dumps([big.filename, dict(big.entry)])
    done = subprocess.run(
        [sys.executable, "-c", BIG, str(store.root), described],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(["src", "tests"])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(data) > 100 << 20
    assert 0 < int(done.stdout) < 40 << 10, "KiB more than before"
