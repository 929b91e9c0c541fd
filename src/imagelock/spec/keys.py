"""The one table of a spec's keys: what TOML calls each field, and the rule of its text.

Everything else (strings or arrays, what is needed, which choices) is in the annotations of
:mod:`imagelock.model.spec`. Parser, schema and the reference in docs/spec.md follow this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from imagelock.model import spec as model
from imagelock.model.pip_spec import PipSpec
from imagelock.spec import rules_apt as apt
from imagelock.spec import rules_conda as conda
from imagelock.spec import rules_pip as pip
from imagelock.spec import rules_place as place
from imagelock.spec import rules_text as text
from imagelock.spec.rule import Rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a table.

    ``name_rule`` is for the keys of a table of a person's own. ``ordered``: the order of an array
    means something; ``repeats``: so do doubles; ``filled``: it may not be empty; ``words``: the
    array is written as one string. ``derived``: the model wants a value, the TOML need not give
    one. ``example`` is TOML, shown where the key is missing.
    """

    attribute: str
    description: str
    toml: str
    rule: Rule | None = None
    name_rule: Rule | None = None
    ordered: bool = False
    repeats: bool = False
    filled: bool = False
    words: bool = False
    derived: bool = False
    example: str = ""

    @property
    def value_rule(self) -> Rule:
        """The rule of its text, or of its items."""
        return self.rule or text.ANY_TEXT


def _key(attribute: str, description: str, rule: Rule | None = None, /, **more: object) -> Key:
    """A key that is called as its attribute is, unless told."""
    fields: dict[str, object] = {"toml": attribute.replace("_", "-"), **more}
    return Key(attribute=attribute, description=description, rule=rule, **fields)  # type: ignore[arg-type]


_ORDERED: Final = {"ordered": True}
_ARGV: Final = {"ordered": True, "repeats": True}

_SPEC: Final = (
    _key("name", "The image's name. Default: the spec file's, without its ending.",
         text.IMAGE_NAME, derived=True),
    _key("python", "The image's Python: a version or a specifier. Default: the base's.",
         pip.PYTHON),
    _key("platforms", "The platforms the image is built for.", text.PLATFORM, filled=True),
    _key("registry", "Where a push goes.", text.REGISTRY),
    _key("tag_format", "How the image's tag is made of {lock}, {source} and {name}.",
         text.TAG_FORMAT),
    _key("base", "What the image is built on: one of the four kinds.",
         example='[base]\ndistribution = "debian:bookworm"'),
    _key("pip", "Python packages, as wheels."),
    _key("apt", "Debian or Ubuntu packages."),
    _key("conda", "Conda packages."),
    _key("gpu", "NVIDIA libraries."),
    _key("env", "Environment variables of the image.", text.ANY_TEXT, name_rule=text.ENV_NAME),
    _key("image", "The image's configuration."),
    _key("copies", "Files and folders copied into the image, in order.", toml="copy"),
    _key("source", "The source code copied into the image."),
    _key("runs", "Commands run in the image, in order.", toml="run"),
    _key("secrets", "Files of the host that commands may read and no layer keeps.",
         toml="secret"),
    _key("builder", "Who builds the image."),
)  # fmt: skip

_PIP: Final = (
    _key("packages", "Requirements (PEP 508).", pip.REQUIREMENT),
    _key("requirements", "Requirements files, relative to the spec.", place.RELATIVE_PATH),
    _key("constraints", "Bounds on versions that ask for nothing.", pip.CONSTRAINT),
    _key("overrides", "Requirements that replace what packages ask for.", pip.REQUIREMENT),
    _key("index", "The package index: a well-known name or a URL.", place.INDEX),
    _key("extra_indexes", "Further indexes, in order of priority.", place.INDEX, **_ORDERED),
    _key("find_links", "Folders and pages of links to files, in order of priority.",
         place.FIND_LINKS, **_ORDERED),
    _key("prerelease", "When pre-releases are taken."),
    _key("exclude_newer", "Take only what was uploaded before this date, or before this span.",
         pip.EXCLUDE_NEWER),
    _key("allow_sdist", "Packages that may be built from source; all others are wheels.",
         pip.PIP_NAME),
    _key("no_binary", "Packages that are built from source even where a wheel fits.",
         pip.PIP_NAME),
    _key("prefer_binary", "Whether an older version with a wheel comes before a newer sdist."),
    _key("config_settings", "What build backends are told, 'KEY=VALUE' each, by package.",
         pip.CONFIG_SETTING, name_rule=pip.PIP_NAME, **_ARGV, filled=True),
    _key("python_exec", "An interpreter of the base to install into.", place.ABSOLUTE_PATH),
)  # fmt: skip

