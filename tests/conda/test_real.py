"""Real environments over real records: the solver's own answer, small relocks, reasons."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from imagelock.app.context import ResolveOptions
from imagelock.lock import encode_lock
from imagelock.lock.decode import decode_lock
from imagelock.lock.diff import diff_locks
from imagelock.lock.graph import why
from imagelock.lock.tag import tag_digest
from imagelock.model.errors import NoSolution
from imagelock.model.lock import PYTHON_ROOT, SPEC_ROOT, Lock, Requirer
from imagelock.model.platform import Platform
from support.conda_forge import AMD, ARM, BOTH, Channels, conda_spec, packed

ENVIRONMENTS = (
    "python 3.12.*|numpy",
    "python 3.12.*|numpy >=2|contourpy|pillow",
    "python 3.12.*|fastapi|uvicorn",
    "python 3.13.*|fastapi|pydantic|httpx",
    "python 3.12.*|aiohttp|yarl|orjson",
    "python 3.12.*|boto3|s3transfer",
    "python 3.12.*|matplotlib-base",
    "python 3.12.*|cryptography|paramiko",
    "python 3.12.*|mkdocs-material|mkdocstrings-python",
    "python 3.12.*|pre-commit|ruff|mypy",
    "python 3.12.*|rich|typer|click",
    "python 3.12.*|pyyaml|ruamel.yaml|tomlkit",
    "python 3.12.*|conda|mamba",
    "python 3.12.*|sympy|networkx",
    "python 3.12.*|hatch|twine|python-build",
    "gcc|gxx|gfortran|make|cmake|ninja",
    "compilers|cmake|pkg-config",
    "clang|mold|ninja",
    "nodejs",
    "rust|sccache",
    "postgresql",
    "git|gh|git-lfs",
    "ffmpeg",
    "graphviz|ghostscript",
    "openssl|curl|ca-certificates",
    "sqlite|tk|readline",
    "hdf5|libnetcdf",
    "perl",
    "ruby",
    "uv|ruff|ty",
    "micromamba",
    "python 3.12.*|basedpyright",
    "python 3.12.*|docker-py|gitpython",
    "python 3.12.*|zstandard|python-dateutil|python-tzdata",
    "eigen|ceres-solver",
    "tiledb",
    "go-shfmt|shellcheck|actionlint|typos",
)


@pytest.fixture(scope="module")
def channel_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records as a channel on disk, for the solver's own gateway."""
    import zstandard

    folder = tmp_path_factory.mktemp("channel") / "conda-forge"
    for subdir in ("linux-64", "linux-aarch64", "noarch"):
        (folder / subdir).mkdir(parents=True)
        plain = zstandard.ZstdDecompressor().decompress(packed(subdir))
        (folder / subdir / "repodata.json").write_bytes(plain)
    return folder


def oracle(folder: Path, gateway: object, specs: list[str], platform: Platform) -> set[str]:
    """The file names of py-rattler's own solve: its gateway, its reading of the channel."""
    from rattler import Channel, GenericVirtualPackage, MatchSpec, PackageName, Version, solve
    from rattler.package.build_string import BuildString

    virtual = [("__unix", "0", "0"), ("__linux", "4.18", "0"), ("__glibc", "2.36", "0")]
    virtual.append(("__archspec", "1", platform.machine))
    found = asyncio.run(
        solve(
            [Channel(folder.as_uri())],
            [MatchSpec(text) for text in specs],
            gateway=gateway,  # type: ignore[arg-type]
            platforms=[platform.conda_subdir, "noarch"],  # type: ignore[list-item]
            virtual_packages=[
                GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))
                for name, version, build in virtual
            ],
        )
    )
    return {f"{record.subdir}/{record.file_name}" for record in found}


@pytest.mark.parametrize("platform", BOTH, ids=str)
def test_the_same_set_as_the_solvers_own(
    conda_forge: Channels, channel_folder: Path, tmp_path: Path, platform: Platform
) -> None:
    from rattler import Gateway

    gateway = Gateway(cache_dir=tmp_path)
    different = []
    with conda_forge.solver() as solver:
        locks = [
            conda_forge.lock(conda_spec(*text.split("|"), platforms=(platform,)), solver=solver)
            for text in ENVIRONMENTS
        ]
    for environment, lock in zip(ENVIRONMENTS, locks, strict=True):
        specs = environment.split("|")
        if {pin.artifact.path for pin in lock.conda} != oracle(
            channel_folder, gateway, sorted(specs), platform
        ):
            different.append(environment)
        assert decode_lock(encode_lock(lock), source="x.lock") == lock
    assert different == []
    assert len(ENVIRONMENTS) >= 25


def test_both_platforms_share_what_is_for_all(conda_forge: Channels) -> None:
    lock = conda_forge.lock(conda_spec("fastapi", "uvicorn", python="3.12"))
    tzdata = [pin for pin in lock.conda if pin.name == "tzdata"]
    pythons = [pin for pin in lock.conda if pin.name == "python"]
    assert [pin.platforms for pin in tzdata] == [BOTH]
    assert sorted(pin.platforms for pin in pythons) == [(AMD,), (ARM,)]
    assert Requirer(name=PYTHON_ROOT, specifier="3.12.*") in pythons[0].required_by
    assert {pin.artifact.archive for pin in lock.conda} == {"conda-forge"}
    assert lock.archives == ()


