"""Locks of other tools: what is taken over from those that the tools themselves wrote.

tests/spec/data holds, a folder a tool, a project and its lock (uv 0.13, Poetry 1.8 and 2.5,
PDM 2.24, pipenv, and pylock.toml by uv).
"""

from __future__ import annotations

import json

import pytest
from inline_snapshot import snapshot

from imagelock.model.errors import SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec import parse_spec
from imagelock.spec.other_locks import is_lock_file, read_lock_file
from imagelock.spec.other_locks.choosing import Choosing
from imagelock.spec.other_locks.places import git_place
from imagelock.spec.other_locks.sheet import Node
from support.other_locks import DATA, LOCKS


def taken_over(tool: str, chosen: str = "") -> RequirementsFile:
    item = f'{{ path = "{LOCKS[tool]}", {chosen} }}' if chosen else f'"{LOCKS[tool]}"'
    text = f'[base]\nimage = "a"\n[pip]\nrequirements = [{item}]\n'
    spec = parse_spec(
        text.encode(), source="a.toml", read_file=lambda name: (DATA / tool / name).read_bytes()
    )
    (file,) = spec.pip.requirements
    return file


def test_uv() -> None:
    file = taken_over("uv")
    assert file.requires_python == "<3.13,>=3.10"
    assert file.requirements == snapshot(
        (
            "flask[async]<3.1,>=2.3",
            'idna==3.6; python_full_version < "3.11"',
            'idna==3.7; python_full_version >= "3.11"',
            'markupsafe==2.1.5; platform_machine == "aarch64"',
            'markupsafe==3.0.2; platform_machine != "aarch64"',
        )
    )
    assert file.constraints == snapshot(
        (
            "asgiref==3.8.1",
            "blinker==1.9.0",
            "click==8.2.1",
            "colorama==0.4.6",
            "flask==3.0.3",
            'idna==3.6; python_full_version < "3.11" and platform_machine != "aarch64"',
            'idna==3.6; python_full_version < "3.11" and platform_machine == "aarch64"',
            'idna==3.7; python_full_version >= "3.11" and platform_machine != "aarch64"',
            'idna==3.7; python_full_version >= "3.11" and platform_machine == "aarch64"',
            "itsdangerous==2.2.0",
            "jinja2==3.1.6",
            'markupsafe==2.1.5; python_full_version < "3.11" and platform_machine == "aarch64"',
            'markupsafe==2.1.5; python_full_version >= "3.11" and platform_machine == "aarch64"',
            'markupsafe==3.0.2; python_full_version < "3.11" and platform_machine != "aarch64"',
            'markupsafe==3.0.2; python_full_version >= "3.11" and platform_machine != "aarch64"',
            "typing-extensions==4.13.2",
            "werkzeug==3.1.3",
        )
    )


def test_extras_and_groups_of_uv_are_there_where_they_are_chosen() -> None:
    plain, both = taken_over("uv"), taken_over("uv", 'extras = ["Plot"], groups = ["dev"]')
    assert set(both.requirements) - set(plain.requirements) == {"attrs", "iniconfig"}
    names = {line.partition("=")[0] for line in set(both.constraints) - set(plain.constraints)}
    assert names == {"attrs", "iniconfig"}
    assert (both.extras, both.groups) == (("plot",), ("dev",))
    with pytest.raises(SpecError, match="expected the extra 'no', there is plot"):
        taken_over("uv", 'extras = ["no"]')
    with pytest.raises(SpecError, match="expected a lock to choose extras"):
        taken_over("pipenv", 'groups = ["dev"]')
    with pytest.raises(SpecError, match="unknown key"):
        taken_over("uv", 'extra = ["plot"]')


