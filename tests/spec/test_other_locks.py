"""Locks of other tools: what is taken over from those that the tools themselves wrote.

tests/spec/data holds, a folder a tool, a project and its lock (uv 0.13, Poetry 1.8 and 2.5,
PDM 2.24, pipenv, and pylock.toml by uv).
"""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from imagelock.model.errors import SpecError
from imagelock.model.spec import RequirementsFile
from imagelock.spec import parse_spec
from imagelock.spec.other_locks import is_lock_file, read_lock_file
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
    with pytest.raises(SpecError, match=r"expected a uv\.lock to choose extras"):
        taken_over("poetry-2", 'groups = ["dev"]')
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
