"""The shell that runs inside an engine: plain POSIX sh and what every base has."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from imagelock.model.spec import Secret
from imagelock.render.model import PLACE, UV_PLACE, Prepared, Scrubbing, one_line

LIBRARY = "imagelock.sh"
FINISH = "finish.py"
COMMANDS = "commands.sh"
REQUIREMENTS = "requirements.txt"
_POLICY = "/usr/sbin/policy-rc.d"
_STATES = "/var/lib/apt/extended_states"

_LIBRARY = """\
# Sourced by the steps: hashes are checked, and what installs write by chance is taken out again.

check_hashes() {
    said=$(cd "$1" && sha256sum -c SHA256SUMS 2>&1) && return
    printf '%s\\n' "$said" | grep -v ': OK$' >&2
    exit 1
}

# Paths that the clock, the host or chance decide on; extended regular expressions, one a line.
dropped=DROPPED
emptied=EMPTIED
hidden=HIDDEN
kept=/run/imagelock-kept

all_paths() {
    (cd / && find . -xdev \\
        \\( -path ./proc -o -path ./sys -o -path ./dev -o -path "./run/imagelock*" \\) -prune \\
        -o -print | cut -c 3-)
}

matching() {
    printf '%s\\n' "$paths" | grep -Ex "$1" || :
}

