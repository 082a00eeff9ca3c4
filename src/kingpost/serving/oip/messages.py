"""What is asked and answered, whatever carries it: REST, gRPC or TensorFlow Serving's form.

Source: Open Inference Protocol v2, https://github.com/kserve/open-inference-protocol.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from kingpost.access import Fields, Principal
from kingpost.serving.oip.tensors import Tensor

__all__ = [
    "Call",
    "Charge",
    "Failed",
    "InferRequest",
    "InferResponse",
    "ModelMetadata",
    "Parameter",
    "ServedModel",
    "ServerMetadata",
    "TensorMetadata",
    "Told",
]

Parameter = bool | int | float | str


class Call(NamedTuple):
    """Who asks, and what stands beside the question."""

    principal: Principal
    trace_id: str
    arrived_ns: int
    session: str | None = None
    idempotency_key: str | None = None


class InferRequest(NamedTuple):
    """One inference.

    Attributes:
        outputs: The names of those asked for; empty for all.
    """

    inputs: Sequence[Tensor]
    outputs: Sequence[str] = ()
    id: str | None = None


class InferResponse(NamedTuple):
    """What came of it.

    Attributes:
        record: The id of what is on record, where one record stands for all of it.
    """

    model: str
    version: str
    outputs: Sequence[Tensor]
    id: str | None = None
    record: str | None = None


class Failed(NamedTuple):
    """Why there is no answer, and the row at fault where one is."""

    error: Exception
    row: int | None = None


Told = Callable[["InferResponse | Failed"], None]
"""Told once, now or later, in the loop's thread, what came of an inference."""


Charge = Callable[[Principal, int, float], Fields]
"""Takes rows and their cost from what a principal has left; raises what does not fit."""


class TensorMetadata(NamedTuple):
    """What a model takes or gives; -1 stands for as many rows as are sent."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class ModelMetadata:
    """A model as the protocol tells of it.

    Attributes:
        versions: Those that can be asked: the one that runs.
        properties: What the protocol has no field for.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]
    properties: Mapping[str, str]


class ServerMetadata(NamedTuple):
    """A server as the protocol tells of it."""

    name: str
    version: str
    extensions: tuple[str, ...]


class ServedModel(Protocol):
    """Something that can be asked: a decision, or the model behind one."""

    @property
    def metadata(self) -> ModelMetadata:
        """What it takes and gives."""
        ...

    @property
    def scope(self) -> str:
        """What a key narrowed to it is narrowed to, behind `decide:`."""
        ...

    def infer(self, call: Call, request: InferRequest, told: Told) -> Fields:
        """Answer later; what is wrong with the request is raised.

        Returns:
            The header fields that tell what the caller has left, where it is limited.

        Raises:
            KingpostError: The request cannot be taken; nothing was done, and `told` is never
                called.
        """
        ...
