"""The lock beside the module: resolved when it may be, refused when it may not."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from image_spec.conftest import Maker
from imagelock import CopyFileDetection, ImageBuildEngine, ImageSpec, ImageSpecBuilder
from imagelock.app.files import load_lock
from imagelock.image_spec.locking import wanted_spec
from imagelock.model.errors import BuildError, CheckFailed, UsageError
from imagelock.model.spec import SourceMode, SourceRule
from support.registry import running_registry


def test_the_tag_locks_once_and_then_reads(make: Maker, folder: Path) -> None:
    spec = make(env={"A": "1"})
    tag = spec.tag
    lock = folder / "train.flytekit.lock"
    before = lock.read_bytes()
    assert make(env={"A": "1"}).tag == tag
    assert lock.read_bytes() == before
    assert dict(load_lock(lock).roots.env) == {"A": "1", "_F_IMG_ID": spec.id}
    assert spec.image_name() == f"flytekit:{tag}"
    assert make(env={"A": "1"}, registry="localhost:1/x").image_name() == (
        f"localhost:1/x/flytekit:{tag}"
    )


def test_a_change_is_locked_where_a_person_works(make: Maker) -> None:
    first = make(env={"A": "1"}).tag
    assert make(env={"A": "2"}).tag != first


@pytest.mark.parametrize("variable", ["CI", "IMAGELOCK_FROZEN"])
def test_in_ci_nothing_is_decided(
    make: Maker, folder: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    with pytest.raises(CheckFailed, match="there is none"):
        _ = make().tag
    monkeypatch.delenv(variable)
    tag = make(env={"A": "1"}).tag
    before = (folder / "train.flytekit.lock").read_bytes()
    monkeypatch.setenv(variable, "true")
    assert make(env={"A": "1"}).tag == tag
    with pytest.raises(CheckFailed, match=r"env\.A.*\n(.|\n)*hint: call its lock\(\)"):
        make(env={"A": "2"}).image_name()
    with pytest.raises(CheckFailed, match="an upgrade"):
        make(env={"A": "1"}).lock(upgrade=True)
    assert (folder / "train.flytekit.lock").read_bytes() == before


def test_frozen_can_be_switched_off_in_ci(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("IMAGELOCK_FROZEN", "0")
    assert make().tag


def test_two_specs_do_not_share_a_lock(make: Maker, folder: Path) -> None:
    base = make()
    assert base.tag
    other = base.with_env({"A": "1"})
    with pytest.raises(UsageError, match="have the same lock"):
        _ = other.tag
    assert other.with_name("other").tag
    assert (folder / "train.other.lock").exists()
    assert make(env={"A": "1"}, lock_file="here.lock").tag
    assert (folder / "here.lock").exists()


def test_the_tag_holds_the_copied_files(make: Maker, folder: Path) -> None:
    """flytekit leaves modes and destinations out of its tag."""
    (folder / "conf").mkdir()
    (folder / "conf" / "run").write_text("1")
    tags = {make(copy=["conf"]).tag}
    (folder / "conf" / "run").chmod(0o755)
    tags.add(make(copy=["conf"]).tag)
    (folder / "conf" / "run").write_text("2")
    tags.add(make(copy=["conf"]).tag)
    assert len(tags) == 3


def test_build_gives_the_image_by_digest_and_knows_its_real_name(make: Maker) -> None:
    spec = make(name="small", env={"A": "1"})
    assert spec.exist() is False
    reference = ImageBuildEngine.build(spec)
    assert reference is not None
    assert reference.startswith("small@sha256:")
    assert spec.image_name() == reference
    assert spec.exist() is True
    assert ImageBuildEngine.build(make(name="small", env={"A": "1"})) == reference


@pytest.mark.registry
def test_an_image_of_the_registry_is_named_by_its_digest(
    make: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_registry(tmp_path / "registry") as registry:
        spec = make(name="there", registry=registry.host)
        pushed = ImageBuildEngine.build(spec)
        assert pushed is not None
        assert pushed.startswith(f"{registry.host}/there@sha256:")
        # another process, on a machine that has built nothing
        monkeypatch.setattr(ImageBuildEngine, "real_names", {})
        monkeypatch.setenv("IMAGELOCK_STORE", str(tmp_path / "other"))
        assert ImageBuildEngine.build(spec) == pushed
        assert not list((tmp_path / "other").glob("layouts/*"))
        assert spec.image_name() == pushed


def test_a_base_that_is_an_image_spec_is_locked_built_and_followed(
    make: Maker, folder: Path
) -> None:
    derived = make(name="top", base_image=make(name="below", env={"A": "1"}))
    first = ImageBuildEngine.build(derived)
    assert {path.name for path in folder.glob("*.lock")} == {"train.top.lock", "train.below.lock"}
    roots = load_lock(folder / "train.top.lock").roots
    assert roots.base.spec == "train.below.lock"  # type: ignore[union-attr]
    del derived
    moved = make(name="top", base_image=make(name="below", env={"A": "2"}))
    second = ImageBuildEngine.build(moved)
    assert second != first
    assert moved.tag != ""


def test_a_base_that_moved_elsewhere_is_noticed(
    make: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    top = make(name="top", base_image=make(name="below", env={"A": "1"}))
    before = top.tag
    # Another process locks the base alone.
    del top
    below = make(name="below", env={"A": "2"})
    assert below.tag
    again = make(name="top", base_image=below)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(CheckFailed):
        _ = again.tag
    monkeypatch.delenv("CI")
    assert again.tag != before


def test_nothing_is_built_inside_a_container(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make()
    assert spec.is_container() is False
    monkeypatch.setenv("_F_IMG_ID", spec.id)
    assert spec.is_container() is True
    assert make(env={"A": "1"}).is_container() is False
    assert ImageBuildEngine.build(spec) is None
    assert not spec.lock_path.exists()


class Counting(ImageSpecBuilder):
    """Builds nothing, and counts."""

    def __init__(self, answer: str | None = "fqn.xyz/new") -> None:
        self.answer = answer
        self.built: list[ImageSpec] = []

    def build_image(self, image_spec: ImageSpec) -> str | None:
        self.built.append(image_spec)
        return self.answer


def test_priorities(make: Maker) -> None:
    ten, five = Counting("ten"), Counting("five")
    ImageBuildEngine.register("ten", ten, priority=10)
    ImageBuildEngine.register("five", five)
    registry = ImageBuildEngine.get_registry()
    assert registry["five"] == (five, 5)
    assert "oci" in registry
    assert ImageBuildEngine.build(make()) == "ten"
    assert make().image_name() == "ten"
    assert len(ten.built) == 1
    ImageBuildEngine.build(make())
    assert len(ten.built) == 1, "once in a process"
    assert (
        ImageBuildEngine.build(make(builder="five", lock_file="b.lock", env={"A": "1"})) == "five"
    )
    with pytest.raises(UsageError, match="Image builder flyte is not registered"):
        ImageBuildEngine.build(make(builder="flyte"))


def test_a_builder_that_names_nothing_leaves_the_name(make: Maker) -> None:
    ImageBuildEngine.register("none", Counting(None))
    spec = make(builder="none")
    assert ImageBuildEngine.build(spec) == spec.image_name() == f"flytekit:{spec.tag}"


@pytest.mark.parametrize(
    ("exists", "force", "fast_fail", "builds"),
    [
        (True, False, False, False),
        (True, True, False, True),
        (False, False, False, True),
        (None, False, False, True),
        (None, True, True, True),
        (None, False, True, None),
    ],
)
def test_what_is_built(
    make: Maker,
    monkeypatch: pytest.MonkeyPatch,
    *,
    exists: bool | None,
    force: bool,
    fast_fail: bool,
    builds: bool | None,
) -> None:
    """In flytekit an unknown answer beats force, and otherwise means that the image is there."""
    monkeypatch.setattr(ImageSpec, "exist", lambda _self: exists)
    if fast_fail:
        monkeypatch.setenv("FLYTE_IMG_FAST_FAIL", "TRUE")
    spec = make().force_push().with_env({"A": "1"}) if force else make()
    if builds is None:
        with pytest.raises(BuildError, match="FLYTE_IMG_FAST_FAIL"):
            Counting().should_build(spec)
    else:
        assert Counting().should_build(spec) is builds


def test_force_by_the_environment(make: Maker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageSpec, "exist", lambda _self: True)
    monkeypatch.setenv("FLYTE_FORCE_PUSH_IMAGE_SPEC", "True")
    assert Counting().should_build(make())


def test_exist_is_unknown_without_a_registry_that_answers(make: Maker) -> None:
    """flytekit raises offline."""
    assert make(registry="localhost:9").exist() is None


def test_what_flytekit_adds_leaves_the_lock_good_for_others(make: Maker) -> None:
    spec = make()
    wanted = wanted_spec(spec, for_flytekit=True)
    assert wanted.pip.packages == ("flytekit",)
    assert dict(wanted.env) == {"PYTHONPATH": "/root", "_F_IMG_ID": spec.id}
    assert wanted.image.workdir == "/root"
    own = wanted_spec(
        make(packages=["Flytekit==1.16.0"], env={"PYTHONPATH": "/x"}), for_flytekit=True
    )
    assert own.pip.packages == ("flytekit==1.16.0",)
    assert dict(own.env)["PYTHONPATH"] == "/x"


def test_secrets_that_nothing_reads_are_in_no_lock(make: Maker) -> None:
    secrets = [(".netrc", "/run/netrc")]
    assert make(pip_secret_mounts=secrets).tag == make().tag
    assert wanted_spec(make(pip_secret_mounts=secrets, commands=["true"])).secrets


def test_requirements_are_read_through_their_includes(make: Maker, folder: Path) -> None:
    """flytekit loses ``-r`` and ``-c``, and a new version in them."""
    (folder / "r.txt").write_text("-r more.txt\n-c bounds.txt\n")
    (folder / "more.txt").write_text("rich\n")
    (folder / "bounds.txt").write_text("rich<14\n")
    wanted = wanted_spec(make(requirements="r.txt"))
    assert wanted.pip.all_requirements == ("rich",)
    assert wanted.pip.all_constraints == ("rich<14",)
    with pytest.raises(Exception, match=r"gone\.txt"):
        wanted_spec(make(requirements="gone.txt"))


def test_all_source_is_in_the_lock_by_its_rule(make: Maker) -> None:
    rule = wanted_spec(make(source_root=".", source_copy_mode=CopyFileDetection.ALL)).source
    assert rule == SourceRule(root=".")


def test_loaded_modules_are_in_the_image_and_its_tag_not_in_the_lock(
    make: Maker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("loaded_one", "other_one"):
        (folder / f"{name}.py").write_text("A = 1\n")
    monkeypatch.syspath_prepend(folder)
    spec = make(source_root="..")
    before, lock = spec.tag, spec.lock_path.read_bytes()
    importlib.import_module("loaded_one")
    order = spec.build_order()
    assert order.tag != before
    assert spec.lock_path.read_bytes() == lock
    (rule,) = order.lock.roots.copies
    assert (rule.source, rule.target) == (
        "workflows/loaded_one.py",
        "/root/workflows/loaded_one.py",
    )
    assert order.context_folder.resolve() == folder.parent
    assert ImageBuildEngine.build(spec)
    sys.modules.pop("loaded_one")


def test_an_entry_puts_loaded_modules_into_the_lock(make: Maker, folder: Path) -> None:
    """Then its imports say what is loaded, not this process."""
    (folder / "flow.py").write_text("import helper\n")
    (folder / "helper.py").write_text("A = 1\n")
    spec = make(source_root=".", more={"source": {"entry": ["flow.py"]}})
    rule = wanted_spec(spec).source
    assert rule == SourceRule(root=".", mode=SourceMode.LOADED_MODULES, entry=("flow.py",))
    order = spec.build_order()
    assert order.lock.roots.source == rule
    assert order.lock.roots.copies == ()


def test_builder_options_keep_their_builder(make: Maker) -> None:
    assert wanted_spec(make(builder="docker")).builder.name == "oci"
    chosen = wanted_spec(make(builder="mine", builder_options={"a": 1})).builder
    assert (chosen.name, chosen.options) == ("mine", (("a", 1),))
