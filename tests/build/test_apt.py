"""Made-up packages that do what real ones do, on a real Debian, by the real dpkg."""

from __future__ import annotations

from dataclasses import replace

import pytest

from build.conftest import Site
from build.images import in_image
from imagelock.model.errors import BuildError, IntegrityError
from imagelock.model.lock import AptRemoval, Requirer
from imagelock.model.names import deb_name
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.spec import CopyRule
from support.archives import DAY, Member, deb_of

pytestmark = [pytest.mark.root, pytest.mark.network]

THING = [
    Member(path="./etc/"),
    Member(path="./etc/thing.conf", data=b"x = 1\n", mode=0o644),
    Member(path="./lib/"),
    Member(path="./lib/thing.txt", data=b"in lib\n", mode=0o644),
    Member(path="./usr/"),
    Member(path="./usr/bin/"),
    Member(path="./usr/bin/thing", data=b"#!/bin/sh\necho thing\n", mode=0o755),
]
POSTINST = b"""#!/bin/sh
set -e
test "$1" = configure
test "$(dpkg-query -W -f '${Status}' thing)" = "install ok half-configured"
adduser --system --group thing >/dev/null 2>&1 || useradd --system thing
chown thing /usr/bin/thing
chmod 4755 /usr/bin/thing
update-alternatives --install /usr/bin/what what /usr/bin/thing 10
date > /var/log/dpkg.log
echo "$LC_ALL $DEBIAN_FRONTEND $SOURCE_DATE_EPOCH $(umask) $(hostname)" > /etc/thing.env
ls /proc/sys/net/ipv4/conf | sort | tr '\\n' ' ' > /etc/thing.net
rm /etc/motd
"""


def thing(**more: bytes) -> bytes:
    control = {"conffiles": b"/etc/thing.conf\n", "postinst": POSTINST, **more}
    return deb_of(THING, control=control)


def test_a_package_is_installed_and_dpkg_is_content(site: Site) -> None:
    image = site.image(site.lock(thing()))
    assert in_image(site, image, "dpkg --audit; dpkg --verify thing; thing; what") == (
        "thing\nthing\n"
    )
    told = in_image(site, image, "dpkg-query -W -f '${Status} ${Conffiles}' thing").split()
    digest = in_image(site, image, "md5sum < /etc/thing.conf").split()[0]
    assert told == ["install", "ok", "installed", "/etc/thing.conf", digest]


def test_what_scripts_see_and_write(site: Site) -> None:
    image = site.image(site.lock(thing()))
    written = site.layer(image)
    assert site.text(image, "etc/thing.env") == f"C.UTF-8 noninteractive {DAY} 0022 imagelock\n"
    assert site.text(image, "etc/thing.net").split() == ["all", "default", "lo"]
    assert "var/log/dpkg.log" not in written
    assert "etc/passwd-" not in written
    assert "usr/sbin/policy-rc.d" not in written
    assert written["etc/.wh.motd"].isfile()
    assert written["usr/bin/thing"].mode == 0o4755
    assert written["usr/bin/thing"].uid > 0
    assert all(item.mtime <= DAY for item in written.values())
    assert not any(path.split("/")[0] in {"dev", "proc", "run", "tmp"} for path in written)


def test_merged_usr_is_not_undone(site: Site) -> None:
    image = site.image(site.lock(thing()))
    merged = site.layer(image, -2)
    assert "usr/lib/thing.txt" in merged
    assert "lib" not in merged
    assert in_image(site, image, "readlink /lib; cat /lib/thing.txt") == "usr/lib\nin lib\n"


def test_twice_is_the_same_and_the_second_time_cached(site: Site, fresh: Site) -> None:
    one = site.image(site.lock(thing()))
    again = site.image(site.lock(thing()))
    other = fresh.image(fresh.lock(thing()))
    assert one.image.manifest == again.image.manifest == other.image.manifest
    own = [layer for layer in one.image.layers if not layer.title.startswith("from ")]
    assert not any(layer.cached for layer in own)
    assert all(layer.cached for layer in again.image.layers)


