"""The arguments of every command, one function a command.

Each names its module of ``commands``, which is imported when the command is called, so that
``imagelock tag`` does not pay for what ``imagelock build`` needs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from imagelock.cli.arguments_git import add_git
from imagelock.cli.arguments_import import add_import
from imagelock.cli.lazy import lazy
from imagelock.cli.numbers import days, levels

if TYPE_CHECKING:
    from imagelock.cli.lazy import Commands

_IMAGES: Final = "oci:DIR, oci-archive:FILE, docker-archive:FILE, docker:REF (an engine's)"
EXIT_CODES: Final = """exit codes: 0 done, 1 a check said no, 2 the call or the spec is wrong, 3 no
solution, 4 network or registry, 5 integrity, 6 the build failed, 130 interrupted"""
EXPORTS: Final = ("requirements", "pylock", "conda-explicit", "cyclonedx", "spdx")


def _lock_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("path", metavar="SPEC|LOCK")
    command.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")


def _platform_argument(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="one of the lock's platforms; may be repeated; default: all of them",
    )


def _init(commands: Commands, common: argparse.ArgumentParser) -> None:
    init = commands.add_parser("init", parents=[common], help="write a new spec")
    init.add_argument("spec", nargs="?", default="image.toml", help="the file (%(default)s)")
    init.add_argument("--name", help="the image's name; default: the file's")
    init.add_argument("--base", default="debian:bookworm", help="a distribution (%(default)s)")
    init.add_argument("--python", help="a version or specifier")
    init.set_defaults(command=lazy("init"))


def _edits(commands: Commands, common: argparse.ArgumentParser) -> None:
    for name, help_text in (
        ("add", "add packages to a spec"),
        ("remove", "remove packages from a spec"),
    ):
        edit = commands.add_parser(name, parents=[common], help=help_text)
        edit.add_argument("packages", nargs="+", metavar="PKG")
        edit.add_argument("--spec", default="image.toml", help="the spec (%(default)s)")
        kind = edit.add_mutually_exclusive_group()
        kind.add_argument("--apt", dest="kind", action="store_const", const="apt")
        kind.add_argument("--conda", dest="kind", action="store_const", const="conda")
        kind.add_argument("--pip", dest="kind", action="store_const", const="pip")
        edit.set_defaults(command=lazy("edit", name), kind="pip")


def _lock(commands: Commands, common: argparse.ArgumentParser) -> None:
    lock = commands.add_parser(
        "lock", parents=[common], help="resolve specs into locks", epilog=EXIT_CODES
    )
    lock.add_argument("specs", nargs="+", metavar="SPEC")
    lock.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    lock.add_argument(
        "--check", action="store_true", help="only say whether the lock fits the spec; no network"
    )
    moves = lock.add_mutually_exclusive_group()
    moves.add_argument("--upgrade", action="store_true", help="let every package move")
    moves.add_argument(
        "-P",
        "--upgrade-package",
        action="append",
        default=[],
        metavar="NAME",
        help="let this package move; may be repeated",
    )
    moves.add_argument(
        "--security",
        action="store_true",
        help="let the packages move that a security suite has newer versions of",
    )
    lock.add_argument(
        "--as-of", metavar="DATE", help="resolve as on this day (YYYY-MM-DD or RFC 3339)"
    )
    lock.add_argument("--offline", action="store_true", help="use the store alone")
    lock.add_argument(
        "--platform",
        action="append",
        default=[],
        metavar="P",
        help="resolve again for this platform only, keep the pins of the others; may be repeated",
    )
    lock.add_argument("--dry-run", action="store_true", help="show the diff, write nothing")
    lock.set_defaults(command=lazy("lock"))


def _build(commands: Commands, common: argparse.ArgumentParser) -> None:
    build = commands.add_parser(
        "build", parents=[common], help="build the image of a lock", epilog=EXIT_CODES
    )
    _lock_arguments(build)
    build.add_argument("--builder", metavar="NAME", help="the builder; default: the spec's")
    build.add_argument(
        "--output",
        metavar="oci:DIR|oci-archive:FILE|docker|registry",
        help="where the image goes; default: the store",
    )
    _platform_argument(build)
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


def _render(commands: Commands, common: argparse.ArgumentParser) -> None:
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
    _platform_argument(render)
    render.add_argument("--offline", action="store_true", help="use the store alone")
    render.set_defaults(command=lazy("render"))


def _run(commands: Commands, common: argparse.ArgumentParser) -> None:
    run = commands.add_parser(
        "run", parents=[common], help="run a command in a built image, without a daemon"
    )
    run.add_argument("image", metavar="SPEC|LOCK|IMAGE", help=f"a lock, or {_IMAGES}")
    run.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    run.add_argument("--platform", metavar="P", help="default: this machine's")
    run.add_argument("--offline", action="store_true", help="use the store alone")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="[--] CMD…")
    run.set_defaults(command=lazy("run"))


def _diff(commands: Commands, common: argparse.ArgumentParser) -> None:
    diff = commands.add_parser(
        "diff", parents=[common], help="what changed between two locks, and why"
    )
    diff.add_argument("old", metavar="OLD", help="a lock file, or REV:PATH in git")
    diff.add_argument("new", metavar="NEW", help="a lock file, or REV:PATH in git")
    diff.add_argument("--format", choices=("text", "markdown", "json", "html"), default="text")
    diff.add_argument("--exit-code", action="store_true", help="exit with 1 when the locks differ")
    diff.set_defaults(command=lazy("diff"))


def _tag(commands: Commands, common: argparse.ArgumentParser) -> None:
    tag = commands.add_parser("tag", parents=[common], help="the tag of a lock")
    _lock_arguments(tag)
    tag.add_argument(
        "--canonical",
        action="store_true",
        help="print the canonical JSON that the tag is the sha256 of",
    )
    tag.set_defaults(command=lazy("tag"))


def _show(commands: Commands, common: argparse.ArgumentParser) -> None:
    show = commands.add_parser("show", parents=[common], help="what a lock holds")
    _lock_arguments(show)
    show.set_defaults(command=lazy("show"))


def _outdated(commands: Commands, common: argparse.ArgumentParser) -> None:
    outdated = commands.add_parser(
        "outdated", parents=[common], help="the locked packages that have newer versions"
    )
    _lock_arguments(outdated)
    _platform_argument(outdated)
    outdated.set_defaults(command=lazy("outdated"))


def _image(commands: Commands, common: argparse.ArgumentParser) -> None:
    exists = commands.add_parser(
        "exists",
        parents=[common],
        help="is the image in its registry: yes 0, no 1, unknown 4",
    )
    _lock_arguments(exists)
    _platform_argument(exists)
    exists.set_defaults(command=lazy("image", "run_exists"))
    verify = commands.add_parser(
        "verify", parents=[common], help="does an image hold what a lock says"
    )
    verify.add_argument("path", metavar="LOCK")
    verify.add_argument("image", metavar="IMAGE", help=f"{_IMAGES}, or a reference in a registry")
    _platform_argument(verify)
    verify.set_defaults(command=lazy("image", "run_verify"))


def _graph(commands: Commands, common: argparse.ArgumentParser) -> None:
    why = commands.add_parser("why", parents=[common], help="why a package is in a lock")
    why.add_argument("path", metavar="SPEC|LOCK")
    why.add_argument("name", metavar="NAME")
    why.add_argument("--lock", metavar="PATH", help="the lock file; default: beside the spec")
    why.set_defaults(command=lazy("graph", "run_why"))
    tree = commands.add_parser("tree", parents=[common], help="what requires what")
    _lock_arguments(tree)
    tree.add_argument("--kind", choices=("apt", "conda", "pip", "pip-build"), help="one kind alone")
    tree.add_argument("--depth", type=levels, default=99, metavar="N", help="levels to show")
    tree.add_argument("--base", action="store_true", help="the packages of the base too")
    tree.set_defaults(command=lazy("graph", "run_tree"))


def _fetch(commands: Commands, common: argparse.ArgumentParser) -> None:
    fetch = commands.add_parser(
        "fetch", parents=[common], help="fill the store with what a lock needs, to build offline"
    )
    _lock_arguments(fetch)
    _platform_argument(fetch)
    fetch.set_defaults(command=lazy("fetch"))


def _export(commands: Commands, common: argparse.ArgumentParser) -> None:
    export = commands.add_parser(
        "export", parents=[common], help="a lock in the words of other tools"
    )
    _lock_arguments(export)
    export.add_argument("--format", choices=EXPORTS, required=True)
    export.add_argument(
        "--platform", metavar="P", help="one of the lock's platforms; not for pylock"
    )
    export.add_argument(
        "--licenses", action="store_true", help="read them in the packages, which are fetched"
    )
    export.add_argument("-o", "--output", metavar="FILE", help="default: standard output")
    export.set_defaults(command=lazy("export"))


def _store(commands: Commands, common: argparse.ArgumentParser) -> None:
    store = commands.add_parser("store", help="the store of downloads and layers")
    actions = store.add_subparsers(title="actions", metavar="ACTION", required=True)
    path = actions.add_parser("path", parents=[common], help="print the store's folder")
    path.set_defaults(command=lazy("store", "path"))
    verify = actions.add_parser(
        "verify", parents=[common], help="read every entry against its hash"
    )
    verify.add_argument("--repair", action="store_true", help="remove what is damaged")
    verify.set_defaults(command=lazy("store", "verify"))
    gc = actions.add_parser("gc", parents=[common], help="remove what was not used for a while")
    gc.add_argument(
        "--unused", type=days, metavar="DAYS", help="how long ago it was last used; default: 30"
    )
    gc.add_argument(
        "--keep", action="append", default=[], metavar="LOCK", help="keep its artifacts"
    )
    gc.add_argument("--dry-run", action="store_true", help="say what would be removed")
    gc.set_defaults(command=lazy("store", "gc"))


def _completion(commands: Commands, common: argparse.ArgumentParser) -> None:
    completion = commands.add_parser(
        "completion", parents=[common], help="print a shell completion script"
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    completion.set_defaults(command=lazy("completion"))


ALL: Final = (
    _init,
    add_import,
    _edits,
    _lock,
    _build,
    _render,
    _run,
    _diff,
    _tag,
    _show,
    _graph,
    _outdated,
    _image,
    _export,
    _fetch,
    _store,
    add_git,
    _completion,
)
"""In the order of the help text."""
