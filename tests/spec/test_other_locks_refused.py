# ruff: noqa: E501 (messages stand here as people see them)
"""Locks of other tools: what cannot be taken over as pinned, and where it says so."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec.other_locks.pyproject import poetry_specifier
from support.specs import problems_of, spec_of

ZEROS = "0" * 64
UV = 'version = 1\nrequires-python = ">=3.11"\n'
ROOT = """
[[package]]
name = "demo"
version = "0"
source = { virtual = "." }
dependencies = [{ name = "idna" }]
[package.metadata]
requires-dist = [{ name = "idna", specifier = ">=3" }]
"""
IDNA = f"""
[[package]]
name = "idna"
version = "3.7"
source = {{ registry = "https://pypi.org/simple" }}
wheels = [{{ url = "https://h/idna-3.7-py3-none-any.whl", hash = "sha256:{ZEROS}" }}]
"""
POETRY = f"""
[[package]]
name = "idna"
version = "3.7"
files = [{{ file = "idna-3.7-py3-none-any.whl", hash = "sha256:{ZEROS}" }}]
[metadata]
lock-version = "2.1"
python-versions = "^3.11"
"""
PYPROJECT = '[project]\nname = "x"\ndependencies = ["idna>=3"]\n'
PYLOCK = f"""
lock-version = "1.0"
created-by = "x"
[[packages]]
name = "idna"
version = "3.7"
wheels = [{{ url = "https://h/idna-3.7-py3-none-any.whl", hashes = {{ sha256 = "{ZEROS}" }} }}]
"""
PDM = POETRY.replace("lock-version", "lock_version").replace('"2.1"', '"4.5.0"')
PIPFILE = f"""{{"_meta": {{"pipfile-spec": 6}}, "default": {{
"idna": {{"version": "==3.7", "hashes": ["sha256:{ZEROS}"]}}}}}}"""


def listing(name: str) -> str:
    return f'[base]\nimage = "a"\n[pip]\nrequirements = ["{name}"]\n'


def refused(name: str, content: str, **files: str) -> str:
    others = {f"{stem}.toml": text for stem, text in files.items()}
    return problems_of(listing(name), {name: content, **others})


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("uv.lock", UV + ROOT + IDNA),
        ("poetry.lock", POETRY),
        ("pdm.lock", PDM),
        ("pylock.toml", PYLOCK),
        ("Pipfile.lock", PIPFILE),
    ],
)
def test_the_locks_that_the_tests_break_are_whole(name: str, content: str) -> None:
    spec = spec_of(listing(name), {name: content, "pyproject.toml": PYPROJECT})
    assert spec.pip.requirements[0].constraints == ("idna==3.7",)
    assert spec.pip.requirements[0].hashes == (("idna==3.7", (f"sha256:{ZEROS}",)),)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            UV.replace("1", "2", 1),
            snapshot("uv.lock:1:11: version: expected version 1 of this lock, got '2'"),
        ),
        (
            UV,
            snapshot("""\
uv.lock:1:1: expected a project at the root of the workspace, got none
  hint: lock the one project that the image is for, or export it as a requirements file\
"""),
        ),
        (
            "version = 1\n[[package]\n",
            snapshot(
                "uv.lock:2:10: not valid TOML: expected ']]' at the end of an array declaration"
            ),
        ),
        (UV + "package = 3\n", snapshot("uv.lock:3:11: package: expected an array of tables")),
        (
            UV + ROOT,
            snapshot("""\
uv.lock:8:17: package[0].dependencies[0]: idna is required, but this lock does not hold it
  hint: lock again with the tool that wrote this\
"""),
        ),
        (
            UV + ROOT + IDNA.replace("3.7", "3.7, <4"),
            snapshot("uv.lock:12:1: package[1]: expected a version, got '3.7, <4'"),
        ),
        (
            UV + ROOT.replace('"."', '"member"') + IDNA,
            snapshot("""\
uv.lock:1:1: expected a project at the root of the workspace, got none
  hint: lock the one project that the image is for, or export it as a requirements file\
"""),
        ),
        (
            UV + ROOT + IDNA.replace("https://pypi.org/simple", "../wheels"),
            snapshot(
                "uv.lock:15:23: package[1].source.registry: a folder of wheels, '../wheels', is not supported yet"
            ),
        ),
        (
            UV + ROOT + IDNA.replace("wheels", "elsewhere"),
            snapshot("""\
