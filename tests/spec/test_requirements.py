# ruff: noqa: E501 (messages stand here as people see them)
"""Requirements files: what is kept of them, and the place of what is refused."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from imagelock.model.errors import SpecError
from imagelock.model.pip_spec import RequirementsFile
from imagelock.spec import parse_spec
from support.specs import problems_of, spec_of

ZEROS, ONES = "0" * 64, "1" * 64


def text_with(*paths: str) -> str:
    listed = ", ".join(f'"{path}"' for path in paths)
    return f'[base]\nimage = "a"\n[pip]\nrequirements = [{listed}]\n'


def read(content: str, **files: str) -> RequirementsFile:
    others = {f"{name}.txt": text for name, text in files.items()}
    (file,) = spec_of(text_with("r.txt"), {"r.txt": content, **others}).pip.requirements
    return file


def refused(content: str, **files: str) -> str:
    others = {f"{name}.txt": text for name, text in files.items()}
    return problems_of(text_with("r.txt"), {"r.txt": content, **others})


def test_a_file_as_people_write_them() -> None:
    file = read(
        "\ufeff# ours\r\n\r\nNumPy >= 2  # fast\r\npandas[b,a]\\\r\n  ==2.0 \\\r\n"
        f"    --hash=sha256:{ONES} \\\r\n    --hash sha256:{ZEROS}\r\n"
        "url-with-hash; os_name == 'a#b'\r\n  -r sub/more.txt\r\n-c 'c.txt'\r\n",
        **{"sub/more": "scipy\n--requirement=../again.txt\n", "again": "numpy>=2\n-csub/d.txt"},
        **{"c": "urllib3<2", "sub/d": f"idna<4 --hash=sha256:{'A' * 64}"},
    )
    assert file == RequirementsFile(
        path="r.txt",
        requirements=(
            "numpy>=2",
            "pandas[a,b]==2.0",
            "scipy",
            'url-with-hash; os_name == "a#b"',
        ),
        constraints=("idna<4", "urllib3<2"),
        hashes=(
            ("idna<4", (f"sha256:{'a' * 64}",)),
            ("pandas[a,b]==2.0", (f"sha256:{ZEROS}", f"sha256:{ONES}")),
        ),
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (f"a; {'(' * 3000}os_name == 'x'{')' * 3000}", "it is nested too deeply"),
        (f"a<{'9' * 5000}", "a version has a number that is too long"),
        (f"a{' ' * 200_000}-", "expected a requirement"),
        (f"a -C k={' ' * 200_000}v", "expected an option of requirements files, got 'v'"),
        (f"a{' ' * 200_000}==", "expected a requirement"),
        ("-r 1.txt", "expected at most 50 files that include one another"),
    ],
    ids=["deep", "digits", "spaces", "setting", "specifier", "chain"],
)
def test_files_that_are_made_to_hang_or_crash_are_refused_at_once(content: str, said: str) -> None:
    files = {str(number): f"-r {number + 1}.txt" for number in range(1, 300)}
    started = time.process_time()
    assert said in refused(content, **files)
    assert time.process_time() - started < 5


def test_an_empty_file_asks_for_nothing() -> None:
    assert read("# nothing\n\\\n") == RequirementsFile(path="r.txt")


def test_a_comment_line_ends_a_continuation_and_is_never_continued() -> None:
    assert read("a\\\n# b \\\nc\n").requirements == ("a", "c")


def test_files_are_sorted_and_single() -> None:
    files = {"a.txt": "x", "b.txt": "y"}
    spec = spec_of(text_with("b.txt", "./a.txt", "b.txt"), files)
    assert [file.path for file in spec.pip.requirements] == ["a.txt", "b.txt"]
    assert spec.pip.all_requirements == ("x", "y")


def test_an_include_is_relative_to_its_file_and_may_be_met_twice() -> None:
    files = {"l": "-r b/x.txt\n-r ./m.txt", "m": "-r b/x.txt", "b/x": "-r ../n.txt", "n": "deep"}
    assert read("-r l.txt\n-r m.txt\n-c n.txt", **files) == RequirementsFile(
        path="r.txt", requirements=("deep",), constraints=("deep",)
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            "numpy\n  a >== 2\n",
            snapshot(
                "r.txt:2:3: expected a requirement like 'numpy>=2', got 'a >== 2': expected semicolon (after name with no version specifier) or end"
            ),
        ),
        (
            "a \\\n  ==1 \\\n   --hash=md5:00\n",
            snapshot("r.txt:3:4: expected --hash=sha256:…, got '--hash=md5:00'"),
        ),
        ("a --hash=sha256:00\n", snapshot("r.txt:1:10: expected 64 hex digits, got 2 characters")),
        (
            "a --hash sha256:0 --hash=sha256:1\n",
            snapshot("r.txt:1:10: expected 64 hex digits, got 1 characters"),
        ),
        (
            "a --global-option=x\n",
            snapshot("""\
