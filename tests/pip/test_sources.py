"""What requirements name by path, URL or commit, locked against a local index and real projects."""

from __future__ import annotations

import json
import subprocess
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.files import load_spec
from imagelock.app.sections.pip import pip_section
from imagelock.app.sections.pip_pins import PipSection
from imagelock.fetch.git_tree import submodule_address
from imagelock.fetch.http import Http
from imagelock.fetch.store import Store
from imagelock.lock import staleness
from imagelock.lock.decode import decode_lock
from imagelock.lock.encode import encode_lock
from imagelock.model.errors import (
    BuildError,
    ImagelockError,
    IntegrityError,
    NetworkError,
    NoSolution,
    NotFound,
    SpecError,
    UsageError,
)
from imagelock.model.lock import Lock, Requirer
from imagelock.model.platform import Platform
from imagelock.model.python import PythonTarget
from imagelock.model.spec import Spec
from support.local_server import Answer, LocalServer
from support.sources import (
    asked,
    commit,
    make_repository,
    make_sdist,
    project_files,
    versioned_files,
    write_files,
)
from support.wheels import sha256, wheel

AMD = Platform("linux/amd64")
TARGETS = {AMD: PythonTarget(platform=AMD, version="3.12.4", libc="glibc 2.36")}
NOW = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The spec's folder."""
    made = tmp_path / "work" / "images"
    made.mkdir(parents=True)
    return made


@pytest.fixture
def index(server: LocalServer) -> Iterator[LocalServer]:
    """An index with a build backend that needs nothing, and one package."""
    listed(server, "fakebuild", "1.27", "pathspec>=0.10")
    listed(server, "pathspec", "0.12")
    listed(server, "core", "1.0")
    return server  # type: ignore[return-value]


def listed(server: LocalServer, name: str, version: str, *requires: str) -> None:
    filename = f"{name}-{version}-py3-none-any.whl"
    data = wheel(name, version, requires)
    server.routes[f"/files/{filename}"] = Answer(data)
    file = {
        "filename": filename,
        "url": f"{server.url}/files/{filename}",
        "hashes": {"sha256": sha256(data)},
        "size": len(data),
    }
    page = json.dumps({"meta": {"api-version": "1.1"}, "files": [file]}).encode()
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.routes[f"/simple/{name}/"] = Answer(page, headers=headers)


class Desk:
    """One spec in a folder, and its lock."""

    def __init__(self, folder: Path, server: LocalServer, store: Store) -> None:
        self.folder = folder
        self.server = server
        self.store = store

    def spec(self, *packages: str, **keys: object) -> Spec:
        table = {"packages": list(packages), "index": f"{self.server.url}/simple", **keys}
        lines = [f"{key} = {_toml(value)}" for key, value in table.items()]
        text = '[base]\ndistribution = "debian:bookworm"\n[pip]\n' + "\n".join(lines)
        (self.folder / "train.toml").write_text(text)
        return load_spec(self.folder / "train.toml")

    def context(self, *, offline: bool = False) -> Context:
        return Context(store=self.store, http=Http(offline=offline), now=NOW)

    def lock(
        self,
        spec: Spec,
        previous: Lock | None = None,
        options: ResolveOptions | None = None,
        *,
        offline: bool = False,
    ) -> Lock:
        made = pip_section(
            spec.pip,
            TARGETS,
            context=self.context(offline=offline),
            options=options or ResolveOptions(),
            previous=previous,
            folder=self.folder,
        )
        return lock_of(spec, made)


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{key} = {_toml(item)}' for key, item in value.items())} }}"
    return json.dumps(value)


def lock_of(spec: Spec, made: PipSection) -> Lock:
    return Lock(roots=spec, pip=made.pins, pip_builds=made.builds, archives=made.archives)


@pytest.fixture
def desk(folder: Path, index: LocalServer, store: Store) -> Desk:
    return Desk(folder, index, store)