WORKSPACE = """\
version = 1
requires-python = ">=3.11"
[manifest]
members = ["demo", "member"]
overrides = [{ name = "idna", specifier = "<4" }]
[[package]]
name = "demo"
version = "1"
source = { virtual = "." }
dependencies = [{ name = "member" }, { name = "tool" }, { name = "wheel-by-url" }]
[package.metadata]
requires-dist = [{ name = "member", editable = "packages/member" }, { name = "tool", git = "x" }]
[[package]]
name = "member"
version = "2"
source = { editable = "packages/member" }
dependencies = [{ name = "idna" }]
[[package]]
name = "tool"
version = "3"
source = { git = "https://h/tool.git?subdirectory=py&rev=main#COMMIT" }
[[package]]
name = "wheel-by-url"
version = "4"
source = { url = "https://h/wheel_by_url-4-py3-none-any.whl" }
[[package]]
name = "idna"
version = "3.7"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://h/idna-3.7-py3-none-any.whl", hash = "sha256:HASH" }]
""".replace("HASH", "0" * 64).replace("COMMIT", "0123456789" * 4)


def test_members_of_a_workspace_and_what_has_a_place_of_its_own() -> None:
    taken = read_lock_file(
        "app/uv.lock", WORKSPACE, source="app/uv.lock", read_beside=lambda name: name
    )
    assert taken.requirements == (
        "member",
        "member @ ./app/packages/member",
        "tool",
        "tool @ git+https://h/tool.git@0123456789012345678901234567890123456789#subdirectory=py",
        "wheel-by-url",
        "wheel-by-url @ https://h/wheel_by_url-4-py3-none-any.whl",
    )
    assert taken.constraints == ("idna==3.7",)
    assert taken.overrides == ("idna<4",)


def placed(tool: str, **chosen: tuple[str, ...]) -> RequirementsFile:
    """A lock with packages that no index gives, in the folder ``app`` of the spec."""
    folder, name = DATA / f"{tool}-places", {"poetry": "poetry.lock", "pylock": "pylock.toml"}[tool]
    return read_lock_file(
        f"app/{name}",
        (folder / name).read_text(),
        source=f"app/{name}",
        read_beside=lambda beside: (folder / beside).read_text(),
        choosing=Choosing(**chosen),
    )


COMMIT = "a98ecf6d5d1bca00fb1ff6b303775e5d42691205"


def test_poetry_with_a_repository_and_a_folder() -> None:
    plain = placed("poetry")
    assert plain.requirements == (
        "dirproj",
        "dirproj @ ./dirproj",
        "itsdangerous>=2",
        "tool",
        f"tool @ git+file:///work/repo@{COMMIT}",
    )
    assert [line.partition("=")[0] for line in plain.constraints] == ["idna", "itsdangerous"]
    more = placed("poetry", extras=("plot",), groups=("dev", "lint"))
    added = set(more.requirements) - set(plain.requirements)
    assert added == {"attrs>=20", "iniconfig", "blinker"}
    locked = {line.partition("=")[0] for line in set(more.constraints) - set(plain.constraints)}
    assert locked == {"attrs", "iniconfig", "blinker"}
    assert (more.extras, more.groups) == (("plot",), ("dev", "lint"))
    for kind in ("extra", "group"):
        with pytest.raises(SpecError, match=f"expected the {kind} 'no', there is "):
            placed("poetry", **{f"{kind}s": ("no",)})


def test_a_pylock_with_a_repository_and_a_folder() -> None:
    lines = placed("pylock").requirements
    assert [line for line in lines if "@" in line] == [
        "dirproj @ ./dirproj",
        f"tool @ git+file:///work/repo@{COMMIT}",
    ]
    assert all("==" in line for line in lines if "@" not in line)


PYLOCK = """\
lock-version = "1.0"
created-by = "x"
extras = ["plot"]
dependency-groups = ["dev", "docs"]
default-groups = ["dev"]
"""
PACKAGE = """\
[[packages]]
name = "{0}"
version = "1"
marker = "{1}"
archive = {{ url = "https://h/{0}-1.tar.gz", hashes = {{ sha256 = "{2}" }} }}
"""


