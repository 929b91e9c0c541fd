"""Hypothesis strategies for specs and locks, valid by construction.

``locks()`` draws every section, with pins for all platforms and pins that differ by platform;
``specs()`` every field. What they draw is in no particular order, as a resolver might answer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from hypothesis import strategies as st

from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import (
    AptIndexPin,
    AptPin,
    AptRemoval,
    BaseKind,
    BasePin,
    BuiltWheel,
    CondaPin,
    ImageRecord,
    Lock,
    NoArch,
    PipBuildPin,
    PipPin,
    PythonPin,
    PythonProvider,
    Requirer,
)
from imagelock.model.names import DebName, Digest, PipName, Sha256
from imagelock.model.pip_spec import LocalContent, PipSpec, Prerelease, RequirementsFile
from imagelock.model.platform import KNOWN_PLATFORMS, Platform
from imagelock.model.spec import (
    AptSource,
    AptSpec,
    Base,
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

T = TypeVar("T")
Draw = Callable[[st.SearchStrategy[T]], T]

# Mostly picked from what has broken a writer or a reader before: drawing is the slow part here.
any_text = st.sampled_from(
    [
        "",
        "a",
        "A b",
        '"',
        "\\",
        "'",
        "a\nb",
        "\r\n",
        "\t",
        "\x00",
        "\x1f\x7f\x80\x85",
        "é",
        "e\u0301",
        *(
            "\u2028",
            "\ufeff",
            "\U0001f600",
            "#",
            "=",
            "[x]",
            "{lock}",
            "true",
            "1",
            "1.0",
            "<<<<<<<",
        ),
    ]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
lines = st.sampled_from(
    [
        "a",
        "x y",
        '"q"',
        "\\n",
        "é",
        "\U0001f600",
        "#",
        "{}",
        "[]",
        ">=1,<2",
        "a | b",
        "=",
        "1",
        "\xa0",
    ]
) | st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=4)
names = st.sampled_from(["alpha", "beta", "gamma", "delta", "numpy", "pandas", "zlib1g", "libc6"])
versions = st.sampled_from(["1.0", "2.1.3", "2.10", "0.9", "1.0rc1"])
sha256s = st.integers(0, 2**256 - 1).map(lambda number: Sha256(f"{number:064x}"))
digests = sha256s.map(lambda value: Digest(f"sha256:{value}"))
segments = st.sampled_from(
    ["a", "b.c", "~x", "-", "é", "a b", "...", ".a", "c++", "%2e", "A_1", "#"]
)
contained_paths = st.lists(segments, min_size=1, max_size=3).map("/".join)
absolute_paths = contained_paths.map(lambda path: f"/{path}")
keys = st.sampled_from(["A", "b", "a.b", "_", "org.x.y-z", "toml", "a b", "é", '"', "version"])
requirements = st.builds(
    lambda name, version: f"{name}>={version}" if version else name,
    names,
    st.none() | versions,
)


def _tuples(items: st.SearchStrategy[T], size: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, max_size=size).map(tuple)


def _unique(items: st.SearchStrategy[T], size: int = 3) -> st.SearchStrategy[tuple[T, ...]]:
    return st.lists(items, max_size=size, unique=True).map(tuple)


def _pairs(
    values: st.SearchStrategy[T],
) -> st.SearchStrategy[tuple[tuple[str, T], ...]]:
    return st.dictionaries(keys, values, max_size=3).map(lambda table: tuple(table.items()))


platform_sets = st.lists(st.sampled_from(KNOWN_PLATFORMS), min_size=1, max_size=3, unique=True).map(
    lambda chosen: tuple(sorted(chosen))
)
requirers = _unique(st.builds(Requirer, name=names, specifier=st.just("") | lines))
folders = st.sampled_from(("./", "../", "wheels/", "../../a%20b/c/"))
urls = st.builds(
    lambda host, path: f"https://{host}.example/{path}/",
    st.sampled_from(["one", "two"]),
    st.sampled_from(["simple", "debian", "channel"]),
)
bases: st.SearchStrategy[Base] = st.one_of(
    st.builds(ImageBase, image=lines),
    st.builds(DistributionBase, distribution=lines, variant=st.sampled_from(Variant)),
    st.builds(LayoutBase, layout=lines),
    st.builds(SpecBase, spec=contained_paths),
)
requirement_files = st.builds(
    RequirementsFile,
    path=contained_paths,
    requirements=_unique(requirements),
    constraints=_unique(requirements),
    pinned=st.booleans(),
    requires_python=st.sampled_from(["", ">=3.11", "<4,>=3.11"]),
    hashes=st.dictionaries(requirements, _unique(lines), max_size=2).map(
        lambda table: tuple(table.items())
    ),
)
pip_specs = st.builds(
    PipSpec,
    packages=_unique(requirements),
    requirements=st.lists(requirement_files, max_size=2, unique_by=lambda file: file.path).map(
        tuple
    ),
    constraints=_unique(requirements),
    overrides=_unique(requirements),
    index=st.just("pypi") | urls,
    extra_indexes=_tuples(urls),
    find_links=_tuples(urls | folders),
    prerelease=st.sampled_from(Prerelease),
    exclude_newer=st.none() | lines,
    allow_sdist=_unique(names),
    no_binary=_unique(names),
    prefer_binary=st.booleans(),
    config_settings=st.dictionaries(
        names, st.lists(lines, min_size=1, max_size=2).map(tuple), max_size=2
    ).map(lambda table: tuple(table.items())),
    python_exec=st.none() | absolute_paths,
    local=_unique(st.builds(LocalContent, path=st.sampled_from(("./a", "../b")), sha256=sha256s)),
)
apt_specs = st.builds(
    AptSpec,
    packages=_unique(names),
    recommends=st.booleans(),
    sources=_unique(
        st.builds(
            AptSource,
            uris=urls,
            suites=_tuples(names),
            components=_tuples(names),
            signed_by=st.none() | lines,
            keys=_tuples(names),
            snapshot=st.none() | lines,
        ),
        size=2,
    ),
)
image_configs = st.builds(
    ImageConfig,
    entrypoint=st.none() | _tuples(any_text),
    cmd=st.none() | _tuples(any_text),
    workdir=st.none() | any_text,
    user=st.none() | any_text,
    labels=_pairs(any_text),
)
specs = st.builds(
    Spec,
    name=names,
    base=bases,
    python=st.none() | versions,
    platforms=platform_sets,
    registry=st.none() | lines,
    tag_format=lines,
    pip=st.just(PipSpec()) | pip_specs,
    apt=st.just(AptSpec()) | apt_specs,
    conda=st.just(CondaSpec())
    | st.builds(
        CondaSpec,
        packages=_unique(requirements),
        channels=_tuples(names),
        channel_priority=st.sampled_from(ChannelPriority),
    ),
    gpu=st.builds(
        GpuSpec,
        cuda=st.none() | versions,
        cudnn=st.none() | versions,
        driver=st.none() | versions,
    ),
    env=_pairs(any_text),
    image=st.just(ImageConfig()) | image_configs,
    copies=_unique(st.builds(CopyRule, source=contained_paths, target=absolute_paths)),
    source=st.none()
    | st.builds(
        SourceRule,
        root=contained_paths,
        mode=st.sampled_from(SourceMode),
        entry=st.lists(contained_paths, max_size=2, unique=True).map(lambda e: tuple(sorted(e))),
    ),
    runs=_unique(st.builds(RunRule, commands=_tuples(any_text), network=st.booleans())),
    secrets=st.lists(
        st.builds(Secret, id=names, source=any_text, target=absolute_paths),
        max_size=2,
        unique_by=lambda secret: secret.id,
    ).map(tuple),
    builder=st.builds(
        BuilderChoice,
        name=names,
        options=_pairs(
            any_text | st.booleans() | st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1)
        ),
    ),
)
ARCHIVES = ("debian", "pypi", "one", "two")
artifacts = st.builds(
    Artifact,
    archive=st.sampled_from(ARCHIVES),
    path=contained_paths,
    sha256=sha256s,
    size=st.integers(0, 2**53 - 1),
)
moments = st.integers(0, 2**37).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@st.composite
def _groups(draw: st.DrawFn, platforms: tuple[Platform, ...]) -> list[tuple[Platform, ...]]:
    """The platforms in one group, or apart in some way: no platform twice, some left out."""
    labels = [draw(st.integers(0, 2)) for _ in platforms]
    groups: dict[int, tuple[Platform, ...]] = {}
    for platform, label in zip(platforms, labels, strict=True):
        groups[label] = (*groups.get(label, ()), platform)
    return [groups[label] for label in sorted(groups)]


@st.composite
def _pins(
    draw: st.DrawFn,
    platforms: tuple[Platform, ...],
    keyed: st.SearchStrategy[tuple[str, ...]],
    make: Callable[[tuple[str, ...], tuple[Platform, ...]], st.SearchStrategy[T]],
) -> tuple[T, ...]:
    """Up to three packages, each in one pin or in one a group of platforms."""
    pins = [
        draw(make(key, group))
        for key in draw(st.just([]) | st.lists(keyed, max_size=3, unique=True))
        for group in draw(_groups(platforms))
    ]
    return tuple(draw(st.permutations(pins)))


def _base_pin(group: tuple[Platform, ...]) -> st.SearchStrategy[BasePin]:
    return st.builds(
        BasePin,
        kind=st.sampled_from(BaseKind),
        reference=lines,
        digest=digests,
        platforms=st.just(group),
        variant=st.none() | names,
        libc=st.none() | lines,
        dpkg_status=st.none() | sha256s,
    )


def _apt_pin(key: tuple[str, ...], group: tuple[Platform, ...]) -> st.SearchStrategy[AptPin]:
    return st.builds(
        AptPin,
        name=st.just(DebName(key[0])),
        version=versions,
        architecture=st.just(key[1]),
        suite=st.sampled_from(["bookworm", "bookworm-updates"]),
        source=names,
        artifact=artifacts,
        platforms=st.just(group),
        required_by=requirers,
        base=st.booleans(),
        manual=st.booleans(),
    )


def _removal(key: tuple[str, ...], group: tuple[Platform, ...]) -> st.SearchStrategy[AptRemoval]:
    return st.builds(
        AptRemoval,
        name=st.just(DebName(key[0])),
        version=versions,
        architecture=st.just(key[1]),
        platforms=st.just(group),
        required_by=requirers,
    )


match_specs = st.sampled_from(
    ["python >=3.11,<3.12.0a0", "blas * *_mkl", "__glibc >=2.17", "a[version='>=1', build='h_*']"]
)


def _conda_pin(key: tuple[str, ...], group: tuple[Platform, ...]) -> st.SearchStrategy[CondaPin]:
    return st.builds(
        CondaPin,
        name=st.just(key[0]),
        version=versions,
        build=st.sampled_from(["py312_0", "h1"]),
        subdir=st.sampled_from(["linux-64", "noarch"]),
        artifact=artifacts,
        platforms=st.just(group),
        required_by=requirers,
        build_number=st.integers(min_value=0, max_value=2),
        noarch=st.none() | st.sampled_from(NoArch),
        depends=_unique(match_specs),
        constrains=_unique(match_specs),
        track_features=_unique(names),
        python_site_packages_path=st.none() | contained_paths,
        timestamp=st.none() | st.sampled_from([0, 1770939786096]),
        license=st.none() | lines,
        md5=st.none() | st.sampled_from(["0" * 32, "f" * 32]),
        channel=st.none() | st.just("https://channel.example/acme/"),
    )


def _pip_pin(key: tuple[str, ...], group: tuple[Platform, ...]) -> st.SearchStrategy[PipPin]:
    return st.builds(
        PipPin,
        name=st.just(PipName(key[0])),
        version=versions,
        artifact=artifacts,
        platforms=st.just(group),
        required_by=requirers,
        extras=_unique(names),
        requested=st.booleans(),
    )


def _build_pin(key: tuple[str, ...], group: tuple[Platform, ...]) -> st.SearchStrategy[PipBuildPin]:
    return st.builds(
        PipBuildPin,
        name=st.just(PipName(key[0])),
        version=versions,
        artifact=artifacts,
        platforms=st.just(group),
        builds=st.just((PipName("built"),)) | st.just((PipName("a"), PipName("built"))),
        required_by=requirers,
    )


def _python_pin(group: tuple[Platform, ...]) -> st.SearchStrategy[PythonPin]:
    return st.builds(
        PythonPin,
        version=versions,
        implementation=st.just("cpython"),
        provider=st.sampled_from(PythonProvider),
        executable=absolute_paths,
        platforms=st.just(group),
    )


@st.composite
def _one_for_each(
    draw: st.DrawFn,
    platforms: tuple[Platform, ...],
    make: Callable[[tuple[Platform, ...]], st.SearchStrategy[T]],
) -> tuple[T, ...]:
    return tuple(draw(st.permutations([draw(make(group)) for group in draw(_groups(platforms))])))


apt_indexes = st.lists(
    st.builds(
        AptIndexPin,
        archive=st.sampled_from(ARCHIVES),
        suite=st.sampled_from(["bookworm", "bookworm-updates"]),
        components=_unique(names),
        sha256=sha256s,
        date=moments,
        signed_by=lines,
        snapshot=st.none() | st.just("20261101T000000Z"),
    ),
    max_size=2,
    unique_by=lambda pin: (pin.archive, pin.suite, pin.snapshot),
).map(tuple)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """A lock with anything in it, in no order."""
    roots = draw(specs)
    platforms = roots.platforms
    named = names.map(lambda name: (name,))
    deb = st.tuples(names, st.sampled_from(["amd64", "all"]))
    records = [
        draw(
            st.builds(
                ImageRecord,
                platform=st.just(p),
                manifest_digest=digests,
                image_id=digests,
                wheels=_unique(
                    st.builds(BuiltWheel, name=st.just(PipName("built")), sha256=sha256s), size=1
                ),
            )
        )
        for p in draw(st.lists(st.sampled_from(platforms), unique=True))
    ]
    return Lock(
        roots=roots,
        context=draw(st.sampled_from([".", "..", "../images"])),
        archives=(
            Archive(name="two", url=draw(urls | folders)),
            Archive(name="one", url=draw(urls)),
        ),
        bases=draw(_one_for_each(platforms, _base_pin)),
        apt_indexes=draw(apt_indexes),
        apt=draw(_pins(platforms, deb, _apt_pin)),
        apt_removals=draw(_pins(platforms, deb, _removal)),
        conda=draw(_pins(platforms, named, _conda_pin)),
        pythons=draw(st.just(()) | _one_for_each(platforms, _python_pin)),
        pip=draw(_pins(platforms, named, _pip_pin)),
        pip_builds=draw(_pins(platforms, named, _build_pin)),
        images=tuple(records),
    )