def short(lock: Lock) -> list[str]:
    urls = {archive.name: archive.url for archive in lock.archives}
    return [
        f"{pin.name} {pin.version} {urls[pin.artifact.archive]} {pin.artifact.path}"
        for pin in lock.pip
        if not urls[pin.artifact.archive].startswith("http")
    ]


def test_a_wheel_beside_the_spec_is_locked_by_its_hash(desk: Desk, folder: Path) -> None:
    data = wheel("tool", "1.0", ("core",))
    (folder / "wheels").mkdir()
    (folder / "wheels/tool-1.0-py3-none-any.whl").write_bytes(data)
    lock = desk.lock(desk.spec("./wheels/tool-1.0-py3-none-any.whl"))
    assert short(lock) == ["tool 1.0 wheels/ tool-1.0-py3-none-any.whl"]
    assert [pin.name for pin in lock.pip] == ["core", "tool"]
    assert lock.pip[1].artifact.sha256 == sha256(data)
    assert lock.pip[1].requested


@pytest.mark.parametrize("form", ["{0}", "file://{0}", "tool @ file://{0}"])
def test_an_absolute_path_is_kept_as_a_relative_one(desk: Desk, folder: Path, form: str) -> None:
    path = folder.parent / "tool-1.0-py3-none-any.whl"
    path.write_bytes(wheel("tool", "1.0"))
    spec = desk.spec(form.format(path))
    assert spec.pip.packages == ("tool @ ../tool-1.0-py3-none-any.whl",)
    assert short(desk.lock(spec)) == ["tool 1.0 ../ tool-1.0-py3-none-any.whl"]


