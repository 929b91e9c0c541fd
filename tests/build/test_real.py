"""Real packages: built twice the same, and the same tree as the real apt-get installs."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from build.conftest import Site
from build.images import in_image
from imagelock.app.context import Context, ResolveOptions
from imagelock.app.lock import resolve_lock
from imagelock.build.oci.builder import BuildContext, OciBuilder
from imagelock.build.oci.contents import read_contents
from imagelock.build.oci.trees import open_layer
from imagelock.fetch.artifacts import ArtifactFetcher
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.layers.entries import OPAQUE, WHITEOUT, Kind
from imagelock.layers.untar import read_tar
from imagelock.model.lock import Lock
from imagelock.model.spec import AptSpec, DistributionBase, Spec
from support.command import kept_folder

pytestmark = [pytest.mark.network, pytest.mark.root, pytest.mark.slow]

SETS = [
    ("ca-certificates", "curl", "git", "libgl1", "python3"),
    ("openssh-server", "systemd"),
    ("default-jre-headless",),
    ("fontconfig", "fonts-dejavu", "libopenblas0", "python3-numpy"),
    ("man-db", "nginx"),
    ("postgresql",),
    ("texlive-base",),
]

EXPLAINED = re.compile(
    r"dev/.*|run/.*|var/cache/apt/.*|var/lib/apt/.*|var/log/.*|etc/apt/sources\.list(\.d/.*)?"
    r"|etc/(fstab|hostname|resolv\.conf|machine-id)|etc/(passwd|group|shadow|gshadow|subuid|subgid)-"
    r"|etc/shadow"  # last-change days come from the epoch
    r"|etc/shells"  # the order of lines
    r"|.*\.pyc"  # checked by hash here, by time there
    r"|var/lib/dpkg/(arch|lock.*|.*-old|triggers/Lock)|var/cache/debconf/.*-old"
    r"|var/cache/ldconfig/aux-cache|var/cache/man/.*|var/cache/fontconfig/.*"
    r"|etc/ssl/certs/java/cacerts|var/lib/texmf/.*|etc/ssh/ssh_host_.*"
    r"|etc/ssl/(private|certs)/ssl-cert-snakeoil\..*|etc/ssl/certs/[0-9a-f]{8}\.0"
    r"|(var/lib|etc)/postgresql/15/main.*|var/lib/systemd/(random-seed|catalog/database)"
    r"|etc/udev/hwdb\.bin|usr/lib/udev/hwdb\.bin|var/lib/dbus/machine-id"
)
"""Where two roots may differ, each for a reason docs/build.md gives."""


def locked(names: tuple[str, ...]) -> tuple[Lock, BuildContext]:
    store = Store(kept_folder() / "store")
    http = Http()
    spec = Spec(
        name="real",
        base=DistributionBase(distribution="debian:bookworm"),
        apt=AptSpec(packages=names),
    )
    lock = resolve_lock(
        spec,
        previous=None,
        context=Context(store=store, http=http, now=datetime.now(UTC)),
        options=ResolveOptions(),
        spec_folder=Path(),
    )
    fetcher = ArtifactFetcher(store, http)
    return lock, BuildContext(store=store, fetch=fetcher.fetch, folder=Path())


def tree_of(root: Path) -> Iterator[tuple[str, tuple[object, ...]]]:
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(folder, name)
            status = path.lstat()
            inner = str(path.relative_to(root))
            if stat.S_ISLNK(status.st_mode):
                yield inner, ("link", os.readlink(path))  # noqa: PTH115 — the exact text
            elif stat.S_ISREG(status.st_mode):
                data = path.read_bytes()
                if inner.startswith("var/lib/dpkg/triggers/"):
                    data = b"\n".join(sorted(data.split(b"\n")))  # a set, in no order of meaning
                digest = hashlib.sha256(data).hexdigest()
                yield inner, (oct(status.st_mode), status.st_uid, status.st_gid, digest)
            else:
                yield inner, (oct(status.st_mode), status.st_uid, status.st_gid)


def unpack(layers: list[tuple[Path, str]], root: Path) -> None:
    """GNU tar and our whiteouts: another reader than ours."""
    for path, media_type in layers:
        with open_layer(path, media_type) as tar:
            for entry in read_tar(tar, where="layer"):
                folder, _, name = entry.path.rpartition("/")
                if name == OPAQUE:
                    shutil.rmtree(root / folder)
                elif name.startswith(WHITEOUT):
                    gone = root / folder / name.removeprefix(WHITEOUT)
                    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
        command = ["tar", "-xzf", str(path), "-C", str(root), "--exclude=.wh.*"]
        subprocess.run(command, check=True)


@pytest.mark.parametrize("names", SETS, ids=lambda names: names[0])
def test_built_again_it_is_the_same(names: tuple[str, ...]) -> None:
    lock, context = locked(names)
    assert OciBuilder().check(lock, [], context=context) == ()


@pytest.mark.parametrize("names", SETS, ids=lambda names: names[0])
def test_the_tree_is_the_one_apt_get_installs(names: tuple[str, ...], tmp_path: Path) -> None:
    lock, context = locked(names)
    made = OciBuilder().images(lock, [], context=context)[0]
    files = [
        (made.blob_file(layer.descriptor), layer.descriptor.media_type)
        for layer in made.image.layers
    ]
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    unpack(files, ours)
    include = f"--include={','.join(names)}"
    subprocess.run(
        ["mmdebstrap", "--quiet", "--variant=minbase", include, "bookworm", str(theirs)], check=True
    )
    one, other = dict(tree_of(ours)), dict(tree_of(theirs))
    differing = {
        path: (one.get(path), other.get(path))
        for path in one.keys() | other.keys()
        if one.get(path) != other.get(path) and not EXPLAINED.fullmatch(path)
    }
    assert differing == {}
    audit = subprocess.run(["chroot", ours, "dpkg", "--audit"], capture_output=True, check=True)
    assert audit.stdout == b""
    verify = subprocess.run(["chroot", ours, "dpkg", "--verify"], capture_output=True, check=False)
    assert verify.stdout == b""


def test_the_contents_are_read_without_unpacking() -> None:
    lock, context = locked(SETS[0])
    made = OciBuilder().images(lock, [], context=context)[0]
    pairs = ((la.descriptor, made.blob_file(la.descriptor)) for la in made.image.layers)
    contents = read_contents(pairs)
    found = contents.find("/bin/sh")
    assert found is not None
    assert found.kind is Kind.FILE


def test_tex_makes_its_format_on_first_use_and_finds_its_fonts(tmp_path: Path) -> None:
    lock, context = locked(("texlive-base",))
    made = OciBuilder().images(lock, [], context=context)[0]
    site = Site(folder=tmp_path, base=tmp_path, store=context.store)
    said = in_image(
        site, made, r"cd /tmp && printf 'Hello\\bye\n' > a.tex && pdftex a.tex 2>&1 && ls a.pdf"
    )
    assert "cmr10.pfb" in said
    assert said.endswith("a.pdf\n")