def test_extras_and_groups_of_a_pylock_are_there_where_they_are_chosen() -> None:
    markers = {"a": "'plot' in extras", "b": "'dev' in dependency_groups", "c": "os_name == 'x'",
               "d": "'docs' in dependency_groups and os_name == 'y'"}  # fmt: skip
    text = PYLOCK + "".join(PACKAGE.format(*item, "0" * 64) for item in markers.items())

    def names(**chosen: tuple[str, ...]) -> list[str]:
        taken = read_lock_file(
            "pylock.toml", text, source="pylock.toml", read_beside=str, choosing=Choosing(**chosen)
        )
        assert all(f"-1.tar.gz#sha256={'0' * 64}" in line for line in taken.requirements)
        return [line.replace(" ", "").partition("@")[0] for line in taken.requirements]

    assert names() == ["b", "c"]
    assert names(extras=("plot",), groups=("docs",)) == ["a", "b", "c", "d"]
    for kind in ("extra", "group"):
        with pytest.raises(SpecError, match=f"expected the {kind} 'no', there is "):
            names(**{f"{kind}s": ("no",)})


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://h/a/b.git", "git+https://h/a/b.git"),
        ("git@h.x:a/b.git", "git+ssh://git@h.x/a/b.git"),
        ("ssh://git@h:22/a", "git+ssh://git@h:22/a"),
        ("../repo x", "git+../repo%20x"),
        ("/abs/repo", "git+/abs/repo"),
        ("file://None/abs", "git+file:///abs"),
    ],
)
def test_the_addresses_of_repositories(url: str, expected: str) -> None:
    made = git_place(Node({}), url, COMMIT, folder="app/..", subfolder="py d")
    assert made == f"{expected}@{COMMIT}#subdirectory=py%20d"


POETRY_PLACES = """\
[[package]]
name = "by-url"
version = "1"
files = [{ file = "by_url-1-py3-none-any.whl", hash = "sha256:HASH" }]
[package.source]
type = "url"
url = "https://h/by_url-1-py3-none-any.whl"
[[package]]
name = "by-file"
version = "1"
groups = ["main", "dev"]
markers = { main = "os_name == 'x'", dev = "os_name == 'y'" }
files = [{ file = "by_file-1-py3-none-any.whl", hash = "sha256:HASH" }]
[package.source]
type = "file"
url = "wheels/by_file-1-py3-none-any.whl"
[metadata]
lock-version = "2.1"
python-versions = "*"
""".replace("HASH", "0" * 64)


def test_poetry_with_files_and_old_extras() -> None:
    project = """\
[tool.poetry.dependencies]
python = "*"
by-url = { url = "https://h/by_url-1-py3-none-any.whl" }
by-file = { path = "wheels/by_file-1-py3-none-any.whl", optional = true }
[tool.poetry.extras]
files = ["by-file"]
[tool.poetry.dev-dependencies]
by-file = "*"
"""

    def lines(**chosen: tuple[str, ...]) -> list[str]:
        taken = read_lock_file(
            "poetry.lock", POETRY_PLACES, source="poetry.lock",
            read_beside=lambda _name: project, choosing=Choosing(**chosen),
        )  # fmt: skip
        return [line.replace("0" * 64, "HASH") for line in taken.requirements]

    by_url = ["by-url", "by-url @ https://h/by_url-1-py3-none-any.whl#sha256=HASH"]
    file = "by-file @ ./wheels/by_file-1-py3-none-any.whl#sha256=HASH"
    assert lines() == by_url
    assert lines(extras=("files",)) == ["by-file", f'{file} ; os_name == "x"', *by_url]
    assert lines(groups=("dev",)) == [
        "by-file",
        f'{file} ; os_name == "x" or os_name == "y"',
        *by_url,
    ]


def test_pipenv_with_places_of_its_own() -> None:
    packages = {
        "tool": {
            "git": "https://h/t.git",
            "ref": COMMIT,
            "extras": ["x"],
            "markers": "os_name=='y'",
        },
        "near": {"path": "./near", "editable": True},
        "far": {"file": "https://h/far-1-py3-none-any.whl", "hashes": ["sha256:" + "0" * 64]},
    }
    text = json.dumps({"_meta": {"pipfile-spec": 6}, "default": packages})
    taken = read_lock_file("a/Pipfile.lock", text, source="Pipfile.lock", read_beside=str)
    assert taken.requirements == (
        f"far @ https://h/far-1-py3-none-any.whl#sha256={'0' * 64}",
        "near @ ./a/near",
        f'tool[x] @ git+https://h/t.git@{COMMIT} ; os_name == "y"',
    )


