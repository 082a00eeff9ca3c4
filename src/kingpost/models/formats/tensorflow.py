"""TensorFlow: a SavedModel, a Keras file or TFLite, through tf2onnx.

The rule: what may run its maker's code, or read and write files, is only loaded for a user
who said that it may.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModelFile, UntrustedModel
from kingpost.models.formats.detect import Format
from kingpost.models.formats.original import Original, heavy_library, said_by, version_of

__all__ = ["load_tensorflow"]

_INSTALL = "tensorflow-cpu tf2onnx"
_OPSET = 17
_SIGNATURE = "serving_default"

_Function = Callable[[Any], Any]


def load_tensorflow(path: Path, kind: Format, *, trusted: bool) -> Original:
    """Load a TensorFlow model of one float32 input (rows, features) and write it as ONNX.

    Raises:
        UntrustedModel: It can run code, and nobody said that it may.
        BadModelFile: It is no such model.
        LibraryMissing: tensorflow or tf2onnx is not installed.
    """
    if not trusted and kind == "saved_model":
        raise UntrustedModel(str(path), "a SavedModel, whose graph can read and write files")
    if not trusted and path.suffix.lower() == ".h5":
        raise UntrustedModel(str(path), "an HDF5 file of Keras, which can hold code")
    tensorflow = heavy_library("tensorflow", _INSTALL)
    convert = heavy_library("tf2onnx.convert", _INSTALL)
    try:
        if kind == "tflite":
            return _from_tflite(tensorflow, convert, path)
        read = _keras if kind == "keras" else _signature
        function, width = read(tensorflow, path)
        specification = tensorflow.TensorSpec([None, width], tensorflow.float32, name="features")
        traced = tensorflow.function(function, input_signature=[specification])
        message, _ = convert.from_function(traced, input_signature=[specification], opset=_OPSET)
    except BadModelFile:
        raise
    except Exception as error:  # tensorflow, Keras and tf2onnx raise whatever they do
        raise BadModelFile(
            str(path),
            f"it cannot be converted: {said_by(error)}",
            "expected one float32 input (rows, features)",
        ) from error

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(traced(tensorflow.constant(rows)).numpy(), np.float64)

    return Original(message.SerializeToString(), outputs, _library())


def _keras(tensorflow: Any, path: Path) -> tuple[_Function, int]:
    model = tensorflow.keras.models.load_model(str(path), compile=False)

    def run(rows: Any) -> Any:
        return model(rows, training=False)

    return run, _width(path, model.input_shape)


def _signature(tensorflow: Any, path: Path) -> tuple[_Function, int]:
    loaded = tensorflow.saved_model.load(str(path))
    signature = loaded.signatures.get(_SIGNATURE)
    if signature is None:
        raise BadModelFile(str(path), f"it has no signature {_SIGNATURE!r}", "save it with one")
    _, named = signature.structured_input_signature
    outputs = signature.structured_outputs
    if len(named) != 1 or len(outputs) != 1:
        raise BadModelFile(
            str(path), f"it takes {list(named)} and gives {list(outputs)}", "expected one of each"
        )
    (name, given), (output,) = next(iter(named.items())), outputs
    kept = loaded  # the signature's variables live as long as this

    def run(rows: Any) -> Any:
        return kept.signatures[_SIGNATURE](**{name: rows})[output]

    return run, _width(path, tuple(given.shape))


def _width(path: Path, shape: tuple[int | None, ...]) -> int:
    if len(shape) != 2 or shape[1] is None:
        raise BadModelFile(
            str(path), f"it takes an input of shape {shape}", "expected one (rows, features)"
        )
    return shape[1]


def _from_tflite(tensorflow: Any, convert: Any, path: Path) -> Original:
    message, _ = convert.from_tflite(str(path), opset=_OPSET)
    interpreter = tensorflow.lite.Interpreter(model_path=str(path), num_threads=1)
    given, told = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    if given["dtype"] is not np.float32 or len(interpreter.get_input_details()) != 1:
        raise BadModelFile(
            str(path), f"it takes {given['dtype'].__name__}", "convert it with float32 inputs"
        )

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        interpreter.resize_tensor_input(given["index"], rows.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(given["index"], rows)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(told["index"]), np.float64)

    return Original(message.SerializeToString(), outputs, _library())


def _library() -> str:
    return version_of("tensorflow-cpu", "tensorflow")
