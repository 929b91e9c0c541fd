"""Every builder of the entry-point group keeps to the Protocol, under its own name."""

from __future__ import annotations

from importlib.metadata import entry_points

from imagelock.app.fetch import ENGINES
from imagelock.build.engines.buildkit import BuildKitBuilder
from imagelock.build.engines.docker import DockerBuilder
from imagelock.build.engines.podman import PodmanBuilder
from imagelock.build.oci.builder import BuildContext, OciBuilder
from imagelock.ports import Builder

# mypy holds each against the Protocol here.
BUILDERS: list[Builder[BuildContext]] = [
    BuildKitBuilder(),
    DockerBuilder(),
    OciBuilder(),
    PodmanBuilder(),
]


def test_entry_points_are_the_builders_by_name() -> None:
    found = {point.name: point.load() for point in entry_points(group="imagelock.builders")}
    assert {builder.name: type(builder) for builder in BUILDERS} == found
    assert {*found} == {"oci", *ENGINES}