begin() {
    paths=$(all_paths)
    before=$(matching "$dropped")
    hidden_before=$(matching "($hidden)/.*")
    mkdir "$kept"
    { printf '%s\\n' "$before"; matching "$emptied"; } | while IFS= read -r path; do
        [ -n "$path" ] || continue
        if [ -d "/$path" ] && [ ! -L "/$path" ]; then continue; fi
        case $path in */*) mkdir -p "$kept/${path%/*}" ;; esac
        cp -a "/$path" "$kept/$path"
    done
}

# What was there before is there again as it was; what is new is gone, but for what a package owns.
finish() {
    paths=$(all_paths)
    owned=$(cat /var/lib/dpkg/info/*.list 2>/dev/null || :)
    matching "$dropped" | sort -r | while IFS= read -r path; do
        if [ -d "/$path" ] && [ ! -L "/$path" ]; then
            printf '%s\\n' "$before" | grep -Fqx "$path" && continue
            printf '%s\\n' "$owned" | grep -Fqx "/$path" && continue
            rmdir "/$path"
        else
            rm -f "/$path"
        fi
    done
    matching "$emptied" | while IFS= read -r path; do
        cmp -s "/$path" "$kept/$path" || : > "/$path"
        rm -f "$kept/$path"
    done
    cp -a "$kept/." /
    rm -rf "$kept"
    matching "($hidden)/.*" | sort -r | while IFS= read -r path; do
        printf '%s\\n' "$hidden_before" | grep -Fqx "$path" && continue
        # A mount of the engine's stays: it is not the image's.
        rm -rf "/$path" 2>/dev/null || :
    done
}
"""

_FINISH = '''\
"""After `uv pip install`: what is told of each package is what the lock says, in a fixed order."""

import base64
import csv
import hashlib
import json
import pathlib
import sys

requested = set(json.loads(sys.argv[1]))
names = set(json.loads(sys.argv[2]))
UNWANTED = {"uv_cache.json", "uv_build.json", "direct_url.json"}


def normal(name):
    parts = name.lower().replace("_", "-").replace(".", "-").split("-")
    return "-".join(part for part in parts if part)


def line(path, data):
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [path, "sha256=" + digest, str(len(data))]


for folder in {pathlib.Path(place) for place in sys.path if place}:
    for info in folder.glob("*.dist-info"):
        name = normal(info.name.removesuffix(".dist-info").rpartition("-")[0])
        if name not in names or (info / "INSTALLER").read_text().strip() != "uv":
            continue
        with (info / "RECORD").open(newline="", encoding="utf-8") as file:
            rows = {row[0]: row for row in csv.reader(file) if row}
        for unwanted in UNWANTED:
            (info / unwanted).unlink(missing_ok=True)
            rows.pop(f"{info.name}/{unwanted}", None)
        mark = f"{info.name}/REQUESTED"
        if name in requested:
            (info / "REQUESTED").write_bytes(b"")
            rows[mark] = line(mark, b"")
        else:
            (info / "REQUESTED").unlink(missing_ok=True)
            rows.pop(mark, None)
        with (info / "RECORD").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, lineterminator="\\n").writerows(sorted(rows.values()))
'''


def library(scrubbing: Scrubbing) -> str:
    """The shell functions that steps share."""
    return (
        _LIBRARY.replace("DROPPED", _lines(scrubbing.dropped))
        .replace("EMPTIED", _lines(scrubbing.emptied))
        .replace("HIDDEN", shlex.quote("|".join(scrubbing.hidden)))
    )


def finish_program() -> str:
    """The Python that follows uv."""
    return _FINISH


def apt_script(prepared: Prepared, *, root: bool) -> str:
    """Install packages with dpkg; ``root``: files of the folder ``root`` are put in place first."""
    lines = [*_head(prepared.step.title), f". {PLACE}/{LIBRARY}", f"check_hashes {PLACE}", "begin"]
    if root:
        lines.append(f"cp -R {PLACE}/root/. /")
    # Paragraphs parted by one empty line, and none at the end.
    if not root:
        lines += [
            f"if [ -s {_STATES} ]; then",
            f"    states=$(cat {_STATES}) && printf '%s\\n' \"$states\" > {_STATES}",
            "fi",
        ]
    if prepared.marks:
        lines += [
            f"mkdir -p {_STATES.rpartition('/')[0]}",
            f"[ ! -s {_STATES} ] || echo >> {_STATES}",
            f"cat {PLACE}/extended_states >> {_STATES}",
        ]
    lines += [
        "",
        "# Nothing starts while an image is made (Debian's policy-rc.d).",
        f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY}",
        f"chmod 755 {_POLICY}",
        "",
        "clean() {",
        f"    env -i {_assignments(prepared.environment)} \\",
        '        "$@" < /dev/null',
        "}",
        "",
        *(
            f"clean {shlex.join(command)}".replace(f" {PLACE}/", f" \\\n    {PLACE}/")
            for command in prepared.commands
        ),
        "",
        f"rm -f {_POLICY}",
        "finish",
    ]
    return "\n".join(lines) + "\n"


def wheels_script(
    title: str, *, python: str, prefix: str, program: str, requested: str, names: str
) -> str:
    """Install the folder's wheels with uv; ``program`` is where uv is in its own wheel.

    ``prefix`` is the virtual environment's, empty for an interpreter itself.
    """
    options = [
        "--no-config",
        "--no-cache",
        "--offline",
        "--no-index",
        "--no-deps",
        "--require-hashes",
        "--link-mode=copy",
        f"--find-links={PLACE}/wheels",
        *(() if prefix else ("--break-system-packages",)),
        f"--python={python}",
        f"--requirements={PLACE}/{REQUIREMENTS}",
    ]
    lines = [
        *_head(title),
        f". {PLACE}/{LIBRARY}",
        f"check_hashes {PLACE}",
        f"check_hashes {UV_PLACE}",
        "begin",
        "export PYTHONDONTWRITEBYTECODE=1 PYTHONHASHSEED=0 LC_ALL=C.UTF-8 HOME=/root",
        "",
        f"python={shlex.quote(python)}",
        '"$python" -IB -c "import json, zipfile" 2>/dev/null || {',
        '    echo "$python has no standard library (python3-minimal?), which uv needs" >&2',
        "    exit 1",
        "}",
        "# uv is a program in a wheel, and a wheel is a zip.",
        "uv=/tmp/imagelock-uv",
        'mkdir "$uv"',
        f'"$python" -IB -m zipfile -e {UV_PLACE}/*.whl "$uv"',
        f'chmod 755 "$uv/{program}"',
        f'"$uv/{program}" pip install \\\n    ' + " \\\n    ".join(map(shlex.quote, options)),
        'rm -rf "$uv"' + (f" {shlex.quote(prefix)}/.lock" if prefix else ""),
        f'"$python" -IB {PLACE}/{FINISH} {shlex.quote(requested)} \\',
        f"    {shlex.quote(names)}",
        "finish",
    ]
    return "\n".join(lines) + "\n"


def run_script(title: str, epoch: int) -> str:
    """Run the commands of a [[run]]: their environment is the image's."""
    lines = [
        *_head(title),
        f". {PLACE}/{LIBRARY}",
        f"check_hashes {PLACE}",
        "begin",
        f"(export SOURCE_DATE_EPOCH={epoch}; exec /bin/sh -e {PLACE}/{COMMANDS} < /dev/null)",
        "finish",
    ]
    return "\n".join(lines) + "\n"


def unmounted_command(secrets: Iterable[Secret]) -> str:
    """Take away the folders that podman made below /run to mount secrets in; empty for none."""
    folders = {
        "/".join(secret.target.split("/")[:count])
        for secret in secrets
        for count in range(3, len(secret.target.split("/")))
        if secret.target.startswith("/run/")
    }
    return "".join(
        f"{{ rmdir {shlex.quote(folder)} 2>/dev/null || :; }} && "
        for folder in sorted(folders, reverse=True)
    )


def engine_files_command(epoch: int) -> str:
    """Take away what the classic engine puts into containers, and so into a copy of one."""
    return (
        "rm -f /.dockerenv"
        ' && { [ "$(readlink /etc/mtab)" != /proc/mounts ] || rm /etc/mtab; }'
        f" && touch -d @{epoch} /etc /"
    )


def clamp_command(epoch: int) -> str:
    """No file is newer than the newest of the lock's, so that two builds are the same.

    The reference lies on a mount of the engine's, so that making it touches no folder.
    """
    mounted = ("/dev", "/proc", "/sys", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
    left_out = " ".join(f"! -path {path}" for path in mounted)
    newer = "/dev/shm/imagelock-time"  # noqa: S108 - of the container
    return (
        f"touch -d @{epoch} {newer}"
        f" && find / -xdev -newer {newer} {left_out} -exec touch -h -d @{epoch} {{}} +"
        f" && rm {newer}"
    )


def _head(title: str) -> tuple[str, ...]:
    return ("#!/bin/sh", f"# {one_line(title)}", "set -eu", "umask 022")


def _assignments(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(shlex.quote(f"{key}={text}") for key, text in pairs)


def _lines(rules: tuple[str, ...]) -> str:
    return shlex.quote("\n".join(rules))
