"""What is never written, and small print of the writer."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tomllib
from datetime import UTC, datetime, timedelta, timezone

import pytest

import imagelock.lock
from imagelock.lock import decode_lock, encode_lock, normalise
from imagelock.model.archives import Archive
from imagelock.model.errors import LockError
from imagelock.model.lock import SPEC_ROOT, Lock
from imagelock.model.pip_spec import PipSpec
from imagelock.model.platform import Platform
from imagelock.model.spec import BuilderChoice, CopyRule, Spec
from imagelock.model.toml import inline_text
from support.example_lock import AMD64, ARM64, artifact, example_lock, example_spec, pip_pin

LOCK = example_lock()


def with_roots(**changes: object) -> Lock:
    return dataclasses.replace(LOCK, roots=dataclasses.replace(LOCK.roots, **changes))  # type: ignore[arg-type]  # by name


def with_pip(**changes: object) -> Lock:
    pin = dataclasses.replace(LOCK.pip[0], **changes)  # type: ignore[arg-type]  # by name
    return dataclasses.replace(LOCK, pip=(pin, *LOCK.pip[1:]))


def with_archive(url: str) -> Lock:
    return dataclasses.replace(LOCK, archives=(Archive(name="x", url=url),))


def with_index(date: datetime) -> Lock:
    pin = dataclasses.replace(LOCK.apt_indexes[0], date=date)
    return dataclasses.replace(LOCK, apt_indexes=(pin,))


@pytest.mark.parametrize(
    ("lock", "where"),
    [
        (with_roots(pip=PipSpec(index="https://a:b@h/simple/")), "roots.pip.index"),
        (with_roots(pip=PipSpec(extra_indexes=("https://t@h/",))), "roots.pip.extra-indexes[0]"),
        (with_roots(pip=PipSpec(index="https://[h/")), "roots.pip.index"),
        (with_roots(copies=(CopyRule(source="../a", target="/b"),)), "roots.copy[0].from"),
        (with_roots(copies=(CopyRule(source="a\\b", target="/b"),)), "roots.copy[0].from"),
        (with_roots(builder=BuilderChoice(options=(("n", 2**53),))), "roots.builder.options.n"),
        (with_roots(env=(("A", "\ud800"),)), ""),
        (dataclasses.replace(LOCK, context="/abs"), "context"),
        (with_archive("ftp://h/"), "archive[0].url"),
        (with_archive("https://u:p@h/"), "archive[0].url"),
        (with_pip(artifact=artifact("pypi", "../x.whl")), "pip[0].path"),
        (with_pip(artifact=artifact("pypi", "x.whl", -1)), "pip[0].size"),
        (with_pip(artifact=artifact("nowhere", "x.whl")), "pip[0].archive"),
        (with_pip(version=None), "pip[0].version"),
        (with_pip(version="1 --index-url http://evil"), "pip[0].version"),
        (with_pip(platforms=(Platform("linux/386"),)), "pip[0].platforms"),
        (with_pip(platforms=()), "pip[0].platforms"),
        (with_pip(platforms=(AMD64, ARM64)), "pip[1]"),
        (with_index(datetime(2026, 1, 1)), "apt-index[0].date"),  # noqa: DTZ001  # the mistake
        (with_index(datetime(2026, 1, 1, microsecond=1, tzinfo=UTC)), "apt-index[0].date"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_not_written(lock: Lock, where: str) -> None:
    with pytest.raises(LockError) as caught:
        encode_lock(lock)
    assert caught.value.message.startswith("this lock cannot be written: ")
    assert caught.value.where == where
    assert "@h" not in str(caught.value)


def test_a_date_is_written_in_utc() -> None:
    east = datetime(2026, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert b'date = "2025-12-31T20:00:00Z"\n' in encode_lock(with_index(east))


def test_a_lock_of_one_platform_does_not_repeat_it() -> None:
    spec = Spec(name="a", base=example_spec().base)
    pin = pip_pin("six", "1", (SPEC_ROOT, ""), platforms=(AMD64,))
    text = encode_lock(Lock(roots=spec, pip=(pin,))).decode()
    assert text.count("linux/amd64") == 1


def test_the_same_unknown_key_twice_for_one_entry_is_refused() -> None:
    edge = '{ name = "git", specifier = ">= 2.34" }'
    text = encode_lock(LOCK).decode()
    twice = text.replace(
        f"  {edge},",
        f"  {edge[:-2]}, later = 1 }},\n  {edge[:-2]}, later = 2 }},",
    )
    with pytest.raises(LockError, match="expected one entry with the keys of apt"):
        decode_lock(twice.encode(), source="a.lock")


def test_no_keys_but_those_of_toml_are_written() -> None:
    with pytest.raises(TypeError, match="not a TOML value: None"):
        inline_text(None)


@pytest.mark.parametrize("text", ['"', "\\", "\n\r\t\b\f", "\x00\x1f\x7f", "é\u2028\U0001f600", ""])
def test_strings_are_escaped(text: str) -> None:
    written = inline_text({text: [text]})
    assert "\n" not in written
    assert tomllib.loads(f"a = {written}")["a"] == {text: [text]}


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        imagelock.lock.nothing  # noqa: B018  # that is the test


def test_every_public_name_is_there() -> None:
    for name in imagelock.lock._HOME:
        value = getattr(imagelock.lock, name)
        assert getattr(value, "__name__", name) == name
        assert callable(value)


def test_a_submodule_hides_no_public_name() -> None:
    program = (
        "import imagelock.lock.diff, imagelock.lock.stale, imagelock.lock.show\n"
        "import imagelock.lock.graph, imagelock.lock.tag, imagelock.lock.decode\n"
        "import imagelock.lock as lock\n"
        "assert all(callable(getattr(lock, name)) for name in lock._HOME)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("from imagelock.lock import decode_lock", ("packaging", "rfc8785", "imagelock.lock.diff")),
        ("from imagelock.lock import staleness", ("packaging", "rfc8785", "tomllib")),
        ("from imagelock.lock import lock_digest", ("packaging", "imagelock.lock.diff")),
        ("import imagelock.lock", ("imagelock.lock.kinds", "imagelock.model.lock")),
    ],
)
def test_a_name_brings_only_what_it_needs(statement: str, absent: tuple[str, ...]) -> None:
    program = f"{statement}\nimport sys\nprint([m for m in {absent!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert answer.stdout == b"[]\n"


def test_normal_form_joins_what_agrees_and_keeps_apart_what_does_not() -> None:
    pins = tuple(
        dataclasses.replace(pip_pin("six", "1", (who, "")), platforms=(platform,))
        for who, platform in (("a", AMD64), ("b", ARM64))
    )
    lock = normalise(dataclasses.replace(LOCK, pip=pins))
    assert [(pin.platforms, [r.name for r in pin.required_by]) for pin in lock.pip] == [
        ((AMD64, ARM64), ["a", "b"])
    ]
    apart = (pins[0], dataclasses.replace(pins[1], extras=("x",)))
    assert len(normalise(dataclasses.replace(LOCK, pip=apart)).pip) == 2
