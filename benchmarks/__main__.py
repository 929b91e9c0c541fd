"""``just bench [apt|conda|pip|build] [ARGUMENTS]``: us and the peers; all without a name."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

FOLDER = Path(__file__).parent
BENCHMARKS = {"apt": "apt.py", "conda": "conda.py", "pip": "pip/run.py", "build": "build/run.py"}


def main() -> None:
    named, arguments = sys.argv[1:2], sys.argv[2:]
    if named and named[0] not in BENCHMARKS:
        sys.exit(f"expected one of {', '.join(BENCHMARKS)}, got '{named[0]}'")
    sys.path.insert(0, str(FOLDER.parent / "tests"))
    for name in named or BENCHMARKS:
        print(f"== {name}", flush=True)
        sys.argv = [name, *arguments]
        runpy.run_path(str(FOLDER / BENCHMARKS[name]), run_name="__main__")


main()
