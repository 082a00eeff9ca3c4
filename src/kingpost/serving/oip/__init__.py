"""Models over the protocols that others speak: Open Inference Protocol v2, TensorFlow Serving."""

from kingpost.serving.oip.errors import (
    BadInference,
    BadTensor,
    ModelFailed,
    ModelNotFound,
    ModelVersionNotFound,
)
from kingpost.serving.oip.grpc_methods import INFERENCE_SERVICE, GrpcMethods
from kingpost.serving.oip.inference import EXTENSIONS, Inference
from kingpost.serving.oip.limits import MOST_ROWS, TooManyRows
from kingpost.serving.oip.messages import (
    Call,
    Failed,
    InferRequest,
    InferResponse,
    ModelMetadata,
    ServerMetadata,
    TensorMetadata,
    Told,
)
from kingpost.serving.oip.model_paths import ModelPaths
from kingpost.serving.oip.openapi import inference_documents, inference_paths
from kingpost.serving.oip.tensors import (
    DATATYPES,
    Tensor,
    tensor_from_json,
    tensor_from_raw,
    tensor_from_values,
)

__all__ = [
    "DATATYPES",
    "EXTENSIONS",
    "INFERENCE_SERVICE",
    "MOST_ROWS",
    "BadInference",
    "BadTensor",
    "Call",
    "Failed",
    "GrpcMethods",
    "InferRequest",
    "InferResponse",
    "Inference",
    "ModelFailed",
    "ModelMetadata",
    "ModelNotFound",
    "ModelPaths",
    "ModelVersionNotFound",
    "ServerMetadata",
    "Tensor",
    "TensorMetadata",
    "Told",
    "TooManyRows",
    "inference_documents",
    "inference_paths",
    "tensor_from_json",
    "tensor_from_raw",
    "tensor_from_values",
]
