"""What the documents say can be typed, can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from imagelock.cli.parser import build_parser, parse_arguments
from support.command import call

REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    text = page.read_text(encoding="utf-8")
    return [body for found, body in BLOCK.findall(text) if found == language]


def commands(page: Path) -> list[list[str]]:
    lines = [line.removeprefix("$ ") for body in blocks(page, "sh") for line in body.splitlines()]
    parsed = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in parsed if words[:1] == ["imagelock"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_one(page: Path) -> None:
    for words in commands(page):
        end = next((i for i, word in enumerate(words) if word in {"|", ">", "&&"}), len(words))
        assert parse_arguments(words[:end]).command


def test_the_readme_shows_commands() -> None:
    assert len(commands(REPOSITORY / "README.md")) >= 5


def test_every_command_of_the_program_is_in_the_readme() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    help_text = build_parser().format_help()
    listed = re.findall(r"^    ([a-z]+)\s", help_text, re.MULTILINE)
    assert len(listed) > 8
    for name in listed:
        assert f"`{name}`" in text or f"imagelock {name}" in text, name


@pytest.mark.network
def test_the_first_image_of_the_readme_locks(tmp_path: Path) -> None:
    text = blocks(REPOSITORY / "README.md", "toml")[0]
    (tmp_path / "image.toml").write_text(text, encoding="utf-8")
    locked = call("lock", str(tmp_path / "image.toml"))
    assert locked.code == 0, locked.err
    checked = call("lock", "--check", str(tmp_path / "image.toml"))
    assert checked.code == 0
