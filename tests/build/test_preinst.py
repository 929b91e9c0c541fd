"""Packages whose preinst does nothing are merged, all others are not, and nobody sees which."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from build.conftest import Site
from build.images import in_image
from imagelock.build.oci import apt, decoding
from imagelock.build.oci.sandbox import Sandbox
from imagelock.layers.deb import Deb
from imagelock.layers.stub import stub_deb
from imagelock.model.errors import BuildError
from support.archives import Member, deb_of

pytestmark = [pytest.mark.root, pytest.mark.network]

FILES = [
    Member(path="./usr/"),
    Member(path="./usr/share/"),
    Member(path="./usr/share/big", data=b"big\n" * 9),
]
HELPER = (
    b"#!/bin/sh\nset -e\n"
    b'dpkg-maintscript-helper rm_conffile /etc/old.conf 1.0~ -- "$@"\n'
    b'dpkg-maintscript-helper dir_to_symlink /usr/share/gone /usr/share/big 1.0~ -- "$@"\n'
)
NOISY = {
    "a file": b"#!/bin/sh\necho $1 > /etc/left\n",
    "a file taken away": b"#!/bin/sh\nrm -f /etc/motd\n",
    "a mode": b"#!/bin/sh\nchmod 600 /etc/motd\n",
    "a diversion": b"#!/bin/sh\ndpkg-divert --quiet --package big --add --rename /etc/motd\n",
    "an override": b"#!/bin/sh\ndpkg-statoverride --quiet --add root root 600 /usr/share/big\n",
    "an alternative": (
        b"#!/bin/sh\nupdate-alternatives --quiet --install /usr/bin/big big /bin/true 1\n"
    ),
    "another's record": b"#!/bin/sh\necho /x >> /var/lib/dpkg/info/base-files.list\n",
}
REPORT = (
    "find /etc /usr/share/big /usr/bin/big /var/lib/dpkg -exec stat -c '%n %a %u %s' {} + "
    "2>/dev/null | sort; cat /var/lib/dpkg/status; dpkg --audit"
)


def big(preinst: bytes, **more: bytes) -> bytes:
    return deb_of(FILES, name="big", control={"preinst": preinst, **more})


def built(site: Site, deb: bytes) -> tuple[bool, str]:
    """Whether the package was merged, and what the image then is."""
    image = site.image(site.lock(deb))
    merged = any(layer.title.endswith(", files") for layer in image.image.layers)
    return merged, in_image(site, image, REPORT)


def set_large(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    for module in (apt, decoding):
        monkeypatch.setattr(module, "LARGE", size)


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    set_large(monkeypatch, 0)


def test_one_that_does_nothing(site: Site, fresh: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    by_dpkg = built(fresh, big(HELPER))
    set_large(monkeypatch, 0)
    merged = built(site, big(HELPER))
    assert (by_dpkg[0], merged[0]) == (False, True)
    assert merged[1] == by_dpkg[1]


@pytest.mark.usefixtures("any_size")
@pytest.mark.parametrize("what", NOISY)
def test_one_that_leaves(site: Site, what: str) -> None:
    assert not built(site, big(NOISY[what]))[0]


@pytest.mark.usefixtures("any_size")
def test_each_of_several_is_found(site: Site) -> None:
    names = ["one", "two", "three", "four"]
    debs = [
        deb_of(
            [Member(path="./usr/"), Member(path=f"./usr/{name}", data=b"x")],
            name=name,
            control={"preinst": NOISY["a file"] if name == "three" else HELPER},
        )
        for name in names
    ]
    image = site.image(site.lock(*debs))
    merged = site.layer(image, -2)
    assert [name for name in names if f"usr/{name}" in merged] == ["one", "two", "four"]
    assert in_image(site, image, "dpkg --audit; cat /etc/left; ls /usr/three") == (
        "install\n/usr/three\n"
    )


@pytest.mark.usefixtures("any_size")
def test_one_whose_pre_depends_are_not_there_is_left_to_dpkg(site: Site) -> None:
    first = deb_of([], name="first", control={"postinst": b"#!/bin/sh\ntouch /etc/ready\n"})
    preinst = b"#!/bin/sh\ntest -e /etc/ready\n"
    second = deb_of(FILES, name="big", fields="Pre-Depends: first\n", control={"preinst": preinst})
    image = site.image(site.lock(first, second))
    assert in_image(site, image, "dpkg-query -W -f '${db:Status-Abbrev}' first big") == "ii ii "


@pytest.mark.usefixtures("any_size")
def test_a_machine_in_trouble_decides_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only dpkg's own refusal sends a package to dpkg: a build that goes on makes one image."""
    troubles = (
        (137, "killed"),
        (125, "sandbox: no memory"),
        (2, "dpkg: error"),
        (1, "cannot write: No space left on device"),
        (1, "the preinst script was killed by signal"),
    )
    for code, said in troubles:
        monkeypatch.setattr(Sandbox, "run", lambda *_, c=code, s=said: (c, s))
        with pytest.raises(BuildError, match=f"exit status {code}.*\n{said}") as caught:
            site.image(site.lock(big(HELPER)))
        assert caught.value.where == "big"


def test_a_stub_is_a_package_to_dpkg(tmp_path: Path) -> None:
    data = big(HELPER, postinst=b"#!/bin/sh\n", conffiles=b"/etc/big.conf\n")
    (tmp_path / "whole.deb").write_bytes(data)
    with (tmp_path / "whole.deb").open("rb") as file:
        control = Deb(file, where="whole").control()
    stub = tmp_path / "stub.deb"
    stub.write_bytes(stub_deb(control))

    def told(*words: str) -> str:
        return subprocess.run(
            ["dpkg-deb", *words], capture_output=True, text=True, check=True
        ).stdout

    assert told("--field", str(stub)) == told("--field", str(tmp_path / "whole.deb"))
    assert told("--info", str(stub), "preinst") == HELPER.decode()
    assert [line.split()[-1] for line in told("--contents", str(stub)).splitlines()] == ["./"]