uv.lock:12:1: package[1]: expected the sha256 of at least one file, got none
  hint: lock again from an index that gives hashes\
"""),
        ),
        (
            UV + ROOT + IDNA.replace("sha256:", "md5:"),
            snapshot(
                "uv.lock:16:65: package[1].wheels[0].hash: expected a hash like 'sha256:…', got 'md5:0000000000000000000000000000000000000000000000000000000000000000'"
            ),
        ),
        (
            UV + ROOT + IDNA.replace(ZEROS, "00"),
            snapshot(
                "uv.lock:16:65: package[1].wheels[0].hash: expected 64 hex digits, got 2 characters"
            ),
        ),
        (
            UV + ROOT + IDNA.replace('"3.7"', '"three"'),
            snapshot(
                "uv.lock:12:1: package[1]: expected a requirement like 'numpy>=2', got 'idna==three': expected semicolon (after name with no version specifier) or end"
            ),
        ),
        (
            UV + ROOT + IDNA + IDNA.replace("3.7", "3.6"),
            snapshot("""\
uv.lock:18:1: package[2]: idna is locked in several versions (3.6, 3.7), and this one does not say for which targets
  hint: lock again with a newer version of the tool that wrote this\
"""),
        ),
        (
            UV + ROOT + IDNA.replace("wheels", 'resolution-markers = ["no"]\nwheels'),
            snapshot(
                "uv.lock:16:22: package[1].resolution-markers: expected a marker like \"python_version < '3.12'\", got 'no'"
            ),
        ),
        (
            UV + ROOT.replace(">=3", "three") + IDNA,
            snapshot("""\
uv.lock:10:18: package[0].metadata.requires-dist[0]: expected a requirement like 'numpy>=2', got 'idna three': expected semicolon (after name with no version specifier) or end
  hint: write one requirement an item\
"""),
        ),
        (
            UV.replace(">=3.11", "new") + ROOT + IDNA,
            snapshot("uv.lock:1:1: expected a specifier of Python versions, got 'new'"),
        ),
    ],
)
def test_uv(content: str, expected: str) -> None:
    assert refused("uv.lock", content) == expected


@pytest.mark.parametrize(
    ("content", "project", "expected"),
    [
        (
            POETRY.replace("2.1", "0.9"),
            PYPROJECT,
            snapshot(
                "poetry.lock:7:16: metadata.lock-version: expected version 1.1 to 2.x of this lock, got '0.9'"
            ),
        ),
        (
            POETRY,
            '[tool.poetry.dependencies]\nidna = { git = "https://h/x" }\n',
            snapshot(
                """\
poetry.lock:2:1: package[0]: idna is locked from an index, and the project takes it from elsewhere
  hint: lock again with the tool that wrote this\
"""
            ),
        ),
        (
            POETRY,
            "[tool.poetry.dependencies]\nidna = 3\n",
            snapshot(
                "pyproject.toml:2:8: tool.poetry.dependencies.idna: expected a version or a table"
            ),
        ),
        (
            POETRY.replace("files", "docs"),
            PYPROJECT,
            snapshot("""\
poetry.lock:2:1: package[0]: expected the sha256 of at least one file, got none
  hint: lock again from an index that gives hashes\
"""),
        ),
        (
            POETRY.replace("[metadata]", '[package.source]\ntype = "git"\n[metadata]'),
            PYPROJECT,
            snapshot("poetry.lock:6:1: package[0].source: expected 'url', which is missing"),
        ),
        (
            POETRY + POETRY.partition("[meta")[0].replace("3.7", "3.6"),
            PYPROJECT,
            snapshot("""\
poetry.lock:2:1: package[0]: idna is locked in several versions (3.6, 3.7), and this one does not say for which targets
  hint: lock again with a newer version of the tool that wrote this\
"""),
        ),
    ],
)
def test_poetry(content: str, project: str, expected: str) -> None:
    assert refused("poetry.lock", content, pyproject=project) == expected


@pytest.mark.parametrize(
    ("content", "project", "expected"),
    [
        (
            POETRY,
            '[tool.poetry.dependencies]\nidna = { version = "*", python = "^3.11 || ^4" }\n',
            snapshot("""\