r.txt:1:3: the option '--global-option' is not read
  hint: say it with --config-settings behind the requirement, or in a setup.cfg\
"""),
        ),
        ("a -z\n", snapshot("r.txt:1:3: expected an option of requirements files, got '-z'")),
        (
            "--index-url https://me:hunter2@h/simple\n",
            snapshot("""\
r.txt:1:13: expected a URL without credentials: a lock is no place for secrets
  hint: put them in ~/.netrc or the keyring; only the fetch reads them\
"""),
        ),
        (
            "--no-such-option\n",
            snapshot("r.txt:1:1: expected an option of requirements files, got '--no-such-option'"),
        ),
        (
            "./local\n",
            snapshot("train.toml: pip: paths can be read only where the spec's folder is known"),
        ),
        (
            "git+https://me:hunter2@h/x\n",
            snapshot("""\
r.txt:1:1: expected 'NAME @ URL', got 'git+https://h/x'
  hint: name the project before the URL\
"""),
        ),
        (
            "x @ https://${TOKEN}@h/x.whl\n",
            snapshot("""\
r.txt:1:13: expected no environment variable, got '${TOKEN}'
  hint: a spec means the same everywhere, so they are not expanded\
"""),
        ),
        (
            "-r https://h/r.txt\n",
            snapshot("r.txt:1:4: a file from a URL, 'https://h/r.txt', is not supported yet"),
        ),
        (
            "-r ${HOME}/r.txt\n",
            snapshot("""\
r.txt:1:4: expected no environment variable, got '${HOME}'
  hint: a spec means the same everywhere, so they are not expanded\
"""),
        ),
        (
            "-r /etc/r.txt\n",
            snapshot("""\
r.txt:1:4: expected a path relative to the spec's folder, got '/etc/r.txt'
  hint: a lock holds for any machine, so it names no absolute path\
"""),
        ),
        (
            "\t-r missing.txt\n",
            snapshot("r.txt:1:5: cannot read 'missing.txt': no such file or directory"),
        ),
        ("-r\n", snapshot("r.txt:1:3: expected a path relative to the spec's folder, got ''")),
        (
            "-r uv.lock\n",
            snapshot("""\
r.txt:1:4: expected a requirements file, got the lock 'uv.lock'
  hint: list it under [pip] requirements in the spec\
"""),
        ),
        (
            "-c cx.txt\n",
            snapshot("""\
cx.txt:2:3: expected a constraint without extras, got 'a[x]<1'
  hint: ask for the extras in pip.packages\
"""),
        ),
        (
            "-c cr.txt\n",
            snapshot("""\
cr.txt:1:1: expected no '-r' in a constraints file
  hint: tools differ on what it means there; include it from the file outside\
"""),
        ),
        (
            "a # why \\\nb\n",
            snapshot("""\
r.txt:1:1: expected no '\\' at the end of a comment
  hint: tools differ on whether the next line then belongs to the comment\
