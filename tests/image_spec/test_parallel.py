"""Several ImageSpecs at once, in threads and in processes, as a registration builds them."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE
from threading import Barrier
from typing import TypeVar

import pytest

from build.conftest import needs_root
from image_spec.conftest import Maker
from imagelock import ImageBuildEngine, ImageSpec, ImageSpecBuilder
from imagelock.app.build import BuildOrder
from imagelock.app.context import Context, host_context
from imagelock.app.files import load_lock, write_whole
from imagelock.app.record import record_images
from imagelock.app.store import verify_store
from imagelock.app.writers import only_writer
from imagelock.fetch.store import Store
from imagelock.image_spec.building import make_image
from imagelock.lock import encode_lock
from imagelock.model.errors import CheckFailed
from support.minbase import minbase_layout

T = TypeVar("T")

MODULE = """
import logging, sys
from imagelock import ImageBuildEngine, ImageSpec
logging.basicConfig(format="%(message)s", level="INFO")
below = ImageSpec(name="below", base_image="oci:layout", env={"A": "1"})
top = ImageSpec(name="top", base_image=below, env={"B": "2"})
if __name__ == "__main__":
    print("ready", flush=True)
    sys.stdin.read()
    print(ImageBuildEngine.build(top), ImageBuildEngine.build(below))
"""


def at_once(work: Callable[[int], T], count: int) -> list[T]:
    """The answers of as many threads, which begin together."""
    barrier = Barrier(count)

    def begun(number: int) -> T:
        barrier.wait(60)
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begun, range(count)))


def locked_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The locks that were resolved, by what the log says."""
    messages = (record.getMessage() for record in caplog.records)
    return sorted(text.rpartition("/")[2] for text in messages if text.startswith("locking "))


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "layout")


