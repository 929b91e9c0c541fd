"""The tables of what was asked: the spec's own keys, in the order a lock writes them."""

from __future__ import annotations

from typing import Final

from imagelock.lock.checks import channel, copy_source, no_credentials, relative_path
from imagelock.lock.fields import ABSOLUTE, LINE, SHA256
from imagelock.lock.kinds import Choice, Flag, Platforms, Scalar, Text
from imagelock.lock.lists import Pairs, Strings
from imagelock.lock.tables import Field, Table, Tables, Variants
from imagelock.model.pip_spec import LocalContent, PipSpec, Prerelease, RequirementsFile
from imagelock.model.spec import (
    AptSource,
    AptSpec,
    BuilderChoice,
    ChannelPriority,
    CondaSpec,
    CopyRule,
    DistributionBase,
    GpuSpec,
    ImageBase,
    ImageConfig,
    LayoutBase,
    RunRule,
    Secret,
    SourceMode,
    SourceRule,
    Spec,
    SpecBase,
    Variant,
)

ANY: Final = Text()
URL: Final = Text(check=no_credentials)
CHANNEL: Final = Text(check=channel)
RELATIVE: Final = Text(r"[^/\\].*", "a relative path", check=relative_path, says=True)
COPIED: Final = Text(r"[^/\\].*", "a relative path", check=copy_source, says=True)
LINES: Final = Strings(LINE)


def _path_of(item: object) -> str:
    assert isinstance(item, RequirementsFile)
    return item.path


def _local_of(item: object) -> str:
    assert isinstance(item, LocalContent)
    return item.path


def _source_of(item: object) -> str:
    assert isinstance(item, AptSource)
    return f"{item.uris} {' '.join(item.suites)} {' '.join(item.components)}"


def _copy_of(item: object) -> str:
    assert isinstance(item, CopyRule)
    return f"{item.source} {item.target}"


def _run_of(item: object) -> str:
    assert isinstance(item, RunRule)
    return "; ".join(item.commands)


def _secret_of(item: object) -> str:
    assert isinstance(item, Secret)
    return item.id