"""),
        ),
        (
            "-r r.txt\n",
            snapshot("r.txt:1:4: expected no file that includes itself, got r.txt → r.txt"),
        ),
        (
            "-r loop.txt\n",
            snapshot(
                "loop2.txt:1:4: expected no file that includes itself, got loop.txt → loop2.txt → loop.txt"
            ),
        ),
        (
            "-r bad.txt\n-r bad.txt\n b c\n",
            snapshot("""\
bad.txt:1:1: expected a requirement like 'numpy>=2', got '1 2': expected semicolon (after name with no version specifier) or end
  hint: write one requirement an item
r.txt:3:2: expected a requirement like 'numpy>=2', got 'b c': expected semicolon (after name with no version specifier) or end
  hint: write one requirement an item\
"""),
        ),
    ],
)
def test_what_is_refused_has_its_line(content: str, expected: str) -> None:
    files = {"cx": "\n  a[x]<1", "cr": "-r cx.txt", "loop": "#\n-r loop2.txt", "bad": "1 2"}
    said = refused(content, loop2="-r ./loop.txt", **files)
    assert "hunter2" not in said
    assert said == expected


def test_what_cannot_be_read_is_the_specs_problem() -> None:
    said = problems_of(
        text_with(
            "no.txt", "uv.lock", "a/pylock.dev.toml", "pyproject.toml", "/etc/x", "latin.txt"
        ),
        {"latin.txt": b"a\nb\xff"},
    )
    assert said == snapshot("""\
train.toml:4:17: pip.requirements[0]: cannot read 'no.txt': no such file or directory
train.toml:4:27: pip.requirements[1]: cannot read 'uv.lock': no such file or directory
train.toml:4:38: pip.requirements[2]: cannot read 'a/pylock.dev.toml': no such file or directory
train.toml:4:59: pip.requirements[3]: expected a requirements file, got 'pyproject.toml'
  hint: export it as a requirements file
train.toml:4:77: pip.requirements[4]: expected a path relative to the spec's folder, got '/etc/x'
  hint: a lock holds for any machine, so it names no absolute path
latin.txt:2:2: expected UTF-8, got byte 0xff
  hint: save the file as UTF-8\
""")


def test_an_included_file_that_is_no_text() -> None:
    said = problems_of(text_with("r.txt"), {"r.txt": "a b\n-r x.txt", "x.txt": b"\xff"})
    assert said.splitlines()[-2].startswith("x.txt:1:1: expected UTF-8")


def test_other_reasons_not_to_read_a_file() -> None:
    def read_file(path: str) -> bytes:
        raise IsADirectoryError(21, "Is a directory", path)

    with pytest.raises(SpecError, match=r"a\.toml:4:17: .*cannot read 'r': is a directory"):
        parse_spec(text_with("r").encode(), source="a.toml", read_file=read_file)


def test_problems_name_files_as_seen_from_where_the_spec_is_named() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec(text_with("../r").encode(), source="im/a.toml", read_file=lambda _: b"a b")
    assert caught.value.problems[0].source == "im/../r"


RANDOMS = st.randoms(use_true_random=False)
LINES = st.lists(
    st.sampled_from(
        [
            "numpy>=2",
            "Pandas",
            "scipy == 1.0",
            f"idna --hash=sha256:{ZEROS}",
            "-r o.txt",
            "-c o.txt",
        ]
    )
)


@given(LINES, RANDOMS, st.sampled_from(["\n", "\r\n", "\n\n", " # x\n"]))
def test_order_and_layout_mean_nothing(lines: list[str], random: Random, end: str) -> None:
    shuffled = random.sample(lines * 2, 2 * len(lines))
    spaced = [line.replace(" ", random.choice([" ", "\\\n  "])) for line in shuffled]
    written = "".join(f"  {line}{end}" for line in spaced)
    assert read(written, o="a") == read("\n".join(lines), o="a")
