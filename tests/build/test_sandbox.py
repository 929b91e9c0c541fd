"""The sandbox: what it refuses to unpack, what it keeps out, what it says was changed."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from pathlib import Path

import pytest

from imagelock.build.oci.sandbox import PATH, Sandbox, Work
from imagelock.build.oci.trees import Trees, tree_name
from imagelock.layers.untar import read_tar
from imagelock.model.errors import IntegrityError
from imagelock.model.image import LAYER_GZIP, LAYER_TAR, BuiltLayer, Descriptor
from imagelock.model.names import digest
from support.archives import Member
from support.sandboxes import members, site_sandbox

pytestmark = [pytest.mark.root]


def unpacked(sandbox: Sandbox, tar: bytes, name: str = "tree") -> Path:
    sandbox.trees.mkdir(parents=True, exist_ok=True)
    with sandbox:
        sandbox.unpack(io.BytesIO(tar), name, where="layer")
    return sandbox.trees / name


def changed(sandbox: Sandbox, *commands: str, lower: tuple[str, ...]) -> dict[str, bytes]:
    """What shell commands change over the layers, by path."""
    work = Work(lower=lower, commands=tuple(("/bin/sh", "-c", c) for c in commands),
                env=(("PATH", PATH),))  # fmt: skip
    with sandbox, sandbox.scratch() as scratch:
        status, output = sandbox.run(work, scratch)
        assert status == 0, output
        with sandbox.changes(lower, scratch, epoch=1000) as changes:
            tar = b"".join(changes)
    return {e.path: b"".join(e.content) for e in read_tar(io.BytesIO(tar), where="t")}


HOSTILE = [
    ([Member(path="../evil", data=b"x")], "leads out"),
    ([Member(path="a", link="/etc"), Member(path="a/passwd", data=b"x")], "no folder"),
    ([Member(path="a", link=".."), Member(path="a/b/c", data=b"x")], "no folder"),
    ([Member(path="a", hard="/etc/passwd")], "hard link to no file"),
    ([Member(path="a", hard="../../../etc/passwd")], "hard link to no file"),
    ([Member(path="a/.wh.", data=b"")], "whiteout of no file"),
    ([Member(path="a/.wh...", data=b"")], "whiteout of no file"),
    ([Member(path="a", data=b"x"), Member(path="a/b", data=b"x")], "no folder"),
]


@pytest.mark.parametrize(("listed", "problem"), HOSTILE)
def test_hostile_base_layers_are_refused(
    sandbox: Sandbox, listed: list[Member], problem: str
) -> None:
    before = sorted(sandbox.trees.parent.parent.rglob("*"))
    with pytest.raises(IntegrityError, match=problem) as caught:
        unpacked(sandbox, members(*listed))
    sandbox.close()
    assert caught.value.exit_code == 5
    assert sorted(sandbox.trees.parent.parent.rglob("*")) == before
    assert Path("/etc/passwd").read_text().startswith("root:")


def test_a_layer_that_is_a_bomb_is_refused(sandbox: Sandbox) -> None:
    """Two gigabytes of zeros in two megabytes; it stops at the bound."""
    item = tarfile.TarInfo("zeros")
    item.size = 2 << 30
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    packed = packer.compress(item.tobuf(tarfile.GNU_FORMAT))
    packed += b"".join(packer.compress(bytes(1 << 22)) for _ in range(512)) + packer.flush()
    blob = sandbox.trees.parent.parent / "bomb"
    blob.write_bytes(packed)
    layer = BuiltLayer(
        title="bomb",
        descriptor=Descriptor(
            media_type=LAYER_GZIP, digest=digest(f"sha256:{'0' * 64}"), size=len(packed)
        ),
        diff_id=digest(f"sha256:{'1' * 64}"),
        cached=True,
    )
    with pytest.raises(IntegrityError, match="bytes and more"):
        Trees(sandbox, lambda _descriptor: blob).names((layer,))
    sandbox.close()


def test_a_device_of_a_layer_is_made_an_empty_file(sandbox: Sandbox) -> None:
    tree = unpacked(sandbox, members(Member(path="sda", kind=tarfile.BLKTYPE)))
    assert (tree / "sda").is_file()


def test_a_later_member_takes_the_place_of_an_earlier_one(sandbox: Sandbox) -> None:
    tree = unpacked(
        sandbox,
        members(
            Member(path="a"),
            Member(path="a/b", data=b"1"),
            Member(path="a", link="/etc"),
            Member(path="a"),
            Member(path="a/c", data=b"2"),
        ),
    )
    assert sorted(os.listdir(tree / "a")) == ["c"]  # noqa: PTH208 — names are what is compared


def test_a_layer_that_is_not_what_the_config_says_is_refused(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    file = tmp_path / "layer.tar"
    file.write_bytes(members(Member(path="a", data=b"x")))
    layer = BuiltLayer(
        title="x",
        descriptor=Descriptor(media_type=LAYER_TAR, digest=digest("sha256:" + "0" * 64), size=1),
        diff_id=digest("sha256:" + "1" * 64),
        cached=False,
    )
    with pytest.raises(IntegrityError, match="diff ID"):
        Trees(sandbox, lambda _: file).names((layer,))
    sandbox.close()
    assert not (sandbox.trees / tree_name(layer.diff_id)).exists()


def test_nothing_of_the_host_is_seen(site_layers: tuple[str, ...]) -> None:
    found = changed(
        site_sandbox(),
        "mount > /etc/mounts; ls / /dev /run /tmp > /etc/seen; env | sort > /etc/env;"
        "hostname > /etc/name; ls /proc | grep -c '^[0-9]' > /etc/processes;"
        "grep Cap /proc/self/status > /etc/capabilities",
        lower=site_layers,
    )
    assert found["etc/env"].decode().split() == ["HOME=/root", f"PATH={PATH}", "PWD=/"]
    assert found["etc/name"] == b"imagelock\n"
    assert int(found["etc/processes"]) < 8
    bounding = next(x for x in found["etc/capabilities"].splitlines() if b"CapBnd" in x)
    assert int(bounding.split()[1], 16) & (1 << 21) == 0  # no CAP_SYS_ADMIN


def test_a_device_made_inside_cannot_be_used(site_layers: tuple[str, ...]) -> None:
    changed(
        site_sandbox(),
        "mknod /etc/null c 1 3 && ! (echo x > /etc/null) 2>/dev/null",
        lower=site_layers,
    )


def test_removals_become_whiteouts_and_replaced_folders_opaque(
    site_layers: tuple[str, ...],
) -> None:
    found = changed(
        site_sandbox(),
        "rm /etc/motd; rm -r /etc/skel /etc/default; mkdir /etc/skel; echo n > /etc/skel/new;"
        "cat /etc/passwd > /etc/p && mv /etc/p /etc/passwd && chmod 644 /etc/passwd;"
        "echo same > /etc/once; ln /etc/once /etc/twice; mkdir /etc/empty",
        lower=site_layers,
    )
    assert "etc/.wh.motd" in found
    assert "etc/skel/.wh..wh..opq" in found
    assert found["etc/skel/new"] == b"n\n"
    assert "etc/.wh.default" in found
    assert "etc/passwd" not in found
    assert "etc/empty" in found
    assert {"etc/once", "etc/twice"} <= found.keys()
