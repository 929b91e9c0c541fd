"""The arguments of what makes an image, runs it, and holds it against its lock."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from imagelock.cli.arguments_common import EXIT_CODES, lock_arguments, platform_argument
from imagelock.cli.lazy import lazy

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands

_IMAGES: Final = "oci:DIR, oci-archive:FILE, docker-archive:FILE, docker:REF (an engine's)"


def add_build(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``build``."""
    build = commands.add_parser(
        "build", parents=[common], help="build the image of a lock", epilog=EXIT_CODES
    )
    lock_arguments(build)
    build.add_argument("--builder", metavar="NAME", help="the builder; default: the spec's")
    build.add_argument(
        "--output",
        metavar="oci:DIR|oci-archive:FILE|docker|registry",
        help="where the image goes; default: the store",
    )
    platform_argument(build)
    held = build.add_mutually_exclusive_group()
    held.add_argument(
        "--record", action="store_true", help="write the images' digests into the lock"
    )
    held.add_argument(
        "--check",
        action="store_true",
        help="build twice, and compare with each other and with the recorded digests",
    )
    build.add_argument(
        "--check-runs", action="store_true", help="make every [[run]] twice, and compare"
    )
    build.add_argument(
        "--push", action="store_true", help="push it to the spec's registry; also --output registry"
    )
    build.add_argument(
        "--force", action="store_true", help="push although the tag names another image"
    )
    build.add_argument(
        "--cache-from", metavar="REF", help="take layers from this repository, registry/name"
    )
    build.add_argument(
        "--cache-to", metavar="REF", help="share layers in this repository, registry/name"
    )
    build.add_argument("--offline", action="store_true", help="use the store alone")
    build.add_argument("--dry-run", action="store_true", help="show the plan, build nothing")
    build.set_defaults(command=lazy("build"))


def add_render(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``render``."""
    render = commands.add_parser(
        "render",
        parents=[common],
        help="write a Dockerfile and its context, to build with an engine",
        epilog=EXIT_CODES,
    )
    render.add_argument("paths", nargs="+", metavar="SPEC|LOCK", help="several for bake alone")
    render.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    render.add_argument("folder", metavar="DIR", help="not there yet, or empty")
    render.add_argument(
        "--for",
        dest="dialect",
        choices=("docker", "buildkit", "bake", "podman"),
        default="docker",
        help="who builds it: any engine (%(default)s), BuildKit, buildx bake, or podman",
    )
    platform_argument(render)
    render.add_argument("--offline", action="store_true", help="use the store alone")
    render.set_defaults(command=lazy("render"))


def add_run(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``run``."""
    run = commands.add_parser(
        "run", parents=[common], help="run a command in a built image, without a daemon"
    )
    run.add_argument("image", metavar="SPEC|LOCK|IMAGE", help=f"a lock, or {_IMAGES}")
    run.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    run.add_argument("--platform", metavar="P", help="default: this machine's")
    run.add_argument("--offline", action="store_true", help="use the store alone")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="[--] CMD…")
    run.set_defaults(command=lazy("run"))


def add_image(commands: Commands, common: argparse.ArgumentParser) -> None:
    """``exists`` and ``verify``."""
    exists = commands.add_parser(
        "exists",
        parents=[common],
        help="is the image in its registry: yes 0, no 1, unknown 4",
    )
    lock_arguments(exists)
    platform_argument(exists)
    exists.set_defaults(command=lazy("image", "run_exists"))
    verify = commands.add_parser(
        "verify", parents=[common], help="does an image hold what a lock says"
    )
    verify.add_argument("path", metavar="LOCK")
    verify.add_argument("image", metavar="IMAGE", help=f"{_IMAGES}, or a reference in a registry")
    platform_argument(verify)
    verify.set_defaults(command=lazy("image", "run_verify"))
