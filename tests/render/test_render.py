"""What is rendered: a function of the plan, readable, and no user's text taken as code."""

# ruff: noqa: E501 - Dockerfiles as they are

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot

from imagelock.model.archives import Artifact
from imagelock.model.errors import UsageError
from imagelock.model.lock import (
    SPEC_ROOT,
    BaseKind,
    BasePin,
    Lock,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import digest, pip_name, sha256
from imagelock.model.plan import RunStep
from imagelock.model.platform import KNOWN_PLATFORMS, Platform
from imagelock.model.spec import ImageBase, RunRule, Secret, Spec
from imagelock.plan import plan_image
from imagelock.render import (
    Dialect,
    PlatformImage,
    Prepared,
    Rendered,
    Runtime,
    Scrubbing,
    render_image,
)
from imagelock.render.bake import bake_json
from imagelock.render.instructions import environment, quoted
from imagelock.render.uv import uv_wheel

AMD, ARM = Platform("linux/amd64"), Platform("linux/arm64")
SCRUBBING = Scrubbing(dropped=("var/log/x",), emptied=("etc/machine-id",), hidden=("run", "tmp"))
TOKEN = Secret(id="token", source="~/.token", target="/run/secrets/token")


def lock(*, runs: tuple[RunRule, ...] = (), secrets: tuple[Secret, ...] = ()) -> Lock:
    base = BasePin(
        kind=BaseKind.IMAGE,
        reference="registry.example/base:1",
        digest=digest("sha256:" + "1" * 64),
        platforms=(AMD, ARM),
    )
    wheel = PipPin(
        name=pip_name("six"),
        version="1.17.0",
        artifact=Artifact(
            archive="pypi",
            path="packages/six-1.17.0-py2.py3-none-any.whl",
            sha256=sha256("2" * 64),
            size=11050,
        ),
        platforms=(AMD, ARM),
        required_by=(Requirer(name=SPEC_ROOT),),
        requested=True,
    )
    python = PythonPin(
        version="3.11.2",
        implementation="cpython",
        provider=PythonProvider.BASE,
        executable="/usr/bin/python3.11",
        platforms=(AMD, ARM),
    )
    roots = Spec(
        name="small",
        base=ImageBase(image="registry.example/base:1"),
        platforms=(AMD, ARM),
        runs=runs,
        secrets=secrets,
    )
    return Lock(roots=roots, bases=(base,), pythons=(python,), pip=(wheel,))


def image(held: Lock, platform: Platform = AMD, runtime: Runtime | None = None) -> PlatformImage:
    plan = plan_image(held, platform)
    return PlatformImage(
        plan=plan,
        steps=tuple(Prepared(step=step, epoch=1_700_000_000) for step in plan.steps),
        runtime=runtime or Runtime(env=(("PATH", "/opt/venv/bin:/bin"),), cmd=("python",)),
        epoch=1_700_000_000,
        pulled=f"registry.example/base@{plan.base.digest}",
    )


def rendered(*images: PlatformImage, dialect: Dialect) -> Rendered:
    return render_image(images, dialect=dialect, reference="small:1", scrubbing=SCRUBBING)


def test_a_small_dockerfile_for_buildkit() -> None:
    run = RunRule(commands=("make",), network=True)
    made = rendered(image(lock(runs=(run,), secrets=(TOKEN,))), dialect=Dialect.BUILDKIT)
    assert made.dockerfile == snapshot("""\
# Made by `imagelock render` from the lock of small:1, for linux/amd64.
# Everything it needs is in this folder, and is checked by hash where it is used:
#
#   docker buildx build --platform linux/amd64 --tag small:1 \\
#     --build-arg SOURCE_DATE_EPOCH=1700000000 --provenance=false \\
#     --output type=image,rewrite-timestamp=true .

FROM registry.example/base@sha256:1111111111111111111111111111111111111111111111111111111111111111

# venv: Python 3.11.2
ADD 1-venv/tree.tar /

# pip: 1 package
RUN --network=none \\
    --mount=type=bind,source=2-wheels,target=/run/imagelock \\
    --mount=type=bind,source=uv,target=/run/imagelock-uv \\
    ["/bin/sh", "/run/imagelock/run.sh"]

# environment
ENV PATH="/opt/venv/bin:/bin"

# run 1: make
RUN --network=default \\
    --mount=type=bind,source=3-run,target=/run/imagelock \\
    --mount=type=secret,id=token,target=/run/secrets/token,required=true \\
    ["/bin/sh", "/run/imagelock/run.sh"]

# how containers start
CMD ["python"]
""")
    assert made.secrets == (TOKEN,)


def test_a_small_dockerfile_for_the_classic_builder() -> None:
    made = rendered(
        image(lock(), runtime=Runtime(user="app", base_user="app", workdir="/a b")),
        dialect=Dialect.DOCKER,
    )
    assert made.dockerfile == snapshot("""\
# Made by `imagelock render` from the lock of small:1, for linux/amd64.
# Everything it needs is in this folder, and is checked by hash where it is used:
#
#   docker build --network none --platform linux/amd64 --tag small:1 .

FROM registry.example/base@sha256:1111111111111111111111111111111111111111111111111111111111111111 AS build
USER 0:0

# uv
COPY uv /run/imagelock-uv

# venv: Python 3.11.2
ADD 1-venv/tree.tar /

# pip: 1 package
COPY 2-wheels /run/imagelock
RUN ["/bin/sh", "-c", "/bin/sh /run/imagelock/run.sh && rm -rf /run/imagelock"]

# fixed times
RUN ["/bin/sh", "-c", "rm -rf /run/imagelock-uv && touch -d @1700000000 /dev/shm/imagelock-time && find / -xdev -newer /dev/shm/imagelock-time ! -path /dev ! -path /proc ! -path /sys ! -path /etc/hosts ! -path /etc/hostname ! -path /etc/resolv.conf -exec touch -h -d @1700000000 {} + && rm /dev/shm/imagelock-time"]

FROM scratch

# all as one layer
COPY --from=build / /

# less what the engine put there
RUN ["/bin/sh", "-c", "rm -f /.dockerenv && { [ \\"$(readlink /etc/mtab)\\" != /proc/mounts ] || rm /etc/mtab; } && touch -d @1700000000 /etc /"]

# how containers start
WORKDIR "/a b"
USER app
""")


def test_one_dockerfile_holds_all_platforms_for_buildkit_alone() -> None:
    held = lock()
    made = rendered(image(held), image(held, ARM), dialect=Dialect.BUILDKIT)
    assert re.findall("FROM .*", made.dockerfile) == [
        f"FROM registry.example/base@sha256:{'1' * 64} AS image-amd64",
        f"FROM registry.example/base@sha256:{'1' * 64} AS image-arm64",
        "FROM image-${TARGETARCH}${TARGETVARIANT}",
    ]
    assert {text.path.partition("/")[0] for text in made.texts} == {"linux-amd64", "linux-arm64"}
    with pytest.raises(UsageError, match="one platform"):
        rendered(image(held), image(held, ARM), dialect=Dialect.PODMAN)


def test_what_the_classic_builder_cannot_do_is_refused_with_a_way_out() -> None:
    secret = lock(runs=(RunRule(commands=("make",)),), secrets=(TOKEN,))
    with pytest.raises(UsageError, match="no secrets") as refused:
        rendered(image(secret), dialect=Dialect.DOCKER)
    assert "buildkit" in refused.value.hint
    rendered(image(secret), dialect=Dialect.PODMAN)
    network = lock(runs=(RunRule(commands=("make",), network=True),))
    for dialect in (Dialect.DOCKER, Dialect.PODMAN):
        with pytest.raises(UsageError, match="network"):
            rendered(image(network), dialect=dialect)


@pytest.mark.parametrize(
    "target", ["/a,type=bind,source=/", '/a"b', "/a b", "/a\nUSER x", "/$HOME"]
)
def test_a_secret_cannot_bring_other_options_in(target: str) -> None:
    bad = replace(TOKEN, target=target)
    held = lock(runs=(RunRule(commands=("make",)),), secrets=(bad,))
    with pytest.raises(UsageError):
        rendered(image(held), dialect=Dialect.BUILDKIT)


@pytest.mark.parametrize("dialect", Dialect)
def test_a_folder_is_a_function_of_the_plan(dialect: Dialect) -> None:
    held = lock(runs=(RunRule(commands=("make",)),))
    assert rendered(image(held), dialect=dialect) == rendered(image(held), dialect=dialect)


@given(st.text(min_size=1), st.sampled_from(Dialect))
def test_commands_and_titles_stay_in_their_files_and_comments(
    command: str, dialect: Dialect
) -> None:
    plain = rendered(image(lock(runs=(RunRule(commands=("make",)),))), dialect=dialect)
    other = rendered(image(lock(runs=(RunRule(commands=(command,)),))), dialect=dialect)

    def code(made: Rendered) -> list[str]:
        lines = made.dockerfile.split("\n")
        return [line for line in lines if not line.startswith("#")]

    assert code(plain) == code(other)
    scripts = [
        [line for line in text.text.split("\n") if not line.startswith("#")]
        for made in (plain, other)
        for text in made.texts
        if text.path.endswith("-run/run.sh")
    ]
    assert scripts[0] == scripts[1]


VALUES = st.text(
    st.characters(min_codepoint=32, exclude_characters="\x7f", exclude_categories=["Cs"])
)


@given(VALUES)
def test_a_value_is_read_back_as_it_was(value: str) -> None:
    """As the shell lexer of Dockerfiles reads double quotes: a backslash escapes, $ expands."""
    text = quoted(value, where="x")
    assert "\n" not in environment([("K", value)])
    out, place = "", 1
    while text[place] != '"':
        assert text[place] != "$"
        place += text[place] == "\\"
        out += text[place]
        place += 1
    assert place == len(text) - 1
    assert out == value


@pytest.mark.parametrize("value", ["a\nUSER root", "a\r", "\x00", "\x7f"])
def test_a_value_that_would_end_its_line_is_refused(value: str) -> None:
    with pytest.raises(UsageError, match="line breaks"):
        quoted(value, where="env.X")


def test_bake_names_everything_a_build_needs() -> None:
    held = lock(runs=(RunRule(commands=("make",)),), secrets=(TOKEN,))
    made = rendered(image(held), image(held, ARM), dialect=Dialect.BUILDKIT)
    assert json.loads(bake_json({".": ("small:1", made)})) == snapshot(
        {
            "group": {"default": {"targets": ["image"]}},
            "target": {
                "image": {
                    "context": ".",
                    "dockerfile": "Dockerfile",
                    "platforms": ["linux/amd64", "linux/arm64"],
                    "tags": ["small:1"],
                    "args": {"SOURCE_DATE_EPOCH": "1700000000"},
                    "attest": ["type=provenance,disabled=true"],
                    "output": ["type=image,rewrite-timestamp=true"],
                }
            },
        }
    )


def test_uv_is_pinned_for_every_platform() -> None:
    wheels = [uv_wheel(1, platform) for platform in KNOWN_PLATFORMS]
    assert len({wheel.sha256 for wheel in wheels}) == len(wheels)
    with pytest.raises(UsageError, match="recipe 99"):
        uv_wheel(99, AMD)


def test_a_run_has_its_epoch_and_no_other_environment() -> None:
    held = lock(runs=(RunRule(commands=("echo one", "echo two")),))
    made = rendered(image(held), dialect=Dialect.BUILDKIT)
    texts = {text.path: text.text for text in made.texts}
    (folder,) = {path.partition("/")[0] for path in texts if path.endswith("-run/run.sh")}
    assert texts[f"{folder}/commands.sh"] == "echo one\necho two\n"
    assert "SOURCE_DATE_EPOCH=1700000000" in texts[f"{folder}/run.sh"]
    assert any(isinstance(prepared.step, RunStep) for prepared in image(held).steps)
