"""An ImageSpec and its text say the same; and what must not matter does not."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from imagelock import CopyFileDetection, ImageSpec
from imagelock.image_spec.place import Place
from imagelock.lock import tag_digest
from imagelock.model.lock import Lock
from imagelock.spec import spec_of_document
from imagelock.spec.write import spec_text
from support.spec_documents import documents

PLACE = Place(Path("/work"), "train")
WORDS = st.sampled_from(["numpy>=2", "pandas", "rich ; os_name == 'posix'", "Torch==2.*", "a[b,c]"])
NAMES = st.sampled_from(["git", "curl=7.88.*", "libgl1", "vim"])
SHORT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
PATHS = st.sampled_from(["a", "conf/app.ini", "./b", "c d/é"])


def some(items: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.lists(items, max_size=3)


def fields() -> st.SearchStrategy[dict[str, Any]]:
    strategies: dict[str, st.SearchStrategy[Any]] = {
        "name": st.sampled_from(["flytekit", "Train", "a__b"]),
        "python_version": st.sampled_from([None, "3.12", ">=3.11,<3.13"]),
        "builder": st.sampled_from([None, "docker", "imagelock"]),
        "source_root": st.sampled_from([None, "src", ".", Path("/work/lib")]),
        "source_copy_mode": st.sampled_from([None, *CopyFileDetection]),
        "env": st.none() | st.dictionaries(st.sampled_from(["A", "B_2"]), SHORT),
        "registry": st.sampled_from([None, "", "ghcr.io/Acme"]),
        "packages": some(WORDS),
        "conda_packages": some(st.sampled_from(["numpy >=2", "cuda"])),
        "conda_channels": some(st.sampled_from(["nvidia", "conda-forge", "bioconda"])),
        "requirements": st.none() | PATHS,
        "apt_packages": some(NAMES),
        "cuda": st.sampled_from([None, "12.4"]),
        "cudnn": st.sampled_from([None, "9"]),
        "base_image": st.sampled_from(
            [None, "python:3.12", "oci:layout", ImageSpec(name="below", place=PLACE)]
        ),
        "platform": st.sampled_from([None, "linux/arm64", "linux/arm64, linux/amd64"]),
        "pip_index": st.sampled_from([None, "pypi", "https://h/simple"]),
        "pip_extra_index_url": some(st.sampled_from(["https://a/", "https://b/"])),
        "pip_secret_mounts": some(st.just((".netrc", "/run/netrc"))),
        "pip_extra_args": st.sampled_from([None, "", "--pre", "--pre -q --extra-index-url https://c/"]),
        "registry_config": st.sampled_from([None, "config.json"]),
        "entrypoint": some(SHORT),
        "commands": some(SHORT.filter(bool)),
        "tag_format": st.sampled_from([None, "{spec_hash}-dev"]),
        "copy": some(PATHS),
        "python_exec": st.sampled_from([None, "/usr/bin/python3"]),
        "runtime_packages": some(WORDS),
        "builder_options": st.sampled_from([None, {}, {"compression": "zstd"}]),
        "builder_config": st.none() | st.just({"uv_image": "x", "deep": {"a": [1, 2]}}),
        "install_project": st.sampled_from([None, False, True]),
        "more": st.sampled_from([None, {"gpu": {}}, {"pip": {"constraints": ["x"]}}]),
    }  # fmt: skip
    return st.fixed_dictionaries(strategies).map(_with_root)


def _with_root(drawn: dict[str, Any]) -> dict[str, Any]:
    """A mode that copies goes with a root."""
    if drawn["source_root"] is None and drawn["source_copy_mode"] is not CopyFileDetection.NO_COPY:
        drawn["source_copy_mode"] = None
    return drawn


def made(drawn: dict[str, Any]) -> ImageSpec:
    return ImageSpec(**drawn, place=PLACE)


@given(fields())
def test_from_its_text_comes_the_same_image_spec(drawn: dict[str, Any]) -> None:
    spec = made(drawn)
    again = ImageSpec.from_spec(spec.to_spec(), place=PLACE)
    assert again == spec
    assert hash(again) == hash(spec)
    assert again.to_spec() == spec.to_spec()
    for name in ("runtime_packages", "builder_config", "registry_config"):
        assert (getattr(again, name) or None) == (getattr(spec, name) or None)
    if not isinstance(spec.base_image, ImageSpec):
        assert again.id == spec.id


@given(documents())
def test_every_spec_is_an_image_spec(document: dict[str, Any]) -> None:
    text = spec_text(spec_of_document({"name": "train", **document}, source="here"))
    spec = ImageSpec.from_spec(text, place=PLACE)
    assert spec.to_spec() == text
    assert ImageSpec.from_spec(spec.to_spec(), place=PLACE) == spec


def tag(spec: ImageSpec) -> str:
    """The tag of a lock with these roots; the pins are a function of them."""
    return tag_digest(Lock(roots=spec_of_document(_document(spec), source="here")))


def _document(spec: ImageSpec) -> dict[str, Any]:
    from imagelock.image_spec.document import document_of

    return document_of(spec)


@given(
    st.lists(WORDS, max_size=5), st.lists(NAMES, max_size=4), st.lists(SHORT.filter(bool)),
    st.dictionaries(st.sampled_from("ABCD"), SHORT), st.randoms(use_true_random=False),
)  # fmt: skip
def test_how_with_is_called_never_changes_a_tag(
    packages: list[str],
    apt: list[str],
    commands: list[str],
    env: dict[str, str],
    random: Random,
) -> None:
    """Packages and variables in any order and grouping; apt's and commands in theirs."""
    at_once = ImageSpec(
        packages=packages, apt_packages=apt, commands=commands, env=env, place=PLACE
    )
    steps: list[tuple[str, Any]] = [("with_packages", one) for one in packages]
    steps += [("with_env", {key: value}) for key, value in env.items()]
    random.shuffle(steps)
    for name, items in (("with_apt_packages", apt), ("with_commands", commands)):
        places = sorted(random.choices(range(len(steps) + 1), k=len(items)))
        for shift, (place, item) in enumerate(zip(places, items, strict=True)):
            steps.insert(place + shift, (name, item if random.random() < 0.5 else [item]))
    spec = ImageSpec(place=PLACE)
    for name, value in steps:
        spec = getattr(spec, name)(value)
    assert tag(spec) == tag(at_once)
    assert spec.id == at_once.id
    assert spec == at_once


@given(fields(), st.sampled_from(["a", "b-c"]), st.sampled_from([None, "localhost:5000/x"]))
def test_name_and_registry_never_change_a_tag(
    drawn: dict[str, Any], name: str, registry: str | None
) -> None:
    spec, other = made(drawn), made({**drawn, "name": name, "registry": registry})
    assert tag(spec) == tag(other)
    assert spec.id == other.id
