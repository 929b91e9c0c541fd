"""pip beside conda: what conda brings is fixed, told by the packages' own metadata."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imagelock.app.context import Context, ResolveOptions
from imagelock.app.lock import resolve_lock
from imagelock.app.outdated import outdated_packages
from imagelock.app.sections.conda_pip import installed_by_conda
from imagelock.lock.graph import tree, why
from imagelock.model.errors import IntegrityError, NoSolution
from imagelock.model.lock import PYTHON_ROOT, SPEC_ROOT, Lock, PythonProvider, Requirer
from imagelock.model.pip_spec import PipSpec
from imagelock.model.spec import CondaSpec, Spec
from support.conda_channel import Channel, CondaPackage, conda_package
from support.conda_forge import AMD, BOTH, Channels, base_pin, conda_spec
from support.local_server import Answer
from support.wheels import sha256, wheel


def dist(name: str, version: str, *requires: str, folder: str = "site-packages") -> dict[str, str]:
    """The files of an installed distribution."""
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {line}" for line in requires]
    return {
        f"{folder}/{name}-{version}.dist-info/METADATA": "\n".join(lines) + "\n",
        f"{folder}/{name}/__init__.py": "",
    }


def python(subdir: str) -> CondaPackage:
    return conda_package(
        "python", "3.12.4", "h1_0_cpython", subdir=subdir, files={"bin/python3.12": "x"}
    )


def extension(subdir: str) -> CondaPackage:
    """A package with a distribution of another name, at the place of its Python."""
    return conda_package(
        "py-arrays",
        "2.0",
        "py312_0",
        subdir=subdir,
        depends=["python >=3.12,<3.13.0a0"],
        files={
            **dist("Array_Things", "2.0.1", "six", folder="lib/python3.12/site-packages"),
            "lib/libarrays.so": b"\x7fELF",
        },
    )


@pytest.fixture
def lab(empty: Channels) -> Lab:
    return Lab(empty)


class Lab:
    """A channel with Pythons and two distributions, and an index with a few projects."""

    def __init__(self, channels: Channels) -> None:
        self.channels = channels
        self.packages = [
            *(python(subdir) for subdir in ("linux-64", "linux-aarch64")),
            *(extension(subdir) for subdir in ("linux-64", "linux-aarch64")),
            conda_package(
                "six",
                "1.16",
                "py_0",
                noarch="python",
                depends=["python"],
                files=dist("six", "1.16"),
            ),
            conda_package("unrelated", "1.0", noarch="generic", files={"share/x": "x"}),
        ]
        self.pages: dict[str, list[dict[str, object]]] = {}

    def serve(self) -> None:
        for path, data in Channel(self.packages).files().items():
            self.channels.server.routes[f"/lab/{path}"] = Answer(data)

    def project(self, name: str, version: str, *requires: str) -> None:
        server = self.channels.server
        filename = f"{name.replace('-', '_')}-{version}-py3-none-any.whl"
        data = wheel(name.replace("-", "_"), version, requires)
        server.routes[f"/files/{filename}"] = Answer(data)
        files = self.pages.setdefault(name, [])
        url = f"{server.url}/files/{filename}"
        files.append(
            {
                "filename": filename,
                "url": url,
                "hashes": {"sha256": sha256(data)},
                "size": len(data),
            }
        )
        page = json.dumps({"meta": {"api-version": "1.1"}, "name": name, "files": files})
        server.routes[f"/simple/{name}/"] = Answer(
            page.encode(), headers={"Content-Type": "application/vnd.pypi.simple.v1+json"}
        )

    def spec(self, *pip: str, conda: tuple[str, ...] = ("py-arrays",), **more: object) -> Spec:
        spec = conda_spec(*conda, channels=("lab",))
        index = f"{self.channels.server.url}/simple/"
        return replace(spec, pip=PipSpec(packages=pip, index=index), **more)  # type: ignore[arg-type]

    def lock(self, spec: Spec, previous: Lock | None = None, **more: object) -> Lock:
        self.serve()
        return resolve_lock(
            spec,
            previous=previous or before(spec),
            context=self.context(**more),
            options=ResolveOptions(),
            spec_folder=self.channels.folder,
        )

    def context(self, **more: object) -> Context:
        return self.channels.context(**more)  # type: ignore[arg-type]


def before(spec: Spec) -> Lock:
    """A lock of other conda and pip packages, so that the base is kept."""
    other = replace(spec, pip=PipSpec(packages=("other",)), conda=CondaSpec(packages=("other",)))
    return Lock(roots=other, bases=(base_pin(spec.platforms),))


def test_what_conda_brings_is_not_pips(lab: Lab) -> None:
    lab.project("array-things", "9.0")
    lab.project("six", "9.0")
    lab.project("app", "1.0", "array-things>=2", "tool")
    lab.project("tool", "1.0")
    lock = lab.lock(lab.spec("app", conda=("py-arrays", "six")))
    assert [(pin.name, pin.version) for pin in lock.pip] == [("app", "1.0"), ("tool", "1.0")]
    assert {pin.name for pin in lock.conda} == {"python", "py-arrays", "six"}
    for python_pin in lock.pythons:
        assert python_pin.provider is PythonProvider.CONDA
        assert python_pin.executable == "/opt/conda/bin/python3.12"
        assert python_pin.version == "3.12.4"
    found = next(pin for pin in lock.conda if pin.name == "python")
    assert Requirer(name=PYTHON_ROOT) in found.required_by
    asked = {request.path for request in lab.channels.server.requests}
    assert "/simple/array-things/" not in asked


def test_a_distribution_that_conda_lacks_comes_from_pip(lab: Lab) -> None:
    """What a conda package's own metadata requires counts, where pip gets to it."""
    lab.project("app", "1.0", "array-things")
    lab.project("six", "9.0")
    lock = lab.lock(lab.spec("app"))
    assert [pin.name for pin in lock.pip] == ["app", "six"]
    (found,) = why(lock, "six")
    assert [edge.name for edge in found.chains[0]] == ["array-things", "six"]
    assert [root.name for root in tree(lock) if root.kind == "pip"] == [SPEC_ROOT, "array-things"]
    with_six = lab.lock(lab.spec("app", conda=("py-arrays", "six")))
    assert [pin.name for pin in with_six.pip] == ["app"]


