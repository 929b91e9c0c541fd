"""The builder `buildkit` on a real BuildKit."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from engines.conftest import CANARY, REAL, EngineSite, small_lock, written
from engines.same_tree import build_and_compare, fail_at_its_step
from imagelock.build.engines.buildkit import BuildKitBuilder, _BuildKitSession
from imagelock.build.engines.squash import squashed_entries
from imagelock.model.errors import BuildError, UsageError
from imagelock.model.lock import BaseKind, BasePin, Lock
from imagelock.model.platform import Platform
from imagelock.model.spec import BuilderChoice, CopyRule, LayoutBase, Spec
from imagelock.registry.archive import REFERENCE, archive_source
from imagelock.registry.layout import LayoutSource
from imagelock.render import Dialect
from imagelock.render.bake import bake_json
from support.buildkit import BuildKit, buildkit_port
from support.layouts import Entry, LayoutWriter, tar_of

pytestmark = [*REAL, pytest.mark.usefixtures("buildkit")]


def options(lock: Lock, **values: str) -> Lock:
    from dataclasses import replace

    choice = BuilderChoice(name="buildkit", options=tuple(sorted(values.items())))
    return replace(lock, roots=replace(lock.roots, builder=choice))


def test_the_tree_is_that_of_the_embedded_builder(site: EngineSite, buildkit: BuildKit) -> None:
    result = build_and_compare(BuildKitBuilder(), site, secret=True)
    assert "BuildKit" in result.engine
    assert "Docker 26" in result.engine
    titles = [layer.title for layer in result.images[0].layers]
    assert titles[1:4] == ["apt: 1 package", "venv: Python 3.11.2", "pip: 1 package"]
    history = buildkit.docker("buildx", "du", "--verbose").stdout
    assert "run.sh" in history
    assert CANARY not in history


def test_a_failing_command_is_placed_at_its_step(site: EngineSite) -> None:
    fail_at_its_step(BuildKitBuilder(), site, secret=True)


def test_a_remote_builder_by_name(site: EngineSite, buildkit: BuildKit) -> None:
    lock = small_lock(site, secret=True, commands=("exit 3",))
    with buildkit_port(buildkit) as port:
        address = f"tcp://127.0.0.1:{port}"
        buildkit.docker("buildx", "create", "--name", "far", "--driver", "remote", address)
        with pytest.raises(BuildError, match="driver remote"):
            BuildKitBuilder().build(
                options(lock, builder="far"), [], f"oci:{site.folder / 'x'}", context=site.context()
            )
    with pytest.raises(BuildError) as missing:
        BuildKitBuilder().build(
            options(lock, builder="nobody"), [], "oci:x", context=site.context()
        )
    assert "nobody" in missing.value.message


def test_what_is_missing_is_said_before_anything_is_built(site: EngineSite) -> None:
    lock = small_lock(site, secret=False)
    with pytest.raises(UsageError, match="unknown option 'level'"):
        BuildKitBuilder().build(options(lock, level="1"), [], "oci:x", context=site.context())
    # Which platforms the machine's kernel can run is its own business, so not asked here.
    session = _BuildKitSession(
        engine="BuildKit", arguments=(), platforms=("linux/amd64",), caches={}
    )
    with pytest.raises(BuildError, match="does not run linux/s390x") as refused:
        session.refuse(Platform("linux/s390x"))
    assert "binfmt" in refused.value.hint


def test_bake_takes_what_is_rendered(site: EngineSite, buildkit: BuildKit, tmp_path: Path) -> None:
    lock = small_lock(site, secret=True)
    rendered = written(lock, tmp_path, site, dialect=Dialect.BUILDKIT).rendered
    (tmp_path / "docker-bake.json").write_text(bake_json({".": ("small:1", rendered)}))
    shown = subprocess.run(
        ["docker", "buildx", "bake", "-f", "docker-bake.json", "--print"],
        cwd=tmp_path,
        env=buildkit.environment,
        capture_output=True,
        check=True,
    )
    target = json.loads(shown.stdout)["target"]["image"]
    assert target["args"]["SOURCE_DATE_EPOCH"] == str(rendered.epoch)
    assert target["tags"] == ["small:1"]
    assert not any(CANARY.encode() in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())


def test_both_platforms_from_one_dockerfile(
    site: EngineSite, buildkit: BuildKit, tmp_path: Path
) -> None:
    """Nothing runs, so that no emulator is needed: a base of each platform, and a copied file."""
    writer = LayoutWriter(tmp_path / "base")
    platforms = (Platform("linux/amd64"), Platform("linux/arm64"))
    writer.finish(
        [
            writer.image([tar_of([Entry(f"of-{p.architecture}")])], platform=p.text)
            for p in platforms
        ]
    )
    reference = f"oci:{tmp_path / 'base'}"
    source = LayoutSource(site.store, folder=tmp_path)
    (site.folder / "app.ini").write_text("[app]\n")
    lock = Lock(
        roots=Spec(
            name="t",
            base=LayoutBase(layout=reference),
            platforms=platforms,
            copies=(CopyRule(source="app.ini", target="/app/"),),
        ),
        bases=tuple(
            BasePin(
                kind=BaseKind.LAYOUT,
                reference=reference,
                digest=source.digest(reference, platform),
                platforms=(platform,),
            )
            for platform in platforms
        ),
    )
    folder = tmp_path / "context"
    rendered = written(lock, folder, site, dialect=Dialect.BUILDKIT, platforms=platforms).rendered
    buildkit.docker(
        *("buildx", "build", "--provenance=false", "--platform=linux/amd64,linux/arm64"),
        f"--build-arg=SOURCE_DATE_EPOCH={rendered.epoch}",
        f"--output=type=oci,dest={tmp_path / 'image.tar'},rewrite-timestamp=true",
        str(folder),
    )
    (tmp_path / "read").mkdir()
    with (tmp_path / "image.tar").open("rb") as stream:
        found = archive_source(stream, tmp_path / "read", where="test")
    for platform in platforms:
        image = found.image(REFERENCE, found.digest(REFERENCE, platform), platform)
        entries = squashed_entries(
            [(layer, found.layer(REFERENCE, layer)) for layer in image.layers]
        )
        wanted = {"app", "app/app.ini", f"of-{platform.architecture}"}
        assert {entry.path for entry in entries if entry.path} == wanted


@pytest.mark.slow
def test_a_secret_in_the_image_is_refused(site: EngineSite) -> None:
    lock = small_lock(site, secret=True, commands=("cp /run/secrets/token /kept",))
    with pytest.raises(BuildError, match="wrote a secret into the image"):
        BuildKitBuilder().build(lock, [], f"oci:{site.folder / 'x'}", context=site.context())
    assert not (site.folder / "x").exists()
