"""Locks in a real git: its diffs, its logs and its merges, with our drivers."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from imagelock.lock import decode_lock, encode_lock, normalise
from imagelock.model.lock import SPEC_ROOT, Lock
from imagelock.model.names import Sha256
from support.command import call
from support.example_lock import apt_pin, example_lock, hash_of, pip_pin
from support.git import git

BASE = normalise(dataclasses.replace(example_lock(), images=()))
LINE = "*.lock diff=imagelock merge=imagelock"


def done(folder: Path, *words: str) -> str:
    ran = git(folder, *words)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, as the current folder, with the drivers set up."""
    done(tmp_path, "init", "-q", "-b", "ours")
    monkeypatch.chdir(tmp_path)
    assert call("git", "install").code == 0
    return tmp_path


def commit(folder: Path, content: Lock | bytes, message: str) -> None:
    data = content if isinstance(content, bytes) else encode_lock(content)
    (folder / "train.lock").write_bytes(data)
    done(folder, "add", ".")
    done(folder, "commit", "-q", "-m", message)


def with_pip(lock: Lock, name: str = "zzz") -> Lock:
    asked = dataclasses.replace(lock.roots.pip, packages=(*lock.roots.pip.packages, name))
    roots = dataclasses.replace(lock.roots, pip=asked)
    return dataclasses.replace(
        lock, roots=roots, pip=(*lock.pip, pip_pin(name, "1", (SPEC_ROOT, "")))
    )


def with_apt(lock: Lock) -> Lock:
    asked = dataclasses.replace(lock.roots.apt, packages=(*lock.roots.apt.packages, "zsh"))
    roots = dataclasses.replace(lock.roots, apt=asked)
    return dataclasses.replace(
        lock, roots=roots, apt=(*lock.apt, apt_pin("zsh", "5", (SPEC_ROOT, "")))
    )


def with_six(version: str) -> Callable[[Lock], Lock]:
    def change(lock: Lock) -> Lock:
        pins = (
            dataclasses.replace(pin, version=version) if pin.name == "six" else pin
            for pin in lock.pip
        )
        return dataclasses.replace(lock, pip=tuple(pins))

    return change


def merge(
    folder: Path, ours: Lock | bytes, theirs: Lock | bytes, base: Lock | bytes = BASE
) -> subprocess.CompletedProcess[str]:
    commit(folder, base, "base")
    done(folder, "checkout", "-q", "-b", "theirs")
    commit(folder, theirs, "theirs")
    done(folder, "checkout", "-q", "ours")
    commit(folder, ours, "ours")
    return git(folder, "merge", "-m", "merge", "theirs")


def test_install_twice_is_install_once_and_uninstall_leaves_what_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done(tmp_path, "init", "-q")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path / "sub")
    attributes = tmp_path / ".gitattributes"
    attributes.write_bytes(b"*.png binary\r\nuv.lock -diff\r\n# end without a line end")
    config = (tmp_path / ".git" / "config").read_bytes()
    before = attributes.read_bytes()
    assert call("git", "install").code == 0
    once = attributes.read_bytes()
    assert once.endswith(before)
    assert LINE.encode() in once
    assert "already" in call("git", "install").out
    assert attributes.read_bytes() == once
    shown = done(
        tmp_path, "check-attr", "diff", "merge", "--", "a/b.lock", "poetry.lock", "uv.lock"
    )
    assert shown.splitlines() == [
        "a/b.lock: diff: imagelock",
        "a/b.lock: merge: imagelock",
        "poetry.lock: diff: unspecified",
        "poetry.lock: merge: unspecified",
        "uv.lock: diff: unset",
        "uv.lock: merge: unspecified",
    ]
    assert call("git", "uninstall").code == 0
    assert attributes.read_bytes() == before
    assert (tmp_path / ".git" / "config").read_bytes() == config
    assert "not set up" in call("git", "uninstall").out


def test_uninstall_removes_a_file_that_was_only_ours(repository: Path) -> None:
    assert (repository / ".gitattributes").exists()
    assert call("git", "uninstall").code == 0
    assert not (repository / ".gitattributes").exists()


def test_install_says_when_another_line_wins(repository: Path) -> None:
    with (repository / ".gitattributes").open("a") as file:
        file.write("*.lock -diff\n")
    assert "a later line" in call("git", "install").err


def test_outside_a_repository_is_a_wrong_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    called = call("git", "install")
    assert called.code == 2
    assert "git init" in called.err


def test_git_diff_shows_the_difference_of_the_locks(repository: Path) -> None:
    commit(repository, BASE, "base")
    (repository / "train.lock").write_bytes(encode_lock(with_pip(BASE)))
    shown = done(repository, "diff")
    assert "imagelock diff train.lock" in shown
    assert "zzz" in shown
    assert "sha256 = " not in shown, "that would be the diff of the file"
    assert "\x1b[" not in shown
    assert "\x1b[" in done(repository, "-c", "color.diff=always", "diff")


