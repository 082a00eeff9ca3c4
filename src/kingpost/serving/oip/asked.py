"""What every model checks of a request: names given once, rows that agree."""

from collections.abc import Collection, Iterable, Sequence

from kingpost.serving.oip.errors import BadInference, BadTensor
from kingpost.serving.oip.messages import InferRequest
from kingpost.serving.oip.tensors import Tensor

__all__ = ["named_inputs", "rows_of", "wanted_outputs"]


def named_inputs(inputs: Sequence[Tensor], known: Collection[str]) -> dict[str, Tensor]:
    """Return the inputs by name.

    Raises:
        BadInference: There are none.
        BadTensor: One is unknown, or there twice.
    """
    named: dict[str, Tensor] = {}
    for tensor in inputs:
        if tensor.name not in known:
            raise BadTensor(tensor.name, f"no such input; there are {', '.join(known)}")
        if tensor.name in named:
            raise BadTensor(tensor.name, "this input is there twice")
        named[tensor.name] = tensor
    if not named:
        raise BadInference("the request has no inputs")
    return named


def rows_of(tensors: Iterable[Tensor]) -> int:
    """Return how many rows some tensors hold.

    Raises:
        BadTensor: One holds another number of them, or is no list of rows.
    """
    rows = -1
    for tensor in tensors:
        if not tensor.shape:
            raise BadTensor(tensor.name, "its first dimension counts the rows; it has none")
        if rows not in (-1, tensor.shape[0]):
            raise BadTensor(
                tensor.name, f"expected {rows} rows as in the others, found {tensor.shape[0]}"
            )
        rows = tensor.shape[0]
    return rows


def wanted_outputs(request: InferRequest, gives: Sequence[str]) -> Sequence[str]:
    """Return the names of the outputs that are asked for.

    Raises:
        BadTensor: One is unknown, or asked for twice.
    """
    if not request.outputs:
        return gives
    for at, name in enumerate(request.outputs):
        if name not in gives:
            raise BadTensor(name, f"no such output; there are {', '.join(gives)}")
        if name in request.outputs[:at]:
            raise BadTensor(name, "this output is asked for twice")
    return request.outputs