pyproject.toml:2:34: tool.poetry.dependencies.idna.python: '^3.11 || ^4' is not supported yet
  hint: write markers\
"""),
        ),
        (
            POETRY.replace("files", "markers = 1\nfiles"),
            PYPROJECT,
            snapshot(
                "poetry.lock:5:11: package[0].markers: expected a marker, or one for each group"
            ),
        ),
    ],
)
def test_markers_of_poetry(content: str, project: str, expected: str) -> None:
    assert refused("poetry.lock", content, pyproject=project) == expected


def test_a_lock_that_is_behind_its_project() -> None:
    project = PYPROJECT.replace(
        '"idna>=3"', '"idna>=3", "attrs", "wheel; sys_platform == \'win32\'"'
    )
    assert refused("poetry.lock", POETRY, pyproject=project) == snapshot("""\
poetry.lock:1:1: attrs is required, but this lock does not hold it
  hint: lock again with the tool that wrote this\
""")


def test_poetry_without_its_project() -> None:
    assert refused("poetry.lock", POETRY) == snapshot("""\
poetry.lock:1:1: expected 'pyproject.toml' beside this lock, which does not say what the project itself requires: cannot read 'pyproject.toml': no such file or directory
  hint: put it there, or export the lock as a requirements file\
""")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            PDM.replace("4.5.0", "3.0"),
            snapshot(
                "pdm.lock:7:16: metadata.lock_version: expected version 4.x of this lock, got '3.0'"
            ),
        ),
        (
            PDM.replace("files", 'git = "https://h/x"\nfiles'),
            snapshot("""\
pdm.lock:2:1: package[0]: expected the whole id of a commit, got 'none'
  hint: lock again with the tool that wrote this\
"""),
        ),
    ],
)
def test_pdm(content: str, expected: str) -> None:
    assert refused("pdm.lock", content, pyproject=PYPROJECT) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            PYLOCK.replace('"1.0"', '"2.0"'),
            snapshot("pylock.toml:2:16: lock-version: pylock version 2.0 is not supported"),
        ),
        (
            PYLOCK.replace("created-by", "made-by"),
            snapshot("pylock.toml:1:1: created-by: missing required value"),
        ),
        (
            PYLOCK.replace("hashes", "hashed"),
            snapshot("pylock.toml:7:11: packages[0].wheels[0].hashes: missing required value"),
        ),
        (
            PYLOCK.replace("sha256", "sha512"),
            snapshot("""\
pylock.toml:4:1: packages[0]: expected the sha256 of at least one file, got none
  hint: lock again from an index that gives hashes\
"""),
        ),
        (
            PYLOCK.partition("wheels")[0]
            + 'vcs = { type = "git", url = "https://h/x", commit-id = "1" }',
            snapshot("""\
pylock.toml:7:7: packages[0].vcs: expected the whole id of a commit, got '1'
  hint: lock again with the tool that wrote this\
"""),
        ),
        (
            PYLOCK.replace('version = "3.7"\n', ""),
            snapshot("pylock.toml:4:1: packages[0]: expected 'version', which is missing"),
        ),
        (
            PYLOCK.partition("wheels")[0]
            + 'vcs = { type = "hg", url = "https://h/x", commit-id = "1" }',
            snapshot("""\
pylock.toml:7:16: packages[0].vcs.type: a package from 'hg' is not supported yet
  hint: put a wheel of it on an index, and depend on its version\
"""),
        ),
        (
            PYLOCK.partition("wheels")[0]
            + 'archive = { url = "https://h/x.whl", hashes = { sha256 = "1" } }',
            snapshot(
                "pylock.toml:7:47: packages[0].archive.hashes: expected 64 hex digits, got 1 characters"
            ),
        ),
    ],
)
def test_pylock(content: str, expected: str) -> None:
    assert refused("pylock.toml", content) == expected


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "{",
            snapshot(
                "Pipfile.lock:1:2: not valid JSON: expecting property name enclosed in double quotes"
            ),
        ),
        ("[]", snapshot("Pipfile.lock:1:1: expected a JSON object")),
        ("[" * 100_000, snapshot("Pipfile.lock:1:1: the values are nested too deeply")),
        (
            PIPFILE.replace("6", "5"),
            snapshot("Pipfile.lock: _meta.pipfile-spec: expected version 6 of this lock, got '5'"),
        ),
        (
            PIPFILE.replace("==3.7", "*"),
            snapshot("Pipfile.lock: default.idna.version: expected '==' and a version, got '*'"),
        ),
        (
            PIPFILE.replace('"version"', '"git"'),
            snapshot("""\
