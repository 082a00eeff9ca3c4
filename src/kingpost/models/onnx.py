"""Models as ONNX: what is served, whatever library trained them.

The rule: a row's score has the same bits whether it comes alone or in a batch, and an
export that does not score as its original is refused. Needs no training library to run.
"""

import os
from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModel, ExportDiffers

__all__ = ["OnnxScorer", "Session", "check_export", "open_session"]

_OUTPUT = "probabilities"
_ROWS_PER_CALL = 8192
_ERRORS_ONLY = 3


class _Port(Protocol):
    name: str
    type: str
    shape: list[int | str | None]


class Session(Protocol):
    """What is used of an `onnxruntime.InferenceSession`."""

    def get_inputs(self) -> list[_Port]:
        """Return its inputs: name, type and shape."""
        ...

    def get_outputs(self) -> list[_Port]:
        """Return its outputs."""
        ...

    def run(
        self, outputs: list[str], inputs: dict[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Return the outputs asked for."""
        ...


class _Options(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int


class _Runtime(Protocol):
    """What is used of the module `onnxruntime`, which has no types."""

    SessionOptions: Callable[[], _Options]
    InferenceSession: Callable[..., Session]


class OnnxScorer:
    """A binary classifier run by ONNX Runtime on one thread.

    Args:
        model: An ONNX model with one float32 input, shape (rows, features), and an output
            `probabilities`, shape (rows, 2).

    Raises:
        BadModel: The bytes are no such model.
    """

    features: int

    def __init__(self, model: bytes) -> None:
        self._session = open_session(model)
        inputs = self._session.get_inputs()
        outputs = [port.name for port in self._session.get_outputs()]
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 2:
            raise BadModel(f"it takes {[(port.type, port.shape) for port in inputs]}")
        if _OUTPUT not in outputs:
            raise BadModel(f"it gives {outputs}")
        width = inputs[0].shape[1]
        if not isinstance(width, int):
            raise BadModel("it does not say how many features it takes")
        self.features = width
        self._input = inputs[0].name

    def score(self, rows: NDArray[np.float32]) -> list[float]:
        """Return the probability of the positive class, row by row.

        Args:
            rows: float32, shape (rows, features), as from `model_input`.
        """
        return self._run(rows).tolist()

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the same for any number of rows, as an array of shape (rows,)."""
        out = np.empty(len(rows), np.float64)
        for start in range(0, len(rows), _ROWS_PER_CALL):
            part = slice(start, start + _ROWS_PER_CALL)
            out[part] = self._run(rows[part])
        return out

    def _run(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._session.run([_OUTPUT], {self._input: rows})[0][:, 1]


def open_session(model: bytes) -> Session:
    """Load a model into ONNX Runtime, on one thread.

    Raises:
        BadModel: The bytes are no model that it can run.
    """
    # the runtime reports its use to its makers, unless this is set before it is loaded
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # 0.3 s to import: not for a command that runs no model
    import onnxruntime  # pyright: ignore[reportMissingTypeStubs]

    runtime = cast("_Runtime", onnxruntime)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    # LightGBM's graphs declare a label of one row, and the runtime warns of every batch
    options.log_severity_level = _ERRORS_ONLY
    try:
        return runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's errors have no common class
        raise BadModel(str(error)) from error


def check_export(
    model: bytes,
    x: NDArray[np.float32],
    original: NDArray[np.float64],
    *,
    tolerance: float = 1e-5,
) -> float:
    """Compare an exported model with its original's scores on the same rows.

    Args:
        model: The ONNX bytes.
        original: Scores of the original, shape (rows,).
        tolerance: The largest difference that summing in single precision explains.

    Returns:
        The largest difference of a probability; 0 for no rows.

    Raises:
        BadModel: The bytes are no model.
        ExportDiffers: A score differs by more than the tolerance.
    """
    if not len(x):
        return 0.0
    differences = np.abs(OnnxScorer(model).scores(x) - original)
    row = int(np.argmax(differences))  # the first NaN, if there is one
    worst = float(differences[row])
    if not worst <= tolerance:
        raise ExportDiffers(worst, tolerance, row, len(x))
    return worst
