"""One lock with every field set: what the golden files and the examples are made of."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from imagelock.model.archives import Archive, Artifact
from imagelock.model.lock import (
    BASE_ROOT,
    SPEC_ROOT,
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
from imagelock.model.names import Sha256, deb_name, digest_of, pip_name, sha256
from imagelock.model.pip_spec import LocalContent, PipSpec, Prerelease, RequirementsFile
from imagelock.model.platform import Platform
from imagelock.model.spec import (
    AptSource,
    AptSpec,
    BuilderChoice,
    ChannelPriority,
    CondaSpec,
    CopyRule,
    DistributionBase,
    GpuSpec,
    ImageConfig,
    RunRule,
    Secret,
    SourceMode,
    SourceRule,
    Spec,
    Variant,
)

AMD64 = Platform("linux/amd64")
ARM64 = Platform("linux/arm64")
BOTH = (AMD64, ARM64)


def hash_of(text: str) -> Sha256:
    """A hash that is made up, and always the same."""
    return sha256(hashlib.sha256(text.encode()).hexdigest())


def artifact(archive: str, path: str, size: int = 1000) -> Artifact:
    return Artifact(archive=archive, path=path, sha256=hash_of(path), size=size)


def pip_pin(
    name: str,
    version: str,
    *required_by: tuple[str, str],
    platforms: tuple[Platform, ...] = BOTH,
    extras: tuple[str, ...] = (),
) -> PipPin:
    return PipPin(
        name=pip_name(name),
        version=version,
        artifact=artifact("pypi", f"packages/{name}-{version}-py3-none-any.whl"),
        platforms=platforms,
        required_by=tuple(Requirer(name=who, specifier=how) for who, how in required_by),
        extras=extras,
        requested=any(who == SPEC_ROOT for who, _ in required_by),
    )


def apt_pin(
    name: str,
    version: str,
    *required_by: tuple[str, str],
    architecture: str = "amd64",
    platforms: tuple[Platform, ...] = (AMD64,),
    base: bool = False,
) -> AptPin:
    path = f"pool/main/{name[0]}/{name}/{name}_{version}_{architecture}.deb"
    return AptPin(
        name=deb_name(name),
        version=version,
        architecture=architecture,
        suite="bookworm",
        source=name,
        artifact=artifact("debian", path),
        platforms=platforms,
        required_by=tuple(Requirer(name=who, specifier=how) for who, how in required_by),
        base=base,
        manual=any(who == SPEC_ROOT for who, _ in required_by),
    )


def example_spec() -> Spec:
    """A spec with every field set to something else than its default."""
    return Spec(
        name="acme/train",
        base=DistributionBase(distribution="debian:bookworm", variant=Variant.ESSENTIAL),
        python=">=3.11,<3.13",
        platforms=BOTH,
        registry="registry.example/acme",
        tag_format="v1-{lock}",
        pip=PipSpec(
            packages=("numpy>=2", "pandas[excel]>=2.2"),
            requirements=(
                RequirementsFile(
                    path="requirements.txt",
                    requirements=("six==1.16.0",),
                    constraints=("urllib3<2",),
                    pinned=True,
                    requires_python=">=3.11",
                    extras=("plot",),
                    groups=("dev",),
                    overrides=("idna<4",),
                    hashes=(("six==1.16.0", (f"sha256:{hash_of('six')}",)),),
                ),
            ),
            constraints=("certifi>=2024",),
            overrides=("idna==3.7",),
            index="https://pypi.example/simple/",
            extra_indexes=("https://extra.example/simple/", "pypi"),
            find_links=("./wheels",),
            prerelease=Prerelease.EXPLICIT,
            exclude_newer="2026-11-01",
            allow_sdist=("odd-package",),
            no_binary=("lxml",),
            prefer_binary=True,
            config_settings=(("lxml", ("--with-xml2=/usr", "-v=1", "-v=2")),),
            python_exec="/usr/bin/python3",
            local=(LocalContent(path="./tool", sha256=hash_of("tool")),),
        ),
        apt=AptSpec(
            packages=("git", "curl=7.88.*"),
            recommends=True,
            sources=(
                AptSource(
                    uris="https://apt.example/debian/",
                    suites=("bookworm", "bookworm-extra"),
                    components=("main",),
                    signed_by="keys/vendor.asc",
                    keys=("4D64FEC119C2029067D6E791F8D2585B8783D481",),
                    snapshot="20261101T000000Z",
                ),
            ),
        ),
        conda=CondaSpec(
            packages=("blas", "mkl 2024.*"),
            channels=("conda-forge", "https://channel.example/acme/"),
            channel_priority=ChannelPriority.FLEXIBLE,
            exclude_newer="2026-10-01",
        ),
        gpu=GpuSpec(cuda="12.4", cudnn="9", driver="550.54.14"),
        env=(("GREETING", 'say "héllo"\n\t\\o/'), ("MODE", "")),
        image=ImageConfig(
            entrypoint=("/usr/bin/env", "python3"),
            cmd=(),
            workdir="/app",
            user="app",
            labels=(("org.opencontainers.image.title", "train"), ("team", "a b")),
        ),
        copies=(
            CopyRule(source="conf/app.ini", target="/app/conf/"),
            CopyRule(source="a b", target="/app/c"),
        ),
        source=SourceRule(root="src", mode=SourceMode.LOADED_MODULES, entry=("train.py",)),
        runs=(RunRule(commands=("make -C /opt/thing", "true"), network=True),),
        secrets=(Secret(id="netrc", source="~/.netrc", target="/run/secrets/netrc"),),
        builder=BuilderChoice(
            name="docker", options=(("cache", True), ("level", -3), ("note", "x"))
        ),
    )


def example_lock() -> Lock:
    """A lock with every kind of table, and every field of them set somewhere."""
    return Lock(
        roots=example_spec(),
        context="../spec",
        archives=(Archive(name="vendor", url="https://apt.example/debian/"),),
        bases=(
            BasePin(
                kind=BaseKind.DISTRIBUTION,
                reference="debian:bookworm",
                digest=digest_of(hash_of("amd64")),
                platforms=(AMD64,),
                variant="essential",
                libc="glibc 2.36",
                dpkg_status=hash_of("status"),
            ),
            BasePin(
                kind=BaseKind.DISTRIBUTION,
                reference="debian:bookworm",
                digest=digest_of(hash_of("arm64")),
                platforms=(ARM64,),
            ),
        ),
        apt_indexes=(
            AptIndexPin(
                archive="debian",
                suite="bookworm",
                components=("contrib", "main"),
                sha256=hash_of("InRelease"),
                date=datetime(2026, 10, 31, 23, 59, 59, tzinfo=UTC),
                signed_by="4D64FEC119C2029067D6E791F8D2585B8783D481",
                snapshot="20261101T000000Z",
            ),
        ),
        apt=(
            apt_pin(
                "libc6", "2.36-9+deb12u10", (BASE_ROOT, "required"), ("git", ">= 2.34"), base=True
            ),
            apt_pin("git", "1:2.39.5-0+deb12u2", (SPEC_ROOT, "")),
            apt_pin(
                "tzdata",
                "2025b-0+deb12u1",
                ("libc6", "tzdata | tz"),
                architecture="all",
                platforms=BOTH,
            ),
        ),
        apt_removals=(
            AptRemoval(
                name=deb_name("mawk"),
                version="1.3.4.20200120-3.1",
                architecture="amd64",
                platforms=(AMD64,),
                required_by=(Requirer(name="gawk", specifier="Conflicts mawk"),),
            ),
        ),
        conda=(
            CondaPin(
                name="_libgcc_mutex",
                version="0.1",
                build="conda_forge",
                build_number=3,
                subdir="linux-64",
                artifact=artifact("conda-forge", "linux-64/_libgcc_mutex-0.1-conda_forge.tar.bz2"),
                platforms=(AMD64,),
                required_by=(Requirer(name=SPEC_ROOT),),
            ),
            CondaPin(
                name="mkl",
                version="2024.0",
                build="h4dd5a57_1",
                build_number=1,
                subdir="noarch",
                noarch=NoArch.GENERIC,
                artifact=artifact("conda-forge", "noarch/mkl-2024.0-h4dd5a57_1.conda"),
                md5="0123456789abcdef0123456789abcdef",
                channel="https://channel.example/acme/",
                timestamp=1770939786096,
                license="LicenseRef-IntelSimplifiedSoftwareOct2022",
                depends=("_openmp_mutex >=4.5", "tbb 2021.*"),
                constrains=("mkl-include 2024.0",),
                track_features=("mkl",),
                python_site_packages_path="lib/python3.13t/site-packages",
                platforms=(AMD64,),
                required_by=(Requirer(name=SPEC_ROOT, specifier="2024.*"),),
            ),
        ),
        pythons=(
            PythonPin(
                version="3.11.2",
                implementation="cpython",
                provider=PythonProvider.APT,
                executable="/usr/bin/python3.11",
                platforms=BOTH,
            ),
        ),
        pip=(
            pip_pin("numpy", "2.4.0", (SPEC_ROOT, ">=2"), ("pandas", ">=1.26"), platforms=(AMD64,)),
            pip_pin("numpy", "2.3.5", (SPEC_ROOT, ">=2"), ("pandas", ">=1.26"), platforms=(ARM64,)),
            pip_pin("pandas", "2.3.3", (SPEC_ROOT, ">=2.2"), extras=("excel",)),
            pip_pin("six", "1.16.0", (SPEC_ROOT, "==1.16.0"), ("pandas", "")),
        ),
        pip_builds=(
            PipBuildPin(
                name=pip_name("hatchling"),
                version="1.27.0",
                artifact=artifact("pypi", "packages/hatchling-1.27.0-py3-none-any.whl"),
                platforms=(AMD64,),
                builds=(pip_name("six"),),
                required_by=(Requirer(name="six", specifier=">=1.27"),),
            ),
        ),
        images=(
            ImageRecord(
                platform=AMD64,
                manifest_digest=digest_of(hash_of("manifest")),
                image_id=digest_of(hash_of("config")),
                wheels=(BuiltWheel(name=pip_name("six"), sha256=hash_of("built")),),
            ),
        ),
    )
