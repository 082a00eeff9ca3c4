"""Models of other libraries, made into ONNX and checked against what they were made from."""

from kingpost.models.formats.detect import Format
from kingpost.models.formats.importing import Imported, import_model
from kingpost.models.formats.output import Gives
from kingpost.models.formats.rows import SampleRows, random_rows, read_rows

__all__ = [
    "Format",
    "Gives",
    "Imported",
    "SampleRows",
    "import_model",
    "random_rows",
    "read_rows",
]
