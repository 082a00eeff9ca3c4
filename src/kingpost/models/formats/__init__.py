"""Models of other libraries, made into ONNX and checked against what they were made from."""

from kingpost.models.formats.detect import Format
from kingpost.models.formats.importing import Imported, import_model
from kingpost.models.formats.optimising import Measured, Optimised, optimise
from kingpost.models.formats.output import Gives
from kingpost.models.formats.rows import SampleRows, random_rows, read_rows

__all__ = [
    "Format",
    "Gives",
    "Imported",
    "Measured",
    "Optimised",
    "SampleRows",
    "import_model",
    "optimise",
    "random_rows",
    "read_rows",
]
