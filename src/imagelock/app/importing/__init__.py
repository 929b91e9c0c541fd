"""``imagelock import``: files of other tools as a spec's TOML.

A reader says which files it takes and returns TOML data, with what it could not carry over. New
formats register in :data:`imagelock.app.importing.readers.READERS`.
"""

from imagelock.app.importing.model import Imported, ImportRequest, Reader
from imagelock.app.importing.writing import ImportOutcome, import_file

__all__ = ["ImportOutcome", "ImportRequest", "Imported", "Reader", "import_file"]
