"""Sources built in the sandbox of a real Debian, locked and built by the command line."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from build.conftest import needs_root
from imagelock.app.files import load_lock
from imagelock.build.sources.agree import Agreement
from imagelock.build.sources.normal import normal_wheel
from imagelock.build.sources.unpack import source_entries
from imagelock.layers.wheel import Wheel
from imagelock.model.archives import Artifact
from imagelock.model.errors import IntegrityError
from imagelock.model.lock import (
    BaseKind,
    BasePin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import digest, pip_name, sha256
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.model.spec import ImageBase, Spec
from imagelock.resolve.pip.ports import CoreMetadata
from support.command import call
from support.sources import asked, commit, make_repository, make_sdist, project_files, write_files
from support.wheels import wheel

SPEC = """\
name = "built"
python = "3.11"
[base]
distribution = "debian:bookworm"
[pip]
packages = ["./tool", "{sdist}"]
allow-sdist = ["{name}"]
{more}
"""


def made(folder: Path, sdist: str, more: str = "") -> Path:
    """A spec beside a project; its lock is written."""
    write_files(folder / "tool", project_files(requires="flit_core>=3.2"))
    spec = folder / "built.toml"
    spec.write_text(SPEC.format(sdist=sdist, name=sdist.partition("=")[0], more=more))
    locked = call("lock", str(spec))
    assert locked.code == 0, locked.err
    return spec


@pytest.mark.network
@pytest.mark.root
def test_a_project_and_an_sdist_are_built_installed_and_the_same_twice(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_root()
    spec = made(tmp_path, "docopt==0.6.2")
    built = call("build", str(spec), "--record", "--json", "--output", f"oci:{tmp_path}/out")
    assert built.code == 0, built.err
    (image,) = json.loads(built.out)["images"]
    lock = load_lock(tmp_path / "built.lock")
    assert [wheel.name for wheel in lock.images[0].wheels] == ["docopt", "tool"]
    assert image["wheels"] == [
        {"name": wheel.name, "sha256": wheel.sha256} for wheel in lock.images[0].wheels
    ]
    ran = call(
        "run", f"oci:{tmp_path}/out", "--", "/opt/venv/bin/python", "-c",
        "import docopt, tool; print(docopt.__version__, tool.VERSION)",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    assert capfd.readouterr().out == "0.6.2 1.0\n"
    assert call("verify", str(tmp_path / "built.lock"), f"oci:{tmp_path}/out").code == 0
    again = call("build", str(spec), "--check", "--json", "--output", f"oci:{tmp_path}/again")
    assert again.code == 0, again.err
    assert json.loads(again.out)["images"][0]["manifest_digest"] == image["manifest_digest"]
    # What changed is stale for the spec, and refused for the lock alone.
    write_files(tmp_path / "tool", {"tool/more.py": ""})
    stale = call("lock", str(spec), "--check")
    assert stale.code == 1
    assert "./tool: content " in stale.out + stale.err


@pytest.mark.network
@pytest.mark.root
def test_a_backend_is_told_its_settings_and_they_are_in_the_key(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_root()
    program = ("--", "/opt/venv/bin/python", "-c", "import tool.told as t; print(t.TOLD)")
    for told in ('["a=b", "c=1", "c=2"]', '["a=other"]'):
        more = f"no-binary = ['docopt']\n[pip.config-settings]\ntool = {told}"
        spec = made(tmp_path, "docopt==0.6.2", more)
        built = call("build", str(spec), "--output", f"oci:{tmp_path}/out", "--force")
        assert built.code == 0, built.err
        assert call("run", f"oci:{tmp_path}/out", *program).code == 0
    assert capfd.readouterr().out == "{'a': 'b', 'c': ['1', '2']}\n{'a': 'other'}\n"


SCM = """\
[build-system]
requires = ["setuptools>=64", "setuptools-scm>=8"]
build-backend = "setuptools.build_meta"
[project]
name = "tool"
dynamic = ["version"]
[tool.setuptools]
packages = ["tool"]
[tool.setuptools_scm]
version_file = "tool/_version.py"
"""


@pytest.mark.network
@pytest.mark.root
@pytest.mark.slow
def test_a_version_of_setuptools_scm_and_the_files_git_knows_need_no_history(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    needs_root()
    files = {"pyproject.toml": SCM, "tool/__init__.py": "", "tool/data/known.txt": "by git"}
    repository = tmp_path / "origin"
    make_repository(repository, files)
    asked(repository, "tag", "v1.2")
    made = commit(repository)
    spec = tmp_path / "scm.toml"
    wanted = f"tool @ git+file://{repository}@{made}"
    spec.write_text(SPEC.format(sdist=wanted, name="x", more="").replace('"./tool", ', ""))
    assert call("lock", str(spec)).code == 0
    version = load_lock(tmp_path / "scm.lock").pip[0].version
    assert version.startswith("1.3.dev1+g")
    asked(repository, "tag", "v9")
    built = call("build", str(spec), "--record", "--output", f"oci:{tmp_path}/out")
    assert built.code == 0, built.err
    program = (
        "from importlib.resources import files; import tool._version as v;"
        " print(v.version, files('tool').joinpath('data/known.txt').read_text())"
    )
    assert call("run", f"oci:{tmp_path}/out", "--", "/opt/venv/bin/python", "-c", program).code == 0
    assert capfd.readouterr().out == f"{version} by git\n"
    assert call("build", str(spec), "--check", "--output", f"oci:{tmp_path}/again").code == 0


@pytest.mark.network
@pytest.mark.root
@pytest.mark.slow
def test_a_c_extension_is_built_with_the_image_s_compiler(tmp_path: Path) -> None:
    needs_root()
    apt = '[apt]\npackages = ["gcc", "libc6-dev", "python3-dev"]'
    spec = made(tmp_path, "netifaces==0.11.0", apt)
    built = call("build", str(spec), "--record", "--output", f"oci:{tmp_path}/out")
    assert built.code == 0, built.err
    ran = call(
        "run", f"oci:{tmp_path}/out", "--", "/opt/venv/bin/python", "-c",
        "import netifaces; print(netifaces.interfaces())",
    )  # fmt: skip
    assert ran.code == 0, ran.err
    again = call("build", str(spec), "--check", "--output", f"oci:{tmp_path}/again")
    assert again.code == 0, again.err


def test_the_normal_form_depends_on_the_files_alone() -> None:
    data = wheel("tool", "1.0", padding=2000)
    one = normal_wheel(data, epoch=1_700_000_000, where="tool")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w", zipfile.ZIP_STORED) as archive:
        for info, body in reversed(members):
            moved = zipfile.ZipInfo(info.filename, (1999, 1, 1, 0, 0, 0))
            moved.external_attr = 0o666 << 16
            archive.writestr(moved, body)
        archive.writestr("tool/__pycache__/x.pyc", b"bytecode")
    assert normal_wheel(other.getvalue(), epoch=1_700_000_000, where="tool") == one
    assert normal_wheel(one, epoch=1_700_000_000, where="tool") == one
    made = Wheel(io.BytesIO(one), name=pip_name("tool"), where="tool", archive_size=len(one))
    assert made.epoch == 1_700_000_000
    small = normal_wheel(wheel("tool", "1.0"), epoch=1_700_000_000, where="tool")
    assert hashlib.sha256(small).hexdigest() == (
        "6be433436babec14e201be31065f19a3e1fe0e4c91716c3517f89176f2f20e63"
    )
    with pytest.raises(IntegrityError, match="no readable wheel"):
        normal_wheel(b"none", epoch=0, where="tool")


def agreement(*edges: tuple[str, str, str], overrides: tuple[str, ...] = ()) -> Agreement:
    """What a lock with these edges (package, requirer, specifier) says."""
    pins: dict[str, list[Requirer]] = {"tool": []}
    for name, by, specifier in edges:
        pins.setdefault(name, []).append(Requirer(name=by, specifier=specifier))
    on = (DEFAULT_PLATFORM,)
    lock = Lock(
        roots=Spec(name="t", base=ImageBase(image="x"), pip=PipSpec(overrides=overrides)),
        bases=(
            BasePin(
                kind=BaseKind.IMAGE,
                reference="x",
                digest=digest("sha256:" + "0" * 64),
                platforms=on,
                libc="glibc 2.36",
            ),
        ),
        pythons=(
            PythonPin(
                version="3.11.2",
                implementation="cpython",
                provider=PythonProvider.BASE,
                executable="/usr/bin/python3",
                platforms=on,
            ),
        ),
        pip=tuple(pin(name, tuple(edges)) for name, edges in pins.items()),
    )
    return Agreement(lock, DEFAULT_PLATFORM)


def pin(name: str, edges: tuple[Requirer, ...] = (), extras: tuple[str, ...] = ()) -> PipPin:
    artifact = Artifact(archive="pypi", path=f"{name}.whl", sha256=sha256("0" * 64), size=1)
    return PipPin(
        name=pip_name(name),
        version="1.0",
        artifact=artifact,
        platforms=(DEFAULT_PLATFORM,),
        required_by=edges,
        extras=extras,
    )


@pytest.mark.parametrize(
    ("metadata", "extras", "said"),
    [
        (CoreMetadata(name="Tool", version="1"), (), ""),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("core >=1",)), (), ""),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("x; os_name=='nt'",)), (), ""),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("x; extra=='y'",)), (), ""),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("swapped>9",)), (), ""),
        (CoreMetadata(name="other", version="1.0"), (), "the name tool, got other"),
        (CoreMetadata(name="tool", version="1.1"), (), "the version 1.0, got 1.1"),
        (CoreMetadata(name="tool", version="1.0", requires_python=">=3.12"), (), "the Python"),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("evil",)), (), "requires evil"),
        (CoreMetadata(name="tool", version="1.0", requires_dist=("core>=2",)), (), "core>=2"),
        (CoreMetadata(name="tool", version="1", requires_dist=("x; extra=='y'",)), ("y",), "x, w"),
    ],
)  # fmt: skip
def test_a_wheel_says_what_its_lock_says(
    metadata: CoreMetadata, extras: tuple[str, ...], said: str
) -> None:
    known = agreement(("core", "tool", ">=1"), ("swapped", "tool", "<2"), overrides=("swapped<2",))
    if said:
        with pytest.raises(IntegrityError, match=said):
            known.check(metadata, pin("tool", extras=extras), where="tool")
    else:
        known.check(metadata, pin("tool", extras=extras), where="tool")


@pytest.mark.parametrize(
    ("packages", "requires", "said"),
    [
        (("tool[y]",), ("x; extra=='y'",), "requires x"),
        (("tool[y]",), ("x; extra=='z'",), ""),
        (("tool[y]; platform_machine=='aarch64'",), ("x; extra=='y'",), ""),
        (("tool[y]",), ("tool[z]; extra=='y'", "x; extra=='z'"), "requires x"),
        (("tool[y]",), ("tool[y]; extra=='y'", "core>=1; extra=='y'"), ""),
        (("other",), ("x; extra=='y'",), ""),
    ],
)
def test_extras_are_checked_where_a_lock_has_several_platforms(
    packages: tuple[str, ...], requires: tuple[str, ...], said: str
) -> None:
    one = agreement(("core", "tool", ">=1"))
    both = (DEFAULT_PLATFORM, Platform("linux/arm64"))
    pip = PipSpec(packages=packages)
    lock = replace(one.lock, roots=replace(one.lock.roots, platforms=both, pip=pip))
    known = Agreement(lock, DEFAULT_PLATFORM)
    metadata = CoreMetadata(name="tool", version="1.0", requires_dist=requires)
    checked = replace(pin("tool", extras=("y", "z")), platforms=both)
    if said:
        with pytest.raises(IntegrityError, match=said):
            known.check(metadata, checked, where="tool")
    else:
        known.check(metadata, checked, where="tool")
    alone = replace(checked, platforms=both[:1])
    more = replace(metadata, requires_dist=(*requires, "w; extra=='z'"))
    with pytest.raises(IntegrityError, match="which the lock does not say"):
        known.check(more, alone, where="tool")


def test_a_source_that_would_write_elsewhere_is_exit_5(tmp_path: Path) -> None:
    path = tmp_path / "source"
    for hostile in ("../../etc/x", "../other/x"):
        path.write_bytes(make_sdist("tool", "1.0", {"a": "y", hostile: "x"}))
        with pytest.raises(IntegrityError, match="unsafe archive"):
            paths_in(path)
    path.write_bytes(b"\x1f\x8b" + b"x" * 100)
    with pytest.raises(IntegrityError, match="damaged"):
        paths_in(path)
    path.write_bytes(make_sdist("tool", "1.0", {"a": "y", "b/c": "z"}))
    assert paths_in(path) == ["a", "b/c"]


def paths_in(path: Path) -> list[str]:
    with source_entries(path, "tool-1.0.tar.gz", tree=False) as entries:
        return [entry.path for entry in entries]
