"""Projects in folders, sdists and repositories, as people have them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

from support.git import git

PYPROJECT = """\
[build-system]
requires = ["{requires}"]
build-backend = "backend"
backend-path = ["building"]

[project]
name = "{name}"
version = "{version}"
dependencies = {dependencies}
"""

BACKEND = '''
"""A build backend in the tree itself: it needs nothing but Python."""

import base64, hashlib, pathlib, sys, tomllib, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return list((config_settings or {}).get("needs", []))

def _metadata(settings):
    project = tomllib.loads(pathlib.Path("pyproject.toml").read_text())["project"]
    lines = ["Metadata-Version: 2.1", f"Name: {project['name']}"]
    version = project.get("version") or pathlib.Path("VERSION").read_text().strip()
    lines.append(f"Version: {version}")
    lines += [f"Requires-Dist: {item}" for item in project.get("dependencies", [])]
    lines += [f"Requires-Dist: {item}" for item in settings.get("more", "").split()]
    return project["name"], lines[2].split()[1], "\\n".join(lines) + "\\n"

def prepare_metadata_for_build_wheel(directory, config_settings=None):
    name, version, text = _metadata(config_settings or {})
    folder = pathlib.Path(directory, f"{name}-{version}.dist-info")
    folder.mkdir()
    (folder / "METADATA").write_text(text)
    return folder.name

def build_wheel(directory, config_settings=None, metadata_directory=None):
    name, version, text = _metadata(config_settings or {})
    info = f"{name}-{version}.dist-info"
    members = {str(path): path.read_bytes() for path in pathlib.Path(name).rglob("*.py")}
    members["%s/built_by.txt" % name] = f"{sys.version_info[:2]} {sys.prefix}".encode()
    if config_settings:
        members["%s/told.py" % name] = f"TOLD = {config_settings!r}\\n".encode()
    members[f"{info}/METADATA"] = text.encode()
    members[f"{info}/WHEEL"] = b"Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n"
    record = []
    for path, data in members.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record.append(f"{path},sha256={digest},{len(data)}\\n")
    members[f"{info}/RECORD"] = "".join(record + [f"{info}/RECORD,,\\n"]).encode()
    filename = f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(directory, filename), "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return filename
'''.lstrip()


def project_files(
    name: str = "tool",
    version: str = "1.0",
    dependencies: tuple[str, ...] = (),
    requires: str = "fakebuild>=1.27",
) -> dict[str, str]:
    """A small project that builds itself."""
    listed = "[" + ", ".join(f'"{item}"' for item in dependencies) + "]"
    return {
        "pyproject.toml": PYPROJECT.format(
            name=name, version=version, dependencies=listed, requires=requires
        ),
        "building/backend.py": BACKEND,
        f"{name}/__init__.py": f'VERSION = "{version}"\n',
    }


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def versioned_files(*, listens: bool = True) -> dict[str, str]:
    """A project whose version is that of its newest tag and the commits since (git describe).

    ``listens``: its backend takes the version it is told, as setuptools-scm does.
    """
    files = project_files()
    told = 'os.environ.get("SETUPTOOLS_SCM_PRETEND_VERSION")' if listens else "None"
    files["building/backend.py"] = BACKEND.replace(
        'project.get("version") or',
        f"{told} or _described() or",
    ) + (
        "import os, subprocess\n\n"
        "def _described():\n"
        '    words = ["git", "describe", "--tags", "--long", "--abbrev=40"]\n'
        "    said = subprocess.run(words, capture_output=True, text=True).stdout.strip()\n"
        '    tag, count, commit = said.rsplit("-", 2) if said else ("0", "0", "x")\n'
        '    return f"{tag[1:]}.post{count}" if said else "0"\n'
    )
    files["pyproject.toml"] = files["pyproject.toml"].replace(
        'version = "1.0"', 'dynamic = ["version"]'
    )
    return files


def make_sdist(name: str, version: str, files: Mapping[str, str]) -> bytes:
    """An sdist with one folder at its top."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for path, text in files.items():
            entry = tarfile.TarInfo(f"{name}-{version}/{path}")
            entry.size, entry.mtime = len(text.encode()), 1_600_000_000
            archive.addfile(entry, io.BytesIO(text.encode()))
    return file.getvalue()


def make_repository(folder: Path, files: Mapping[str, str]) -> str:
    """A git repository with one commit on main; its id."""
    write_files(folder, files)
    asked(folder, "init", "--quiet", "--initial-branch=main")
    asked(folder, "config", "uploadpack.allowAnySHA1InWant", "true")
    return commit(folder)


def commit(folder: Path) -> str:
    """Commit everything; the commit's id."""
    asked(folder, "add", "--all")
    asked(folder, "commit", "--quiet", "--allow-empty", "-m", "change")
    return asked(folder, "rev-parse", "HEAD")


def asked(folder: Path, *words: str) -> str:
    """What git says; it must not fail."""
    done = git(folder, *words)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
