"""Fields and methods: flytekit's names, immutable, without flytekit's bugs."""

from __future__ import annotations

import copy
import dataclasses
import pickle
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import imagelock
from imagelock import CopyFileDetection, ImageSpec, validate_container_registry_name
from imagelock.image_spec.frozen import FrozenTable, thawed
from imagelock.image_spec.installed import installed_pins
from imagelock.image_spec.place import Place
from imagelock.model.errors import SpecError, UsageError
from imagelock.model.spec import DistributionBase, SpecBase

PLACE = Place(Path("/work"), "train")
CANARY = "s3cr3t-canary"


def made(**fields: Any) -> ImageSpec:  # noqa: ANN401 (fields of any type)
    return ImageSpec(**{"place": PLACE, **fields})


def test_it_has_every_field_and_method_of_flytekits() -> None:
    """Read from the flytekit that is installed, in a process of its own: it starts threads."""
    script = (
        "import dataclasses, inspect\n"
        "from flytekit.image_spec import image_spec as m\n"
        "print(*[f.name for f in dataclasses.fields(m.ImageSpec)])\n"
        "for kind in (m.ImageSpec, m.ImageBuildEngine, m.ImageSpecBuilder):\n"
        "    print(*[n for n in vars(kind) if not n.startswith('_')])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    fields, *methods = done.stdout.strip().splitlines()
    assert [item.name for item in dataclasses.fields(ImageSpec)][: len(fields.split())] == (
        fields.split()
    )
    kinds = (ImageSpec, imagelock.ImageBuildEngine, imagelock.ImageSpecBuilder)
    for kind, names in zip(kinds, methods, strict=True):
        missing = {name for name in names.split() if not hasattr(kind, name)}
        assert not missing - set(fields.split())


def test_importing_imagelock_imports_nothing() -> None:
    script = (
        "import sys; before = set(sys.modules); import imagelock; print(*set(sys.modules) - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) == {"imagelock"}


def test_declaring_an_image_needs_little() -> None:
    script = (
        "import sys; from imagelock import ImageSpec; ImageSpec(packages=['numpy'])\n"
        "print(*(name for name in sys.modules if name.startswith(('imagelock', 'packaging'))))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(done.stdout.split()) <= {
        *("imagelock", "imagelock.image_spec", "imagelock.model", "imagelock.model.errors"),
        *(
            f"imagelock.image_spec.{name}"
            for name in ("checks", "frozen", "place", "spec", "variants")
        ),
    }


def test_nothing_of_it_can_be_changed() -> None:
    spec = made(packages=["a"], env={"A": "1"}, more={"pip": {"constraints": ["b<1"]}})
    with pytest.raises(dataclasses.FrozenInstanceError):
        spec.packages = ["b"]  # type: ignore[misc]
    assert isinstance(spec.packages, tuple)
    assert isinstance(spec.env, FrozenTable)
    given = ["a"]
    other = made(packages=given)
    given.append("b")
    assert other.packages == ("a",)
    spec.with_packages("b")
    assert spec.packages == ("a",)


def test_an_installed_project_is_a_package_by_its_folder() -> None:
    def packages(**fields: Any) -> list[str]:  # noqa: ANN401 (fields of any type)
        said: list[str] = tomllib.loads(made(**fields).to_spec())["pip"]["packages"]
        return said

    assert packages(install_project=True) == ["./"]
    assert packages(install_project=True, requirements="uv.lock", packages=["a"]) == ["./", "a"]
    assert packages(install_project=True, requirements="my app/uv.lock") == ["./my%20app"]
    assert packages(install_project=True, requirements="../uv.lock") == [".."]
    assert made(install_project=False).id == made().id != made(install_project=True).id


def test_paths_of_packages_are_the_modules_wherever_source_begins() -> None:
    spec = made(
        packages=["./tool[x]", "b @ ./b ; os_name == 'posix'", "c @ git+./c@main", "d"],
        install_project=True,
        source_root="..",
        place=Place(Path("/work/flows"), "train"),
    )
    assert tomllib.loads(spec.to_spec())["pip"]["packages"] == [
        "./flows",
        "./flows/tool[x]",
        'b @ ./flows/b ; os_name == "posix"',
        "c @ git+./flows/c@main",
        "d",
    ]


def test_copies_and_pickles_are_equal() -> None:
    spec = made(packages=["a"], env={"A": "1"}, more={"pip": {"constraints": ["b<1"]}})
    for other in (copy.copy(spec), copy.deepcopy(spec), pickle.loads(pickle.dumps(spec))):  # noqa: S301
        assert other == spec
        assert hash(other) == hash(spec)
        assert other.id == spec.id


def test_the_with_methods_add() -> None:
    spec = (
        made()
        .with_packages("pandas")
        .with_packages(["numpy", "rich"])
        .with_apt_packages("git")
        .with_conda_packages(["cuda"])
        .with_conda_channels("nvidia")
        .with_commands("echo hi")
        .with_copy(["a", "b"])
        .with_env({"A": "1", "B": "1"})
        .with_env({"B": "2"})
        .with_runtime_packages(["ipdb"])
        .with_builder_options({"compression": "zstd"})
        .with_source("src", CopyFileDetection.ALL)
        .with_name("Other")
    )
    assert spec.packages == ("pandas", "numpy", "rich")
    assert (spec.apt_packages, spec.conda_packages) == (("git",), ("cuda",))
    assert (spec.commands, spec.copy) == (("echo hi",), ("a", "b"))
    assert spec.env == {"A": "1", "B": "2"}
    assert spec.builder_options == {"compression": "zstd"}
    assert (spec.source_root, spec.name) == ("src", "other")
    assert spec.lock_path == Path("/work/train.other.lock")


@pytest.mark.parametrize("value", ["requirements.txt", [1, 2, 3]])
@pytest.mark.parametrize(
    "name",
    [
        *("packages", "conda_channels", "conda_packages", "apt_packages", "pip_extra_index_url"),
        *("entrypoint", "commands", "copy", "runtime_packages"),
    ],
)
def test_lists_of_strings(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a list of strings or None"):
        made(**{name: value})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pip_secret_mounts": "a"}, "must be a list of tuples of two strings or None"),
        ({"pip_secret_mounts": [("a", "b", "c")]}, "must be a list of tuples of two strings"),
        ({"builder_options": ["a"]}, "builder_options must be a dictionary or None"),
        ({"env": {"A": 1}}, "env must be a dictionary of strings"),
        ({"python_version": 3.12}, "python_version must be a string or None"),
        ({"source_copy_mode": "some"}, "must be a CopyFileDetection"),
        ({"registry": "invalid:port:50000"}, "Invalid container registry name"),
        ({"registry": "ghcr.io/flyteorg:latest"}, "Invalid container registry name"),
    ],
)
def test_wrong_values_are_said_where_the_image_is_declared(
    fields: dict[str, object], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        made(**fields)
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"name": "a b"}, "ImageSpec 'a b': name"),
        ({"packages": ["a b"]}, r"pip\.packages\[0\]: expected a requirement"),
        ({"copy": ["/etc/passwd"]}, "copy: expected a relative path"),
        ({"copy": ["../a"]}, "copy: expected a relative path"),
        ({"source_copy_mode": CopyFileDetection.ALL}, "expected source_root"),
        ({"builder_options": {"a": ["b"]}}, "builder_options: expected a string"),
        ({"pip_extra_args": "--no-deps"}, "'--no-deps' is not supported"),
        ({"env": {"A": "1"}, "more": {"env": {"A": "2"}}}, r"'env\.A' once"),
        ({"base_image": 3}, "base_image must be"),
    ],
)
def test_what_no_spec_can_say_is_said_when_it_is_asked(fields: dict[str, Any], said: str) -> None:
    spec = made(**fields)
    with pytest.raises((SpecError, UsageError), match=said):
        spec.to_spec()
    assert spec == spec  # noqa: PLR0124 (it can be compared all the same)
    hash(spec)


