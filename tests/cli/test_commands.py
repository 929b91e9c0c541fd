"""Every command on a small real image: what it prints, what it writes, how it exits."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from support.command import Called, call, kept_folder

pytestmark = pytest.mark.network

SPEC = """\
name = "small"
platforms = ["linux/amd64"]

[base]
distribution = "debian:bookworm"

[pip]
packages = ["idna<3.10"]
"""


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec and its lock; tests copy it."""
    folder = tmp_path_factory.mktemp("locked")
    (folder / "image.toml").write_text(SPEC)
    called = call("lock", str(folder / "image.toml"))
    assert called.code == 0, called.err
    assert called.out.startswith("wrote ")
    return folder


@pytest.fixture
def here(locked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it, as the current folder."""
    folder = tmp_path / "here"
    shutil.copytree(locked, folder)
    monkeypatch.chdir(folder)
    return folder


def ok(*arguments: str, env: dict[str, str] | None = None) -> Called:
    called = call(*arguments, env=env)
    assert called.code == 0, called.err
    assert "\x1b" not in called.out + called.err, "colours, and this is no terminal"
    return called


def value(*arguments: str) -> dict[str, object]:
    called = ok(*arguments, "--json")
    assert called.err == ""
    found = json.loads(called.out)
    assert isinstance(found, dict)
    return found


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_lock_again_changes_nothing_and_needs_no_network(here: Path) -> None:
    before = (here / "image.lock").read_bytes()
    written = (here / "image.lock").stat().st_mtime_ns
    empty = {"IMAGELOCK_STORE": str(here / "empty"), "IMAGELOCK_OFFLINE": "1"}
    assert ok("lock", "image.toml", env=empty).out == "image.lock: unchanged\n"
    assert (here / "image.lock").read_bytes() == before
    assert (here / "image.lock").stat().st_mtime_ns == written


def test_check_says_what_is_stale_and_writes_nothing(here: Path) -> None:
    assert ok("lock", "--check", "image.toml").out == "image.lock: up to date\n"
    before = (here / "image.lock").read_bytes()
    replace(here / "image.toml", "idna<3.10", "six")
    called = call("lock", "--check", "image.toml")
    assert called.code == 1
    assert "idna" in called.out
    assert "six" in called.out
    machine = json.loads(call("lock", "--check", "image.toml", "--json").out)
    assert machine["stale"] is True
    assert {reason["section"] for reason in machine["locks"][0]["reasons"]} == {"pip"}
    assert (here / "image.lock").read_bytes() == before


def test_check_without_a_lock_is_no(here: Path) -> None:
    (here / "image.lock").unlink()
    called = call("lock", "--check", "image.toml")
    assert called.code == 1
    assert "imagelock lock image.toml" in called.err


def test_a_dry_run_shows_the_difference_and_writes_nothing(here: Path) -> None:
    before = (here / "image.lock").read_bytes()
    replace(here / "image.toml", '["idna<3.10"]', '["idna<3.10", "six==1.16.0"]')
    shown = ok("lock", "image.toml", "--dry-run").out
    assert "six" in shown
    assert "would write image.lock" in shown
    machine = value("lock", "image.toml", "--dry-run")
    locks = machine["locks"]
    assert isinstance(locks, list)
    assert [lock["changed"] for lock in locks] == [True]
    assert [added["name"] for added in locks[0]["diff"]["added"]] == ["six"]
    assert (here / "image.lock").read_bytes() == before
    assert names_in(here) == ["image.lock", "image.toml"]


def test_a_package_moves_when_it_is_named_and_with_upgrade(here: Path) -> None:
    cutoff = '\nexclude-newer = "2024-01-01"\n'
    replace(here / "image.toml", '["idna<3.10"]\n', f'["idna<3.10"]{cutoff}')
    ok("lock", "image.toml", "--upgrade")
    replace(here / "image.toml", cutoff, "\n")
    ok("lock", "image.toml")
    old = (here / "image.lock").read_bytes()
    replace(here / "image.toml", '["idna<3.10"]', '["idna<3.10", "six==1.16.0"]')
    ok("lock", "image.toml")
    pins = tomllib.loads((here / "image.lock").read_text())["pip"]
    assert [(pin["name"], pin["version"]) for pin in pins] == [("idna", "3.6"), ("six", "1.16.0")]
    replace(here / "image.toml", '["idna<3.10", "six==1.16.0"]', '["idna<3.10"]')
    ok("lock", "image.toml")
    assert (here / "image.lock").read_bytes() == old
    assert "3.6 → 3.9" in ok("lock", "image.toml", "-P", "idna", "--dry-run").out
    ok("lock", "image.toml", "--upgrade")
    assert tomllib.loads((here / "image.lock").read_text())["pip"][0]["version"] == "3.9"
    called = call("lock", "image.toml", "-P", "no-such")
    assert called.code == 2
    assert "no-such" in called.err


def test_one_platform_is_locked_and_the_other_kept(here: Path) -> None:
    replace(here / "image.toml", '["linux/amd64"]', '["linux/amd64", "linux/arm64"]')
    called = call("lock", "image.toml", "--platform", "linux/amd64")
    assert called.code == 2
    assert "nothing to keep for linux/arm64" in called.err
    assert call("lock", "image.toml", "--platform", "linux/s390x").code == 2
    ok("lock", "image.toml")
    before = (here / "image.lock").read_bytes()
    ok("lock", "image.toml", "--platform", "linux/arm64", "--upgrade")
    after = tomllib.loads((here / "image.lock").read_text())
    assert [base["platforms"] for base in after["base"]] == [["linux/amd64"], ["linux/arm64"]]
    assert tomllib.loads(before.decode())["pip"] == after["pip"]


def test_a_lock_may_be_elsewhere(here: Path) -> None:
    (here / "locks").mkdir()
    ok("lock", "image.toml", "--lock", "locks/other.lock")
    assert tomllib.loads((here / "locks/other.lock").read_text())["context"] == ".."
    assert ok("tag", "image.toml", "--lock", "locks/other.lock").out == ok("tag", "image.lock").out
    assert ok("lock", "--check", "image.toml", "--lock", "locks/other.lock").code == 0
    called = call("lock", "image.toml", "--lock", "no-such/other.lock")
    assert called.code == 2
    assert "no-such" in called.err
    assert call("lock", "image.toml", "image.toml", "--lock", "x.lock").code == 2


def test_init_add_lock_remove(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert ok("init").out == "wrote image.toml\n"
    assert call("init").code == 2
    assert call("init", "image.yaml").code == 2
    fresh = (tmp_path / "image.toml").read_bytes()
    assert "six" in ok("add", "six", "idna<3.10").out
    assert value("add", "--apt", "jq") == {
        "spec": "image.toml",
        "kind": "apt",
        "packages": ["jq"],
    }
    spec = tomllib.loads((tmp_path / "image.toml").read_text())
    assert sorted(spec["pip"]["packages"]) == ["idna<3.10", "six"]
    assert spec["apt"]["packages"] == ["jq"]
    before = (tmp_path / "image.toml").read_bytes()
    assert call("add", "not a requirement !").code == 2
    assert call("remove", "no-such").code == 2
    assert (tmp_path / "image.toml").read_bytes() == before
    ok("remove", "six", "idna")
    ok("remove", "--apt", "jq")
    assert (tmp_path / "image.toml").read_bytes() == fresh
    ok("lock", "image.toml")


@pytest.mark.parametrize(
    ("kind", "start"), [("text", ""), ("markdown", ""), ("json", "{"), ("html", "<")]
)
def test_diff_of_files_in_every_format(here: Path, kind: str, start: str) -> None:
    shutil.copy(here / "image.lock", here / "old.lock")
    replace(here / "image.toml", "idna<3.10", "six==1.16.0")
    ok("lock", "image.toml")
    shown = ok("diff", "old.lock", "image.lock", "--format", kind).out
    assert shown.startswith(start)
    assert shown.endswith("\n")
    assert "six" in shown
    assert "idna" in shown
    assert call("diff", "old.lock", "image.lock", "--exit-code").code == 1
    assert call("diff", "old.lock", "old.lock", "--exit-code").code == 0
    assert "\x1b[" in call("diff", "old.lock", "image.lock", "--color", "always").out
    colored = call("diff", "old.lock", "image.lock", env={"NO_COLOR": "1"})
    assert "\x1b[" not in colored.out


def test_diff_of_revisions(here: Path) -> None:
    (here / "sub").mkdir()
    shutil.copy(here / "image.lock", here / "sub" / "image.lock")
    for words in (
        ("init", "-q"),
        ("add", "."),
        ("-c", "user.name=a", "-c", "user.email=a@example", "commit", "-q", "-m", "one"),
    ):
        subprocess.run(["git", *words], check=True)
    replace(here / "image.toml", "idna<3.10", "six==1.16.0")
    ok("lock", "image.toml")
    machine = value("diff", "HEAD:image.lock", "image.lock")
    assert [entry["name"] for entry in machine["added"]] == ["six"]  # type: ignore[attr-defined]  # JSON
    assert ok("diff", "HEAD:sub/image.lock", "HEAD:image.lock").out == "no difference\n"
    called = call("diff", "HEAD:image.lock", "HEAD:no.lock")
    assert called.code == 2
    assert "HEAD:no.lock" in called.err


def test_the_tag_is_the_sha256_of_the_canonical_form(here: Path) -> None:
    canonical = ok("tag", "image.lock", "--canonical").out.encode()
    tag = ok("tag", "image.lock").out
    assert tag == hashlib.sha256(canonical).hexdigest()[:32] + "\n"
    assert value("tag", "image.toml") == {"tag": tag.rstrip()}
    before = (here / "image.lock").read_bytes()
    (here / "image.lock").write_bytes(before.replace(b"\n", b"\r\n"))
    assert ok("tag", "image.lock").out == tag


def test_show_why_and_tree(here: Path) -> None:
    assert (here / "image.lock").exists()
    shown = value("show", "image.lock")
    names = {(p["kind"], p["name"]) for p in shown["packages"]}  # type: ignore[attr-defined]  # JSON
    assert {("pip", "idna"), ("apt", "python3"), ("python", "python")} <= names
    assert shown["tag"] == ok("tag", "image.lock").out.rstrip()
    assert ok("show", "image.toml").out.startswith(f"small:{shown['tag']}\n")
    assert ok("why", "image.lock", "idna").out == "pip idna 3.9\n  the spec → idna (<3.10)\n"
    assert "the interpreter → python3" in ok("why", "image.lock", "libpython3.11-minimal").out
    called = call("why", "image.lock", "idan")
    assert called.code == 2
    assert "did you mean idna?" in called.err
    assert ok("tree", "image.lock", "--kind", "pip").out.splitlines()[0] == "pip: the spec"
    deep = ok("tree", "image.lock").out.splitlines()
    assert len(ok("tree", "image.lock", "--depth", "1").out.splitlines()) < len(deep)
    for wrong in ("0", "-1", "x"):
        assert call("tree", "image.lock", "--depth", wrong).code == 2


def test_outdated_names_what_the_spec_allows_and_what_there_is(here: Path) -> None:
    assert ok("outdated", "image.lock").code == 0
    (idna,) = [
        item
        for item in value("outdated", "image.lock")["outdated"]  # type: ignore[attr-defined]  # JSON
        if item["name"] == "idna"
    ]
    assert (idna["locked"], idna["allowed"]) == ("3.9", "3.9")
    assert idna["newest"] != "3.9"
    assert (here / "image.lock").exists()


def test_export_to_output_and_file(here: Path) -> None:
    text = ok("export", "image.lock", "--format", "requirements").out
    assert "idna==3.9" in text
    assert "--hash=sha256:" in text
    assert ok("export", "image.lock", "--format", "requirements", "-o", "r.txt").out == ""
    assert (here / "r.txt").read_text() == text
    assert value("export", "image.lock", "--format", "requirements")["text"] == text
    pylock = tomllib.loads(ok("export", "image.lock", "--format", "pylock").out)
    assert [package["name"] for package in pylock["packages"]] == ["idna"]
    one = ("--format", "requirements", "--platform", "linux/amd64")
    assert "idna==3.9" in ok("export", "image.lock", *one).out
    for wrong in (
        (),
        ("--format", "requirements", "--platform", "linux/arm64"),
        ("--format", "pylock", "--platform", "linux/amd64"),
        ("--format", "pylock", "-o", "no-such/pylock.toml"),
    ):
        assert call("export", "image.lock", *wrong).code == 2


def test_fetch_then_a_plan_of_the_build(here: Path) -> None:
    found = value("fetch", "image.lock")
    assert found["store"] == str(kept_folder() / "store")
    artifacts = sum(
        len(tomllib.loads((here / "image.lock").read_text())[kind]) for kind in ("apt", "pip")
    )
    assert found["artifacts"] == artifacts
    tag = ok("tag", "image.lock").out.rstrip()
    assert ok("build", "image.lock", "--dry-run").out.startswith(f"would build small:{tag}\n")
    plan = value("build", "image.lock", "--dry-run")
    assert (plan["tag"], plan["reference"]) == (tag, f"small:{tag}")
    assert (plan["push"], plan["reproducible"]) == (False, True)
    empty = {"IMAGELOCK_STORE": str(here / "empty")}
    shown = ok("build", "image.lock", "--dry-run", "--output", "oci:out", env=empty).out
    assert f"would fetch {artifacts} artifacts, " in shown
    assert shown.endswith("would write oci:out\n")
    shutil.rmtree(here / "empty", ignore_errors=True)
    assert sum(s["artifacts"] for s in plan["images"][0]["steps"]) == artifacts  # type: ignore[index]  # JSON
    assert call("build", "image.lock", "--dry-run", "--platform", "linux/arm64").code == 2
    assert call("build", "image.lock", "--builder", "nope", "--output", "oci:out").code == 2
    assert names_in(here) == ["image.lock", "image.toml"]


def test_the_store_is_verified_and_tidied(here: Path) -> None:
    env = {"IMAGELOCK_STORE": str(here / "store")}
    assert ok("store", "path", env=env).out == f"{here / 'store'}\n"
    assert ok("store", "verify", env=env).out == "0 entries, 0.0 MB\n"
    # an entry of the lock and one of nobody
    pin = tomllib.loads((here / "image.lock").read_text())["pip"][0]["sha256"]
    known = kept_folder() / "store" / "sha256" / pin[:2] / pin[2:]
    call("fetch", "image.lock")
    other = hashlib.sha256(b"other").hexdigest()
    for digest, data in ((pin, known.read_bytes()), (other, b"other")):
        place = here / "store" / "sha256" / digest[:2] / digest[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    assert ok("store", "verify", env=env).out.startswith("2 entries")
    dry = ("store", "gc", "--unused", "0", "--keep", "image.lock", "--dry-run")
    assert ok(*dry, env=env).out.startswith("would remove 1 entries")
    assert ok(*dry[:-1], env=env).out.startswith("removed 1 entries")
    place = here / "store" / "sha256" / pin[:2] / pin[2:]
    place.write_bytes(b"rotten")
    called = call("store", "verify", env=env)
    assert called.code == 5
    assert f"damaged: {pin}" in called.out
    assert ok("store", "verify", "--repair", env=env).code == 0
    assert not place.exists()
    for wrong in ("-1", "nan", "1e300", "x"):
        assert call("store", "gc", "--unused", wrong, env=env).code == 2
