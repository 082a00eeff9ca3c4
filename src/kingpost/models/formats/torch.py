"""PyTorch: an exported program (`.pt2`), or a module in memory."""

import contextlib
import io
import logging
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModelFile, UntrustedModel
from kingpost.models.formats.original import Original, heavy_library, said_by, version_of

__all__ = ["convert_module", "load_program"]

_INSTALL = "torch onnxscript"
_EXAMPLE_ROWS = 2
_EXPORT_SO = (
    "export it with torch.export.export(model, (rows,), dynamic_shapes=({0: "
    "torch.export.Dim.DYNAMIC},)) for one float32 input (rows, features)"
)


def load_program(path: Path, *, trusted: bool) -> Original:
    """Load an exported program and write it as ONNX.

    Raises:
        UntrustedModel: torch reads such a file as a pickle, and nobody said that it may.
        BadModelFile: It is no program of one float32 input with any number of rows.
        LibraryMissing: torch or onnxscript is not installed.
    """
    if not trusted:
        raise UntrustedModel(str(path), "an exported program, which torch reads as a pickle")
    torch = heavy_library("torch", _INSTALL)
    try:
        program: Any = torch.export.load(str(path))
    except Exception as error:  # torch raises whatever its readers do
        raise BadModelFile(
            str(path), f"torch cannot load it: {said_by(error)}", _EXPORT_SO
        ) from error
    names = list(program.graph_signature.user_inputs)
    given: Any = [node.meta["val"] for node in program.graph.nodes if node.name in names]
    if len(given) != 1 or getattr(given[0], "ndim", 0) != 2:
        raise BadModelFile(str(path), f"it takes {names}", _EXPORT_SO)
    rows = given[0].shape[0]
    if isinstance(rows, int):
        raise BadModelFile(str(path), f"it takes {rows} rows and no other number", _EXPORT_SO)
    return _original(torch, str(path), program, program.module(), None)


def convert_module(module: Any, name: str, features: int | None) -> Original:
    """Write a module as ONNX.

    Args:
        name: What it is called in errors.
        features: How many features it takes; None takes the width of its first linear layer.

    Raises:
        BadModelFile: It cannot be exported, or its width is not known.
        LibraryMissing: onnxscript is not installed.
    """
    torch = heavy_library("torch", _INSTALL)
    layers = (one for one in module.modules() if isinstance(one, torch.nn.Linear))
    width = features or next((one.in_features for one in layers), None)
    if width is None:
        raise BadModelFile(name, "it does not say its features", "give rows or features=…")
    module.eval()
    example = (torch.zeros((_EXAMPLE_ROWS, width), dtype=torch.float32),)
    return _original(torch, name, module, module, example)


def _original(torch: Any, name: str, exported: Any, run: Any, example: Any) -> Original:
    heavy_library("onnxscript", _INSTALL)
    shapes = {} if example is None else {"dynamic_shapes": ({0: torch.export.Dim.DYNAMIC},)}
    try:
        with _silence():
            made = torch.onnx.export(exported, example or (), dynamo=True, verbose=False, **shapes)
        content: bytes = made.model_proto.SerializeToString()
    except Exception as error:  # torch raises whatever its passes do
        raise BadModelFile(
            name, f"torch.onnx.export failed: {said_by(error)}", _EXPORT_SO
        ) from error

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        with torch.no_grad():
            found = run(torch.from_numpy(np.ascontiguousarray(rows)))
        return np.asarray(found.detach().numpy(), np.float64)

    return Original(content, outputs, version_of("torch"))


@contextlib.contextmanager
def _silence() -> Generator[None, None, None]:
    """Keep what the exporter says of its progress out of a command's output."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logger.setLevel(level)
