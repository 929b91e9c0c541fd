"""Bad input, each with its place, its next step, and the exit code of the contract."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from support.command import call, kept_folder
from support.processes import reserved_port

SPEC = """\
name = "bad"

[base]
distribution = "debian:bookworm"
"""


def spec_in(folder: Path, text: str) -> str:
    path = folder / "bad.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_every_problem_of_a_spec_is_reported_at_once_with_line_and_column(tmp_path: Path) -> None:
    spec = spec_in(
        tmp_path,
        'name = "bad"\n[base]\ndistribution = "debian:bookworm"\n'
        '[pip]\npakages = ["numpy"]\npackages = ["numpy >= banana"]\n[apt]\nrecommends = "yes"\n',
    )
    called = call("lock", spec)
    assert called.code == 2
    assert f"{spec}:5:1" in called.err
    assert "did you mean 'packages'" in called.err
    assert f"{spec}:6:13" in called.err
    assert f"{spec}:8:14" in called.err
    assert "Traceback" not in called.err


def test_errors_for_machines_have_code_message_where_and_hint(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, SPEC + "nmae = 1\n")
    called = call("lock", spec, "--json")
    assert called.code == 2
    assert called.out == ""
    error = json.loads(called.err)["error"]
    assert set(error) >= {"code", "message", "where", "hint"}
    assert error["code"] == "spec"
    assert error["where"] == f"{spec}:5:1"


@pytest.mark.parametrize(
    "arguments",
    [
        ("lock",),
        ("lock", "no-such.toml"),
        ("build", "no-such.lock"),
        ("build", "README.md"),
        ("diff", "a.lock", "b.lock"),
        ("diff", "HEAD:no-such.lock", "HEAD:no-such.lock"),
        ("tag", "no-such.lock"),
        ("frobnicate",),
        ("lock", "x.toml", "--as-of", "yesterday"),
        ("lock", "x.toml", "--upgrade", "-P", "numpy"),
    ],
)
def test_a_wrong_call_is_exit_2_with_a_next_step(arguments: tuple[str, ...]) -> None:
    called = call(*arguments)
    assert called.code == 2
    assert "error:" in called.err
    assert "Traceback" not in called.err


def test_a_lock_of_a_later_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "later.lock"
    path.write_text("version = 2\n", encoding="utf-8")
    called = call("tag", str(path))
    assert called.code == 2
    assert "version 2" in called.err


def test_a_lock_in_the_middle_of_a_merge_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "merge.lock"
    path.write_text("version = 1\n<<<<<<< HEAD\nrecipe = 1\n", encoding="utf-8")
    called = call("tag", str(path))
    assert called.code == 2
    assert "merge" in called.err


@pytest.mark.network
def test_an_unknown_apt_package_is_no_solution(tmp_path: Path) -> None:
    called = call("lock", spec_in(tmp_path, SPEC + '[apt]\npackages = ["no-such-package-zz"]\n'))
    assert called.code == 3
    assert "no-such-package-zz" in called.err
    assert not (tmp_path / "bad.lock").exists()


@pytest.mark.network
def test_an_unknown_pip_package_is_named(tmp_path: Path) -> None:
    called = call(
        "lock", spec_in(tmp_path, SPEC + '[pip]\npackages = ["no-such-package-imagelock-zz"]\n')
    )
    assert called.code == 3
    assert "no-such-package-imagelock-zz" in called.err


@pytest.mark.network
def test_an_unsatisfiable_pair_says_who_wants_what(tmp_path: Path) -> None:
    called = call(
        "lock",
        spec_in(tmp_path, SPEC + '[pip]\npackages = ["requests==2.31.0", "urllib3<1.21"]\n'),
    )
    assert called.code == 3
    assert "urllib3" in called.err
    assert "requests" in called.err
    assert ">=1.21.1" in called.err


@pytest.mark.network
def test_a_python_the_suite_does_not_have_is_no_solution(tmp_path: Path) -> None:
    called = call("lock", spec_in(tmp_path, 'python = "3.9"\n' + SPEC))
    assert called.code == 3
    assert "3.11" in called.err


def test_no_network_is_exit_4_and_names_the_archive(tmp_path: Path) -> None:
    spec = spec_in(tmp_path, SPEC)
    called = call("lock", spec, "--offline", env={"IMAGELOCK_STORE": str(tmp_path / "store")})
    assert called.code == 4
    assert "deb.debian.org" in called.err
    assert "hint:" in called.err


def test_a_server_that_refuses_is_exit_4(tmp_path: Path) -> None:
    mirrors = tmp_path / "mirrors.toml"
    with reserved_port() as port:
        mirrors.write_text(f'"http://deb.debian.org/" = "http://127.0.0.1:{port}/"\n')
        called = call(
            "lock",
            spec_in(tmp_path, SPEC),
            env={"IMAGELOCK_STORE": str(tmp_path / "store"), "IMAGELOCK_MIRRORS": str(mirrors)},
        )
    assert called.code == 4
    assert "127.0.0.1" not in called.err, "an error names the canonical place, not the mirror"


@pytest.mark.network
def test_an_index_signed_by_another_key_is_exit_5(tmp_path: Path) -> None:
    key = tmp_path / "other.asc"
    key.write_bytes(_other_key())
    source = (
        '[[apt.source]]\nuris = "http://deb.debian.org/debian"\nsuites = "bookworm"\n'
        'components = "main"\nsigned-by = "other.asc"\n'
    )
    called = call(
        "lock",
        spec_in(tmp_path, SPEC + '[apt]\npackages = ["curl"]\n' + source),
        env={"IMAGELOCK_STORE": str(kept_folder() / "store")},
    )
    assert called.code == 5
    assert "bookworm" in called.err
    assert not (tmp_path / "bad.lock").exists()


def _other_key() -> bytes:
    from pysequoia import Tsk

    return str(Tsk.generate("somebody else <nobody@example.org>").extract_certificate()).encode()


def test_an_interrupt_is_exit_130(tmp_path: Path) -> None:
    script = (
        "import sys, imagelock.app.lock as lock, imagelock.cli as cli\n"
        "def interrupted(*args, **kwargs): raise KeyboardInterrupt\n"
        "lock.load_spec = interrupted\n"
        f"sys.exit(cli.main(['lock', {spec_in(tmp_path, SPEC)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 130
    assert b"Traceback" not in done.stderr


def test_an_interrupt_while_the_program_loads_is_one_too() -> None:
    script = (
        "import sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, *rest):\n"
        "        if name == 'imagelock.cli.parser': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "from imagelock.cli import main\n"
        "sys.exit(main(['tag', 'a.lock']))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (130, b"")
