"""A spec with a channel of real packages: locked, built, run; and bounded by ``[gpu]``."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from imagelock.app.files import load_lock
from support.command import Called, call
from support.conda_channel import Channel, CondaPackage, conda_package
from support.conda_examples import packages
from support.conda_python import real_python
from support.minbase import minbase_layout

pytestmark = [pytest.mark.network]  # the base is made of Debian's packages the first time

SPEC = """
name = "t"
[base]
layout = "oci:base"
[conda]
packages = [{packages}]
channels = ["./channel"]
"""


@dataclass(frozen=True, slots=True)
class Project:
    """A spec beside its channel and base, with a store of its own."""

    folder: Path

    def write(self, *names: str, more: str = "") -> None:
        listed = ", ".join(f'"{name}"' for name in names)
        (self.folder / "t.toml").write_text(SPEC.format(packages=listed) + more)

    def call(self, *arguments: str) -> Called:
        return call(*arguments, env={"IMAGELOCK_STORE": str(self.folder / "store")})

    def lock(self, *names: str, more: str = "") -> dict[str, str]:
        """The versions of the conda packages that are locked."""
        self.write(*names, more=more)
        done = self.call("lock", str(self.folder / "t.toml"))
        assert done.code == 0, done.err
        return {pin.name: pin.version for pin in load_lock(self.folder / "t.lock").conda}

    def build(self) -> dict[str, Any]:
        out = f"oci:{self.folder}/out"
        done = self.call("build", str(self.folder / "t.toml"), "--output", out, "--json")
        assert done.code == 0, done.err
        value: dict[str, Any] = json.loads(done.out)
        return value


def project(folder: Path, made: list[CondaPackage]) -> Project:
    folder.mkdir(exist_ok=True)
    Channel(made).write(folder / "channel")
    (folder / "base").symlink_to(minbase_layout())
    return Project(folder)


def real_channel() -> list[CondaPackage]:
    return [real_python(), *(p for p in packages() if p.entry["name"] != "python")]


@pytest.mark.root
def test_locked_built_run_and_verified(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = project(tmp_path / "one", real_channel())
    assert made.lock("pure", "greet") == {
        "greet": "2.1",
        "pure": "0.3",
        "python": "3.11.2",
    }
    text = (made.folder / "t.lock").read_text()
    assert str(tmp_path) not in text
    assert "file:" not in text
    report = made.build()
    capfd.readouterr()
    done = made.call("run", f"oci:{made.folder}/out", "--", "sh", "-ec", "pure && greet")
    assert done.code == 0, done.err
    assert capfd.readouterr().out.split() == [
        "pure",
        "/opt/conda/share/greeting",
        "/opt/conda/bin:/opt/conda/sbin",
    ]
    assert made.call("verify", str(made.folder / "t.lock"), f"oci:{made.folder}/out").code == 0
    # What was built is no base for conda packages: theirs would go into the same folder.
    (made.folder / "on.toml").write_text(
        SPEC.format(packages='"data"').replace('"oci:base"', '"oci:out"')
    )
    refused = made.call("lock", str(made.folder / "on.toml"))
    assert refused.code == 2
    assert "has a conda environment at /opt/conda already" in refused.err
    # The same project in another place, with another store: the same image.
    other = tmp_path / "elsewhere"
    other.mkdir()
    for name in ("channel", "t.toml", "t.lock"):
        copy = shutil.copytree if (made.folder / name).is_dir() else shutil.copy
        copy(made.folder / name, other / name)
    (other / "base").symlink_to(minbase_layout())
    assert Project(other).build()["index_digest"] == report["index_digest"]


def test_one_more_package_moves_nothing_else(tmp_path: Path) -> None:
    made = project(tmp_path / "one", real_channel())
    before = made.lock("pure")
    newer = conda_package("pure", "9.9", noarch="python", files={"site-packages/pure.py": ""})
    Channel([*real_channel(), newer]).write(made.folder / "channel")
    assert made.lock("pure", "data") == {**before, "data": "1.0"}
    done = made.call("lock", "--check", str(made.folder / "t.toml"))
    assert done.code == 0, done.err


def cuda_channel() -> list[CondaPackage]:
    """One library built for two versions of CUDA, as conda-forge has them."""
    made = [
        conda_package("cuda-version", version, noarch="generic", constrains=["__cuda >=12"])
        for version in ("12.4", "12.6", "12.8")
    ]
    for version, cuda, cudnn in (("1.0", "12.4", "9.1"), ("2.0", "12.6", "9.3")):
        major = [f"cuda-version >={cuda},<13", "__cuda >=12", f"cudnn {cudnn}.*"]
        made.append(conda_package("train", version, "cuda_0", depends=major))
    made.append(conda_package("train", "2.0", "cpu_0", depends=[]))
    made += [conda_package("cudnn", version) for version in ("9.1.0.70", "9.3.0.75")]
    return made


def test_conda_takes_what_fits_the_cuda_version(tmp_path: Path) -> None:
    made = project(tmp_path / "one", cuda_channel())

    def locked(gpu: str) -> dict[str, str]:
        return made.lock("train * cuda*", more=f"[gpu]\n{gpu}\n")

    newest = locked('cuda = "12.8"')
    assert (newest["train"], newest["cuda-version"]) == ("2.0", "12.8")
    older = locked('cuda = "12.4"')
    assert (older["train"], older["cuda-version"]) == ("1.0", "12.4")
    assert locked('cuda = "12.8"\ncudnn = "9.1"')["train"] == "1.0"
    assert made.lock("train") == {"train": "2.0"}, "the CPU build without [gpu]"
    lock = load_lock(made.folder / "t.lock")
    assert {pin.build for pin in lock.conda} == {"cpu_0"}


def test_what_no_cuda_version_allows_is_said_with_a_way_out(tmp_path: Path) -> None:
    made = project(tmp_path / "one", cuda_channel())
    made.write("train 2.0 cuda*", more='[gpu]\ncuda = "12.4"\n')
    done = made.call("lock", str(made.folder / "t.toml"))
    assert done.code == 3
    assert "cuda-version" in done.err
    made.write("train 2.0 cuda*")
    done = made.call("lock", str(made.folder / "t.toml"))
    assert done.code == 3
    assert "[gpu] cuda" in done.err


def test_a_channel_whose_package_changed_after_it_was_indexed_is_exit_5(tmp_path: Path) -> None:
    data = conda_package("data", noarch="generic", files={"share/data.txt": "data\n"})
    made = project(tmp_path / "one", [data])
    made.lock("data")
    changed = bytearray(data.data)
    changed[-1] ^= 1
    (made.folder / "channel" / "noarch" / data.filename).write_bytes(changed)
    out = tmp_path / "out"
    done = made.call("build", str(made.folder / "t.toml"), "--output", f"oci:{out}")
    assert done.code == 5, done.err
    assert data.filename in done.err
    assert not out.exists()