def test_pdm_with_places_of_its_own() -> None:
    text = f"""\
[metadata]
lock_version = "4.5.0"
[[package]]
name = "tool"
version = "1"
git = "https://h/tool"
revision = "{COMMIT}"
subdirectory = "py"
groups = ["default", "dev"]
[[package]]
name = "near"
version = "1"
path = "./near"
groups = ["plot"]
"""
    project = '[project]\ndependencies = ["tool @ git+https://h/tool"]\n'
    project += '[project.optional-dependencies]\nplot = ["near"]\n'
    taken = read_lock_file(
        "a/pdm.lock", text, source="pdm.lock", read_beside=lambda _name: project,
        choosing=Choosing(extras=("plot",)),
    )  # fmt: skip
    assert taken.requirements == (
        "near", "near @ ./a/near", "tool", f"tool @ git+https://h/tool@{COMMIT}#subdirectory=py",
    )  # fmt: skip


def test_pylock() -> None:
    file = taken_over("pylock")
    assert file.requires_python == "<3.13,>=3.10"
    assert (
        file.requirements
        == file.constraints
        == snapshot(
            (
                "asgiref==3.8.1",
                "attrs==25.3.0",
                "blinker==1.9.0",
                "click==8.2.1",
                'colorama==0.4.6; sys_platform == "win32"',
                "flask==3.0.3",
                'idna==3.6; python_full_version < "3.11"',
                'idna==3.7; python_full_version >= "3.11"',
                "iniconfig==2.1.0",
                "itsdangerous==2.2.0",
                "jinja2==3.1.6",
                'markupsafe==2.1.5; platform_machine == "aarch64"',
                'markupsafe==3.0.2; platform_machine != "aarch64"',
                'typing-extensions==4.13.2; python_full_version < "3.11"',
                "werkzeug==3.1.3",
            )
        )
    )


def test_poetry_1() -> None:
    file = taken_over("poetry-1")
    assert file.requires_python == "<3.13,>=3.10"
    assert file.requirements == snapshot(
        (
            "certifi<2025,>=2024.2",
            "flask[async]<3.1,>=2.3",
            "idna==3.6",
            "jinja2<3.2,>=3.1.2",
            'typing-extensions<5,>=4.1; python_version < "3.12" and sys_platform == "linux"',
        )
    )
    assert file.constraints == snapshot(
        (
            "asgiref==3.12.1",
            "blinker==1.9.0",
            "certifi==2024.12.14",
            "click==8.5.1",
            "flask==3.0.3",
            "idna==3.6",
            "itsdangerous==2.2.0",
            "jinja2==3.1.6",
            "markupsafe==3.0.4",
            "typing-extensions==4.16.0",
            "werkzeug==3.1.9",
        )
    )


def test_poetry_2() -> None:
    file = taken_over("poetry-2")
    assert file.requires_python == "<3.13,>=3.10"
    assert file.requirements == snapshot(
        (
            "flask[async]<3.1,>=2.3",
            'idna==3.6; python_version < "3.11"',
            'idna==3.7; python_version >= "3.11"',
            'markupsafe==2.1.5; platform_machine == "aarch64"',
            'markupsafe==3.0.2; platform_machine != "aarch64"',
        )
    )
    assert file.constraints == snapshot(
        (
            'asgiref==3.12.1; python_version == "3.10"',
            'asgiref==3.13.0; python_version >= "3.11"',
            "blinker==1.9.0",
            "click==8.5.1",
            "flask==3.0.3",
            'idna==3.6; python_version == "3.10"',
            'idna==3.7; python_version >= "3.11"',
            "itsdangerous==2.2.0",
            "jinja2==3.1.6",
            'markupsafe==2.1.5; platform_machine == "aarch64"',
            'markupsafe==3.0.2; platform_machine != "aarch64"',
            'typing-extensions==4.16.0; python_version == "3.10"',
            "werkzeug==3.1.9",
        )
    )


