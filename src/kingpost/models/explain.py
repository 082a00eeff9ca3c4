"""Why a score is what it is: how much each feature of a row moved it.

The rule: contributions add up to the difference between the row's score and the mean score
of the reference rows, and the same row, rows and seed give the same numbers.

A contribution is a feature's Shapley value in the game in which a feature that does not take
part has the value of a reference row. It is estimated by walking from each reference row to
the row explained, one feature at a time, in random orders; each order is also walked
backwards, which cancels most of the error. Only scores are needed, so it holds for any model.

Source: Štrumbelj & Kononenko (2014), "Explaining prediction models and individual
predictions with feature contributions", algorithm 2; antithetic orders: Mitchell, Cooper,
Frank & Holmes (2022), "Sampling permutations for Shapley value estimation", section 4.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import NothingToCompare

__all__ = ["Contributions", "contributions"]

Score = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""A probability per row, float64, shape (rows,); rows is float32, shape (rows, features)."""


@dataclass(frozen=True)
class Contributions:
    """What each feature added to a score.

    Attributes:
        base: Mean score of the reference rows.
        values: One per feature; they add up to `score` less `base`.
        score: The score that is explained.
        standard_errors: How far each value may lie from the one that all possible reference
            rows and orders would give; NaN for a single reference row.
    """

    base: float
    values: tuple[float, ...]
    score: float
    standard_errors: tuple[float, ...]


def contributions(
    score: Score,
    row: NDArray[np.float32],
    background: NDArray[np.float32],
    *,
    seed: int = 0,
    pairs: int = 3,
) -> Contributions:
    """Estimate how much each feature of a row moved its score away from the usual one.

    Args:
        row: The row to explain, float32, shape (features,); NaN is a value like others.
        background: Reference rows, float32, shape (reference rows, features).
        pairs: Orders per reference row, each walked forwards and backwards.

    Raises:
        NothingToCompare: There are no reference rows, or they have other features.
    """
    if not len(background) or background.shape[1:] != row.shape:
        raise NothingToCompare(background.shape, len(row))
    known = score(np.concatenate([row[np.newaxis], background]))
    explained, usual = float(known[0]), known[1:]
    starts = np.repeat(background, 2 * pairs, axis=0)
    orders = _orders(len(background) * pairs, len(row), seed)
    along = _walks(score, row, starts, orders, np.repeat(usual, 2 * pairs), explained)
    moved = np.empty(orders.shape)
    np.put_along_axis(moved, orders, np.diff(along, axis=1), axis=1)
    per_row = moved.reshape(len(background), 2 * pairs, len(row)).mean(axis=1)
    spread = np.full(len(row), math.nan)
    if len(background) > 1:
        spread = per_row.std(axis=0, ddof=1) / math.sqrt(len(background))
    return Contributions(
        base=float(usual.mean()),
        values=tuple(per_row.mean(axis=0).tolist()),
        score=explained,
        standard_errors=tuple(spread.tolist()),
    )


def _orders(pairs: int, features: int, seed: int) -> NDArray[np.int64]:
    """Draw orders of the features, each followed by its reverse."""
    drawn = np.tile(np.arange(features), (pairs, 1))
    np.random.default_rng(seed).permuted(drawn, axis=1, out=drawn)
    return np.stack([drawn, drawn[:, ::-1]], axis=1).reshape(2 * pairs, features)


def _walks(
    score: Score,
    row: NDArray[np.float32],
    starts: NDArray[np.float32],
    orders: NDArray[np.int64],
    usual: NDArray[np.float64],
    explained: float,
) -> NDArray[np.float64]:
    """Score every step from each start to the row, shape (walks, features + 1)."""
    walks, features = orders.shape
    same = (starts == row) | (np.isnan(starts) & np.isnan(row))
    step = np.empty_like(orders)
    at_step = np.arange(1, features + 1, dtype=np.int64)
    np.put_along_axis(step, orders, at_step[np.newaxis], axis=1)
    # a feature that has the row's value already moves nothing: its step is not scored anew
    moves = np.zeros((walks, features + 1), np.bool_)
    moves[:, 1:] = ~np.take_along_axis(same, orders, axis=1)
    last = features - np.argmax(moves[:, ::-1], axis=1)  # there the walk arrives at the row
    arrived = moves.any(axis=1)
    moves[np.flatnonzero(arrived), last[arrived]] = False
    walk, at = np.nonzero(moves)
    found = np.where(step[walk] <= at[:, np.newaxis], row, starts[walk])
    along = np.zeros((walks, features + 1))
    along[:, 0] = usual
    along[walk, at] = score(found)
    along[np.flatnonzero(arrived), last[arrived]] = explained
    moves[np.flatnonzero(arrived), last[arrived]] = True
    steps = np.arange(features + 1, dtype=np.int64)
    before = np.maximum.accumulate(np.where(moves, steps, 0), axis=1)
    return np.take_along_axis(along, before, axis=1)
