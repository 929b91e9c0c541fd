"""The plan: which steps, in which order, and what their keys depend on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagelock.model.archives import Artifact
from imagelock.model.errors import LockError
from imagelock.model.lock import (
    BASE_ROOT,
    SPEC_ROOT,
    AptPin,
    BaseKind,
    BasePin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import deb_name, digest, pip_name, sha256
from imagelock.model.pip_spec import PipSpec
from imagelock.model.plan import AptStep, ImagePlan, WheelsStep
from imagelock.model.platform import DEFAULT_PLATFORM, Platform
from imagelock.model.spec import CopyRule, DistributionBase, ImageConfig, RunRule, SourceRule, Spec
from imagelock.plan import plan_image
from imagelock.plan.pip import BIG_WHEELS

ARM = Platform("linux/arm64")


def hashed(text: str) -> str:
    import hashlib

    return hashlib.sha256(text.encode()).hexdigest()


def deb(name: str, *, base: bool = False, who: str = SPEC_ROOT) -> AptPin:
    return AptPin(
        name=deb_name(name),
        version="1",
        architecture="amd64",
        suite="bookworm",
        source=name,
        artifact=Artifact(archive="debian", path=name, sha256=sha256(hashed(name)), size=1),
        platforms=(DEFAULT_PLATFORM,),
        required_by=(Requirer(name=who),),
        base=base,
    )


def wheel(name: str, size: int = 10) -> PipPin:
    return PipPin(
        name=pip_name(name),
        version="1",
        artifact=Artifact(
            archive="pypi", path=f"p/{name}.whl", sha256=sha256(hashed(name)), size=size
        ),
        platforms=(DEFAULT_PLATFORM,),
        required_by=(Requirer(name=SPEC_ROOT),),
    )


PYTHON = PythonPin(
    version="3.11.2",
    implementation="cpython",
    provider=PythonProvider.APT,
    executable="/usr/bin/python3.11",
    platforms=(DEFAULT_PLATFORM,),
)
LOCK = Lock(
    roots=Spec(
        name="t",
        base=DistributionBase(distribution="debian:bookworm"),
        env=(("A", "1"),),
        image=ImageConfig(workdir="/app"),
        copies=(CopyRule(source="a", target="/a"),),
        runs=(RunRule(commands=("true",)),),
        source=SourceRule(root="src"),
    ),
    bases=(
        BasePin(
            kind=BaseKind.DISTRIBUTION,
            reference="debian:bookworm",
            digest=digest("sha256:" + "0" * 64),
            platforms=(DEFAULT_PLATFORM,),
        ),
    ),
    apt=(deb("git"), deb("apt", base=True, who=BASE_ROOT), deb("dpkg", base=True, who=BASE_ROOT)),
    pythons=(PYTHON,),
    pip=(wheel("small"), wheel("big", 9_000_000), wheel("also-small")),
)


def plan(lock: Lock = LOCK) -> ImagePlan:
    return plan_image(lock, DEFAULT_PLATFORM)


def keys(lock: Lock) -> list[str]:
    return [step.key for step in plan(lock).steps]


def test_the_steps_are_in_the_order_of_change() -> None:
    assert [step.title for step in plan().steps] == [
        "base: debian:bookworm",
        "apt: 1 package",
        "venv: Python 3.11.2",
        "pip: 2 packages",
        "pip: big 1",
        "copy: 1 rule",
        "run 1: true",
        "source: src",
    ]
    first = plan().steps[0]
    assert isinstance(first, AptStep)
    assert first.bootstrap
    assert "Suites: bookworm bookworm-updates" in first.sources
    assert plan().bootstrapped


def test_the_config_finds_the_venv() -> None:
    config = plan().config
    assert config.prepend_path == ("/opt/venv/bin",)
    assert config.env == (("A", "1"), ("VIRTUAL_ENV", "/opt/venv"))


def test_without_wheels_there_is_no_venv() -> None:
    bare = plan(replace(LOCK, pip=()))
    assert not any("venv" in step.title for step in bare.steps)
    assert bare.config.prepend_path == ()


def test_a_path_of_the_spec_is_taken_as_it_is() -> None:
    lock = replace(LOCK, roots=replace(LOCK.roots, env=(("PATH", "/x"),)))
    assert plan(lock).config.prepend_path == ()


def test_a_named_interpreter_needs_no_venv() -> None:
    roots = replace(LOCK.roots, pip=PipSpec(python_exec="/usr/bin/python3"))
    steps = plan(replace(LOCK, roots=roots)).steps
    assert not any("venv" in step.title for step in steps)
    assert {step.prefix for step in steps if isinstance(step, WheelsStep)} == {""}


def test_keys_do_not_depend_on_names_archives_reasons_or_order() -> None:
    elsewhere = tuple(
        replace(pin, artifact=replace(pin.artifact, archive="mirror"), suite="other")
        for pin in reversed(LOCK.apt)
    )
    roots = replace(LOCK.roots, name="another", registry="r.example", tag_format="{name}")
    assert keys(replace(LOCK, apt=elsewhere, roots=roots, pip=LOCK.pip[::-1])) == keys(LOCK)


@pytest.mark.parametrize(
    ("number", "changed"),
    [
        (0, replace(LOCK, apt=(*LOCK.apt, deb("new", base=True)))),
        (1, replace(LOCK, apt=(*LOCK.apt, deb("new")))),
        (3, replace(LOCK, pip=(*LOCK.pip, wheel("new")))),
        (4, replace(LOCK, pip=(*LOCK.pip[::2], replace(LOCK.pip[1], requested=True)))),
        (5, replace(LOCK, roots=replace(LOCK.roots, copies=(CopyRule(source="b", target="/a"),)))),
        (6, replace(LOCK, roots=replace(LOCK.roots, runs=(RunRule(commands=("false",)),)))),
    ],
)
def test_a_change_moves_the_key_of_its_layer_alone(number: int, changed: Lock) -> None:
    before, after = keys(LOCK), keys(changed)
    assert [i for i, (one, two) in enumerate(zip(before, after, strict=True)) if one != two] == [
        number
    ]


def test_the_recipe_is_in_every_key() -> None:
    assert not set(keys(LOCK)) & set(keys(replace(LOCK, recipe=2)))


def test_layers_of_one_wheel_are_capped() -> None:
    many = tuple(wheel(f"w{number:03}", 6_000_000 + number) for number in range(BIG_WHEELS + 5))
    steps = [step for step in plan(replace(LOCK, pip=many)).steps if isinstance(step, WheelsStep)]
    assert len(steps) == BIG_WHEELS + 1
    assert [pin.name for pin in steps[0].wheels] == [f"w{number:03}" for number in range(5)]


def test_another_platform_has_its_own_packages() -> None:
    with pytest.raises(LockError, match=r"no \[\[base\]\] for"):
        plan_image(LOCK, ARM)
