"""The window kernel: the compiled one where it was built, else its twin in Python.

The rule: both give the same bits, so which one runs changes only how long it takes. That
price is logged once, at import, when the twin serves.

`State` holds the events of one stream by one key and answers a read at a time; `backfill`
answers many reads over many events at once; the compiled kernel alone has `Intake`, which adds
event objects (`kingpost.features.intake`). What a declaration means as integer edges
and columns is the caller's work.

An event is (key code, time t, sequence s, one whole number per column); a window
(far, near) read at q is over the events with q - far < t <= q - near, and with near == 0
an event at exactly q counts only if s <= tie. With an alignment, q stands for the last
microsecond before the last whole multiple of it. An output is
(op, column, far_us, near_us, default, argument, align_us), with these ops:

- count, since, sequence: of the events; column -1. since is q less the last event's time,
  over the argument; sequence is that of the last event.
- sum, mean, min, max, var, std: of the column, in units of its scale.
- first, last: the column's value of the earliest and the latest event.
- distinct: how many values, exactly up to the argument, above it by HyperLogLog.
- top: the value whose frequency has the rank of the argument; of equals the smaller first.
- quantile: the value of a rank, the argument in millionths; of more than 4,096 events the
  middle of its bucket.
- decayed_sum, and decayed_count with column -1: the argument is the half-life.

A column of scale 0 holds opaque bits: it has first, last, distinct and top only. A default
stands for an empty window, and where a top or a variance has too few values or events.
"""

import logging
from typing import Literal

try:
    from kingpost.features._kernel import Intake, State, backfill
except ImportError:
    from kingpost.features._twin import State, backfill  # pyright: ignore[reportAssignmentType] the same calls

    Intake = None
    _compiled = False
else:
    _compiled = True

__all__ = ["KERNEL", "Intake", "State", "backfill"]

KERNEL: Literal["c", "python"] = "c" if _compiled else "python"
"""Which of the two serves."""

if not _compiled:
    logging.getLogger(__name__).warning(  # the price in the text: no handler may be set up yet
        "window_kernel_not_compiled: the same values from plain Python; a backfill takes about "
        "100 times as long, an online read 10 times. Install a C compiler and reinstall kingpost."
    )