def test_pdm() -> None:
    file = taken_over("pdm")
    assert file.requires_python == "<3.13,>=3.10"
    assert file.requirements == snapshot(
        ("flask[async]<3.1,>=2.3", "idna>=3.6", "markupsafe==2.1.5")
    )
    assert file.constraints == snapshot(
        (
            "asgiref==3.12.1",
            "blinker==1.9.0",
            "click==8.5.1",
            "flask==3.0.3",
            "idna==3.20",
            "itsdangerous==2.2.0",
            "jinja2==3.1.6",
            "markupsafe==2.1.5",
            'typing-extensions==4.16.0; python_version < "3.11"',
            "werkzeug==3.1.9",
        )
    )


def test_pipenv() -> None:
    file = taken_over("pipenv")
    assert file.requires_python == "==3.11.*"
    assert file.requirements == snapshot(
        (
            'asgiref==3.13.0; python_version >= "3.11"',
            'blinker==1.9.0; python_version >= "3.9"',
            'click==8.5.1; python_version >= "3.10"',
            'flask[async]==3.0.3; python_version >= "3.8"',
            'idna==3.7; python_version >= "3.5"',
            'itsdangerous==2.2.0; python_version >= "3.8"',
            'jinja2==3.1.6; python_version >= "3.7"',
            'markupsafe==3.0.4; python_version >= "3.9"',
            'werkzeug==3.1.9; python_version >= "3.9"',
        )
    )


@pytest.mark.parametrize("tool", sorted(LOCKS))
def test_everything_taken_over_is_pinned_and_hashed(tool: str) -> None:
    file = taken_over(tool)
    assert file.pinned
    assert file.path == LOCKS[tool]
    exact = {line.partition(";")[0] for line in file.constraints}
    assert exact == {line for line, _hashes in file.hashes}
    assert all("==" in line for line in exact)
    assert all(hashes and hashes == tuple(sorted(set(hashes))) for _line, hashes in file.hashes)
    pinned = {line.partition("==")[0] for line in exact}
    roots = {line.partition(";")[0].partition("[")[0] for line in file.requirements}
    assert {root.partition("=")[0].partition("<")[0].partition(">")[0] for root in roots} <= pinned


@pytest.mark.parametrize("tool", sorted(set(LOCKS) - {"pylock"}))
def test_what_is_not_installed_by_default_is_left_out(tool: str) -> None:
    text = (DATA / tool / LOCKS[tool]).read_text()
    pinned = {line.partition("==")[0] for line in taken_over(tool).constraints}
    assert "iniconfig" in text
    assert not {"attrs", "iniconfig", "pluggy", "demo"} & pinned


def test_hashes_are_those_of_files_that_may_fit_linux() -> None:
    text = (DATA / "uv" / "uv.lock").read_text()
    hashes = dict(taken_over("uv").hashes)["markupsafe==3.0.2"]
    lines = [line for line in text.splitlines() if "/markupsafe-3.0.2" in line.lower()]
    fitting = [line for line in lines if "linux" in line or "sdist" in line]
    assert 0 < len(fitting) < len(lines)
    assert sorted(line.partition('hash = "')[2].partition('"')[0] for line in fitting) == [*hashes]


@pytest.mark.parametrize("tool", sorted(LOCKS))
def test_line_endings_mean_nothing(tool: str) -> None:
    text = f'[base]\nimage = "a"\n[pip]\nrequirements = ["{LOCKS[tool]}"]\n'

    def read_file(name: str) -> bytes:
        return (DATA / tool / name).read_bytes().replace(b"\n", b"\r\n")

    spec = parse_spec(text.encode(), source="a.toml", read_file=read_file)
    assert spec.pip.requirements == (taken_over(tool),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("sub/uv.lock", True),
        ("pylock.toml", True),
        ("pylock.dev.toml", True),
        ("pylock.toml.txt", False),
        ("my-uv.lock", False),
        ("requirements.txt", False),
    ],
)
def test_locks_are_known_by_their_names(path: str, *, expected: bool) -> None:
    assert is_lock_file(path) is expected
