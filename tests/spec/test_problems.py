# ruff: noqa: E501 (messages stand here as people see them)
"""Every kind of problem, with its exact place."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from imagelock.model.errors import SpecError
from imagelock.spec import parse_spec
from support.specs import BASE, problems_of, spec_of


def test_all_problems_at_once_in_file_order() -> None:
    text = """\
nmae = "x"
packages = []
python = 3.12

[base]
image = "a"
variant = "minbase"

[pip]
packages = [
  "numpy",
\t"a >== 2", # why
  3, "ok"]

[[copy]]
from = "../x"

[[copy]]
to = "x"
z.y = 1
"""
    assert problems_of(text) == snapshot("""\
train.toml:1:1: nmae: unknown key
  hint: did you mean 'name'?
train.toml:2:1: packages: unknown key
  hint: did you mean 'pip.packages'?
train.toml:3:10: python: expected a string, got a float
  hint: put it in quotes
train.toml:7:1: base.variant: unknown key
  hint: it goes with 'distribution'
train.toml:12:2: pip.packages[1]: expected a requirement like 'numpy>=2', got 'a >== 2': expected semicolon (after name with no version specifier) or end
train.toml:13:3: pip.packages[2]: expected a string, got an integer
  hint: put it in quotes
train.toml:15:1: copy[0]: expected 'to', which is missing
  hint: add to = "/app/conf/"
train.toml:16:8: copy[0].from: expected a path below the spec's folder, got '../x'
  hint: '..' leaves the folder that a build may read
train.toml:18:1: copy[1]: expected 'from', which is missing
  hint: add from = "conf/app.ini"
train.toml:19:6: copy[1].to: expected an absolute path, got 'x'
  hint: it is a path in the image, and begins with '/'
train.toml:20:1: copy[1].z: unknown key
  hint: known are from, to\
""")


def test_crlf_tabs_wide_characters_and_a_byte_order_mark_do_not_move_places() -> None:
    text = (
        '\ufeff# größe\r\n[base]\r\nimage = """a"""\r\n[pip]\r\n'
        'packages = ["ü", # "]"\r\n\t\'\'\'b\r\n\'\'\', "c ☃"]\r\nindex\t=\t"no"\r\n'
    )
    assert problems_of(text) == snapshot("""\
train.toml:5:13: pip.packages[0]: expected a requirement like 'numpy>=2', got 'ü': expected package name at the start of dependency specifier
train.toml:6:2: pip.packages[1]: expected a requirement like 'numpy>=2', got 'b\\n': expected semicolon (after name with no version specifier) or end
train.toml:7:6: pip.packages[2]: expected a requirement like 'numpy>=2', got 'c ☃': expected semicolon (after name with no version specifier) or end
train.toml:8:9: pip.index: expected a well-known index ('nvidia', 'pypi', 'pytorch'), got 'no'
  hint: name it by its URL\
""")


def test_places_inside_dotted_keys_inline_tables_and_arrays_of_tables() -> None:
    text = """\
base.image = "a"
pip . "packages" = ["x y"]
image = { labels = { a = 1 }, usr = "x", entrypoint = ["a", [1]] }
apt.source = [{ uris = "http://h/", suites = "s", components = "c", x = 1 }]
env = { "A B" = "1", C = [] }
"""
    assert problems_of(text) == snapshot("""\
train.toml:2:21: pip.packages[0]: expected a requirement like 'numpy>=2', got 'x y': expected semicolon (after name with no version specifier) or end
  hint: write one requirement an item
train.toml:3:26: image.labels.a: expected a string, got an integer
  hint: put it in quotes
train.toml:3:31: image.usr: unknown key
  hint: did you mean 'user'?
train.toml:3:61: image.entrypoint[1]: expected a string, got an array
train.toml:4:69: apt.source[0].x: unknown key
  hint: known are uris, suites, components, signed-by, snapshot
train.toml:5:9: env."A B": expected the name of an environment variable, got 'A B'
  hint: letters, digits, '_', '.' and '-', not beginning with a digit
train.toml:5:26: env.C: expected a string, got an array\
""")


def test_a_missing_base() -> None:
    assert problems_of("name = 'a'\n") == snapshot("""\
train.toml:1:1: expected 'base', which is missing
  hint: add [base] distribution = "debian:bookworm"\
""")


def test_a_table_in_the_place_of_an_array_of_tables_and_back() -> None:
    assert problems_of(BASE + '[copy]\nfrom = "a"\n[[pip]]\npackages = []\n') == snapshot("""\
train.toml:3:1: copy: expected an array of tables, got a table
  hint: write [[copy]], with two brackets each side
train.toml:5:1: pip: expected a table, got an array
  hint: write [pip], with one bracket each side\
""")


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("apt_packages = []", "did you mean 'apt.packages'?"),
        ("base_image = 'a'", "did you mean 'base.image'?"),
        ("pip.extra_indexes = []", "did you mean 'extra-indexes'?"),
        ("pip.recommends = true", "did you mean 'apt.recommends'?"),
        ("labels = {}", "did you mean 'image.labels'?"),
        ("copy = [{from = 'a', to = '/b', mode = 1}]", "did you mean 'source.mode'?"),
        ("gpu.zzz = 1", "known are cuda, cudnn, driver"),
    ],
)
def test_unknown_keys_come_with_a_guess(line: str, hint: str) -> None:
    said = problems_of(f"{line}\n{BASE}")
    assert "unknown key" in said
    assert said.endswith(f"hint: {hint}")


def test_empty_requests_change_nothing() -> None:
    empty = "conda.packages = []\nrun = []\nbuilder.options = {}\npip.extra-indexes = []\n"
    assert spec_of(empty + BASE) == spec_of(BASE)


def test_the_file_gives_the_name_if_it_can() -> None:
    def parse(source: str) -> str:
        return parse_spec(BASE.encode(), source=source, read_file=lambda _: b"").name

    assert parse("images/Train.toml") == "train"
    with pytest.raises(SpecError) as caught:
        parse("my image.toml")
    assert str(caught.value) == snapshot("""\
my image.toml:1:1: name: expected a name, since the file's is none: expected letters and digits, with '.', '_' or '-' between them, got 'my image'
  hint: add name = "…"\
""")


def test_problems_are_data_too() -> None:
    with pytest.raises(SpecError) as caught:
        spec_of("nmae = 'x'\n" + BASE)
    assert caught.value.as_json() == snapshot(
        {
            "code": "spec",
            "message": """\
train.toml:1:1: nmae: unknown key
  hint: did you mean 'name'?\
""",
            "where": "train.toml:1:1",
            "hint": "did you mean 'name'?",
            "problems": [
                {
                    "source": "train.toml",
                    "line": 1,
                    "column": 1,
                    "path": "nmae",
                    "message": "unknown key",
                    "hint": "did you mean 'name'?",
                }
            ],
        }
    )


def test_every_unknown_key_of_a_chosen_lock_is_told() -> None:
    text = BASE + '[pip]\nrequirements = [{ path = "uv.lock", extra = ["a"], group = ["b"] }]\n'
    assert problems_of(text).splitlines() == [
        "train.toml:4:37: pip.requirements[0].extra: unknown key",
        "  hint: did you mean 'extras'?",
        "train.toml:4:52: pip.requirements[0].group: unknown key",
        "  hint: did you mean 'groups'?",
    ]
