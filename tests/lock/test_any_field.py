"""A lock edited by hand, any field of it: refused as a lock, or what it says can be done."""

from __future__ import annotations

import copy
import json
import tomllib
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagelock.lock import (
    canonical_bytes,
    decode_lock,
    diff_locks,
    encode_lock,
    lock_digest,
    render_html,
    render_json,
    render_markdown,
    render_text,
    show_json,
    show_text,
    tree,
)
from imagelock.lock.export.pylock import export_pylock
from imagelock.lock.export.requirements import export_requirements
from imagelock.lock.export.spdx import export_spdx
from imagelock.model.errors import ExitCode, ImagelockError, LockError
from imagelock.model.lock import Lock
from imagelock.plan import plan_image

REPOSITORY = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "golden/train.lock"
Place = tuple[str | int, ...]
ACTIONS = ("set", "delete", "repeat", "rename")

TEXTS = """
. .. / ~ ../../../../etc/passwd /etc/passwd a/../b a//b ./a a/ C:\\x $(id) `id` ;id -rf --output=x
{lock} {0} {name.__class__} %s 0 1 -1 1.0 1:2 1!0.dev0 * ** [ ] ( [x] a,b a==1 >=1 <0 é ٣
root 0:0 http://[::1 http://h:99999/ file:///etc/passwd oci:/etc oci:.. python:3
linux/amd64 linux/arm64 any all pypi debian conda-forge .wh.x .wh..wh..opq con <spec> <base>
https://u:p@h/ debian:../.. <python> 2026-11-01T00:00:00Z 0001-01-01T00:00:00Z 9999-12-31T23:59:59Z
""".split()  # noqa: SIM905 - a table of words
HOSTILE: list[object] = [
    *TEXTS,
    *("", " ", "a b", "a\nb", "a\x00b", "\x1b[31m", "\u202e", "\U0001f600", "x" * 5000),
    *("0" * 64, "sha256:" + "0" * 64, "9" * 5000, "'", '"', "\\", "\\u0000"),
    *(0, 1, -1, 2**31, 2**53, 2**63, 10**40, True, False, 0.5, float("nan"), float("inf")),
    *([], {}, [[]], [{}], [""], ["a", "a"], [1, "a"], {"": ""}, {"a": 1}),
    *(datetime(2026, 1, 1, tzinfo=UTC), date(1, 1, 1), time(0, 0)),
]


def toml(value: object) -> str:
    """A value as TOML, in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{toml(key)} = {toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, date | time):
        return value.isoformat()
    return json.dumps(value).replace("NaN", "nan").replace("Infinity", "inf")


def places(value: object, place: Place = ()) -> list[Place]:
    """Where the keys and items of a document are."""
    inner = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        inner = enumerate(value)  # type: ignore[assignment]
    return [found for key, item in inner for found in ((*place, key), *places(item, (*place, key)))]


def edited(document: dict[str, Any], place: Place, action: str, value: object) -> bytes:
    """The document with one field changed."""
    changed = copy.deepcopy(document)
    holder: Any = changed
    for key in place[:-1]:
        holder = holder[key]
    last = place[-1]
    if action == "delete":
        del holder[last]
    elif action == "repeat" and isinstance(holder, list):
        holder.append(holder[int(last)])
    elif action == "rename" and isinstance(holder, dict) and isinstance(value, str):
        holder[value] = holder.pop(str(last))
    else:
        holder[last] = value
    return "".join(f"{toml(key)} = {toml(item)}\n" for key, item in changed.items()).encode()


DOCUMENT = tomllib.loads(GOLDEN.read_text(encoding="utf-8"))
PLACES = sorted(
    {
        tuple(key for key in place if isinstance(key, str)): place for place in places(DOCUMENT)
    }.values(),
    key=str,
)


@settings(max_examples=400)
@given(st.sampled_from(PLACES), st.sampled_from(ACTIONS), st.sampled_from(HOSTILE))
@example(("base", 1), "delete", 0)
@example(("base",), "delete", 0)
def test_any_field_changed_by_hand(place: Place, action: str, value: object) -> None:
    data = edited(DOCUMENT, place, action, value)
    try:
        lock = decode_lock(data, source="train.lock")
    except LockError as error:
        assert_told(error)
        return
    again = decode_lock(encode_lock(lock), source="train.lock")
    assert encode_lock(again) == encode_lock(lock)
    assert canonical_bytes(again) == canonical_bytes(lock)
    for use in USES:
        try:
            use(lock)
        except ImagelockError as error:
            assert_told(error)


def assert_told(error: ImagelockError) -> None:
    """The input is wrong, and what to do about it is said."""
    assert error.exit_code in {ExitCode.USAGE, ExitCode.INTEGRITY}
    assert error.message
    assert error.hint


def differences(lock: Lock) -> None:
    whole = decode_lock(GOLDEN.read_bytes(), source="train.lock")
    for diff in (diff_locks(whole, lock), diff_locks(lock, whole)):
        for render in (render_text, render_markdown, render_html):
            render(diff).encode()
        json.dumps(render_json(diff), allow_nan=False)


def plans(lock: Lock) -> None:
    for platform in lock.platforms:
        plan_image(lock, platform)


USES = (
    differences,
    plans,
    tree,
    export_pylock,
    export_requirements,
    export_spdx,
    lambda lock: show_text(lock, tag="t").encode(),
    lambda lock: json.dumps(show_json(lock, tag=lock_digest(lock)), allow_nan=False),
)


@pytest.mark.parametrize("name", ["hello", "trixie"])
def test_the_edit_itself_changes_nothing(name: str) -> None:
    path = REPOSITORY / f"locks/{name}.lock"
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    written = edited(document, ("recipe",), "set", 1)
    assert encode_lock(decode_lock(written, source="x")) == path.read_bytes()