def test_a_relock_of_the_same_is_the_same(conda_forge: Channels) -> None:
    spec = conda_spec("numpy", "matplotlib-base", python="3.12")
    lock = conda_forge.lock(spec)
    assert conda_forge.lock(spec, previous=lock, offline=True) == lock


def test_the_hash_seed_does_not_matter(
    conda_forge: Channels, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The solver's process is a Python too."""
    spec = conda_spec("numpy", "eigen", "ceres-solver", python="3.12", platforms=(AMD,))
    locks = []
    for seed in ("0", "1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        locks.append(encode_lock(conda_forge.lock(spec)))
    assert locks == [locks[0]] * 3


def test_a_folder_of_a_channel_may_be_named(conda_forge: Channels) -> None:
    spec = conda_spec("conda-forge/noarch::tzdata", "conda-forge::perl", platforms=(AMD,))
    lock = conda_forge.lock(spec)
    assert next(pin.subdir for pin in lock.conda if pin.name == "tzdata") == "noarch"


def test_adding_one_package_moves_nothing_else(conda_forge: Channels) -> None:
    """Even where the locked versions are far from the newest."""
    older = conda_spec("numpy <2.3", "openssl <3.5", "libcurl <8.15", python="3.12")
    before = conda_forge.lock(older)
    loose = conda_spec("numpy", "openssl", "libcurl", python="3.12")
    kept = conda_forge.lock(loose, previous=before)
    assert {pin.artifact for pin in kept.conda} == {pin.artifact for pin in before.conda}
    added = conda_forge.lock(
        conda_spec("numpy", "openssl", "libcurl", "pillow", python="3.12"), previous=before
    )
    diff = diff_locks(before, added)
    assert {change.name for change in diff.added} > {"pillow"}
    assert (diff.changed, diff.removed) == ((), ())
    fresh = conda_forge.lock(loose)
    assert {pin.artifact for pin in fresh.conda} != {pin.artifact for pin in before.conda}


def test_one_name_moves_alone(conda_forge: Channels) -> None:
    before = conda_forge.lock(conda_spec("numpy <2.3", "openssl <3.5", python="3.12"))
    loose = conda_spec("numpy", "openssl", python="3.12")
    options = ResolveOptions(upgrade_names=frozenset({"numpy"}))
    after = conda_forge.lock(loose, previous=before, options=options)
    moved = diff_locks(before, after)
    assert "numpy" in {change.name for change in moved.changed}
    assert "openssl" not in {change.name for change in moved.changed}


def test_why(conda_forge: Channels) -> None:
    lock = conda_forge.lock(conda_spec("matplotlib-base", python="3.12", platforms=(AMD,)))
    (found,) = why(lock, "kiwisolver")
    chain = found.chains[0]
    assert [edge.name for edge in chain] == [SPEC_ROOT, "matplotlib-base", "kiwisolver"]
    assert chain[-1].specifier == ">=1.3.1"


def test_the_time_after_which_nothing_exists(conda_forge: Channels) -> None:
    newest = conda_forge.lock(conda_spec("numpy", python="3.12", platforms=(AMD,)))
    spec = conda_spec("numpy", python="3.12", platforms=(AMD,), exclude_newer="2025-07-01")
    older = conda_forge.lock(spec)
    limit = 1751414400000  # the end of that day in UTC
    assert all((pin.timestamp or 0) <= limit for pin in older.conda)
    assert version_of(older, "numpy") != version_of(newest, "numpy")


def version_of(lock: Lock, name: str) -> str:
    return next(pin.version for pin in lock.conda if pin.name == name)


@pytest.mark.parametrize(
    ("packages", "says", "hint"),
    [
        (["numpy >=99"], "numpy: there are 2.", "ask for other versions"),
        (["nunpy"], "nunpy: no channel has it for linux-64 or noarch; is it numpy?", "channel"),
        (["pytorch * *cuda*"], "__cuda: the image has none", "[gpu] cuda"),
        (["python 3.9.*"], "python 3.9.* cannot be installed", "other versions"),
    ],
)
def test_a_conflict_says_what_there_is(
    conda_forge: Channels, packages: list[str], says: str, hint: str
) -> None:
    with pytest.raises(NoSolution) as caught:
        conda_forge.lock(conda_spec(*packages, python="3.12", platforms=(AMD,)))
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert len(caught.value.message.splitlines()) <= 30


def test_the_base_decides(conda_forge: Channels) -> None:
    """A package for a newer C library is not chosen for an older base."""
    with pytest.raises(NoSolution, match="a base with glibc"):
        conda_forge.lock(conda_spec("numpy", python="3.12"), libc="musl 1.2")
    spec = conda_spec("numpy >=2.4", python="3.12", platforms=(AMD,))
    with pytest.raises(NoSolution) as caught:
        conda_forge.lock(spec, libc="glibc 2.9")
    assert "__glibc: the image has 2.9" in caught.value.message


def test_the_tag_is_that_of_the_records(conda_forge: Channels) -> None:
    """A golden tag: what the records, the solver's version and the format give."""
    lock = conda_forge.lock(conda_spec("numpy", "pillow", python="3.12"))
    assert tag_digest(lock) == GOLDEN


GOLDEN = "fceb6ae8cd327a17010e671c357d2cfe"
