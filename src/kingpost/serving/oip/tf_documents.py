"""What TensorFlow Serving's REST form sends and answers.

Source: https://www.tensorflow.org/tfx/serving/api_rest, its version 1.
"""

import msgspec

from kingpost.serving.oip.messages import ModelMetadata, TensorMetadata

__all__ = [
    "ColumnsDocument",
    "PredictDocument",
    "PredictionsDocument",
    "SignatureMetadataDocument",
    "VersionsDocument",
    "metadata_document",
    "status_document",
]

_DTYPES = {
    "BOOL": "DT_BOOL",
    "BYTES": "DT_STRING",
    "FP32": "DT_FLOAT",
    "FP64": "DT_DOUBLE",
    "INT64": "DT_INT64",
}


class PredictDocument(msgspec.Struct):
    """A prediction: `instances`, a list of rows, or `inputs`, the same by columns."""

    signature_name: str | None = None
    instances: list[msgspec.Raw] | None = None
    inputs: msgspec.Raw = msgspec.field(default_factory=msgspec.Raw)


class PredictionsDocument(msgspec.Struct):
    """What came of `instances`: a row each."""

    predictions: list[msgspec.Raw]


class ColumnsDocument(msgspec.Struct):
    """What came of `inputs`."""

    outputs: msgspec.Raw


class StateDocument(msgspec.Struct):
    """Nothing is wrong with a version that is served."""

    error_code: str = "OK"
    error_message: str = ""


class VersionDocument(msgspec.Struct):
    """A version and its state, `AVAILABLE` or, while nothing is answered, `LOADING`."""

    version: str
    state: str
    status: StateDocument


class VersionsDocument(msgspec.Struct):
    """The versions of a model: the one that runs."""

    model_version_status: list[VersionDocument]


class ModelSpecDocument(msgspec.Struct):
    """Which model of which version."""

    name: str
    signature_name: str
    version: str


class DimensionDocument(msgspec.Struct):
    """A dimension; -1 is as many rows as are sent."""

    size: str
    name: str = ""


class ShapeDocument(msgspec.Struct):
    """A shape."""

    dim: list[DimensionDocument]
    unknown_rank: bool = False


class TensorInfoDocument(msgspec.Struct):
    """A tensor that a model takes or gives."""

    dtype: str
    tensor_shape: ShapeDocument
    name: str


class SignatureDocument(msgspec.Struct):
    """The one signature of a model."""

    inputs: dict[str, TensorInfoDocument]
    outputs: dict[str, TensorInfoDocument]
    method_name: str = "tensorflow/serving/predict"


class SignaturesDocument(msgspec.Struct):
    """The signatures by name."""

    signature_def: dict[str, SignatureDocument]


class MetadataDocument(msgspec.Struct):
    """What is told of a model."""

    signature_def: SignaturesDocument


class SignatureMetadataDocument(msgspec.Struct):
    """A model and its signatures."""

    model_spec: ModelSpecDocument
    metadata: MetadataDocument


def status_document(model: ModelMetadata, *, is_ready: bool) -> VersionsDocument:
    """Write down the state of a model's versions."""
    state = "AVAILABLE" if is_ready else "LOADING"
    return VersionsDocument(
        [VersionDocument(version, state, StateDocument()) for version in model.versions]
    )


def metadata_document(model: ModelMetadata) -> SignatureMetadataDocument:
    """Write down what a model takes and gives."""
    signature = SignatureDocument(_infos(model.inputs), _infos(model.outputs))
    return SignatureMetadataDocument(
        ModelSpecDocument(model.name, "", model.versions[0]),
        MetadataDocument(SignaturesDocument({"serving_default": signature})),
    )


def _infos(tensors: tuple[TensorMetadata, ...]) -> dict[str, TensorInfoDocument]:
    return {
        one.name: TensorInfoDocument(
            _DTYPES[one.datatype],
            ShapeDocument([DimensionDocument(str(size)) for size in one.shape]),
            f"{one.name}:0",
        )
        for one in tensors
    }
