"""The program that the image's Python runs in the sandbox: it calls the build backend (PEP 517).

    python inside.py SOURCE WHEELS BACKEND [BACKEND-PATH…] -- [KEY=VALUE…]

What follows ``--`` is what the backend is told; a key that comes again has a list. The program is
read as text and runs alone, under any Python 3, even a minimal one; nothing of ours can be
imported there.
"""

import importlib
import os
import sys


def main() -> None:
    """Build one wheel."""
    end = sys.argv.index("--")
    source, wheels, name, *paths = sys.argv[1:end]
    told: dict[str, object] = {}
    for setting in sys.argv[end + 1 :]:
        key, _, value = setting.partition("=")
        known = told.get(key)
        listed = known if isinstance(known, list) else [known]
        told[key] = value if known is None else [*listed, value]
    os.chdir(source)
    # Without our own folder; a backend of the tree itself comes first, as PEP 517 asks.
    sys.path[:1] = [os.path.join(source, path) for path in paths]  # noqa: PTH118 — a small import
    sys.argv = [""]
    module, _, attributes = name.partition(":")
    backend = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        backend = getattr(backend, attribute)
    print("built", backend.build_wheel(wheels, told or None))  # noqa: T201 — it is a program


if __name__ == "__main__":
    main()