def test_a_preinst_runs_before_its_files_are_there(site: Site) -> None:
    preinst = b"#!/bin/sh\nset -e\ntest ! -e /usr/bin/thing\necho ran $1 > /etc/preinst\n"
    image = site.image(site.lock(thing(preinst=preinst)))
    assert in_image(site, image, "cat /etc/preinst; dpkg --audit; thing") == "ran install\nthing\n"


def test_pre_depends_are_configured_first(site: Site) -> None:
    first = deb_of(
        [Member(path="./usr/"), Member(path="./usr/share/"), Member(path="./usr/share/first/")],
        name="first",
        control={"postinst": b"#!/bin/sh\ntouch /etc/first-is-ready\n"},
    )
    second = deb_of(
        [],
        name="another",
        fields="Pre-Depends: first\n",
        control={"preinst": b"#!/bin/sh\ntest -e /etc/first-is-ready\n"},
    )
    image = site.image(site.lock(first, second))
    assert in_image(site, image, "dpkg-query -W -f '${db:Status-Abbrev}' first another") == "ii ii "


def test_a_diversion_is_respected(site: Site) -> None:
    preinst = (
        b"#!/bin/sh\nset -e\ndpkg-divert --package diverter --add --rename"
        b" --divert /usr/bin/thing.real /usr/bin/thing\n"
    )
    diverter = deb_of(
        [
            Member(path="./usr/"),
            Member(path="./usr/bin/"),
            Member(path="./usr/bin/thing", data=b"#!/bin/sh\necho diverted\n"),
        ],
        name="diverter",
        fields="Pre-Depends: thing\n",
        control={"preinst": preinst},
    )
    image = site.image(site.lock(thing(), diverter))
    assert in_image(site, image, "thing; thing.real; dpkg --audit") == "diverted\nthing\n"


def test_triggers_run(site: Site) -> None:
    watcher = deb_of(
        [Member(path="./usr/"), Member(path="./usr/share/"), Member(path="./usr/share/watched/")],
        name="watcher",
        control={
            "triggers": b"interest-noawait /usr/share/watched\ninterest named\n",
            "postinst": b'#!/bin/sh\n[ "$1" != triggered ] || echo "$2" >> /etc/triggered\n',
        },
    )
    base = site.image(site.lock(watcher))
    assert "etc/triggered" not in site.layer(base)
    # On top of an image that has the watcher already, a merged package must trigger it.
    layered = site.build(site.lock(watcher), f"oci:{site.folder}/watched")
    assert layered.images
    above = replace(site, base=site.folder / "watched")
    watched = deb_of(
        [
            Member(path="./usr/"),
            Member(path="./usr/share/"),
            Member(path="./usr/share/watched/"),
            Member(path="./usr/share/watched/x", data=b"x"),
        ],
        name="watched",
        control={"triggers": b"activate named\n"},
    )
    image = above.image(above.lock(watched))
    words = in_image(above, image, "cat /etc/triggered; dpkg --audit").split()
    assert sorted(words) == ["/usr/share/watched", "named"]


def test_an_upgrade_goes_through_dpkg_and_drops_old_files(site: Site) -> None:
    site.build(site.lock(thing()), f"oci:{site.folder}/old")
    above = replace(site, base=site.folder / "old")
    newer = deb_of(
        [Member(path="./usr/"), Member(path="./usr/bin/"),
         Member(path="./usr/bin/newer", data=b"#!/bin/sh\necho newer\n")],
        version="2.0-1",
    )  # fmt: skip
    image = above.image(above.lock(newer))
    assert in_image(above, image, "newer; test ! -e /usr/bin/thing; dpkg --audit") == "newer\n"


