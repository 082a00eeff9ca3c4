"""ONNX as it comes: its own original."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModel, BadModelFile
from kingpost.models.formats.graph import chosen_output, output_of
from kingpost.models.formats.original import Original, library_of_extra, said_by, version_of
from kingpost.models.formats.output import Gives
from kingpost.models.onnx import OnnxScorer, open_session

__all__ = ["is_served_form", "read_onnx"]

_PROBED_ROWS = 3


def read_onnx(path: Path, gives: Gives, output: str) -> Original:
    """Read an ONNX file, and the weights beside it where they lie in another.

    Raises:
        BadModel, BadModelFile: It cannot be read or run.
        ExtraMissing: It needs a change, and onnx is not installed.
    """
    content, library = path.read_bytes(), version_of("onnxruntime")
    if gives == "probability" and not output and is_served_form(content):
        return Original(content, OnnxScorer(content).scores, library)
    content = _whole(path)
    return Original(content, _Tensor(content, output), library, output)


def is_served_form(model: bytes) -> bool:
    """Say whether a model can be served as it is."""
    try:
        scorer = OnnxScorer(model)
        scores = scorer.score(np.zeros((_PROBED_ROWS, scorer.features), np.float32))
    except Exception:  # noqa: BLE001  the runtime's errors have no common class
        return False
    return len(scores) == _PROBED_ROWS


class _Tensor:
    """One tensor of a graph, as the runtime computes it before anything is changed."""

    def __init__(self, model: bytes, output: str) -> None:
        self._session = open_session(output_of(model, chosen_output(model, output)))
        self._input = self._session.get_inputs()[0]
        self._output = self._session.get_outputs()[0].name

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        given: Any = rows.astype(np.float64) if self._input.type == "tensor(double)" else rows
        try:
            found = self._session.run([self._output], {self._input.name: given})[0]
        except Exception as error:  # the runtime's errors have no common class
            raise BadModel(f"it does not run on rows of features: {said_by(error)}") from error
        return np.asarray(found, np.float64)


def _whole(path: Path) -> bytes:
    """Return the model with all its weights, wherever they lie."""
    onnx = library_of_extra("onnx", "train")
    try:
        return onnx.load(str(path)).SerializeToString()
    except Exception as error:  # protobuf's and onnx's own errors have no common class
        raise BadModelFile(
            str(path),
            f"it cannot be read: {said_by(error)}",
            "bring an ONNX file, and its weights with it",
        ) from error
