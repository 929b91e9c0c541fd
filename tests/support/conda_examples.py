"""Example packages: every kind of file in both forms of package, with a real ELF program."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path

from support.conda_channel import PLACEHOLDER, CondaFile, CondaPackage, conda_package, text

SOURCE = """
#include <stdio.h>
const char home[] = "@PREFIX@/share/greeting";
const char path[] = "@PREFIX@/bin:@PREFIX@/sbin";
int main(void) { printf("%s\\n%s\\n", home, path); return 0; }
"""


@cache
def greeter() -> bytes:
    """A real ELF program that knows where it was built."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "greet.c")
        source.write_text(SOURCE.replace("@PREFIX@", PLACEHOLDER))
        subprocess.run(
            ["gcc", "-static", "-O1", "-o", f"{folder}/greet", str(source)],
            check=True,
            capture_output=True,
        )
        return Path(folder, "greet").read_bytes()


def python(subdir: str = "linux-64", version: str = "3.11.9") -> CondaPackage:
    minor = version.rpartition(".")[0]
    return conda_package(
        "python",
        version,
        "h1_0_cpython",
        subdir=subdir,
        files={
            f"bin/python{minor}": CondaFile(
                data=b"\x7fELF python " + subdir.encode(), executable=True
            ),
            "bin/python3": CondaFile(link=f"python{minor}"),
            "bin/python": CondaFile(link=f"python{minor}"),
            f"lib/python{minor}/os.py": "import sys\n",
            f"lib/python{minor}/_sysconfigdata.py": text("prefix = '@PREFIX@'\n"),
        },
    )


def packages(subdir: str = "linux-64") -> list[CondaPackage]:
    """Every kind of file, in both forms of package."""
    return [
        python(subdir),
        conda_package(
            "greet",
            "2.1",
            "h5_1",
            subdir=subdir,
            depends=["python >=3.8"],
            files={
                "bin/greet": CondaFile(data=greeter(), prefix="binary", executable=True),
                "bin/hello": text("#!@PREFIX@/bin/python\nprint('@PREFIX@')\n", executable=True),
                "lib/libgreet.so.1": CondaFile(data=b"\x7fELF" + bytes(300_000) + b"end"),
                "lib/libgreet.so": CondaFile(link="libgreet.so.1"),
                "share/empty": b"",
                "share/ünïcode name": "text\n",
            },
        ),
        conda_package(
            "old",
            "1",
            "0",
            subdir=subdir,
            form=".tar.bz2",
            files={"etc/old.conf": text("home = @PREFIX@\n"), "share/both": "of old\n"},
        ),
        conda_package(
            "newer",
            "1",
            "0",
            subdir=subdir,
            depends=["old"],
            files={"share/both": "of newer\n", "share/same": "same\n"},
        ),
        conda_package("twin", files={"share/same": "same\n"}, subdir=subdir),
        conda_package(
            "pure",
            "0.3",
            "pyhd8ed1ab_0",
            noarch="python",
            depends=["python >=3.9"],
            entry_points=["pure = pure.cli:main"],
            files={
                "site-packages/pure/__init__.py": "",
                "site-packages/pure/cli.py": "def main():\n    print('pure')\n",
                "site-packages/pure-0.3.dist-info/METADATA": "Name: pure\nVersion: 0.3\n",
                "python-scripts/pure-script": text("#!@PREFIX@/bin/python\n", executable=True),
            },
        ),
        conda_package("data", noarch="generic", files={"share/data.txt": "data\n"}),
    ]


def golden_packages(subdir: str) -> list[CondaPackage]:
    """The examples without the program, whose bytes are the compiler's."""
    made = [package for package in packages(subdir) if package.entry["name"] != "greet"]
    elf = CondaFile(data=b"\x7fELF" + bytes(1000) + b"end", executable=True)
    return [*made, conda_package("elf", "1", "h0_0", subdir=subdir, files={"bin/elf": elf})]
