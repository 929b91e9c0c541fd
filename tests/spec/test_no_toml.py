"""Files that are no TOML, with the exact place of the reason."""

from __future__ import annotations

import pytest
from inline_snapshot import snapshot

from support.specs import problems_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "",
            snapshot("""\
train.toml:1:1: expected a spec, got a file without any key
  hint: begin with `imagelock init`\
"""),
        ),
        (
            "# nothing\n",
            snapshot("""\
train.toml:1:1: expected a spec, got a file without any key
  hint: begin with `imagelock init`\
"""),
        ),
        ("a = \n", snapshot("train.toml:1:5: not valid TOML: invalid value")),
        (
            "a = 1\n[b\n",
            snapshot(
                "train.toml:2:3: not valid TOML: expected ']' at the end of a table declaration"
            ),
        ),
        (
            'a = "x',
            snapshot("""\
train.toml:1:7: not valid TOML: unterminated string
  hint: a bracket or quote may be left open\
"""),
        ),
        (
            "a = [1,\n",
            snapshot("""\
train.toml:2:1: not valid TOML: invalid value
  hint: a bracket or quote may be left open\
"""),
        ),
        (
            "name = 'a'\nname = 'b'\n",
            snapshot("""\
train.toml:2:1: name: expected a key once, got it again
  hint: it is first given on line 1\
"""),
        ),
        (
            "[pip]\nindex = 'a'\n[apt]\n[pip]\n",
            snapshot("""\
train.toml:4:2: pip: expected a key once, got it again
  hint: it is first given on line 1\
"""),
        ),
        (
            "env = {A = '1', A = '2'}\n",
            snapshot("""\
train.toml:1:17: env.A: expected a key once, got it again
  hint: it is first given on line 1\
"""),
        ),
        (
            "a = {b = 1}\n[a.c]\n",
            snapshot("train.toml:2:5: not valid TOML: cannot declare ('a', 'c') twice"),
        ),
        (
            b'name = "\xff"\n',
            snapshot("""\
train.toml:1:9: expected UTF-8, got byte 0xff
  hint: save the file as UTF-8\
"""),
        ),
        ("x = " + "[" * 100_000, snapshot("train.toml: the values are nested too deeply")),
        ("x = " + "1" * 5_000, snapshot("train.toml:1:5: expected an integer of fewer digits")),
        (
            ".".join("a" * 100_000) + " = 1",
            snapshot("train.toml:1:1: expected a key of fewer than 64 parts"),
        ),
        (
            "#" * (1 << 20) + "#",
            snapshot("train.toml: expected at most 1048576 bytes, got 1048577"),
        ),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_toml(text: str | bytes, expected: str) -> None:
    assert problems_of(text) == expected


def test_a_long_value_is_judged_at_once() -> None:
    said = problems_of("name = '" + "a" * 1_000_000 + "'\n[base]\nimage = 'a'\n")
    assert said.endswith("expected at most 128 characters, got 1000000")
