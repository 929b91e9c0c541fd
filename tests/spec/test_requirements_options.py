# ruff: noqa: E501 (messages stand here as people see them)
"""Options of requirements files that the spec has keys for, and requirements by URL."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from imagelock.model.pip_spec import PipSpec, Prerelease
from imagelock.spec.image_spec.pip_arguments import pip_keys
from imagelock.spec.rule import RuleBroken
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
    assert pip_of("--only-binary=a,B\nx", 'allow-sdist = ["c"]').allow_sdist == ("c",)


def test_what_is_built_of_its_sdist() -> None:
    pip = pip_of("--no-binary=B.x,a\n--prefer-binary\nx", 'no-binary = ["c"]', q="--no-binary a")
    assert (pip.no_binary, pip.prefer_binary, pip.may_build) == (
        ("a", "b-x", "c"),
        True,
        ("a", "b-x", "c"),
    )
    assert pip == pip_of("x", 'no-binary = ["C", "b_x", "a"]\nprefer-binary = true', q="")


def test_what_backends_are_told_stands_in_its_order() -> None:
    pip = pip_of(
        f'B.x>1 --config-settings="k=v w" -C k=-1 --hash=sha256:{ONES} \\\n'
        "  --config-setting '--build-option=--a --b' -Cz=\n"
        "c ; os_name == 'posix' -C \"k='q'\"\n"
    )
    assert pip.config_settings == (
        ("b-x", ("k=v w", "k=-1", "--build-option=--a --b", "z=")),
        ("c", ("k='q'",)),
    )
    assert pip.requirements[0].hashes == (("b-x>1", (f"sha256:{ONES}",)),)
    table = "[pip.config-settings]\nB_x = ['k=1']\n"
    assert pip_of("b-x -C k=1", table) == pip_of("b.x", table)


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
r.txt:1:13: expected the names of packages, got ':all:'
  hint: name the packages, as in --no-binary lxml: what is built is never left to chance\
"""),
        ),
        (
            "--no-binary a,:none:",
            "",
            snapshot("""\
r.txt:1:13: expected the names of packages, got ':none:'
  hint: name the packages, as in --no-binary lxml: what is built is never left to chance\
"""),
        ),
        ("--no-binary", "", snapshot("r.txt:1:12: expected a package name, got ''")),
        (
            "--no-binary a\n--only-binary b,a",
            "",
            snapshot("""\
r.txt:2:15: expected no '--only-binary a' beside allow-sdist or no-binary for it
  hint: leave one of them out\
"""),
        ),
        (
            "--only-binary a",
            'allow-sdist = ["A"]',
            snapshot("""\
r.txt:1:15: expected no '--only-binary a' beside allow-sdist or no-binary for it
  hint: leave one of them out\
"""),
        ),
        (
            "--prefer-binary yes",
            "",
            snapshot("r.txt:1:17: expected nothing behind '--prefer-binary', got 'yes'"),
        ),
        (
            "-C a=b",
            "",
            snapshot("""\
r.txt:1:1: the option '--config-settings' is not read
  hint: write it behind the requirement that it is for\
"""),
        ),
        (
            "x -C a",
            "",
            snapshot("""\
r.txt:1:6: expected a setting of a build backend like 'KEY=VALUE', got 'a'
  hint: what it knows is in its documentation (PEP 517, config_settings)\
"""),
        ),
        ("x -C 'a=b", "", snapshot("r.txt:1:6: expected a closing quote")),
        (
            "x -C a=b y",
            "",
            snapshot("r.txt:1:10: expected an option of requirements files, got 'y'"),
        ),
        (
            "x -C a=b\\\n  --hash=sha256:0",
            "",
            snapshot("r.txt:2:10: expected 64 hex digits, got 1 characters"),
        ),
        (
            "x -C a=b\nx -C a=c",
            "",
            snapshot("""\
r.txt:2:6: expected one way to build 'x', got other settings of it elsewhere
  hint: keep one of them\
"""),
        ),
        (
            "x -C a=b",
            "[pip.config-settings]\nX = ['a=c']",
            snapshot("""\
r.txt:1:6: expected one way to build 'x', got other settings of it elsewhere
  hint: keep one of them\
"""),
        ),
        (
            "x",
            "[pip.config-settings]\nX = ['a=c']\nx = ['a=c']",
            snapshot(
                "train.toml:7:1: pip.config-settings.x: expected each name once, got 'x' in two spellings"
            ),
        ),
        (
            "x",
            "[pip.config-settings]\nx = []\n-y = ['k=v']\nz=['k']\nw='k=v'",
            snapshot("""\
train.toml:6:5: pip.config-settings.x: expected at least one, got an empty array
train.toml:7:1: pip.config-settings.-y: expected a package name, got '-y'
train.toml:8:4: pip.config-settings.z[0]: expected a setting of a build backend like 'KEY=VALUE', got 'k'
  hint: what it knows is in its documentation (PEP 517, config_settings)
train.toml:9:3: pip.config-settings.w: expected an array, got a string
  hint: put it in brackets: […]\
"""),
        ),
        (
            "--trusted-host h",
            "",
            snapshot("""\
r.txt:1:1: the option '--trusted-host' is not read
  hint: install the server's certificate on this machine: a file gives no trust\
"""),
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


def test_arguments_of_pip_and_uv_that_say_what_is_built() -> None:
    said = "--no-binary a,B --no-binary-package=c --only-binary :all:"
    assert pip_keys(said) == {"no-binary": ["a", "B", "c"]}
    with pytest.raises(RuleBroken, match="expected a value behind '--no-binary'"):
        pip_keys("--no-binary -q")