def test_git_log_shows_one_line_a_package_and_hides_nothing(repository: Path) -> None:
    commit(repository, BASE, "base")
    changed = [
        dataclasses.replace(
            pin, artifact=dataclasses.replace(pin.artifact, sha256=Sha256(hash_of("another")))
        )
        if pin.name == "six"
        else pin
        for pin in BASE.pip
    ]
    commit(repository, dataclasses.replace(BASE, pip=tuple(changed)), "another file")
    shown = done(repository, "log", "-p", "-1")
    lines = [
        line
        for line in shown.splitlines()
        if line.startswith(("+", "-")) and line[:3] not in ("+++", "---")
    ]
    assert [line[:14] for line in lines] == ["-pip six 1.16.", "+pip six 1.16."]
    assert hash_of("another") in lines[1]
    assert "imagelock diff train.lock" in done(repository, "log", "-p", "-1", "--ext-diff")


def test_what_is_no_lock_is_shown_as_git_shows_it(repository: Path) -> None:
    commit(repository, b"not a lock\n", "one")
    (repository / "train.lock").write_bytes(b"no lock either\n")
    assert "+no lock either" in done(repository, "diff")
    commit(repository, b"no lock either\n", "two")
    assert "+no lock either" in done(repository, "log", "-p", "-1")


def test_changes_of_different_sections_merge(repository: Path) -> None:
    ran = merge(repository, with_pip(BASE), with_apt(BASE))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    data = (repository / "train.lock").read_bytes()
    lock = decode_lock(data, source="train.lock")
    assert lock == normalise(with_apt(with_pip(BASE)))
    assert encode_lock(lock) == data
    assert done(repository, "status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        (with_six("1.17"), with_six("1.18"), "both sides changed six"),
        # git's own merge of the text is clean here, and no resolver ever saw the outcome
        (with_pip, with_six("1.17"), "pip"),
    ],
)
def test_one_section_changed_on_both_sides_is_a_conflict(
    repository: Path, ours: Callable[[Lock], Lock], theirs: Callable[[Lock], Lock], said: str
) -> None:
    ran = merge(repository, ours(BASE), theirs(BASE))
    assert ran.returncode == 1
    assert "CONFLICT (content)" in ran.stdout
    assert "UU train.lock" in done(repository, "status", "--porcelain")
    assert said in ran.stderr
    assert "imagelock lock train.toml" in ran.stderr
    assert "Traceback" not in ran.stderr
    left = (repository / "train.lock").read_bytes()
    assert left.endswith(encode_lock(ours(BASE)))
    called = call("tag", "train.lock")
    assert called.code == 2
    assert "unresolved merge conflicts" in called.err
    done(repository, "checkout", "--ours", "--", "train.lock")
    assert (repository / "train.lock").read_bytes() == encode_lock(ours(BASE))
    assert call("git", "diff", "train.lock").out == "* Unmerged path train.lock\n"


@pytest.mark.parametrize("side", ["base", "ours", "theirs"])
def test_a_side_that_cannot_be_read_is_a_conflict(repository: Path, side: str) -> None:
    sides: dict[str, Lock | bytes] = {
        "base": BASE,
        "ours": with_pip(BASE),
        "theirs": with_apt(BASE),
    }
    sides[side] = b"version = 1\n" + side.encode() + b" = \xff\n"
    ran = merge(repository, sides["ours"], sides["theirs"], sides["base"])
    assert ran.returncode == 1
    assert f"{side}: expected UTF-8" in ran.stderr
    assert "UU train.lock" in done(repository, "status", "--porcelain")


def test_a_lock_that_both_sides_added_is_a_conflict(repository: Path) -> None:
    (repository / "README").write_text("a\n")
    done(repository, "add", ".")
    done(repository, "commit", "-q", "-m", "root")
    done(repository, "checkout", "-q", "-b", "theirs")
    commit(repository, with_apt(BASE), "theirs")
    done(repository, "checkout", "-q", "ours")
    commit(repository, with_pip(BASE), "ours")
    ran = git(repository, "merge", "-m", "merge", "theirs")
    assert ran.returncode == 1
    assert "both sides added this lock" in ran.stderr


def test_a_rebase_uses_the_driver_too(repository: Path) -> None:
    commit(repository, BASE, "base")
    done(repository, "checkout", "-q", "-b", "theirs")
    commit(repository, with_apt(BASE), "theirs")
    done(repository, "checkout", "-q", "ours")
    commit(repository, with_pip(BASE), "ours")
    done(repository, "rebase", "-q", "theirs")
    lock = decode_lock((repository / "train.lock").read_bytes(), source="train.lock")
    assert lock == normalise(with_apt(with_pip(BASE)))