def test_a_conflict_names_the_conda_package(lab: Lab) -> None:
    lab.project("app", "1.0", "array-things>=3")
    with pytest.raises(NoSolution) as caught:
        lab.lock(lab.spec("app"))
    assert "2.0.1 of the conda package py-arrays 2.0 py312_0" in caught.value.message
    assert "move the requirement on array-things to [conda]" in caught.value.hint


def test_a_wheel_by_url_is_not_laid_over_conda(lab: Lab) -> None:
    lab.project("array-things", "2.0.1")
    url = lab.pages["array-things"][0]["url"]
    with pytest.raises(NoSolution, match="would lie over"):
        lab.lock(lab.spec(f"array-things @ {url}"))


def test_a_relock_reads_no_package_again(lab: Lab) -> None:
    lab.project("app", "1.0", "array-things")
    lab.project("six", "1.0")
    spec = lab.spec("app")
    lock = lab.lock(spec)
    before = len(lab.channels.server.requests)
    assert lab.lock(spec, previous=lock, offline=True) == lock
    assert len(lab.channels.server.requests) == before


def test_adding_a_pip_package_leaves_conda_alone(lab: Lab) -> None:
    lab.project("app", "1.0", "array-things")
    lab.project("six", "1.0")
    lab.project("more", "1.0")
    lock = lab.lock(lab.spec("app"))
    lab.packages.append(
        conda_package("py-arrays", "3.0", "py312_0", subdir="linux-64", depends=["python"])
    )
    after = lab.lock(lab.spec("app", "more"), previous=lock)
    assert after.conda == lock.conda
    assert [pin.name for pin in after.pip] == ["app", "more", "six"]


def test_what_is_newer_beside_conda(lab: Lab) -> None:
    """A newer version that conda's packages do not allow is not what an upgrade would choose."""
    lab.project("app", "1.0", "array-things")
    lab.project("six", "1.0")
    lock = lab.lock(lab.spec("app"))
    lab.project("app", "2.0", "array-things>=3")
    lab.project("app", "1.5", "array-things>=2")
    found = outdated_packages(lock, (AMD,), context=lab.context(), spec_folder=lab.channels.folder)
    assert [(item.kind, item.name, item.allowed, item.newest) for item in found] == [
        ("pip", "app", "1.5", "2.0")
    ]


@pytest.mark.parametrize("form", [".conda", ".tar.bz2"])
def test_both_forms_are_read(empty: Channels, tmp_path: Path, form: str) -> None:
    lab = Lab(empty)
    lab.packages = [
        *(python(subdir) for subdir in ("linux-64", "linux-aarch64")),
        conda_package("thing", "1", "py_0", noarch="python", depends=["python"], form=form,
                      files=dist("thing", "1.0", "dep>=2")),
    ]  # fmt: skip
    lab.project("app", "1.0")
    lock = lab.lock(lab.spec("app", conda=("thing",)))
    found = installed_by_conda(lock.conda, lock.archives, context=lab.context(), folder=tmp_path)
    assert set(found) == set(BOTH)
    (name,) = found[AMD]
    assert (name, found[AMD][name].metadata.requires_dist) == ("thing", ("dep>=2",))


def test_a_package_of_other_bytes_is_not_read(lab: Lab) -> None:
    lab.project("app", "1.0", "array-things")
    lab.serve()
    path = next(path for path in lab.channels.server.routes if "linux-64/py-arrays" in path)
    good = lab.channels.server.routes[path]
    assert isinstance(good, Answer)
    bad = good.body[:-1] + bytes([good.body[-1] ^ 1])
    lab.serve = lambda: None  # type: ignore[method-assign]
    lab.channels.server.routes[path] = Answer(bad)
    with pytest.raises(IntegrityError, match="expected sha256"):
        lab.lock(lab.spec("app"))
