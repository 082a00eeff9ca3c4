"""Importing a model: converted to ONNX, brought into the served form, checked row by row.

The rule: nothing is imported whose scores were not compared, on the same rows, with those of
the library that it comes from; a difference above the tolerance is an error.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModel, BadModelFile
from kingpost.models.formats.detect import Format, detect_format
from kingpost.models.formats.graph import served_graph
from kingpost.models.formats.lightgbm import read_lightgbm
from kingpost.models.formats.onnx_file import is_served_form, read_onnx
from kingpost.models.formats.original import Original
from kingpost.models.formats.output import Gives, check_probabilities, check_shape, positive_scores
from kingpost.models.formats.rows import SampleRows, random_rows
from kingpost.models.formats.sklearn import convert_sklearn, load_sklearn
from kingpost.models.formats.tensorflow import load_tensorflow
from kingpost.models.formats.torch import convert_module, load_program
from kingpost.models.formats.xgboost import read_xgboost
from kingpost.models.onnx import OnnxScorer, check_export

__all__ = ["TOLERANCE", "Imported", "import_model"]

TOLERANCE = 1e-5
MOST_CHECKED = 20_000


@dataclass(frozen=True, eq=False)
class Imported:
    """A model of another library, ready to be registered and served.

    Attributes:
        onnx: What is served.
        library: The library that it comes from, with its version.
        origin: SHA-256 over the file or files that it was made of, in hex; empty for an object.
        name: The file's name, or the object's class.
        features: How many it takes.
        difference: The greatest one of a score between original and ONNX.
        checked: On how many rows.
        drawn: The rows were drawn, because none were given.
    """

    onnx: bytes
    format: Format
    library: str
    origin: str
    name: str
    features: int
    difference: float
    checked: int
    drawn: bool


def import_model(
    model: Path | str | object,
    *,
    rows: SampleRows | None = None,
    features: int | None = None,
    gives: Gives = "probability",
    output: str = "",
    tolerance: float = TOLERANCE,
    trusted: bool = False,
) -> Imported:
    """Make an ONNX model of a file, or of a scikit-learn estimator or PyTorch module.

    Args:
        model: A path, or the object itself.
        rows: What to compare scores on; random rows by default.
        features: How many features it takes, where neither it nor `rows` says.
        gives: What its output holds.
        output: Which output of an ONNX file holds the scores, where that is not clear.
        tolerance: The greatest difference of a score that is taken.
        trusted: It may run its maker's code when it is loaded, as a pickle does.

    Raises:
        BadModelFile: It is of no known format, or cannot be converted.
        UntrustedModel: Loading it runs code, and nobody said that it may.
        BadModel: It does not give a probability for rows of features.
        ExportDiffers: The ONNX model does not score as its original.
        ExtraMissing, LibraryMissing: The library that it comes from is not installed.
    """
    width = features if rows is None else rows.x.shape[1]
    if isinstance(model, str | Path):
        path = Path(model)
        kind, name = detect_format(path), path.name
        original = _of_file(path, kind, width, gives, output, trusted=trusted)
        origin = _digest(path)
    else:
        kind, original = _of_object(model, width)
        name, origin = type(model).__name__, ""
    onnx = _served(original, gives, width)
    scorer = OnnxScorer(onnx)
    if width is not None and scorer.features != width:
        raise BadModel(f"it takes {scorer.features} features, and {width} are given")
    sample = random_rows(scorer.features) if rows is None else rows
    x = sample.x[np.linspace(0, len(sample) - 1, min(len(sample), MOST_CHECKED), dtype=np.int64)]
    expected = _scores(original.outputs, x, gives)
    return Imported(
        onnx=onnx,
        format=kind,
        library=original.library,
        origin=origin,
        name=name,
        features=scorer.features,
        difference=check_export(onnx, x, expected, tolerance=tolerance),
        checked=len(x),
        drawn=rows is None,
    )


def _of_file(
    path: Path, kind: Format, width: int | None, gives: Gives, output: str, *, trusted: bool
) -> Original:
    match kind:
        case "onnx":
            return read_onnx(path, gives, output)
        case "lightgbm":
            return read_lightgbm(path)
        case "xgboost":
            return read_xgboost(path)
        case "sklearn":
            return convert_sklearn(load_sklearn(path, trusted=trusted), path.name, width)
        case "torch":
            return load_program(path, trusted=trusted)
        case "saved_model" | "keras" | "tflite":
            return load_tensorflow(path, kind, trusted=trusted)
        case _:
            assert_never(kind)


def _of_object(model: object, width: int | None) -> tuple[Format, Original]:
    name = type(model).__name__
    # told by their classes' modules, so that neither library is imported to ask
    modules = {one.__module__.partition(".")[0] for one in type(model).__mro__}
    if "torch" in modules:
        return "torch", convert_module(model, name, width)
    if "sklearn" in modules:
        return "sklearn", convert_sklearn(model, name, width)
    raise BadModelFile(
        name, "it is no scikit-learn estimator and no PyTorch module", "give a path, or one of them"
    )


def _served(original: Original, gives: Gives, width: int | None) -> bytes:
    """Return the model as it is where it can be served so, changed where it cannot."""
    if gives == "probability" and not original.output and is_served_form(original.onnx):
        return original.onnx
    return served_graph(original.onnx, gives=gives, output=original.output, features=width)


def _scores(
    outputs: Callable[[NDArray[np.float32]], NDArray[np.float64]],
    x: NDArray[np.float32],
    gives: Gives,
) -> NDArray[np.float64]:
    found = outputs(x)
    check_shape(found.shape, len(x))
    scores = positive_scores(found, gives)
    check_probabilities(scores)
    return scores


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file, or over the names and contents of a directory's files."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    state = hashlib.sha256()
    for one in sorted(path.rglob("*")):
        if one.is_file():
            state.update(f"{one.relative_to(path).as_posix()}\0{one.stat().st_size}\0".encode())
            state.update(one.read_bytes())
    return state.hexdigest()
