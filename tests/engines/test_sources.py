"""Sources in rendered folders: the wheel that the embedded builder builds, by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from engines.conftest import CANARY, EngineSite, small_lock, written
from imagelock.build.engines.folder import SUMS
from imagelock.build.oci.builder import OciBuilder
from imagelock.model.errors import CheckFailed
from imagelock.model.lock import BuiltWheel, ImageRecord, Lock
from imagelock.model.names import digest, pip_name, sha256
from imagelock.model.platform import DEFAULT_PLATFORM
from imagelock.render import Dialect

pytestmark = [pytest.mark.network, pytest.mark.root]

WHEEL = "made-1.0-py3-none-any.whl"


def recorded(lock: Lock, wheel: str) -> Lock:
    """The lock with the record of a build that made this wheel."""
    record = ImageRecord(
        platform=DEFAULT_PLATFORM,
        manifest_digest=digest("sha256:" + "1" * 64),
        image_id=digest("sha256:" + "2" * 64),
        wheels=(BuiltWheel(name=pip_name("made"), sha256=sha256(wheel)),),
    )
    return replace(lock, images=(record,))


def test_the_folder_holds_the_wheel_of_the_embedded_builder(
    site: EngineSite, tmp_path: Path
) -> None:
    lock = small_lock(site, secret=True)
    (image,) = OciBuilder().images(lock, [], context=site.context())
    (built,) = image.image.wheels
    kept = recorded(lock, built.sha256)
    for dialect in (Dialect.BUILDKIT, Dialect.PODMAN):
        folder = written(kept, tmp_path / dialect, site, dialect=dialect).path
        (wheel,) = folder.rglob(WHEEL)
        assert hashlib.sha256(wheel.read_bytes()).hexdigest() == built.sha256
        step = wheel.parents[1]
        assert f"{built.sha256}  wheels/{WHEEL}\n" in (step / SUMS).read_text()
        wanted = f"made==1.0 --hash=sha256:{built.sha256}\n"
        assert (step / "requirements.txt").read_text() == wanted
        assert not list(folder.rglob("*.tar.gz"))
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert not any(CANARY.encode() in path.read_bytes() for path in files)
    # A layer that was shared, or outlived its wheel, is no wheel: it is built again.
    site.store.path(built.sha256).unlink()
    again = written(kept, tmp_path / "again", site, dialect=Dialect.BUILDKIT).path
    assert len(list(again.rglob(WHEEL))) == 1


def test_a_wheel_that_is_not_the_recorded_one_is_refused(site: EngineSite, tmp_path: Path) -> None:
    with pytest.raises(CheckFailed, match="recorded as 0000") as refused:
        written(
            recorded(small_lock(site, secret=False), "0" * 64),
            tmp_path / "x",
            site,
            dialect=Dialect.DOCKER,
        )
    assert "--record" in refused.value.hint
    assert not any((tmp_path / "x").iterdir())
