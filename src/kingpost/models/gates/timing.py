"""How long one score takes, and how much of a processor: measured, so never the same twice."""

import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Timings", "time_scores"]

_CALLS = 2000
_WARM = 50


class Timings(NamedTuple):
    """What single scores took.

    Attributes:
        call_ms: Of each call, float64, shape (calls,).
        cpu_s: Processor time of a call on average, all threads of the process together.
    """

    call_ms: NDArray[np.float64]
    cpu_s: float


def time_scores(score: Callable[[NDArray[np.float32]], object], x: NDArray[np.float32]) -> Timings:
    """Score some rows one at a time, as a lone request is.

    Args:
        x: Not empty, float32, shape (rows, features).
    """
    single = [x[at % len(x)][None, :] for at in range(_WARM + _CALLS)]
    for row in single[:_WARM]:
        score(row)
    taken = np.empty(_CALLS, np.int64)
    cpu = time.process_time_ns()
    for at, row in enumerate(single[_WARM:]):
        started = time.perf_counter_ns()
        score(row)
        taken[at] = time.perf_counter_ns() - started
    return Timings(taken / 1e6, (time.process_time_ns() - cpu) / _CALLS / 1e9)
