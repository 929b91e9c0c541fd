"""`imagelock lock` on locks of other tools chooses what they lock for each target."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from support.command import call
from support.other_locks import DATA

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}

pytestmark = pytest.mark.network


def chosen(folder: Path, lock: str) -> dict[str, dict[str, str]]:
    """The pip packages of a lock of ours made from another lock, by platform."""
    spec = folder / "image.toml"
    spec.write_text(
        f'platforms = {[*MACHINES]}\n[base]\ndistribution = "debian:bookworm"\n'
        f'[pip]\nrequirements = ["{lock}"]\n'
    )
    called = call("lock", str(spec))
    assert called.code == 0, called.err
    document = tomllib.loads((folder / "image.lock").read_text())
    return {
        platform: {
            pin["name"]: pin["version"]
            for pin in document["pip"]
            if platform in pin.get("platforms", MACHINES)
        }
        for platform in MACHINES
    }


def locked(folder: Path, *options: str) -> dict[str, dict[str, str]]:
    """What uv says its lock pins, by platform, for the Python of Debian bookworm."""
    command = ["uv", "export", "-q", "--frozen", "--no-hashes", "--no-annotate", "--no-header"]
    command += ["--no-dev", "--no-emit-project", *options]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    lines = [Requirement(line) for line in done.stdout.splitlines()]
    return {
        platform: {
            line.name: str(line.specifier).removeprefix("==")
            for line in lines
            if line.marker is None or line.marker.evaluate(environment(machine))
        }
        for platform, machine in MACHINES.items()
    }


def environment(machine: str) -> dict[str, str]:
    return {
        "platform_machine": machine,
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "python_version": "3.11",
        "python_full_version": "3.11.2",
        "implementation_name": "cpython",
        "implementation_version": "3.11.2",
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_version": "",
    }


def copied(tool: str, folder: Path) -> Path:
    shutil.copytree(DATA / tool, folder, dirs_exist_ok=True)
    return folder


def test_uv(tmp_path: Path) -> None:
    folder = copied("uv", tmp_path)
    expected = locked(folder)
    assert chosen(folder, "uv.lock") == expected
    assert expected["linux/amd64"]["markupsafe"] != expected["linux/arm64"]["markupsafe"]
    assert expected["linux/amd64"]["click"] == "8.2.1", "not the newest: it is the lock's"


def test_pylock(tmp_path: Path) -> None:
    """The same lock with all groups and extras."""
    expected = locked(copied("uv", tmp_path / "uv"), "--all-extras", "--all-groups", "--dev")
    assert chosen(copied("pylock", tmp_path), "pylock.toml") == expected
    assert "iniconfig" in expected["linux/arm64"]


FLASK = {
    "blinker": "1.9.0",
    "click": "8.5.1",
    "flask": "3.0.3",
    "itsdangerous": "2.2.0",
    "jinja2": "3.1.6",
    "markupsafe": "3.0.4",
    "werkzeug": "3.1.9",
}
EXPECTED = {
    "poetry-1": FLASK
    | {
        "asgiref": "3.12.1",
        "certifi": "2024.12.14",
        "idna": "3.6",
        "typing-extensions": "4.16.0",
    },
    "pdm": FLASK | {"asgiref": "3.12.1", "idna": "3.20", "markupsafe": "2.1.5"},
    "pipenv": FLASK | {"asgiref": "3.13.0", "idna": "3.7"},
}


@pytest.mark.parametrize(
    ("tool", "lock"),
    [("poetry-1", "poetry.lock"), ("pdm", "pdm.lock"), ("pipenv", "Pipfile.lock")],
)
def test_what_other_tools_lock(tool: str, lock: str, tmp_path: Path) -> None:
    expected = EXPECTED[tool]
    assert chosen(copied(tool, tmp_path), lock) == dict.fromkeys(MACHINES, expected)


def test_poetry_with_markers(tmp_path: Path) -> None:
    common = FLASK | {"asgiref": "3.13.0", "idna": "3.7"}
    assert chosen(copied("poetry-2", tmp_path), "poetry.lock") == {
        "linux/amd64": common | {"markupsafe": "3.0.2"},
        "linux/arm64": common | {"markupsafe": "2.1.5"},
    }


def test_the_lock_stays_as_it_is(tmp_path: Path) -> None:
    folder = copied("uv", tmp_path)
    chosen(folder, "uv.lock")
    before = (folder / "image.lock").read_bytes()
    assert call("lock", str(folder / "image.toml"), "--check", "--offline").code == 0
    assert call("lock", str(folder / "image.toml"), "--upgrade").code == 0
    assert (folder / "image.lock").read_bytes() == before


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('requires-python = ">=3.10, <3.13"', 'requires-python = ">=3.12"', "for Python >=3.12"),
        ('{ name = "werkzeug" },', "", "does not lock werkzeug, which its flask needs"),
    ],
)
def test_what_a_lock_leaves_open_is_not_filled_in(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    folder = copied("uv", tmp_path)
    text = (folder / "uv.lock").read_text()
    assert old in text
    (folder / "uv.lock").write_text(text.replace(old, new))
    (folder / "image.toml").write_text(
        '[base]\ndistribution = "debian:bookworm"\n[pip]\nrequirements = ["uv.lock"]\n'
    )
    called = call("lock", str(folder / "image.toml"))
    assert called.code != 0
    assert message in called.err
    assert not (folder / "image.lock").exists()


def test_a_requirements_file_with_a_url_and_an_index(tmp_path: Path) -> None:
    idna = next(
        package
        for package in tomllib.loads((DATA / "uv/uv.lock").read_text())["package"]
        if (package["name"], package["version"]) == ("idna", "3.6")
    )
    (wheel,) = idna["wheels"]
    fragment = wheel["hash"].replace(":", "=")
    (tmp_path / "r.txt").write_text(
        f"--index-url https://pypi.org/simple\nidna @ {wheel['url']}#{fragment}\nanyio<4.5\n"
    )
    versions = chosen(tmp_path, "r.txt")["linux/arm64"]
    assert versions["idna"] == "3.6"
    assert versions["anyio"] == "4.4.0"
    document = tomllib.loads((tmp_path / "image.lock").read_text())
    (pin,) = (pin for pin in document["pip"] if pin["name"] == "idna")
    assert f"sha256:{pin['sha256']}" == wheel["hash"]
    assert pin["archive"] == "pypi"


PROJECTS = {
    "data": ["pandas>=2", "scikit-learn", "matplotlib"],
    "web": ["uvicorn[standard]", "fastapi", "sqlalchemy[asyncio]", "celery[redis]"],
    "images": [
        "scikit-image<0.25",
        "numpy<2; platform_machine == 'aarch64'",
        "numpy>=2; platform_machine != 'aarch64'",
    ],
    "cloud": ["boto3", "botocore", "urllib3<2", "google-cloud-storage"],
}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(PROJECTS))
@pytest.mark.parametrize("before", ["2025-03-01", "2026-03-01"])
def test_real_projects(name: str, before: str, tmp_path: Path) -> None:
    listed = ", ".join(f'"{line}"' for line in PROJECTS[name])
    (tmp_path / "pyproject.toml").write_text(
        f'[project]\nname = "demo"\nversion = "0"\nrequires-python = ">=3.11"\n'
        f"dependencies = [{listed}]\n"
    )
    command = ["uv", "lock", "-q", "--exclude-newer", before]
    subprocess.run(command, cwd=tmp_path, check=True)
    assert chosen(tmp_path, "uv.lock") == locked(tmp_path, "--exclude-newer", before)
