"""flytekit's names for what a spec says, both ways: ``ImageSpec`` fields ↔ TOML data."""

from imagelock.spec.image_spec.fields import FIELDS, Remarks, document_of_fields, remarks_of_fields
from imagelock.spec.image_spec.reading import fields_of_document
from imagelock.spec.image_spec.remarks import read_remarks, remark_lines

__all__ = [
    "FIELDS",
    "Remarks",
    "document_of_fields",
    "fields_of_document",
    "read_remarks",
    "remark_lines",
    "remarks_of_fields",
]
