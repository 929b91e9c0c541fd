"""Requirements by path, URL and commit: one spelling each, and what is refused."""

from __future__ import annotations

import pytest

from imagelock.model.errors import SpecError
from imagelock.model.names import Sha256
from imagelock.model.pip_spec import LocalContent, PipSpec
from imagelock.spec import parse_spec
from imagelock.spec.rule import RuleBroken
from imagelock.spec.rules_pip import REQUIREMENT
from support.specs import BASE

URL = "https://h/x-1-py3-none-any.whl"


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (URL, f"x @ {URL}"),
        ("x @ https://H/x-1.tar.gz", "x @ https://h/x-1.tar.gz"),
        ("x@git+https://H/r.git", "x @ git+https://h/r.git"),
        ("git+https://h/r@v1#egg=X[b,a]", "x[a,b] @ git+https://h/r@v1"),
        ("git+https://h/r/@v1#egg=x&subdirectory=a/../b/", "x @ git+https://h/r@v1#subdirectory=b"),
        ("x @ git+ssh://git@h:22/r.git@feature/x", "x @ git+ssh://git@h:22/r.git@feature/x"),
        ("x @ git+file:///srv/r@main", "x @ git+file:///srv/r@main"),
        ("x @ git+../r@main", "x @ git+../r@main"),
        ("./x-1-py3-none-any.whl ; os_name=='a'", 'x @ ./x-1-py3-none-any.whl ; os_name == "a"'),
        ("x @ a/../b c.whl".replace(" c", "%20c"), "x @ ./b%20c.whl"),
        (".", "./"),
        ("..", ".."),
        ("./a/[dev] ; os_name=='posix'", './a[dev] ; os_name == "posix"'),
        ("file:///srv/a%20b", "file:///srv/a%20b"),
        ("/srv/a", "file:///srv/a"),
        ("file:a/x-1-py3-none-any.whl", "x @ ./a/x-1-py3-none-any.whl"),
    ],
)  # fmt: skip
def test_one_spelling(text: str, normal: str) -> None:
    assert REQUIREMENT.apply(text) == normal
    assert REQUIREMENT.apply(normal) == normal


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x @ hg+https://h/r", "is not supported yet"),
        ("x @ git+https://me:hunter2@h/r", "without credentials"),
        ("x @ git+https://hunter2@h/r", "without credentials"),
        ("x @ git+ssh://git:hunter2@h/r", "without credentials"),
        ("x @ git+https://h/r?token=hunter2", "without '?'"),
        ("x @ git+git@h:r.git", "expected"),
        ("x @ git+ext::sh%20-c", "expected"),
        ("x @ git+https://h/r@--upload-pack", "expected a branch"),
        ("x @ git+https://h/r@a..b", "expected a branch"),
        ("x @ git+https://h/r#subdirectory=../..", "a folder of the repository"),
        ("x @ git+https://h/r#hunter=1", "nothing but 'subdirectory'"),
        ("git+https://h/r", "name the project before"),
        ("x @ file://other/srv/x.whl", "expected a path of this machine"),
        ("x @ ./a?b", "expected a path"),
        ("x @ ftp://h/x.whl", "expected the URL of a wheel"),
        ("x @ https://h/x", "a wheel (.whl) or an sdist"),
    ],
)
def test_what_is_refused(text: str, said: str) -> None:
    with pytest.raises(RuleBroken) as caught:
        REQUIREMENT.apply(text)
    told = f"{caught.value.message} {caught.value.hint}"
    assert said in told
    assert "hunter2" not in told


class Folder:
    """A spec's folder that lies in /work/images."""

    def relative(self, path: str) -> str:
        import posixpath

        return posixpath.relpath(path, "/work/images")

    def digest(self, path: str) -> Sha256:
        if "gone" in path:
            raise FileNotFoundError(2, "No such file or directory")
        return Sha256(f"{len(path):064x}")


def pip_of(table: str, files: dict[str, str] | None = None) -> PipSpec:
    def read_file(path: str) -> bytes:
        try:
            return (files or {})[path].encode()
        except KeyError:
            raise FileNotFoundError(2, "No such file or directory") from None

    text = f"{BASE}[pip]\n{table}"
    return parse_spec(text.encode(), source="train.toml", read_file=read_file, files=Folder()).pip


def test_paths_become_relative_and_have_names_and_contents() -> None:
    pip = pip_of(
        'packages = ["/work/tool", "y @ git+file:///srv/r@main"]\n'
        'requirements = ["r.txt"]\nfind-links = ["/work/wheels"]',
        {
            "../tool/pyproject.toml": '[project]\nname = "Tool"',
            "r.txt": "-e ./z[dev] ; os_name == 'posix'\n-f links\n./w-1-py3-none-any.whl\n",
            "z/pyproject.toml": '[project]\nname = "z"',
        },
    )
    assert pip.packages == ("tool @ ../tool", "y @ git+../../srv/r@main")
    assert pip.requirements[0].requirements == (
        "w @ ./w-1-py3-none-any.whl",
        'z[dev] @ ./z ; os_name == "posix"',
    )
    assert pip.find_links == ("../wheels", "./links")
    assert pip.local == (
        LocalContent(path="../tool", sha256=Sha256(f"{7:064x}")),
        LocalContent(path="./w-1-py3-none-any.whl", sha256=Sha256(f"{20:064x}")),
        LocalContent(path="./z", sha256=Sha256(f"{1:064x}")),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('packages = ["./a"]', "expected the project's name in './a'"),
        ('packages = ["./b"]', "under [project]"),
        ('packages = ["x @ ./gone"]', "cannot read './gone': no such file or directory"),
    ],
)
def test_a_path_that_says_too_little(table: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        pip_of(table, {"b/pyproject.toml": "[project]\nversion = '1'"})
    assert said in str(caught.value)


def test_without_its_folder_a_spec_has_no_paths() -> None:
    text = f'{BASE}[pip]\npackages = ["x @ ./a"]'
    with pytest.raises(SpecError, match="only where the spec's folder is known"):
        parse_spec(text.encode(), source="t.toml", read_file=lambda _: b"")
