"""`source.mode = "loaded-modules"`: what is taken, held against what a real Python loads."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from build.conftest import Site, tiny_layout
from imagelock.app.tag import image_tag
from imagelock.build.oci.copies import source_entries
from imagelock.build.oci.modules import loaded_modules
from imagelock.fetch.store import Store
from imagelock.model.errors import SpecError
from imagelock.model.spec import SourceMode, SourceRule

PROJECT = {
    "train.py": "import flows.model\nfrom flows import data, plot as p\nimport os, json.decoder\n",
    "other.py": "import unused\n",
    "unused.py": "",
    "flows/__init__.py": "from .version import VERSION\n",
    "flows/version.py": "VERSION = 1\n",
    "flows/model.py": "from . import layers\nfrom .deep.er import *\n",
    "flows/layers.py": "def f():\n    import flows.lazy\n",
    "flows/lazy.py": "import importlib\nimportlib.import_module('flows.named')\n",
    "flows/named.py": "",
    "flows/deep/__init__.py": "",
    "flows/deep/er/__init__.py": "__all__ = ['one']\n__all__ += ['two']\n",
    "flows/deep/er/one.py": "",
    "flows/deep/er/two.py": "",
    "flows/deep/er/three.py": "",
    "flows/data.py": "try:\n    import fast\nexcept ImportError:\n    from slow import *\n",
    "flows/plot.py": "",
    "flows/never.py": "",
    "fast.cpython-311-x86_64-linux-gnu.so": "\x7fELF",
    "slow.py": "",
    "names/space/mod.py": "",
    "flows/table.csv": "1,2",
}
TAKEN = {
    "train.py",
    "flows/__init__.py",
    "flows/version.py",
    "flows/model.py",
    "flows/layers.py",
    "flows/lazy.py",
    "flows/named.py",
    "flows/deep/__init__.py",
    "flows/deep/er/__init__.py",
    "flows/deep/er/one.py",
    "flows/deep/er/two.py",
    "flows/data.py",
    "flows/plot.py",
    "fast.cpython-311-x86_64-linux-gnu.so",
    "slow.py",
}


def taken(files: Mapping[str, str], *entries: str) -> set[str]:
    data = {path: partial(str.encode, text) for path, text in files.items()}
    return set(loaded_modules(data, entries, root="src"))


def written(folder: Path, files: Mapping[str, str]) -> Path:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


def test_what_the_statements_name() -> None:
    assert taken(PROJECT, "train.py") == TAKEN


def test_nothing_that_a_real_python_loads_is_missing(tmp_path: Path) -> None:
    files = {path: text for path, text in PROJECT.items() if not path.endswith(".so")}
    root = written(tmp_path, files)
    show = (
        "import json, sys; sys.path.insert(0, '.'); import train; train.flows.layers.f();"
        "print(json.dumps([m.__file__ for m in sys.modules.values()"
        " if getattr(m, '__file__', None)]))"
    )
    shown = subprocess.run(
        [sys.executable, "-B", "-c", show], cwd=root, capture_output=True, text=True, check=True
    ).stdout
    below = {Path(path).resolve() for path in json.loads(shown)}
    loaded = {
        str(path.relative_to(root.resolve()))
        for path in below
        if path.is_relative_to(root.resolve())
    }
    assert len(loaded) > 8
    assert loaded <= taken(files, "train.py")


def test_without_an_entry_it_begins_with_the_files_on_top() -> None:
    assert taken(PROJECT) == TAKEN | {"other.py", "unused.py"}


def test_a_folder_is_all_that_is_in_it() -> None:
    assert taken(PROJECT, "flows") >= {"flows/never.py", "flows/deep/er/three.py", "slow.py"}
    assert "train.py" not in taken(PROJECT, "flows")
    assert taken(PROJECT, ".") == {path for path in PROJECT if not path.endswith(".csv")}


def test_a_script_s_own_folder_is_searched_above_its_package() -> None:
    files = {
        "app/src/main.py": "import helper\nfrom pack import a\n",
        "app/src/helper.py": "",
        "app/src/pack/__init__.py": "",
        "app/src/pack/a.py": "from .b import c\nimport helper2\n",
        "app/src/pack/b.py": "c = 1",
        "app/src/helper2.py": "",
        "helper.py": "",
        "away.py": "",
    }
    assert taken(files, "app/src/main.py") == set(files) - {"away.py"}
    assert taken(files, "app/src/pack/a.py") == {
        "app/src/pack/__init__.py",
        "app/src/pack/a.py",
        "app/src/pack/b.py",
        "app/src/helper2.py",
    }


def test_namespace_packages_and_circles() -> None:
    files = {"a.py": "import names.space.mod\n", "names/space/mod.py": "import a\n"}
    assert taken(files, "a.py") == set(files)


@pytest.mark.parametrize(
    ("files", "entries", "said"),
    [
        ({"a.txt": ""}, (), "no Python file in 'src' to begin with"),
        ({"a.py": ""}, ("b.py",), "'b.py' is no Python file of 'src'"),
        ({"a.py": "def (:"}, (), "cannot be read as Python: invalid syntax"),
        ({"a.py": "\0"}, (), "cannot be read as Python"),
    ],
)
def test_what_is_wrong_is_named(files: dict[str, str], entries: tuple[str, ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        taken(files, *entries)


NAMES = ("a", "b", "p", "p.c", "p.d")
PATHS = {"a": "a.py", "b": "b.py", "p": "p/__init__.py", "p.c": "p/c.py", "p.d": "p/d.py"}


@given(st.fixed_dictionaries({name: st.sets(st.sampled_from(NAMES)) for name in NAMES}))
@settings(max_examples=60)
def test_it_is_the_closure_of_what_is_named(edges: dict[str, set[str]]) -> None:
    files = {
        PATHS[name]: "".join(f"import {other}\n" for other in sorted(to))
        for name, to in edges.items()
    }
    expected: set[str] = set()
    waiting = ["a"]
    while waiting:
        name = waiting.pop()
        if name not in expected:
            expected.add(name)
            waiting += [*edges[name], *(["p"] if "." in name else [])]
    assert taken(files, "a.py") == {PATHS[name] for name in expected}


def test_only_modules_are_copied_and_count_for_the_tag(tmp_path: Path) -> None:
    written(tmp_path / "src", PROJECT)
    rule = SourceRule(root="src", mode=SourceMode.LOADED_MODULES, entry=("train.py",))
    entries = source_entries(tmp_path, rule, "/app")
    paths = {entry.path for entry in entries}
    assert "app/flows/deep" in paths
    assert {path for path in paths if "." in path} == {f"app/{path}" for path in TAKEN}
    base = tiny_layout(tmp_path / "base", {"etc/x": b""})
    site = Site(folder=tmp_path, base=base, store=Store(tmp_path / "store"))
    lock = site.lock()
    lock = replace(lock, roots=replace(lock.roots, source=rule))
    before = image_tag(lock, tmp_path)
    (tmp_path / "src/flows/never.py").write_text("changed")
    assert image_tag(lock, tmp_path) == before
    (tmp_path / ".gitignore").write_text("x")
    (tmp_path / "src/flows/plot.py").write_text("changed = 1")
    assert image_tag(lock, tmp_path) != before
    made = site.image(lock)
    assert set(site.layer(made)) >= {f"root/{path}" for path in TAKEN}


def test_an_ignored_module_stays_out(tmp_path: Path) -> None:
    written(tmp_path, {"a.py": "import b", "b.py": "", ".gitignore": "b.py\n"})
    rule = SourceRule(root=".", mode=SourceMode.LOADED_MODULES)
    assert [entry.path for entry in source_entries(tmp_path, rule, "/")] == ["a.py"]