def test_a_changed_wheel_makes_the_lock_stale_and_is_never_used(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    path = folder / "tool-1.0-py3-none-any.whl"
    path.write_bytes(wheel("tool", "1.0"))
    spec = desk.spec("./tool-1.0-py3-none-any.whl")
    lock = desk.lock(spec)
    path.write_bytes(wheel("tool", "1.0", ("core",)))
    with pytest.raises(IntegrityError, match="expected"):
        fetch_all(lock, Store(tmp_path / "other"), folder)
    (reason,) = [reason for reason in staleness(lock, load_spec(folder / "train.toml"))
                 if reason.path != "base"]  # fmt: skip
    assert str(reason).startswith("./tool-1.0-py3-none-any.whl: content ")


def fetch_all(lock: Lock, store: Store, folder: Path) -> None:
    from imagelock.fetch.artifacts import ArtifactFetcher

    pins = [pin.artifact for pin in lock.pip]
    local = [item for item in pins if not item.archive.startswith("127")]
    ArtifactFetcher(store, Http(offline=True), folder=folder).fetch(local, lock.archives)


def test_find_links_are_a_folder_a_page_on_disk_and_a_page_on_a_server(
    desk: Desk, folder: Path, server: LocalServer
) -> None:
    for number, place in enumerate(("wheels", "pages/files"), 1):
        (folder / place).mkdir(parents=True)
        name = f"tool{number}"
        (folder / place / f"{name}-1.0-py3-none-any.whl").write_bytes(wheel(name, "1.0"))
    page = '<a href="files/tool2-1.0-py3-none-any.whl">x</a>'
    (folder / "pages/index.html").write_text(page)
    link = f"tool3-1.0-py3-none-any.whl#sha256={sha256(wheel('tool3', '1.0'))}"
    html = {"Content-Type": "text/html"}
    server.routes["/links"] = Answer(f'<a href="{link}">x</a>'.encode(), headers=html)
    server.routes["/tool3-1.0-py3-none-any.whl"] = Answer(wheel("tool3", "1.0"))
    links = ["wheels", "./pages/index.html", f"{server.url}/links"]
    spec = desk.spec("tool1", "tool2", "tool3", "core", **{"find-links": links})
    assert spec.pip.find_links == ("./wheels", "./pages/index.html", f"{server.url}/links")
    lock = desk.lock(spec)
    assert short(lock) == [
        "tool1 1.0 wheels/ tool1-1.0-py3-none-any.whl",
        "tool2 1.0 pages/files/ tool2-1.0-py3-none-any.whl",
    ]
    assert [pin.name for pin in lock.pip] == ["core", "tool1", "tool2", "tool3"]


def test_a_folder_that_is_not_there_is_named(desk: Desk, folder: Path) -> None:
    with pytest.raises(UsageError, match="no such folder") as caught:
        desk.lock(desk.spec("core", **{"find-links": ["wheels"]}))
    assert str(folder / "wheels") in caught.value.where


def test_a_local_project_is_locked_by_its_content(desk: Desk, folder: Path) -> None:
    write_files(folder / "tool", project_files(dependencies=("core>=1",)))
    spec = desk.spec("./tool")
    assert spec.pip.packages == ("tool @ ./tool",)
    lock = desk.lock(spec)
    assert short(lock) == ["tool 1.0 tool/ ."]
    assert lock.pip[0].required_by == (Requirer(name="tool", specifier=">=1"),)
    built = [(pin.name, pin.version, pin.builds, pin.required_by) for pin in lock.pip_builds]
    assert built == [
        ("fakebuild", "1.27", ("tool",), (Requirer(name="tool", specifier=">=1.27"),)),
        ("pathspec", "0.12", ("tool",), (Requirer(name="fakebuild", specifier=">=0.10"),)),
    ]


def test_what_git_ignores_and_what_it_does_not_change_a_project_as_they_should(
    desk: Desk, folder: Path
) -> None:
    tool = write_files(folder / "tool", {**project_files(), ".gitignore": "dist/\n"})
    before = desk.spec("./tool")
    write_files(tool, {"dist/x.whl": "x", "tool/__pycache__/y.pyc": "y"})
    (tool / "tool/__init__.py").touch()
    assert load_spec(folder / "train.toml") == before
    write_files(tool, {"tool/more.py": ""})
    assert load_spec(folder / "train.toml") != before


def test_a_changed_project_makes_the_lock_stale_and_is_never_built(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    write_files(folder / "tool", project_files())
    lock = desk.lock(desk.spec("./tool"))
    fetch_all(lock, Store(tmp_path / "one"), folder)
    write_files(folder / "tool", {"tool/more.py": ""})
    with pytest.raises(IntegrityError, match="is not what was locked"):
        fetch_all(lock, Store(tmp_path / "two"), folder)
    reasons = [str(reason) for reason in staleness(lock, load_spec(folder / "train.toml"))]
    assert any(reason.startswith("./tool: content ") for reason in reasons)


def test_a_project_without_a_name_of_its_own_needs_one(desk: Desk, folder: Path) -> None:
    write_files(folder / "old", {"setup.py": ""})
    with pytest.raises(SpecError, match=r"expected the project's name in '\./old'"):
        desk.spec("./old")
    with pytest.raises(SpecError, match=r"cannot read '\./gone'"):
        desk.spec("gone @ ./gone")


def test_a_project_of_another_name_is_refused(desk: Desk, folder: Path) -> None:
    write_files(folder / "tool", project_files())
    with pytest.raises(UsageError, match="what is there is 'tool'"):
        desk.lock(desk.spec("spanner @ ./tool"))


def test_a_branch_becomes_a_commit_and_stays_there(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    repository = folder.parent / "repository"
    first = make_repository(repository, project_files(dependencies=("core",)))
    spec = desk.spec(f"tool @ git+file://{repository}@main")
    assert spec.pip.packages == ("tool @ git+../repository@main",)
    lock = desk.lock(spec)
    assert short(lock) == [f"tool 1.0 git+../repository {first}"]
    write_files(repository, project_files(version="2.0"))
    second = commit(repository)
    assert short(desk.lock(spec, lock)) == [f"tool 1.0 git+../repository {first}"]
    upgraded = desk.lock(spec, lock, ResolveOptions(upgrade=True))
    assert short(upgraded) == [f"tool 2.0 git+../repository {second}"]
    fetch_all(lock, Store(tmp_path / "other"), folder)


@pytest.mark.parametrize("ref", ["", "@v1", "@{short}", "@{whole}", "@feature/x"])
def test_refs_of_every_kind(desk: Desk, folder: Path, ref: str) -> None:
    repository = folder.parent / "repository"
    made = make_repository(repository, {"sub/" + k: v for k, v in project_files().items()})
    asked(repository, "tag", "-a", "v1", "-m", "v1")
    asked(repository, "branch", "feature/x")
    if ref and "{" not in ref:
        write_files(repository, {"other": ""})
        commit(repository)
    text = ref.format(short=made[:9], whole=made)
    spec = desk.spec(f"tool @ git+file://{repository}{text}#subdirectory=sub")
    assert short(desk.lock(spec)) == [f"tool 1.0 git+../repository {made}/sub"]


def test_a_ref_that_is_not_there_is_named(desk: Desk, folder: Path) -> None:
    repository = folder.parent / "repository"
    make_repository(repository, project_files())
    with pytest.raises(NotFound, match="no branch, tag or commit 'nowhere'"):
        desk.lock(desk.spec(f"tool @ git+file://{repository}@nowhere"))
    with pytest.raises(NetworkError, match="git failed"):
        desk.lock(desk.spec(f"tool @ git+file://{folder.parent}/none@main"))


def test_a_repository_over_http(desk: Desk, folder: Path, server: LocalServer) -> None:
    repository = folder.parent / "repository"
    made = make_repository(repository, project_files())
    bare = folder.parent / "bare.git"
    asked(folder, "clone", "--quiet", "--bare", str(repository), str(bare))
    asked(bare, "update-server-info")
    for path in sorted(bare.rglob("*")):
        if path.is_file():
            server.routes[f"/bare.git/{path.relative_to(bare)}"] = Answer(path.read_bytes())
    refs = server.routes["/bare.git/info/refs"]
    server.routes["/bare.git/info/refs?service=git-upload-pack"] = refs
    url = f"git+{server.url}/bare.git"
    lock = desk.lock(desk.spec(f"tool @ {url}@main"))
    assert [pin.artifact.path for pin in lock.pip if pin.name == "tool"] == [made]
    assert url in {archive.url for archive in lock.archives}
    with pytest.raises(NetworkError, match="network is off"):
        fetch_all(lock, Store(folder / "other"), folder)


@pytest.mark.parametrize("place", ["below/tool", "."])
def test_a_repository_at_or_below_the_spec_can_be_written(
    desk: Desk, folder: Path, place: str
) -> None:
    made = make_repository(folder / place, project_files())
    lock = desk.lock(desk.spec(f"tool @ git+file://{(folder / place).resolve()}@main"))
    root = "git+./" if place == "." else "git+./below/tool"
    assert short(lock) == [f"tool 1.0 {root} {made}"]
    archives = decode_lock(encode_lock(lock), source="train.lock").archives
    assert root in {archive.url for archive in archives}
    fetch_all(lock, Store(folder / "other"), folder)


def versions(lock: Lock) -> list[str]:
    return [pin.version for pin in lock.pip if pin.name == "tool"]


def test_a_version_that_comes_from_tags_is_that_of_the_lock_until_it_is_moved(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    tool = folder.parent / "tool"
    make_repository(tool, versioned_files())
    asked(tool, "tag", "v1.0")
    write_files(tool, {"more.txt": ""})
    commit(tool)
    spec = desk.spec(f"tool @ git+file://{tool}@main")
    lock = desk.lock(spec)
    assert versions(lock) == ["1.0.post1"]
    asked(tool, "tag", "-a", "v2.0", "-m", "later")
    assert desk.lock(spec, lock) == lock
    other = Desk(folder, desk.server, Store(tmp_path / "other"))
    assert other.lock(spec, lock) == lock, "of the lock, whoever looks at the tags later"
    assert versions(desk.lock(spec, lock, ResolveOptions(upgrade=True))) == ["2.0.post0"]
    asked(tool, "tag", "--delete", "v2.0")
    assert versions(desk.lock(spec, lock, ResolveOptions(upgrade=True))) == ["1.0.post1"]


def test_two_commits_of_one_tree_have_their_own_versions(desk: Desk, folder: Path) -> None:
    tool = folder.parent / "tool"
    made = [make_repository(tool, versioned_files())]
    asked(tool, "tag", "v1.0")
    made += [commit(tool), commit(tool)]
    locks = [desk.lock(desk.spec(f"tool @ git+file://{tool}@{item}")) for item in made]
    assert [versions(lock) for lock in locks] == [["1.0.post0"], ["1.0.post1"], ["1.0.post2"]]
    assert len({pin.artifact.sha256 for lock in locks for pin in lock.pip}) == 1


def test_a_commit_on_no_branch_has_its_history_too(desk: Desk, folder: Path) -> None:
    tool = folder.parent / "tool"
    make_repository(tool, versioned_files())
    asked(tool, "tag", "v1.0")
    asked(tool, "checkout", "--quiet", "--detach")
    made = commit(tool)
    asked(tool, "checkout", "--quiet", "main")
    assert versions(desk.lock(desk.spec(f"tool @ git+file://{tool}@{made}"))) == ["1.0.post1"]


def test_a_version_that_only_history_gives_is_refused_when_it_is_locked(
    desk: Desk, folder: Path
) -> None:
    tool = folder.parent / "tool"
    make_repository(tool, versioned_files(listens=False))
    asked(tool, "tag", "v1.0")
    with pytest.raises(BuildError, match=r"its version, 1\.0\.post0, .* it is 0") as said:
        desk.lock(desk.spec(f"tool @ git+file://{tool}@main"))
    assert "name a release" in said.value.hint


def test_a_poetry_lock_with_a_repository_and_a_folder_is_locked_as_it_says(
    desk: Desk, folder: Path
) -> None:
    repository = folder.parent / "repository"
    made = make_repository(repository, project_files(dependencies=("core",)))
    write_files(folder / "near", project_files("near", dependencies=("tool",)))
    commit(repository)
    project = 'dependencies = ["near"]\n[dependency-groups]\ndev = ["pathspec"]\n'
    (folder / "pyproject.toml").write_text(f"[project]\n{project}")
    lock_text = f"""\
[[package]]
name = "near"
version = "1"
[package.dependencies]
tool = "*"
[package.source]
type = "directory"
url = "near"
[[package]]
name = "tool"
version = "1"
[package.dependencies]
core = "*"
[package.source]
type = "git"
url = "{repository}"
resolved_reference = "{made}"
[[package]]
name = "core"
version = "1.0"
files = [{{ file = "c", hash = "sha256:{sha256(wheel("core", "1.0"))}" }}]
[[package]]
name = "pathspec"
version = "0.12"
groups = ["dev"]
files = [{{ file = "p", hash = "sha256:{sha256(wheel("pathspec", "0.12"))}" }}]
[metadata]
lock-version = "2.1"
python-versions = "*"
"""
    (folder / "poetry.lock").write_text(lock_text)
    lock = desk.lock(desk.spec(requirements=["poetry.lock"]))
    assert short(lock) == ["near 1.0 near/ .", f"tool 1.0 git+../repository {made}"]
    assert [pin.name for pin in lock.pip] == ["core", "near", "tool"]
    item = '[{ path = "poetry.lock", groups = ["dev"] }]'
    path = folder / "train.toml"
    path.write_text(path.read_text().replace('["poetry.lock"]', item))
    more = desk.lock(load_spec(path), lock)
    assert [pin.name for pin in more.pip] == ["core", "near", "pathspec", "tool"]


def add_submodule(repository: Path, path: str, url: str, made: str) -> None:
    """What `git submodule add` writes, for any URL."""
    with (repository / ".gitmodules").open("a") as file:
        file.write(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n')
    asked(repository, "update-index", "--add", "--cacheinfo", f"160000,{made},{path}")
    asked(repository, "add", ".gitmodules")
    asked(repository, "commit", "--quiet", "-m", "submodule")


def names_in(path: Path) -> list[str]:
    with tarfile.open(path) as archive:
        return [item.name for item in archive if not item.isdir()]


def test_submodules_are_in_the_tree_at_the_commits_that_it_names(
    desk: Desk, folder: Path, tmp_path: Path
) -> None:
    deep, lib, tool = (folder.parent / name for name in ("deep", "lib", "tool"))
    make_repository(deep, {"d.txt": "deep"})
    inner = make_repository(lib, {"l.txt": "lib"})
    add_submodule(lib, "third/deep", str(deep), asked(deep, "rev-parse", "HEAD"))
    linked = asked(lib, "rev-parse", "HEAD")
    first = make_repository(tool, project_files())
    add_submodule(tool, "vendor/lib", "../lib", linked)
    # A repository may be a submodule of itself, at an older commit.
    add_submodule(tool, "old", "./", first)
    write_files(lib, {"later.txt": "no part of it"})
    commit(lib)
    spec = desk.spec(f"tool @ git+file://{tool}@main")
    lock = desk.lock(spec)
    (pin,) = [pin for pin in lock.pip if pin.name == "tool"]
    assert names_in(desk.store.path(pin.artifact.sha256)) == [
        ".gitmodules",
        "building/backend.py",
        "old/building/backend.py", "old/pyproject.toml", "old/tool/__init__.py",
        "pyproject.toml",
        "tool/__init__.py",
        "vendor/lib/.gitmodules", "vendor/lib/l.txt", "vendor/lib/third/deep/d.txt",
    ]  # fmt: skip
    fetch_all(lock, Store(tmp_path / "other"), folder)
    assert inner != linked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ext::sh -c touch% /tmp/pwned", "no address that is fetched from"),
        ("--upload-pack=touch", "no address that is fetched from"),
        ("ssh://-oProxyCommand=x/y", "no address that is fetched from"),
        ("../gone", "git failed"),
        ("", "no URL in .gitmodules"),
    ],
)
def test_submodules_that_cannot_be_had_are_refused(
    desk: Desk, folder: Path, url: str, said: str
) -> None:
    tool = folder.parent / "tool"
    made = make_repository(tool, project_files())
    add_submodule(tool, "lib", url, made[::-1])
    if not url:
        (tool / ".gitmodules").write_text("")
        asked(tool, "commit", "--quiet", "-m", "none", ".gitmodules")
    with pytest.raises(ImagelockError, match=said):
        desk.lock(desk.spec(f"tool @ git+file://{tool}@main"))


def test_a_server_s_repository_names_no_path_of_this_machine() -> None:
    for url in ("/etc", "file:///etc", "./../../../../../etc"):
        with pytest.raises(UsageError, match="no address that is fetched from"):
            submodule_address(url, "https://h/acme/tool.git", where="")
    near = submodule_address("../lib.git", "https://h/acme/tool.git/", where="")
    assert near == "https://h/acme/lib.git"
    assert submodule_address("git@h:acme/lib", "/x", where="") == "git@h:acme/lib"


def test_a_tree_has_one_hash_wherever_it_is(folder: Path, desk: Desk) -> None:
    files = {**project_files(), "run.sh": "#!/bin/sh\n", ".gitattributes": "* export-ignore\n"}
    repository = folder.parent / "repository"
    make_repository(repository, files)
    (repository / "run.sh").chmod(0o755)
    commit(repository)
    (repository / "link").symlink_to("run.sh")
    made = commit(repository)
    lock = desk.lock(desk.spec(f"tool @ git+file://{repository}@{made}"))
    (pin,) = [pin for pin in lock.pip if pin.name == "tool"]
    local = desk.lock(desk.spec(f"tool @ {repository}"))
    (other,) = [pin for pin in local.pip if pin.name == "tool"]
    assert other.artifact.sha256 == pin.artifact.sha256
    listing = subprocess.run(
        ["tar", "-tvf", str(desk.store.path(pin.artifact.sha256))],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "link -> run.sh" in listing
    assert "rwxr-xr-x" in listing


def test_an_sdist_needs_leave(desk: Desk, server: LocalServer) -> None:
    add_sdist(server, "tool", make_sdist("tool", "1.0", project_files(dependencies=("core",))))
    with pytest.raises(NoSolution) as caught:
        desk.lock(desk.spec("tool"))
    assert "has only an sdist" in caught.value.message
    assert caught.value.hint == 'write allow-sdist = ["tool"] under [pip] to build it from source'
    lock = desk.lock(desk.spec("tool", **{"allow-sdist": ["tool"]}))
    assert [(pin.name, pin.artifact.filename) for pin in lock.pip] == [
        ("core", "core-1.0-py3-none-any.whl"),
        ("tool", "tool-1.0.tar.gz"),
    ]
    assert [pin.name for pin in lock.pip_builds] == ["fakebuild", "pathspec"]


def add_sdist(server: LocalServer, name: str, data: bytes, version: str = "1.0") -> None:
    add_page(server, name, {f"{name}-{version}.tar.gz": data})


def add_page(server: LocalServer, name: str, files: dict[str, bytes]) -> None:
    """An index's page of a project with these files."""
    listing = []
    for filename, data in files.items():
        server.routes[f"/files/{filename}"] = Answer(data)
        file = {
            "filename": filename,
            "url": f"{server.url}/files/{filename}",
            "hashes": {"sha256": sha256(data)},
            "size": len(data),
        }
        listing.append(file)
    page = json.dumps({"meta": {"api-version": "1.1"}, "files": listing}).encode()
    headers = {"Content-Type": "application/vnd.pypi.simple.v1+json"}
    server.routes[f"/simple/{name}/"] = Answer(page, headers=headers)


def of_both_kinds(server: LocalServer) -> None:
    """An index with two sdists of a project, and a wheel of the older one."""
    files = {f"tool-{text}.tar.gz": make_sdist("tool", text, project_files(version=text))
             for text in ("1.0", "2.0")}  # fmt: skip
    files["tool-1.0-py3-none-any.whl"] = wheel("tool", "1.0")
    add_page(server, "tool", files)


def test_the_sdist_is_taken_where_no_binary_asks_for_it(desk: Desk, server: LocalServer) -> None:
    of_both_kinds(server)
    before = desk.lock(desk.spec("tool"))
    assert [pin.artifact.filename for pin in before.pip] == ["tool-1.0-py3-none-any.whl"]
    pinned = desk.spec("tool==1.0", **{"no-binary": ["Tool"]})
    after = desk.lock(pinned, before)
    assert [pin.artifact.filename for pin in after.pip] == ["tool-1.0.tar.gz"]
    assert [pin.name for pin in after.pip_builds] == ["fakebuild", "pathspec"]
    assert desk.lock(pinned, after, offline=True) == after
    back = desk.lock(desk.spec("tool==1.0"), after)
    assert [pin.artifact.filename for pin in back.pip] == ["tool-1.0-py3-none-any.whl"]


def test_what_builds_is_wheels_whatever_no_binary_says(desk: Desk, folder: Path) -> None:
    write_files(folder / "tool", project_files())
    lock = desk.lock(desk.spec("./tool", **{"no-binary": ["fakebuild", "pathspec"]}))
    assert all(pin.artifact.is_wheel for pin in lock.pip_builds)
    assert len(lock.pip_builds) == 2


def test_no_binary_of_what_has_only_wheels_says_so(desk: Desk) -> None:
    with pytest.raises(NoSolution, match=r"core 1\.0: has no sdist to build") as caught:
        desk.lock(desk.spec("core", **{"no-binary": ["core"]}))
    assert caught.value.hint == "core has wheels alone: leave it out of no-binary"


def test_prefer_binary_takes_an_older_wheel_before_a_newer_sdist(
    desk: Desk, server: LocalServer
) -> None:
    of_both_kinds(server)
    allowed = {"allow-sdist": ["tool"]}
    newest = desk.lock(desk.spec("tool", **allowed))
    assert [pin.artifact.filename for pin in newest.pip] == ["tool-2.0.tar.gz"]
    preferred = desk.lock(desk.spec("tool", **allowed, **{"prefer-binary": True}))
    assert [pin.artifact.filename for pin in preferred.pip] == ["tool-1.0-py3-none-any.whl"]
    forced = desk.lock(desk.spec("tool>1", **allowed, **{"prefer-binary": True}))
    assert [pin.artifact.filename for pin in forced.pip] == ["tool-2.0.tar.gz"]


@pytest.mark.parametrize("kind", ["sdist", "folder", "commit"])
def test_a_backend_is_told_its_settings_whenever_it_is_asked(
    desk: Desk, folder: Path, server: LocalServer, kind: str
) -> None:
    # Dynamic, so that the backend is asked for metadata too.
    files = project_files()
    files["pyproject.toml"] = files["pyproject.toml"].replace(
        "dependencies", 'dynamic = ["dependencies"]\n#'
    )
    if kind == "sdist":
        add_sdist(server, "tool", make_sdist("tool", "1.0", files))
    make_repository(folder / "tool", files)
    url = {"sdist": "tool", "folder": "./tool", "commit": f"tool @ git+file://{folder}/tool@main"}
    keys: dict[str, object] = {"allow-sdist": ["tool"]}
    plain = desk.lock(desk.spec(url[kind], **keys))
    assert [pin.name for pin in plain.pip] == ["tool"]
    told = {"tool": ["needs=core>=1", "needs=pathspec", "more=core>0.5"]}
    spec = desk.spec(url[kind], **keys, **{"config-settings": told})
    lock = desk.lock(spec, plain)
    assert [pin.name for pin in lock.pip] == ["core", "tool"]
    assert lock.pip[0].required_by == (Requirer(name="tool", specifier=">0.5"),)
    assert [pin.name for pin in lock.pip_builds] == ["core", "fakebuild", "pathspec"]
    reasons = [str(reason) for reason in staleness(plain, spec)]
    listed = ", ".join(f'"{item}"' for item in told["tool"])
    assert f"pip.config-settings.tool: [{listed}] was added" in reasons
    assert desk.lock(spec, lock, offline=True) == lock


def test_settings_in_a_requirements_file_find_a_project_by_its_folder(
    desk: Desk, folder: Path
) -> None:
    write_files(folder / "tool", project_files())
    (folder / "r.txt").write_text("-e ./tool --config-settings='a=b c' -C a=d\n")
    spec = desk.spec("core", requirements=["r.txt"])
    assert spec.pip.config_settings == (("tool", ("a=b c", "a=d")),)
    with pytest.raises(SpecError, match="expected one way to build 'tool'"):
        desk.spec("core", requirements=["r.txt"], **{"config-settings": {"tool": ["a=x"]}})


def test_a_spec_may_lie_in_the_project_it_names(desk: Desk, folder: Path) -> None:
    write_files(folder, project_files())
    spec = desk.spec(".")
    assert spec.pip.packages == ("tool @ ./",)
    lock = desk.lock(spec)
    assert short(lock) == ["tool 1.0 ./ ."]
    (folder / "train.lock").write_bytes(b"# Written by imagelock. Edit the spec.\nversion = 1\n")
    assert load_spec(folder / "train.toml") == spec
    (folder / "other.lock").write_bytes(b"another tool's")
    assert load_spec(folder / "train.toml") != spec