def built_alone(specs: Sequence[ImageSpec], store: Path) -> list[str | None]:
    """What they give one after the other, from the locks there are and a store of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IMAGELOCK_STORE", str(store))
        patch.setenv("CI", "1")
        patch.setattr(ImageBuildEngine, "real_names", {})
        return [ImageBuildEngine.build(spec) for spec in specs]


def test_threads_lock_once_and_give_the_images_of_one_after_the_other(
    make: Maker, folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="imagelock")
    below = make(name="below", env={"A": "1"})
    specs = [make(name=f"n{at}", base_image=below, env={"A": str(at)}) for at in range(3)]

    def build(number: int) -> str | None:
        return ImageBuildEngine.build(specs[number % 3])

    found = at_once(build, 9)
    assert found[:3] == found[3:6] == found[6:]
    names = ["train.below.lock", "train.n0.lock", "train.n1.lock", "train.n2.lock"]
    assert locked_in(caplog) == names, "each once"
    assert left_in(folder) == names
    assert built_alone(specs, tmp_path / "other") == found[:3]
    context = host_context()
    assert verify_store(context).is_whole
    assert list((context.store.root / "tmp").iterdir()) == []


def test_an_image_is_made_once_by_any_number_of_threads(make: Maker) -> None:
    made = Counter[str]()

    class Slow(ImageSpecBuilder):
        def build_image(self, image_spec: ImageSpec) -> str:
            made[image_spec.name] += 1
            # its own image is asked for again by the same thread
            image_spec.image_name()
            return f"{image_spec.name}@{made[image_spec.name]}"

        def should_build(self, image_spec: ImageSpec) -> bool:
            del image_spec
            return True

    ImageBuildEngine.register("slow", Slow())
    specs = [make(name=name, builder="slow") for name in ("a", "b")]
    found = at_once(lambda number: ImageBuildEngine.build(specs[number % 2]), 8)
    assert found == ["a@1", "b@1"] * 4


def test_processes_lock_once_and_give_the_same(folder: Path, tmp_path: Path) -> None:
    (folder / "train.py").write_text(MODULE)
    drop = {"CI", "IMAGELOCK_FROZEN", "_F_IMG_ID"}
    env = {name: value for name, value in os.environ.items() if name not in drop}
    command = [sys.executable, str(folder / "train.py")]
    env["IMAGELOCK_STORE"] = str(tmp_path / "store")
    with ExitStack() as stack:
        started = [
            stack.enter_context(
                subprocess.Popen(command, env=env, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True)
            )
            for _number in range(4)
        ]
        for one in started:
            stack.callback(one.kill)
        for one in started:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        answers = [done.result() for done in _let_go(started)]
    assert [one.returncode for one in started] == [0] * 4, answers
    assert len({out for out, _said in answers}) == 1, answers
    said = "".join(said for _out, said in answers)
    assert said.count("locking ") == 2
    assert left_in(folder) == ["train.below.lock", "train.py", "train.top.lock"]
    assert verify_store(replace(host_context(), store=Store(tmp_path / "store"))).is_whole


def _let_go(started: Sequence[subprocess.Popen[str]]) -> list[Future[tuple[str, str]]]:
    """End the waiting of all at once, and read them beside each other."""
    with ThreadPoolExecutor(len(started)) as pool:
        return [pool.submit(one.communicate, timeout=300) for one in started]


@pytest.mark.root
@pytest.mark.network
@pytest.mark.slow
def test_threads_share_a_real_base_and_its_sandbox(make: Maker, tmp_path: Path) -> None:
    needs_root()
    base = f"oci:{minbase_layout()}"
    specs = [
        make(name=f"n{at}", base_image=base, commands=[f"echo {at} > /opt/n", "sync /opt/n"])
        for at in range(3)
    ]
    found = at_once(lambda number: ImageBuildEngine.build(specs[number]), 3)
    assert len(set(found)) == 3
    assert built_alone(specs, tmp_path / "other") == found
    assert verify_store(host_context()).is_whole


def test_writing_does_not_change_the_umask(tmp_path: Path) -> None:
    """To ask for it is to change it, which other threads would see."""
    before = os.umask(0o077)
    try:
        at_once(lambda number: write_whole(tmp_path / str(number), b"a" * 4096), 16)
        assert os.umask(0o077) == 0o077
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    (tmp_path / "0").chmod(0o640)
    write_whole(tmp_path / "0", b"b")
    assert (tmp_path / "0").stat().st_mode & 0o777 == 0o640


def test_a_lock_has_one_writer(tmp_path: Path) -> None:
    context = replace(host_context(), store=Store(tmp_path / "store"))
    (tmp_path / "link").symlink_to(tmp_path)
    inside = Counter[str]()

    def write(number: int) -> int:
        name = tmp_path / ("link" if number % 2 else ".") / "a.lock"
        with only_writer(name, context):
            inside["now"] += 1
            most = inside["now"]
            (tmp_path / "a.lock").write_text(str(number))
            inside["now"] -= 1
            return most

    assert at_once(write, 8) == [1] * 8
    sealed = Context(store=Store(Path("/proc/none")), http=context.http, now=context.now)
    with only_writer(tmp_path / "a.lock", sealed):
        pass


def order_of(spec: ImageSpec) -> BuildOrder:
    return spec.build_order()


def test_a_record_leaves_what_was_written_meanwhile(make: Maker) -> None:
    spec = make(env={"A": "1"})
    order, result = order_of(spec), make_image(spec).result
    assert result is not None
    context = host_context()
    lock = load_lock(spec.lock_path)
    assert record_images(spec.lock_path, order, result, context=context)
    recorded = spec.lock_path.read_bytes()
    assert load_lock(spec.lock_path).images
    # A second build that began before the first recorded has no records in its order.
    assert order.lock.images == ()
    assert not record_images(spec.lock_path, order, replace(result, images=()), context=context)
    assert spec.lock_path.read_bytes() == recorded
    changed = encode_lock(replace(lock, roots=replace(lock.roots, env=(("A", "2"),))))
    spec.lock_path.write_bytes(changed)
    with pytest.raises(CheckFailed, match="has changed while it was built"):
        record_images(spec.lock_path, order, result, context=context)
    assert spec.lock_path.read_bytes() == changed