_APT: Final = (
    _key("packages", "Packages as apt-get takes them, in this order.", apt.APT_PACKAGE, **_ORDERED),
    _key("recommends", "Whether recommended packages are installed too."),
    _key("sources", "Archives beside the base's own.", toml="source"),
)

_APT_SOURCE: Final = (
    _key("uris", "The archive's URL.", place.URL,
         example='uris = "https://archive.example/debian/"'),
    _key("suites", "Its suites.", apt.SUITES, words=True, example='suites = "bookworm"'),
    _key("components", "Their components.", apt.COMPONENTS, words=True),
    _key("signed_by", "The key file that its index is signed by, or the key's fingerprint.",
         apt.SIGNED_BY),
    _key("snapshot", "The snapshot of the archive to read.", apt.SNAPSHOT),
)  # fmt: skip

_IMAGE: Final = (
    _key("entrypoint", "The program; [] clears the base's.", text.ANY_TEXT, **_ARGV),
    _key("cmd", "Its arguments; [] clears the base's.", text.ANY_TEXT, **_ARGV),
    _key("workdir", "The working folder.", place.ABSOLUTE_PATH),
    _key("user", "The user, by name or number.", text.USER),
    _key("labels", "Labels of the image.", text.ANY_TEXT, name_rule=text.SOME_TEXT),
)

KEYS: Final[dict[type, tuple[Key, ...]]] = {
    model.Spec: _SPEC,
    model.ImageBase: (
        _key("image", "A reference in a registry, by tag or digest.", place.IMAGE),
    ),
    model.DistributionBase: (
        _key("distribution", "Bootstrapped from a signed archive.", place.DISTRIBUTION),
        _key("variant", "Which packages a bootstrapped base holds."),
    ),
    model.LayoutBase: (_key("layout", "An OCI layout on disk.", place.LAYOUT),),
    model.SpecBase: (_key("spec", "The image of another spec.", place.RELATIVE_PATH),),
    PipSpec: _PIP,
    model.AptSpec: _APT,
    model.AptSource: _APT_SOURCE,
    model.CondaSpec: (
        _key("packages", "Packages, as match specifications.", conda.MATCH_SPEC),
        _key("channels", "Channels, in order of priority.", conda.CHANNEL, **_ORDERED),
        _key("channel_priority", "How channels rank."),
        _key("exclude_newer", "Take only what was built before this date, or before this span.",
             pip.EXCLUDE_NEWER),
    ),
    model.GpuSpec: (
        _key("cuda", "The version of CUDA.", text.CUDA_VERSION),
        _key("cudnn", "The version of cuDNN.", text.CUDA_VERSION),
        _key("driver", "The oldest Linux driver it is for. Default: that of the CUDA version.",
             text.DRIVER_VERSION),
    ),
    model.ImageConfig: _IMAGE,
    model.CopyRule: (
        _key("source", "A file or folder, relative to the spec.", place.INSIDE_PATH,
             toml="from", example='from = "conf/app.ini"'),
        _key("target", "Its absolute path in the image; a folder when it ends in '/'.",
             place.TARGET_PATH, toml="to", example='to = "/app/conf/"'),
    ),
    model.SourceRule: (
        _key("root", "The folder, relative to the spec.", place.INSIDE_PATH,
             example='root = "src"'),
        _key("mode", "What of it is copied."),
        _key("entry", "What is started, relative to root: its imports say what is loaded.",
             place.INSIDE_PATH),
    ),
    model.RunRule: (
        _key("commands", "Commands for /bin/sh -e, in order.", text.SOME_TEXT, **_ARGV,
             filled=True, example='commands = ["make -C /opt/thing"]'),
        _key("network", "Whether they may use the network."),
    ),
    model.Secret: (
        _key("id", "Its name.", text.IDENTIFIER, example='id = "pip"'),
        _key("source", "The file on the host.", text.SOME_TEXT, toml="src",
             example='src = "~/.netrc"'),
        _key("target", "Where commands find it.", place.ABSOLUTE_PATH,
             example='target = "/run/secrets/netrc"'),
    ),
    model.BuilderChoice: (
        _key("name", "The builder.", text.IDENTIFIER),
        _key("options", "What it is told, by its own keys.", text.ANY_TEXT,
             name_rule=text.IDENTIFIER),
    ),
}  # fmt: skip
