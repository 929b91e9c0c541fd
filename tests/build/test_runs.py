"""[[run]], [[secret]], [[copy]] and [source] over a real Debian."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from build.conftest import Site
from build.images import in_image
from imagelock.build.oci.builder import OciBuilder
from imagelock.build.oci.compare import Difference
from imagelock.model.errors import BuildError, SpecError
from imagelock.model.lock import Lock
from imagelock.model.spec import CopyRule, ImageConfig, RunRule, Secret, SourceRule

pytestmark = [pytest.mark.root, pytest.mark.network]

CANARY = "s3cret-canary-value"


def running(site: Site, *commands: str, mounted: str = "", network: bool = False) -> Lock:
    lock = site.lock()
    secrets: tuple[Secret, ...] = ()
    if mounted:
        (site.folder / "netrc").write_text(f"machine x\npassword {CANARY}\n")
        secrets = (Secret(id="s", source="netrc", target=mounted),)
    roots = replace(
        lock.roots,
        runs=(RunRule(commands=commands, network=network),),
        secrets=secrets,
        env=(("GREETING", "hello"),),
        image=ImageConfig(workdir="/work"),
    )
    return replace(lock, roots=roots)


def test_commands_run_in_order_in_one_shell_with_the_image_s_environment(site: Site) -> None:
    image = site.image(running(site, "cd /etc", 'echo "$GREETING $PWD $(id -u)" > said'))
    assert site.text(image, "etc/said") == "hello /etc 0\n"


def test_a_run_is_cached_by_commands_environment_and_what_lies_below(site: Site) -> None:
    lock = running(site, "date +%N > /etc/now")
    one, two = site.image(lock), site.image(lock)
    assert one.image.manifest == two.image.manifest
    assert two.image.layers[-1].cached
    changed = replace(lock, roots=replace(lock.roots, env=(("GREETING", "bye"),)))
    assert not site.image(changed).image.layers[-1].cached


def test_check_runs_names_every_file_that_differs_of_each_run(site: Site) -> None:
    lock = running(site, "echo same > /etc/a; head -c 8 /dev/urandom > /etc/random")
    steady = RunRule(commands=("echo same > /etc/b",))
    unsteady = RunRule(commands=("date +%N > /etc/now; touch /etc/at-$(date +%N)",))
    lock = replace(lock, roots=replace(lock.roots, runs=(*lock.roots.runs, steady, unsteady)))
    found: list[Difference] = []
    context = replace(site.context(), run_checked=found.extend)
    made = OciBuilder().images(lock, [], context=context)[0]
    assert [one.path for one in found if "at-" not in one.path] == ["/etc/random", "/etc/now"]
    assert len(found) == 4
    assert {one.layer[:5] for one in found} == {"run 1", "run 3"}
    # What was compared is the layer that is used from now on.
    again = site.image(lock)
    assert again.image.manifest == made.image.manifest
    # A run that was made before is made once more.
    found.clear()
    OciBuilder().images(lock, [], context=context)
    assert len(found) == 4


def test_check_names_the_file_that_differs(site: Site) -> None:
    lock = running(site, "echo same > /etc/a; head -c 8 /dev/urandom > /etc/random")
    (difference,) = OciBuilder().check(lock, [], context=site.context())
    assert difference.path == "/etc/random"
    assert "content sha256:" in difference.before
    steady = running(site, "echo same > /etc/a")
    assert OciBuilder().check(steady, [], context=site.context()) == ()


def test_there_is_no_network_unless_asked(site: Site) -> None:
    with pytest.raises(BuildError, match="exit status"):
        site.image(running(site, "grep -q eth0 /proc/net/dev || exit 9"))
    image = site.image(running(site, "wc -l < /proc/net/dev > /etc/devices", network=True))
    assert int(site.text(image, "etc/devices")) >= 3
    assert "etc/resolv.conf" not in site.layer(image)


@pytest.mark.parametrize("target", ["/run/secrets/netrc", "/root/.netrc", "/opt/deep/er/netrc"])
def test_a_secret_is_there_for_commands_and_nowhere_else(site: Site, target: str) -> None:
    image = site.image(running(site, f"wc -w < {target} > /etc/words", mounted=target))
    assert site.text(image, "etc/words") == "4\n"
    paths = site.layer(image)
    assert target.strip("/") not in paths
    assert "opt/deep" not in paths
    for number in range(len(image.image.layers)):
        assert CANARY.encode() not in site.tar(image, number) if number else True
    assert CANARY.encode() not in image.config


def test_a_copied_secret_is_refused_and_not_kept(site: Site) -> None:
    lock = running(site, "cp /run/s /etc/s", mounted="/run/s")
    with pytest.raises(BuildError, match="wrote a secret"):
        site.image(lock)
    for path in (site.store.root / "sha256").rglob("*"):
        assert path.is_dir() or CANARY.encode() not in path.read_bytes()
    assert not list((site.store.root / "tmp").iterdir())


def test_a_printed_secret_is_not_in_the_error(site: Site) -> None:
    with pytest.raises(BuildError) as caught:
        site.image(running(site, "cat /run/s; exit 3", mounted="/run/s"))
    assert CANARY not in str(caught.value)
    assert "********" in str(caught.value)


def test_a_secret_s_content_is_in_no_key(site: Site) -> None:
    lock = running(site, "true > /etc/x", mounted="/run/s")
    site.image(lock)
    (site.folder / "netrc").write_text("machine y\npassword another-secret\n")
    assert site.image(lock).image.layers[-1].cached


def test_background_processes_do_not_outlive_their_run(site: Site) -> None:
    site.image(running(site, "sleep 3117 & echo done > /etc/done"))
    assert not any(line == b"sleep\x003117\x00" for line in command_lines())


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes()


def copying(site: Site, *rules: CopyRule) -> Lock:
    lock = site.lock()
    return replace(lock, roots=replace(lock.roots, copies=rules))


def test_copies_have_fixed_modes_owners_and_times(site: Site) -> None:
    tree = site.folder / "conf"
    tree.mkdir()
    (tree / "app.ini").write_text("a")
    (tree / "run.sh").write_text("b")
    (tree / "run.sh").chmod(0o700)
    (tree / "link").symlink_to("app.ini")
    os.chown(tree / "app.ini", 7, 7)
    lock = copying(
        site,
        CopyRule(source="conf", target="/tmp/conf/"),  # noqa: S108 — in the image
        CopyRule(source="conf/app.ini", target="/root/"),
    )
    image = site.image(lock)
    found = site.layer(image)
    assert {path: oct(item.mode) for path, item in found.items()} == {
        "root": "0o700",
        "root/app.ini": "0o644",
        "tmp": "0o1777",
        "tmp/conf": "0o755",
        "tmp/conf/app.ini": "0o644",
        "tmp/conf/link": "0o777",
        "tmp/conf/run.sh": "0o755",
    }
    assert all(item.uid == item.gid == 0 for item in found.values())
    again = site.image(lock)
    assert again.image.layers[-1].cached
    (tree / "app.ini").write_text("c")
    assert not site.image(lock).image.layers[-1].cached


def test_a_copy_goes_through_the_links_of_a_merged_usr(site: Site) -> None:
    (site.folder / "tool").write_text("#!/bin/sh\necho tool\n")
    (site.folder / "tool").chmod(0o755)
    image = site.image(copying(site, CopyRule(source="tool", target="/bin/tool")))
    assert "usr/bin/tool" in site.layer(image)
    assert "bin" not in site.layer(image)
    assert in_image(site, image, "/bin/tool; readlink /bin") == "tool\nusr/bin\n"


@pytest.mark.parametrize("source", ["../outside", "missing", "/etc/passwd", "out"])
def test_copies_from_outside_are_refused(site: Site, source: str) -> None:
    (site.folder / "out").symlink_to("/etc")
    (site.folder.parent / "outside").write_text("x")
    with pytest.raises(SpecError):
        site.image(copying(site, CopyRule(source=source, target="/x")))


def test_a_link_out_of_the_image_is_refused(site: Site) -> None:
    (site.folder / "bad").mkdir()
    (site.folder / "bad" / "link").symlink_to("../../../../etc/passwd")
    with pytest.raises(SpecError, match="leads out"):
        site.image(copying(site, CopyRule(source="bad", target="/app")))


def test_the_source_honours_ignore_files(site: Site) -> None:
    root = site.folder / "src"
    for path, text in {
        "main.py": "m",
        "pkg/a.py": "a",
        "pkg/a.pyc": "x",
        "pkg/__pycache__/a.pyc": "x",
        "pkg/.gitignore": "local.py\n",
        "pkg/local.py": "x",
        "build/out": "x",
        "docs/keep.md": "k",
        "docs/drop.log": "x",
        ".gitignore": "/build/\n*.log\n!important.log\n",
        "important.log": "i",
        ".dockerignore": "**/*.tmp\nsecret\n",
        "deep/er/x.tmp": "x",
        "deep/secret": "kept: the rule is rooted",
        "secret": "x",
        ".git/config": "x",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    lock = site.lock()
    lock = replace(
        lock,
        roots=replace(lock.roots, source=SourceRule(root="src"), image=ImageConfig(workdir="/app")),
    )
    image = site.image(lock)
    files = {path for path, item in site.layer(image).items() if item.isfile()}
    assert files == {
        f"app/{path}"
        for path in (
            *("main.py", "pkg/a.py", "pkg/.gitignore", "docs/keep.md", ".gitignore"),
            *("important.log", ".dockerignore", "deep/secret"),
        )
    }
    assert in_image(site, image, "cat /app/pkg/a.py") == "a"
