"""`pip.python-exec`: the interpreter that a spec names, as a base or its packages have it."""

from __future__ import annotations

import pytest

from imagelock.model.base import BaseContents
from imagelock.model.errors import NoSolution
from imagelock.model.lock import PythonProvider
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.model.python import FoundPython
from imagelock.resolve.base.contents import contents_of_tree
from imagelock.resolve.base.record import contents_from_json, contents_to_json
from imagelock.resolve.base.tree import Captured, Link, Tree
from imagelock.resolve.python import choose_python, python_roots


def contents() -> BaseContents:
    """A base with Python 3.11 in /usr, 3.12 in a prefix beside PATH, and an environment."""
    tree = Tree()
    tree.begin_layer()
    tree.add("usr/bin/python3.11", Captured(executable=True, found=("3.11.2",)))
    tree.add("usr/bin/python3", Link("python3.11"))
    tree.add("bin", Link("usr/bin"))
    tree.add("opt/conda/bin/python3.12", Captured(executable=True, found=("3.12.4",)))
    tree.add("opt/conda/bin/python", Link("python3.12"))
    tree.add("srv/env/pyvenv.cfg", Captured(executable=False))
    tree.add("srv/env/bin/python", Link("/usr/bin/python3"))
    tree.add("srv/env/bin/python3", Link("python"))
    found = contents_of_tree(tree, environment={"PATH": "/usr/bin:/bin"})
    assert contents_from_json(contents_to_json(found)) == found
    return found


@pytest.mark.parametrize(
    ("named", "executable"),
    [
        ("/usr/bin/python3", "/usr/bin/python3.11"),
        ("/usr/bin/python3.11", "/usr/bin/python3.11"),
        ("/opt/conda/bin/python", "/opt/conda/bin/python3.12"),
        ("/srv/env/bin/python", "/srv/env/bin/python"),
        ("/srv/env/bin/python3", "/srv/env/bin/python"),
        (None, "/usr/bin/python3.11"),
    ],
)
def test_an_interpreter_by_any_of_its_names(named: str | None, executable: str) -> None:
    assert python_roots(None, contents(), lambda _: None, executable=named) == ()
    pin = choose_python(None, contents(), (), DEFAULT_PLATFORM, executable=named)
    assert pin.executable == executable
    assert pin.provider is PythonProvider.BASE


def test_an_environment_is_used_only_by_name() -> None:
    only = BaseContents(
        libc="glibc 2.36",
        pythons=(FoundPython(version="3.11.2", executable="/srv/env/bin/python", venv=True),),
    )
    with pytest.raises(NoSolution):
        choose_python(None, only, (), DEFAULT_PLATFORM)


def test_a_name_that_nothing_has() -> None:
    with pytest.raises(
        NoSolution, match=r"the image has 3\.11\.2 \(/usr/bin/python3\.11\)"
    ) as caught:
        python_roots(None, contents(), lambda _: None, executable="/opt/none/bin/python")
    assert caught.value.where == "pip.python-exec"
    with pytest.raises(NoSolution, match=r"expected Python 3\.13 as '/usr/bin/python3'"):
        choose_python("3.13", contents(), (), DEFAULT_PLATFORM, executable="/usr/bin/python3")


def test_the_suite_s_python_is_installed_where_it_is_named() -> None:
    bare = BaseContents(libc="glibc 2.36")
    available = {"python3": "3.11.2-1+b1", "python3.11": "3.11.2-6+deb12u6"}.get
    assert python_roots(None, bare, available, executable="/usr/bin/python3") == ("python3",)
