"""The JSON Schema (2020-12) of a lock file, made of the tables that read and write it.

``python -m imagelock.lock.schema`` prints what schemas/lock.schema.json holds. Every file that
decodes is valid; what only decoding checks spans several tables, such as one pin a platform.
"""

from __future__ import annotations

import json
import sys

from imagelock.lock.pins import SECTIONS
from imagelock.lock.roots import RELATIVE, ROOTS
from imagelock.lock.tables import Tables
from imagelock.model.lock import LOCK_VERSION, NEWEST_RECIPE


def lock_schema() -> dict[str, object]:
    """The schema as a JSON value."""
    properties: dict[str, object] = {
        "version": {"const": LOCK_VERSION, "description": "The version of the format."},
        "recipe": {
            "type": "integer",
            "minimum": 1,
            "maximum": NEWEST_RECIPE,
            "description": "How this lock becomes bytes.",
        },
        "context": {
            **RELATIVE.schema(),
            "description": "From the lock's folder to the one that copies are relative to.",
        },
        "reproducible": {
            "const": False,
            "description": "A run has a network: a build is not a function of the lock alone.",
        },
        "roots": ROOTS.schema(),
    }
    for section in SECTIONS:
        properties[section.key] = Tables(section.table).schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "imagelock lock",
        "type": "object",
        "required": ["version", "recipe", "roots"],
        "properties": properties,
    }


def schema_text() -> str:
    """The schema as it stands in schemas/lock.schema.json."""
    return json.dumps(lock_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
