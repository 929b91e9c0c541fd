"""Output under what shells do to it: pipes that close, full disks, no terminal, other locales."""

from __future__ import annotations

import dataclasses
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from imagelock.lock import encode_lock
from support.command import call
from support.example_lock import example_lock

RUN = [sys.executable, "-c", "import sys; from imagelock.cli import main; sys.exit(main())"]


@pytest.fixture
def lock(tmp_path: Path) -> str:
    path = tmp_path / "train.lock"
    whole = example_lock()
    roots = dataclasses.replace(whole.roots, copies=(), source=None)
    path.write_bytes(encode_lock(dataclasses.replace(whole, roots=roots)))
    return str(path)


def shell(line: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[bytes]:
    """Run a bash line in which ``"$@"`` is our program."""
    surroundings = {**os.environ, **env}
    words = ["bash", "-c", line, "bash", *RUN, *arguments]
    return subprocess.run(words, capture_output=True, env=surroundings, check=False)


@pytest.mark.parametrize(
    "arguments", [("show",), ("tree",), ("tag",), ("tag", "--canonical"), ("show", "--json")]
)
def test_a_reader_that_goes_away_is_no_error(lock: str, arguments: tuple[str, ...]) -> None:
    done = shell('"$@" | true; exit ${PIPESTATUS[0]}', arguments[0], lock, *arguments[1:])
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_reader_that_goes_away_does_not_change_the_answer(lock: str, tmp_path: Path) -> None:
    other = tmp_path / "other.lock"
    other.write_bytes(Path(lock).read_bytes().replace(b'version = "1.16.0"', b'version = "1.17.0"'))
    line = '"$@" | true; exit ${PIPESTATUS[0]}'
    done = shell(line, "diff", "--exit-code", lock, str(other))
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has /dev/full")
@pytest.mark.parametrize("arguments", [("show",), ("tag", "--canonical"), ("show", "--json")])
def test_output_to_a_full_disk_is_exit_6(lock: str, arguments: tuple[str, ...]) -> None:
    done = shell('"$@" > /dev/full', arguments[0], lock, *arguments[1:])
    assert done.returncode == 6
    assert b"standard output" in done.stderr
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_an_error_that_cannot_be_told_keeps_its_code(tmp_path: Path) -> None:
    for redirection in ("2>/dev/full", "2>&-"):
        assert shell(f'"$@" {redirection}', "tag", str(tmp_path / "no.lock")).returncode == 2


def test_a_closed_output_is_no_error(lock: str) -> None:
    done = shell('"$@" >&-', "tag", lock)
    assert (done.returncode, done.stderr) == (0, b"")


def test_output_is_the_same_bytes_in_every_locale(lock: str) -> None:
    usual = shell('"$@"', "why", lock, "pandas")
    assert "→".encode() in usual.stdout
    for env in ({"PYTHONIOENCODING": "ascii"}, {"PYTHONIOENCODING": "latin-1", "LC_ALL": "C"}):
        done = shell('"$@"', "why", lock, "pandas", **env)
        assert (done.returncode, done.stdout) == (0, usual.stdout)


def on_terminal(*arguments: str, **env: str) -> str:
    """What a terminal gets of a command."""
    ours, theirs = pty.openpty()
    surroundings = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    words = [*RUN, *arguments]
    with subprocess.Popen(words, stdout=theirs, stderr=theirs, env=surroundings | env):
        os.close(theirs)
        found = b""
        try:
            while chunk := os.read(ours, 4096):
                found += chunk
        except OSError:  # the last of the other side is closed
            pass
    os.close(ours)
    return found.decode()


def test_a_terminal_has_colours_unless_told_otherwise(tmp_path: Path) -> None:
    wrong = ("tag", str(tmp_path / "no.lock"))
    red = "\x1b[31merror:"
    assert red in on_terminal(*wrong)
    assert red in on_terminal(*wrong, NO_COLOR="")
    assert "\x1b[" not in on_terminal(*wrong, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(*wrong, "--color", "never")
    assert red in on_terminal(*wrong, "--color", "always", NO_COLOR="1")
    assert "\x1b[" not in call(*wrong).err
    assert red in call(*wrong, "--color", "always").err


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("frobnicate",), 2), (("tag", "no-such.lock"), 2), (("lock", "--check", "no-such.toml"), 2)],
)
def test_errors_for_machines_are_one_object_on_stderr(
    arguments: tuple[str, ...], code: int
) -> None:
    called = call(*arguments, "--json")
    assert (called.code, called.out) == (code, "")
    assert set(json.loads(called.err)["error"]) == {"code", "message", "where", "hint"}


def test_quiet_says_nothing_but_results(lock: str, tmp_path: Path) -> None:
    called = call("init", str(tmp_path / "new.toml"), "-q")
    assert (called.code, called.err) == (0, "")
    assert call("tag", lock, "-q").out == call("tag", lock).out


def test_help_and_version() -> None:
    assert call("--version").out.startswith("imagelock ")
    listed = call("--help")
    assert listed.code == 0
    assert "exit codes:" in listed.out


@pytest.mark.parametrize("shell_name", ["bash", "zsh", "tcsh"])
def test_completion_is_a_script_that_knows_every_command(shell_name: str) -> None:
    script = call("completion", shell_name).out
    for name in ("lock", "build", "outdated", "export"):
        assert name in script
    assert call("completion", shell_name, "--json").out == script
    if shell_name == "bash":
        checked = subprocess.run(
            ["bash", "-n"], input=script, capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stderr) == (0, "")
