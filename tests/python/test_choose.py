"""Which interpreter an image gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagelock.model.archives import Artifact
from imagelock.model.base import BaseContents
from imagelock.model.errors import NoSolution
from imagelock.model.lock import AptPin, PythonProvider
from imagelock.model.names import DebName, Sha256
from imagelock.model.platform import Platform
from imagelock.model.python import FoundPython
from imagelock.resolve.base import contents_of_pins
from imagelock.resolve.python import choose_python, python_roots

AMD64 = Platform("linux/amd64")
BOOKWORM = {
    "python3": "3.11.2-1+b1",
    "python3.11": "3.11.2-6+deb12u6",
    "python3.12": "3.12.3-1",
    "python3.13": "3.13.0~rc2-1",
}


def pin(name: str, version: str, *, base: bool = False) -> AptPin:
    return AptPin(
        name=DebName(name),
        version=version,
        architecture="amd64",
        suite="bookworm",
        source=name,
        artifact=Artifact(archive="debian", path=f"pool/{name}", sha256=Sha256("0" * 64), size=1),
        platforms=(AMD64,),
        required_by=(),
        base=base,
    )


def base_with(*pythons: tuple[str, str]) -> BaseContents:
    found = (FoundPython(executable=path, version=version) for path, version in pythons)
    return BaseContents(libc="glibc 2.36", pythons=tuple(found))


OFFICIAL = base_with(("/usr/local/bin/python3.12", "3.12.4"), ("/usr/bin/python3.11", "3.11.2"))
EMPTY = base_with()


@pytest.mark.parametrize(
    ("wanted", "contents", "roots"),
    [
        (None, EMPTY, ("python3",)),
        ("3.11", EMPTY, ("python3",)),
        ("3", EMPTY, ("python3",)),
        ("3.11.2", EMPTY, ("python3",)),
        ("3.12", EMPTY, ("python3.12",)),
        (">=3.12", EMPTY, ("python3.12",)),
        ("<3.12", EMPTY, ("python3",)),
        ("3.13.0rc2", EMPTY, ("python3.13",)),
        (None, OFFICIAL, ()),
        ("3.12", OFFICIAL, ()),
        ("3.11", OFFICIAL, ()),
        (">=3.10,<3.12", OFFICIAL, ()),
        ("3.12.3", OFFICIAL, ("python3.12",)),
    ],
)
def test_what_must_be_installed(
    wanted: str | None, contents: BaseContents, roots: tuple[str, ...]
) -> None:
    assert python_roots(wanted, contents, BOOKWORM.get) == roots


@pytest.mark.parametrize("wanted", ["3.10", "3.11.4", ">=3.14", "3.13"])
def test_nothing_fits_and_the_message_names_what_there_is(wanted: str) -> None:
    with pytest.raises(NoSolution) as caught:
        python_roots(wanted, OFFICIAL, BOOKWORM.get)
    for text in (wanted, "3.12.4 (/usr/local/bin/python3.12)", "3.11.2", "3.12.3"):
        assert text in str(caught.value)


def test_a_base_without_packages_offers_none() -> None:
    with pytest.raises(NoSolution, match="the base has none and its packages offer none"):
        python_roots("3.12", EMPTY, lambda _name: None)


@pytest.mark.parametrize(
    ("wanted", "executable", "version"),
    [
        (None, "/usr/local/bin/python3.12", "3.12.4"),
        ("3.11", "/usr/bin/python3.11", "3.11.2"),
        ("<3.12", "/usr/bin/python3.11", "3.11.2"),
    ],
)
def test_the_bases_own_is_taken_in_the_order_of_its_path(
    wanted: str | None, executable: str, version: str
) -> None:
    found = choose_python(wanted, OFFICIAL, (), AMD64)
    assert (found.executable, found.version) == (executable, version)
    assert found.provider is PythonProvider.BASE


def test_a_package_of_the_image_replaces_the_bases_interpreter() -> None:
    upgraded = (pin("python3.11-minimal", "3.11.9-1"),)
    found = choose_python("3.11", OFFICIAL, upgraded, AMD64)
    assert (found.version, found.provider) == ("3.11.9", PythonProvider.APT)


def test_a_bootstrapped_base_gets_its_interpreter_from_packages() -> None:
    base = (pin("libc6", "2.36-9+deb12u7", base=True),)
    contents = contents_of_pins(base)
    assert (contents.libc, contents.pythons) == ("glibc 2.36", ())
    added = (
        pin("python3", "3.11.2-1+b1"),
        pin("python3-minimal", "3.11.2-1+b1"),
        pin("python3.11-minimal", "3.11.2-6+deb12u6"),
        pin("python3.12-minimal", "3.12.3-1"),
    )
    found = choose_python(None, contents, base + added, AMD64)
    assert (found.version, found.executable) == ("3.11.2", "/usr/bin/python3.11")
    assert found.provider is PythonProvider.APT
    assert choose_python("3.12", contents, base + added, AMD64).version == "3.12.3"
    in_base = tuple(pin(str(one.name), one.version, base=True) for one in added)
    contents = contents_of_pins(base + in_base)
    found = choose_python(None, contents, base + in_base, AMD64)
    assert (found.version, found.provider) == ("3.11.2", PythonProvider.BASE)


VERSIONS = st.sampled_from(["3.9.2", "3.11.2", "3.12.4", "3.13.1"])
WANTED = st.sampled_from([None, "3", "3.11", "3.12.4", ">=3.11", "<3.12,>=3.9", "!=3.12.*"])


@given(
    wanted=WANTED,
    own=st.lists(VERSIONS, unique=True),
    suite=st.lists(VERSIONS, unique=True),
    default=st.integers(0, 3),
)
def test_what_is_installed_is_what_is_chosen(
    wanted: str | None, own: list[str], suite: list[str], default: int
) -> None:
    """Law: the roots, once installed, give a Python that fits; no roots means the base has it."""
    contents = base_with(
        *((f"/usr/local/bin/python{version.rpartition('.')[0]}", version) for version in own)
    )
    available = {f"python{version.rpartition('.')[0]}": f"{version}-1" for version in suite}
    if suite:
        available["python3"] = f"{suite[default % len(suite)]}-1"
    try:
        roots = python_roots(wanted, contents, available.get)
    except NoSolution:
        with pytest.raises(NoSolution):
            choose_python(wanted, contents, (), AMD64)
        return
    if not roots:
        assert choose_python(wanted, contents, (), AMD64).version in own
        return
    (root,) = roots
    version = available[root]
    minor = ".".join(version.split(".")[:2])
    installed = (pin("python3-minimal", version), pin(f"python{minor}-minimal", version))
    found = choose_python(wanted, contents, installed, AMD64)
    assert found.version == version.removesuffix("-1")
    assert found.provider is PythonProvider.APT
