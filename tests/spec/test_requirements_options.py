# ruff: noqa: E501 (messages stand here as people see them)
"""Options of requirements files that the spec has keys for, and requirements by URL."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from imagelock.model.spec import PipSpec, Prerelease
from support.specs import BASE, problems_of, spec_of

ONES = "1" * 64


def pip_of(content: str, table: str = "", **files: str) -> PipSpec:
    return spec_of(*asking(content, table, **files)).pip


def refused(content: str, table: str = "", **files: str) -> str:
    return problems_of(*asking(content, table, **files))


def asking(content: str, table: str, **files: str) -> tuple[str, dict[str, str]]:
    others = {f"{name}.txt": text for name, text in files.items()}
    listed = ", ".join(f'"{name}"' for name in sorted({"r.txt", *others}, reverse=True))
    return f"{BASE}[pip]\nrequirements = [{listed}]\n{table}", {"r.txt": content, **others}


@pytest.mark.parametrize("line", ["-i https://H/simple", "--index-url=https://h/simple/ # ours"])
def test_an_index(line: str) -> None:
    pip = pip_of(f"{line}\nx")
    assert (pip.index, pip.all_requirements) == ("https://h/simple/", ("x",))
    assert pip == pip_of("x", 'index = "https://h/simple"')


def test_the_index_of_everybody() -> None:
    assert pip_of("-i https://pypi.org/simple") == pip_of("")


def test_more_indexes_come_after_those_of_the_spec_in_the_order_of_files() -> None:
    pip = pip_of(
        "--extra-index-url https://b/\n-f https://c/x.html\n--extra-index-url https://a",
        'extra-indexes = ["https://z/"]',
        q="--extra-index-url https://q/\n--extra-index-url https://b\n",
    )
    assert pip.extra_indexes == ("https://z/", "https://q/", "https://b/", "https://a/")
    assert pip.find_links == ("https://c/x.html",)


def test_without_an_index_the_first_folder_of_links_is_it() -> None:
    pip = pip_of("--no-index\n-f wheels\n--find-links https://c/x\nx")
    assert (pip.index, pip.find_links) == ("./wheels", ("https://c/x",))
    assert pip == pip_of("x", 'index = "./wheels"\nfind-links = ["https://c/x"]')
    assert "beside an index" in refused("--no-index\n-f wheels\n-i https://h/")
    assert "say where files are to come from" in refused("--no-index")


def test_what_is_done_anyway_may_be_asked_for() -> None:
    assert pip_of("--only-binary :all:\n--require-hashes\nx") == pip_of("x")


def test_prereleases() -> None:
    assert pip_of("--pre\nx").prerelease is Prerelease.ALLOW
    assert pip_of("--pre\nx", 'prerelease = "allow"').prerelease is Prerelease.ALLOW


def test_the_same_said_twice() -> None:
    assert pip_of("-i https://h/\n-i https://h", 'index = "https://h/"', s="-i https://h/") == (
        pip_of("", 'index = "https://h/"', s="")
    )


@pytest.mark.parametrize(
    ("content", "table", "expected"),
    [
        (
            "x\n-i https://h/",
            'index = "https://g/"',
            snapshot("""\
r.txt:2:4: expected one index, got 'https://h/' beside 'https://g/'
  hint: keep one of them, and name the other under extra-indexes\
"""),
        ),
        (
            "-i https://h/\n -i https://me:hunter2@g/",
            "",
            snapshot("""\
r.txt:2:5: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
"""),
        ),
        (
            "-i https://h/\n -i https://g/",
            "",
            snapshot("""\
r.txt:2:5: expected one index, got 'https://g/' beside 'https://h/'
  hint: keep one of them, and name the other under extra-indexes\
"""),
        ),
        (
            "-i https://pypi.org/simple",
            'index = "https://g/"',
            snapshot("""\
r.txt:1:4: expected one index, got 'pypi' beside 'https://g/'
  hint: keep one of them, and name the other under extra-indexes\
"""),
        ),
        (
            "--pre",
            'prerelease = "explicit"',
            snapshot("""\
r.txt:1:6: expected no '--pre' beside prerelease = 'explicit' in the spec
  hint: leave one of them out\
"""),
        ),
        ("--pre x", "", snapshot("r.txt:1:7: expected nothing behind '--pre', got 'x'")),
        (
            "-i",
            "",
            snapshot("""\
r.txt:1:3: expected the name of a well-known index, an http or https URL, or a folder, got ''
  hint: write it with 'https://'\
"""),
        ),
        (
            "--no-binary :all:",
            "",
            snapshot("""\
r.txt:1:1: the option '--no-binary' is not supported yet
  hint: allow-sdist in the spec names what may be built where no wheel fits\
"""),
        ),
        (
            "--trusted-host h",
            "",
            snapshot("r.txt:1:1: the option '--trusted-host' is not supported yet"),
        ),
    ],
)
def test_what_is_refused(content: str, table: str, expected: str) -> None:
    assert refused(content, table) == expected


def test_a_wheel_by_its_url() -> None:
    pip = pip_of(
        f"B.x[z,a]@HTTPS://H/w/b_x-1-py3-none-any.whl#sha256={'A' * 64} ;os_name=='posix'\n"
        f"c @ http://h:80/c-1-py3-none-any.whl --hash=sha256:{ONES}\n"
    )
    assert pip.all_requirements == snapshot(
        (
            'b-x[a,z] @ https://h/w/b_x-1-py3-none-any.whl#sha256=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa ; os_name == "posix"',
            "c @ http://h:80/c-1-py3-none-any.whl",
        )
    )
    assert pip.requirements[0].hashes == snapshot(
        (
            (
                "c @ http://h:80/c-1-py3-none-any.whl",
                ("sha256:1111111111111111111111111111111111111111111111111111111111111111",),
            ),
        )
    )


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "x @ https://h/x.whl?token=hunter2",
            snapshot("r.txt:1:1: expected a URL without '?': a lock is no place for secrets"),
        ),
        (
            "x @ https://me:hunter2@h/x.whl",
            snapshot("""\
r.txt:1:1: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
"""),
        ),
        (
            "x @ https://h/x.whl#md5=00",
            snapshot("r.txt:1:1: expected nothing but '#sha256=…' behind the URL, got '#md5=00'"),
        ),
        (
            "x @ https://h/x.whl#sha256=00",
            snapshot("r.txt:1:1: expected 64 hex digits, got 2 characters"),
        ),
        (
            "x @ https:///x.whl",
            snapshot("r.txt:1:1: expected a URL with a host, and in ASCII, got 'https:///x.whl'"),
        ),
        (
            "x @ https://[/x.whl",
            snapshot("r.txt:1:1: expected a URL with a host, got 'https://[/x.whl'"),
        ),
        (
            "x @ https://h/ä.whl",
            snapshot("r.txt:1:1: expected a URL with a host, and in ASCII, got 'https://h/ä.whl'"),
        ),
        (
            "-c c.txt",
            snapshot("""\
c.txt:1:1: expected a constraint by version, got 'x @ https://h/x.whl'
  hint: name the URL in pip.packages or pip.overrides\
"""),
        ),
    ],
)
def test_other_urls(line: str, expected: str) -> None:
    said = refused(line, c="x @ https://h/x.whl") if "-c" in line else refused(line)
    assert "hunter2" not in said
    assert said == expected
