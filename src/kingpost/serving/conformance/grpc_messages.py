"""The protocol's gRPC messages, made by Google's own library from their description.

Not by the server's: what is checked must not check itself. Only what the checks need is
described; the library keeps the rest unread.

Source: Open Inference Protocol v2, `open_inference_grpc.proto`, package `inference`.
"""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any

from kingpost.core import ExtraMissing

__all__ = ["messages"]

_MODEL = "name:string=1 version:string=2"
_TENSOR = "name:string=1 datatype:string=2 shape:int64[]=3"
_DESCRIBED = {
    "Nothing": "",
    "Live": "live:bool=1",
    "Ready": "ready:bool=1",
    "Server": "name:string=1 version:string=2 extensions:string[]=3",
    "Named": _MODEL,
    "TensorMetadata": _TENSOR,
    "Model": "name:string=1 versions:string[]=2 platform:string=3 "
    "inputs:TensorMetadata[]=4 outputs:TensorMetadata[]=5",
    "Contents": "bool_contents:bool[]=1 int_contents:int32[]=2 int64_contents:int64[]=3 "
    "uint_contents:uint32[]=4 uint64_contents:uint64[]=5 fp32_contents:float[]=6 "
    "fp64_contents:double[]=7 bytes_contents:bytes[]=8",
    "InferTensor": f"{_TENSOR} contents:Contents=5",
    "Asked": "name:string=1",
    "InferRequest": "model_name:string=1 model_version:string=2 id:string=3 "
    "inputs:InferTensor[]=5 outputs:Asked[]=6 raw_input_contents:bytes[]=7",
    "InferResponse": "model_name:string=1 model_version:string=2 id:string=3 "
    "outputs:InferTensor[]=5 raw_output_contents:bytes[]=6",
}
"""Messages by names of ours: only numbers and types go over the wire."""


@cache
def messages() -> Mapping[str, Any]:
    """Return the class of every message, by its name here.

    Raises:
        ExtraMissing: The extra `grpc` is not installed.
    """
    try:
        pool = import_module("google.protobuf.descriptor_pool").DescriptorPool()
        described: Any = import_module("google.protobuf.descriptor_pb2")
        made = import_module("google.protobuf.message_factory").GetMessageClass
    except ImportError as error:
        raise ExtraMissing("protobuf", "grpc") from error
    file = described.FileDescriptorProto(name="inference.proto", package="kp", syntax="proto3")
    for name, fields in _DESCRIBED.items():
        message = file.message_type.add(name=name)
        for field in fields.split():
            _add(message, field, described.FieldDescriptorProto)
    pool.Add(file)
    return {name: made(pool.FindMessageTypeByName(f"kp.{name}")) for name in _DESCRIBED}


def _add(message: Any, text: str, kinds: Any) -> None:
    name, _, rest = text.partition(":")
    kind, _, number = rest.partition("=")
    plain = kind.removesuffix("[]")
    field = message.field.add(name=name, number=int(number))
    field.label = kinds.LABEL_REPEATED if kind.endswith("[]") else kinds.LABEL_OPTIONAL
    if plain in _DESCRIBED:
        field.type, field.type_name = kinds.TYPE_MESSAGE, f".kp.{plain}"
    else:
        field.type = getattr(kinds, f"TYPE_{plain.upper()}")
