"""What a model gives, read as the probability of the positive class: once in numpy, for originals.

`graph` writes the same into the graph that is served; a test holds the two together.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModel

__all__ = ["Gives", "check_probabilities", "check_shape", "positive_scores"]

Gives = Literal["probability", "logit"]
"""A probability, or a number before the sigmoid (one column) or the softmax (two)."""

_CLASSES = 2


def check_shape(shape: tuple[int, ...], rows: int) -> None:
    """Check that a model gives one number or one per class for each row.

    Raises:
        BadModel: It does not.
    """
    if not shape or shape[0] != rows or shape[1:] not in ((), (1,), (_CLASSES,)):
        raise BadModel(
            f"for {rows} rows it gives an output of shape {shape}, not ({rows},), ({rows}, 1) or "
            f"({rows}, {_CLASSES})"
        )


def positive_scores(outputs: NDArray[np.float64], gives: Gives) -> NDArray[np.float64]:
    """Return the probability of the positive class, shape (rows,).

    Args:
        outputs: Shape (rows,), (rows, 1) or (rows, 2).
    """
    flat = outputs.reshape(len(outputs), -1)
    if gives == "probability":
        return flat[:, -1].astype(np.float64)
    # two logits are as one: their difference
    logit = flat[:, -1] - flat[:, 0] if flat.shape[1] == _CLASSES else flat[:, 0]
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-logit.astype(np.float64)))


def check_probabilities(scores: NDArray[np.float64]) -> None:
    """Check that scores lie from 0 to 1; NaN is left to whoever compares.

    Raises:
        BadModel: One does not.
    """
    outside = (scores < 0) | (scores > 1)
    if outside.any():
        raise BadModel(
            f"it gives {scores[outside][0]:.4g} where a probability is expected; say --gives logit "
            "(gives='logit') if that is a number before the sigmoid or the softmax"
        )