@pytest.mark.parametrize(
    "fields",
    [
        {"pip_index": f"https://me:{CANARY}@index.example/simple"},
        {"pip_extra_index_url": [f"https://{CANARY}@index.example/simple"]},
        {"pip_extra_args": f"--index-url https://me:{CANARY}@index.example/simple"},
        {"pip_extra_args": f"--index-url='https://me:{CANARY}@index.example/simple'"},
        {"conda_channels": [f"https://me:{CANARY}@conda.example/t"]},
        {"registry": f"me:{CANARY}@registry.example"},
    ],
)
def test_credentials_are_refused_and_not_shown(fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        made(**fields).to_spec()
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(caught.value)


def test_registry_names() -> None:
    for name in ("localhost:30000", "192.168.1.1:30000/my", "ghcr.io/a-b", "my.registry.com:1/x"):
        assert validate_container_registry_name(name)
    for name in ("localhost:123456", "a:b", "https://a", "ghcr.io/a\n", "A"):
        assert not validate_container_registry_name(name)
    assert made(registry="GHCR.io/Acme").registry == "ghcr.io/acme"
    assert made(registry="").registry is None


def test_env_values_are_kept_whole() -> None:
    """flytekit writes them unquoted: a space breaks it."""
    env = {"A": "two words", "B": 'it\'s "quoted" $HOME\n#'}
    assert ImageSpec.from_spec(made(env=env).to_spec()).env == env


def test_none_and_empty_lists_mean_the_same_but_for_an_entrypoint() -> None:
    empty = made(packages=[], env={}, apt_packages=[], commands=[], copy=[], conda_channels=[])
    assert empty == made()
    assert empty.id == made().id
    assert made(entrypoint=[]) != made()


def test_name_and_registry_are_not_in_the_id() -> None:
    ids = {
        made(name=name, registry=registry, builder=builder, tag_format=tag).id
        for name, registry, builder, tag in (
            ("a", None, None, None),
            ("b", "localhost:5000", "docker", "{spec_hash}-dev"),
        )
    }
    assert len(ids) == 1
    assert made(pip_secret_mounts=[("a", "/b")]).id in ids
    assert made(runtime_packages=["a"]).id in ids


def test_the_id_does_not_depend_on_where_the_module_is() -> None:
    """flytekit's changes where registration sets the source root, and with absolute paths."""
    ids = {
        made(
            place=Place(home, "train"),
            requirements=home / "requirements.txt",
            source_root=home,
            copy=["conf"],
            base_image=ImageSpec(name="base", packages=["a"], place=Place(home, "train")),
        ).id
        for home in (Path("/root"), Path("/home/me/project"))
    }
    assert len(ids) == 1


MEANT: tuple[dict[str, Any], ...] = (
    {"packages": ["a"]}, {"apt_packages": ["git"]}, {"env": {"A": "1"}}, {"cuda": "12.4"},
    {"python_version": "3.12"}, {"base_image": "python:3.12"}, {"commands": ["a"]},
    {"base_image": ImageSpec(packages=["x"])}, {"base_image": ImageSpec(packages=["y"])},
    {"requirements": "r.txt"}, {"platform": "linux/arm64"}, {"entrypoint": []},
    {"copy": ["a"]}, {"pip_index": "https://h/"}, {"more": {"image": {"user": "app"}}},
    {"python_exec": "/usr/bin/python3"}, {"conda_packages": ["a"]}, {"conda_channels": ["b"]},
    {"cudnn": "9"}, {"pip_extra_index_url": ["https://h/"]}, {"pip_extra_args": "--pre"}, {},
)  # fmt: skip


def test_every_field_that_means_something_is_in_the_id() -> None:
    assert len({made(**fields).id for fields in MEANT}) == len(MEANT)


def test_force_survives_what_comes_after() -> None:
    spec = made().force_push().with_packages("a").with_env({"A": "1"}).with_name("b")
    assert spec.force
    assert not made().with_packages("a").force


def test_bases_of_every_kind() -> None:
    base = DistributionBase(distribution="debian:trixie")
    assert 'distribution = "debian:trixie"' in made(base_image=base).to_spec()
    assert 'image = "python:3.12"' in made(base_image="python:3.12").to_spec()
    assert 'layout = "oci:dir"' in made(base_image="oci:dir").to_spec()
    assert 'spec = "b.toml"' in made(base_image=SpecBase(spec="b.toml")).to_spec()
    nested = made(base_image=made(name="below"))
    assert 'spec = "train.below.lock"' in nested.to_spec()
    assert 'distribution = "debian:bookworm"' in made().to_spec()


def test_paths_are_relative_to_the_module_wherever_the_process_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "pkg"
    package.mkdir()
    module = package / "images.py"
    module.write_text(
        "from pathlib import Path\nfrom imagelock import ImageSpec\n"
        "image = ImageSpec(name='a', requirements='r.txt')\n"
        "other = ImageSpec(name='a', requirements=Path(__file__).parent / 'r.txt')\n"
        "above = image.with_source('..')\n"
    )
    (package / "__init__.py").write_text("from imagelock import ImageSpec\ni = ImageSpec()\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir("/")
    namespace: dict[str, Any] = {"__name__": "pkg.images", "__file__": str(module)}
    exec(compile(module.read_text(), str(module), "exec"), namespace)  # noqa: S102 (a module)
    image, other, above = namespace["image"], namespace["other"], namespace["above"]
    assert image.lock_path == package / "images.a.lock"
    assert image == other
    assert above.folder == tmp_path
    assert 'requirements = ["pkg/r.txt"]' in above.to_spec()
    assert above.lock_path == image.lock_path
    import pkg  # type: ignore[import-not-found]

    assert pkg.i.lock_path == package / "pkg.flytekit.lock"


def test_from_env_pins_what_is_installed_with_what_it_needs() -> None:
    spec = ImageSpec.from_env(pinned_packages=["docker"], packages=["scikit-learn"], place=PLACE)
    assert spec.python_version == f"{sys.version_info.major}.{sys.version_info.minor}"
    names = {line.partition("==")[0] for line in spec.packages or ()}
    assert {"scikit-learn", "docker", "requests", "urllib3"} <= names
    everything = ImageSpec.from_env(place=PLACE).packages or ()
    assert any(line.startswith("hypothesis==") for line in everything)
    assert not any(line.startswith("imagelock") for line in everything), "it is from a folder"
    assert list(everything) == sorted(everything)
    with pytest.raises(ValueError, match="python_version can not be used with `from_env`"):
        ImageSpec.from_env(pinned_packages=["docker"], python_version="3.9")
    with pytest.raises(ValueError, match="'nothing-like-it' is not installed"):
        ImageSpec.from_env(pinned_packages=["nothing-like-it"])
    with pytest.raises(ValueError, match="no index has it"):
        installed_pins(["imagelock"])


def test_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "Train.toml").write_text('[base]\nimage = "python:3.12"\n')
    spec = ImageSpec.from_spec(tmp_path / "Train.toml", registry="localhost:5000")
    assert (spec.name, spec.base_image) == ("train", "python:3.12")
    assert spec.registry == "localhost:5000"
    assert spec.lock_path == tmp_path / "Train.lock"


def test_frozen_tables() -> None:
    table: FrozenTable[Any] = FrozenTable({"b": [1, {"c": 2}], "a": "x"})
    assert list(table) == ["a", "b"]
    assert table == {"a": "x", "b": (1, {"c": 2})}
    assert hash(table) == hash(FrozenTable(thawed(table)))
    assert thawed(table) == {"a": "x", "b": [1, {"c": 2}]}
