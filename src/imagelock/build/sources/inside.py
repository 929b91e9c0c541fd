"""The program that the image's Python runs in the sandbox: it calls the build backend (PEP 517).

    python inside.py SOURCE WHEELS SETTINGS BACKEND [BACKEND-PATH…]

SETTINGS is what the backend is told, as JSON. It is read as text and runs alone, under any
Python 3, even a minimal one; nothing of ours can be imported there.
"""

import importlib
import json
import os
import sys


def main() -> None:
    """Build one wheel."""
    source, wheels, told, name, *paths = sys.argv[1:]
    os.chdir(source)
    # Without our own folder; a backend of the tree itself comes first, as PEP 517 asks.
    sys.path[:1] = [os.path.join(source, path) for path in paths]  # noqa: PTH118 — a small import
    sys.argv = [""]
    module, _, attributes = name.partition(":")
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    print("built", backend.build_wheel(wheels, json.loads(told) or None))  # noqa: T201 — it is a program


if __name__ == "__main__":
    main()