BASE: Final = Variants(
    Table(ImageBase, Field("image", "image", LINE, "A reference in a registry.")),
    Table(
        DistributionBase,
        Field("distribution", "distribution", LINE, "Such as 'debian:bookworm'."),
        Field("variant", "variant", Choice(Variant), "Which packages it holds."),
    ),
    Table(LayoutBase, Field("layout", "layout", LINE, "An OCI layout, 'oci:DIR'.")),
    Table(SpecBase, Field("spec", "spec", RELATIVE, "The path of another spec.")),
)
REQUIREMENTS_FILE: Final = Table(
    RequirementsFile,
    Field("path", "path", RELATIVE, "The file, relative to the spec."),
    Field("requirements", "requirements", LINES, "What it asks for."),
    Field("constraints", "constraints", LINES, "What it constrains."),
    Field("pinned", "pinned", Flag(), "Whether it is itself a lock."),
    Field("requires-python", "requires_python", LINE, "The Pythons that a lock is for."),
    Field("extras", "extras", LINES, "The extras that were chosen of a lock."),
    Field("groups", "groups", LINES, "The groups that were chosen of a lock."),
    Field("overrides", "overrides", LINES, "What it puts in the place of other requirements."),
    Field("hashes", "hashes", Pairs(LINES), "The hashes that a line allows, by line."),
    identity=_path_of,
)
PIP: Final = Table(
    PipSpec,
    Field("packages", "packages", LINES, "Requirements (PEP 508)."),
    Field("requirements", "requirements", Tables(REQUIREMENTS_FILE), "Files, as parsed."),
    Field("constraints", "constraints", LINES, "Constraints."),
    Field("overrides", "overrides", LINES, "Requirements that replace all others."),
    Field("index", "index", URL, "A well-known name or a URL."),
    Field("extra-indexes", "extra_indexes", Strings(URL), "More indexes, in their order."),
    Field("find-links", "find_links", Strings(URL), "Folders and pages of links, in their order."),
    Field("prerelease", "prerelease", Choice(Prerelease), "When pre-releases are candidates."),
    Field("exclude-newer", "exclude_newer", LINE, "A date, a time or a span."),
    Field("allow-sdist", "allow_sdist", LINES, "Packages that may be built from source."),
    Field("no-binary", "no_binary", LINES, "Packages that are always built from source."),
    Field("prefer-binary", "prefer_binary", Flag(), "Whether versions with a wheel come first."),
    Field(
        "config-settings",
        "config_settings",
        Pairs(Strings(LINE, least=1)),
        "What build backends are told, KEY=VALUE each, by package.",
    ),
    Field("python-exec", "python_exec", ABSOLUTE, "The interpreter to install into."),
    Field(
        "local",
        "local",
        Tables(
            Table(
                LocalContent,
                Field("path", "path", RELATIVE, "A file or folder, relative to the spec."),
                Field("sha256", "sha256", SHA256, "The hash of what it held."),
                identity=_local_of,
            )
        ),
        "What requirements name beside the spec.",
    ),
)
APT: Final = Table(
    AptSpec,
    Field("packages", "packages", LINES, "Packages, in their order."),
    Field("recommends", "recommends", Flag(), "Whether recommended packages are installed."),
    Field(
        "source",
        "sources",
        Tables(
            Table(
                AptSource,
                Field("uris", "uris", URL, "The URL of the archive."),
                Field("suites", "suites", LINES, "The suites."),
                Field("components", "components", LINES, "The components."),
                Field("signed-by", "signed_by", ANY, "A key file or a fingerprint."),
                Field("keys", "keys", LINES, "The fingerprints of the keys in its key file."),
                Field("snapshot", "snapshot", LINE, "A snapshot's id."),
                identity=_source_of,
            )
        ),
        "More sources.",
    ),
)
CONDA: Final = Table(
    CondaSpec,
    Field("packages", "packages", LINES, "Match specs."),
    Field("channels", "channels", Strings(CHANNEL), "Channels, the first the strongest."),
    Field("channel-priority", "channel_priority", Choice(ChannelPriority), "How channels rank."),
    Field("exclude-newer", "exclude_newer", LINE, "A date, a time or a span."),
)
GPU: Final = Table(
    GpuSpec,
    Field("cuda", "cuda", LINE, "The CUDA version."),
    Field("cudnn", "cudnn", LINE, "The cuDNN version."),
    Field("driver", "driver", LINE, "The oldest Linux driver that the image is for."),
)
IMAGE: Final = Table(
    ImageConfig,
    Field("entrypoint", "entrypoint", Strings(ANY), "Left out keeps the base's, empty clears it."),
    Field("cmd", "cmd", Strings(ANY), "Left out keeps the base's, empty clears it."),
    Field("workdir", "workdir", ANY, "The working folder."),
    Field("user", "user", ANY, "The user."),
    Field("labels", "labels", Pairs(ANY), "Labels."),
)
COPY: Final = Table(
    CopyRule,
    Field("from", "source", COPIED, "A file or folder, relative to the context."),
    Field("to", "target", ABSOLUTE, "Its absolute path in the image."),
    identity=_copy_of,
)
SOURCE: Final = Table(
    SourceRule,
    Field("root", "root", COPIED, "The source folder, relative to the context."),
    Field("mode", "mode", Choice(SourceMode), "What of it is copied."),
    Field("entry", "entry", Strings(COPIED), "What is started: its imports are loaded."),
)
RUN: Final = Table(
    RunRule,
    Field("commands", "commands", Strings(ANY), "Commands for /bin/sh -e, in order."),
    Field("network", "network", Flag(), "Whether they may use the network."),
    identity=_run_of,
)
SECRET: Final = Table(
    Secret,
    Field("id", "id", LINE, "Its name."),
    Field("src", "source", ANY, "The file on the host."),
    Field("target", "target", ABSOLUTE, "Its absolute path while a run reads it."),
    identity=_secret_of,
)
BUILDER: Final = Table(
    BuilderChoice,
    Field("name", "name", LINE, "The builder."),
    Field("options", "options", Pairs(Scalar()), "Its options."),
)
ROOTS: Final = Table(
    Spec,
    Field("name", "name", LINE, "The image's name. Not part of the tag."),
    Field("python", "python", LINE, "A version or a specifier."),
    Field("platforms", "platforms", Platforms(), "All platforms of the lock.", always=True),
    Field("registry", "registry", LINE, "Where a push goes. Not part of the tag."),
    Field("tag-format", "tag_format", LINE, "How the tag is written. Not part of the tag."),
    Field("base", "base", BASE, "What the image starts from."),
    Field("pip", "pip", PIP, "pip packages."),
    Field("apt", "apt", APT, "apt packages."),
    Field("conda", "conda", CONDA, "conda packages."),
    Field("gpu", "gpu", GPU, "GPU libraries."),
    Field("env", "env", Pairs(ANY), "Environment variables."),
    Field("image", "image", IMAGE, "The image's config."),
    Field("copy", "copies", Tables(COPY), "What is copied in, in order."),
    Field("source", "source", SOURCE, "The source that is copied in."),
    Field("run", "runs", Tables(RUN), "Commands that are run, in order."),
    Field("secret", "secrets", Tables(SECRET), "Host files that runs may read."),
    Field("builder", "builder", BUILDER, "Who builds, and how."),
    description="The spec as it was given.",
)

NOT_IN_TAG: Final = frozenset({"name", "registry", "tag-format"})
"""The keys of the roots that the tag leaves out."""
HEADED: Final = ("base", "pip", "apt", "conda", "env", "image")
"""The tables of the roots whose header is always written, so that changes keep apart."""