Pipfile.lock: default.idna: expected the whole id of a commit, got 'none'
  hint: lock again with the tool that wrote this\
"""),
        ),
        (
            PIPFILE.replace("sha256", "md5"),
            snapshot(
                "Pipfile.lock: default.idna.hashes: expected a hash like 'sha256:…', got 'md5:0000000000000000000000000000000000000000000000000000000000000000'"
            ),
        ),
    ],
)
def test_pipenv(content: str, expected: str) -> None:
    assert refused("Pipfile.lock", content) == expected


def test_a_lock_may_be_larger_than_a_spec() -> None:
    content = UV + ROOT + IDNA + "#" * (1 << 21)
    assert spec_of(listing("uv.lock"), {"uv.lock": content}).has_pip


def taken(name: str, content: str, project: str = PYPROJECT) -> RequirementsFile:
    return spec_of(listing(name), {name: content, "pyproject.toml": project}).pip.requirements[0]


def test_poetry_gives_a_marker_for_each_group() -> None:
    marked = POETRY.replace("files", "markers = {main = \"os_name == 'posix'\"}\nfiles")
    assert taken("poetry.lock", marked).constraints == ('idna==3.7; os_name == "posix"',)


def test_poetry_writes_dependencies_in_several_ways() -> None:
    project = """[tool.poetry.dependencies]
python = "^3.11"
IDNA = [{ version = ">=3", python = ">=3.11,<4" }, { version = "3.7 || 3.8", python = "^3.11.2" }]
later = { version = "*", markers = "extra == 'later'" }
"""
    assert taken("poetry.lock", POETRY, project).requirements == snapshot(
        (
            'idna; python_full_version >= "3.11.2" and python_version < "4"',
            'idna>=3; python_version >= "3.11" and python_version < "4"',
        )
    )


def test_old_poetry_lists_files_apart() -> None:
    files = POETRY.partition("files = ")[2].partition("\n")[0]
    old = POETRY.replace(f"files = {files}\n", "").replace("2.1", "1.1")
    file = taken("poetry.lock", f"{old}[metadata.files]\nidna = {files}\n")
    assert file.hashes == (("idna==3.7", (f"sha256:{ZEROS}",)),)


def test_packages_of_extras_are_left_out_of_a_pylock() -> None:
    extra = PYLOCK.partition("[[packages]]")[2].replace("idna", "attrs")
    marked = f"{PYLOCK}[[packages]]\nmarker = \"'x' in extras\"{extra}"
    assert taken("pylock.toml", marked) == taken("pylock.toml", PYLOCK)


def test_pipenv_may_name_the_exact_python() -> None:
    exact = PIPFILE.replace("6}", '6, "requires": {"python_full_version": "3.11.2"}}')
    assert taken("Pipfile.lock", exact).requires_python == "==3.11.2"


def test_uv_may_know_more_than_the_metadata() -> None:
    dynamic = ROOT.partition("[package.metadata]")[0].replace('"idna" }', '"idna", extra = ["x"] }')
    assert taken("uv.lock", UV + dynamic + IDNA).requirements == ("idna[x]",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("*", ""),
        ("^1.2.3", ">=1.2.3,<2"),
        ("^0.2.3", ">=0.2.3,<0.3"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0", ">=0,<1"),
        ("^1", ">=1,<2"),
        ("~1.2.3", ">=1.2.3,<1.3"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("1.2.*", "==1.2.*"),
        ("1.2", "==1.2"),
        ("=1.2", "==1.2"),
        ("~=1.2", "~=1.2"),
        (">=1, <2", ">=1,<2"),
        ("!= 1.5", "!=1.5"),
        ("^1 || ^2", None),
        ("new", None),
    ],
)
def test_constraints_of_poetry(text: str, expected: str | None) -> None:
    """The examples of Poetry's "Dependency specification"."""
    assert poetry_specifier(text) == expected