def test_removed_packages_are_gone(site: Site) -> None:
    site.build(site.lock(thing()), f"oci:{site.folder}/old")
    above = replace(site, base=site.folder / "old")
    removal = AptRemoval(
        name=deb_name("thing"),
        version="1.0-1",
        architecture="all",
        platforms=(DEFAULT_PLATFORM,),
        required_by=(Requirer(name="other"),),
    )
    image = above.image(above.lock(removals=(removal,)))
    assert in_image(above, image, "test ! -e /etc/thing.conf; dpkg -l thing 2>&1 | tail -1")


def test_a_failing_script_names_itself(site: Site) -> None:
    with pytest.raises(BuildError, match="exit status") as caught:
        site.image(site.lock(thing(postinst=b"#!/bin/sh\necho the reason >&2\nexit 3\n")))
    assert "the reason" in str(caught.value)
    assert "installed thing package post-installation script" in str(caught.value)
    assert caught.value.exit_code == 6


def test_another_package_than_the_locks_is_refused(site: Site) -> None:
    lock = site.lock(deb_of([], name="thing"))
    wrong = replace(lock, apt=(replace(lock.apt[0], version="9"),))
    with pytest.raises(IntegrityError, match="expected thing 9"):
        site.image(wrong)


DOCS = [
    Member(path="./etc/"),
    Member(path="./etc/docs.conf", data=b"x = 1\n", mode=0o644),
    Member(path="./usr/"),
    Member(path="./usr/bin/"),
    Member(path="./usr/bin/docs", data=b"#!/bin/sh\n", mode=0o755),
    Member(path="./usr/share/"),
    Member(path="./usr/share/doc/"),
    Member(path="./usr/share/doc/docs/"),
    Member(path="./usr/share/doc/docs/README", data=b"read me\n", mode=0o644),
    Member(path="./usr/share/doc/docs/copyright", data=b"free\n", mode=0o644),
    Member(path="./usr/share/doc/docs/examples/"),
    Member(path="./usr/share/doc/docs/examples/one", data=b"one\n", mode=0o644),
    Member(path="./usr/share/man/"),
    Member(path="./usr/share/man/man9/"),
    Member(path="./usr/share/man/man9/docs.9", data=b"page\n", mode=0o644),
]
SLIM = (
    "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\n"
    "path-exclude=/usr/share/man/*\npath-exclude /etc/docs.conf\n"
)
SAYS = (
    "cd /; find etc/docs* usr/bin/docs usr/share/doc/docs usr/share/man/man9 2>/dev/null | sort;"
    "sed -n '/^Package: docs/,/^$/p' var/lib/dpkg/status;"
    "cat var/lib/dpkg/info/docs.list var/lib/dpkg/info/docs.md5sums; dpkg --verify docs; true"
)


def test_what_the_base_s_dpkg_leaves_out_is_left_out_of_merged_packages(site: Site) -> None:
    """The same package twice: merged by us, and unpacked by dpkg because it has a preinst."""
    (site.folder / "slim").write_text(SLIM)
    lock = site.lock()
    roots = replace(
        lock.roots, copies=(CopyRule(source="slim", target="/etc/dpkg/dpkg.cfg.d/slim"),)
    )
    site.build(replace(lock, roots=roots), f"oci:{site.folder}/slim-base")
    slim = replace(site, base=site.folder / "slim-base")
    control = {"conffiles": b"/etc/docs.conf\n"}
    merged = slim.image(slim.lock(deb_of(DOCS, name="docs", control=control)))
    said = in_image(slim, merged, SAYS)
    preinst = {**control, "preinst": b"#!/bin/sh\nexit 0\n"}
    by_dpkg = slim.image(slim.lock(deb_of(DOCS, name="docs", control=preinst)))
    assert said == in_image(slim, by_dpkg, SAYS)
    assert "usr/share/doc/docs/copyright\n" in said
    assert said.index("/etc/docs.conf newconffile") > 0
    assert "man9" not in said.partition("Package:")[0]
    assert "README" not in said.partition("Package:")[0]
