"""The cases on which we are held against the real apt-get, and how one is compared."""

from __future__ import annotations

import random
from dataclasses import dataclass

from imagelock.app.sections.apt import Suites
from imagelock.model.debian import Installed
from imagelock.model.errors import NoSolution, UsageError
from imagelock.model.lock import SPEC_ROOT, Requirer
from imagelock.resolve.apt.index import Index
from imagelock.resolve.apt.request import parse_request
from imagelock.resolve.apt.resolution import Root, resolve_packages
from support.apt_oracle import Answer, AptOracle

NAMED: tuple[tuple[str, ...], ...] = (
    ("git", "curl", "ca-certificates", "libgl1", "python3"),
    ("git", "ffmpeg", "build-essential"),
    ("build-essential",),
    ("mail-transport-agent",),
    ("exim4-daemon-light", "postfix"),
    ("systemd-sysv",),
    ("git",),
    ("curl", "wget"),
    ("ffmpeg",),
    ("imagemagick", "ghostscript"),
    ("libgl1", "libglib2.0-0"),
    ("libgomp1", "libopenblas0"),
    ("libopenblas-dev", "liblapack-dev", "gfortran"),
    ("libatlas-base-dev",),
    ("libblas3",),
    ("python3", "python3-pip", "python3-venv"),
    ("python3-numpy", "python3-scipy"),
    ("python3-pandas", "python3-matplotlib"),
    ("python3-torch",),
    ("python3-dev", "libpython3-dev"),
    ("default-jre",),
    ("default-jdk-headless", "maven"),
    ("nodejs", "npm"),
    ("golang",),
    ("rustc", "cargo"),
    ("clang", "lld"),
    ("cmake", "ninja-build", "pkg-config"),
    ("ghc", "cabal-install"),
    ("r-base",),
    ("octave",),
    ("texlive",),
    ("pandoc", "texlive-latex-base"),
    ("emacs",),
    ("vim", "tmux"),
    ("nginx",),
    ("apache2", "libapache2-mod-php"),
    ("php", "php-mysql"),
    ("mariadb-server",),
    ("postgresql",),
    ("redis-server",),
    ("rabbitmq-server",),
    ("openssh-server",),
    ("cron",),
    ("logrotate", "rsyslog"),
    ("sysvinit-core",),
    ("systemd",),
    ("dbus", "policykit-1"),
    ("gnome-core",),
    ("task-kde-desktop",),
    ("xfce4",),
    ("xterm",),
    ("chromium",),
    ("firefox-esr",),
    ("libreoffice",),
    ("gimp", "inkscape"),
    ("vlc",),
    ("gstreamer1.0-plugins-good",),
    ("pitivi",),
    ("kde-telepathy-minimal",),
    ("parolottero",),
    ("qemu-system-x86",),
    ("docker.io",),
    ("libvirt-daemon-system",),
    ("samba",),
    ("wine",),
    ("gawk", "mawk"),
    ("gdal-bin", "postgis"),
    ("libopencv-dev",),
    ("libhdf5-dev", "libnetcdf-dev"),
    ("openmpi-bin", "libopenmpi-dev"),
    ("exim4", "bsd-mailx"),
    ("libcurl4-gnutls-dev", "libcurl4-openssl-dev"),
    ("apt", "dpkg"),
    ("unattended-upgrades",),
    ("bash-completion", "less", "man-db"),
    ("locales", "tzdata"),
    ("fonts-noto",),
    ("game-data-packager",),
)


@dataclass(frozen=True)
class Difference:
    """One request that ended otherwise; ``ours`` and ``theirs`` are None for a refusal."""

    words: tuple[str, ...]
    recommends: bool
    ours: Answer | None
    theirs: Answer | None
    reason: str

    def __str__(self) -> str:
        said = f"{' '.join(self.words)}{' +recommends' if self.recommends else ''}: "
        if self.ours is None:
            return f"{said}we refuse: {self.reason}"
        if self.theirs is None:
            return f"{said}apt refuses"
        more = sorted(self.ours.installed - self.theirs.installed)[:6]
        less = sorted(self.theirs.installed - self.ours.installed)[:6]
        return f"{said}only ours {more}, only apt's {less}, {self.ours.removed=}"


def answer(
    index: Index, installed: Installed, words: tuple[str, ...], *, recommends: bool
) -> Answer:
    """What we would install, in the oracle's terms."""
    roots = tuple(
        Root(request=parse_request(word), requirer=Requirer(name=SPEC_ROOT)) for word in words
    )
    found = resolve_packages(roots, index=index, installed=installed, recommends=recommends)
    native = {index.architecture, "all"}
    return Answer(
        frozenset(
            (
                item.name if item.architecture in native else f"{item.name}:{item.architecture}",
                item.version,
            )
            for item in found.added
        ),
        frozenset(item.name for item in found.removed),
    )


def compare(
    suites: Suites,
    installed: Installed,
    oracle: AptOracle,
    words: tuple[str, ...],
    *,
    recommends: bool,
) -> Difference | None:
    """Ask both; None where they agree, a refusal by both included."""
    reason = ""
    try:
        ours = answer(suites.index, installed, words, recommends=recommends)
    except (NoSolution, UsageError) as error:
        ours, reason = None, str(error)
    theirs = oracle.install(*words, recommends=recommends)
    if ours == theirs:
        return None
    return Difference(words, recommends, ours, theirs, reason)


def random_requests(index: Index, count: int, seed: int) -> list[tuple[str, ...]]:
    """Single packages, pairs, triples, pinned versions and virtual names, the same each run."""
    chance = random.Random(seed)  # noqa: S311 - cases, not secrets
    names = sorted(name.decode() for name in index.files[0].offsets)
    virtual = ["mail-transport-agent", "x-terminal-emulator", "awk", "www-browser", "editor"]
    requests: list[tuple[str, ...]] = []
    words: tuple[str, ...]
    for number in range(count):
        match number % 10:
            case 0 | 1 | 2:
                words = (chance.choice(names),)
            case 3 | 4 | 5:
                words = (chance.choice(names), chance.choice(names))
            case 6 | 7:
                words = tuple(chance.choice(names) for _ in range(3))
            case 8:
                name = chance.choice(names)
                newest = index.versions((name, index.architecture))
                version = newest[-1][0].version if newest else "1"
                words = (f"{name}={version}",)
            case _:
                words = (chance.choice(virtual), chance.choice(names))
        requests.append(words)
    return requests
