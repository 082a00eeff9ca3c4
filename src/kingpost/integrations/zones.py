"""Local times to UTC by the column, exactly as `Instant.parse` reads one of them.

A local time that occurs twice, when clocks go back, is the first; one that clocks skip
is read with the offset before. Within a local day the offset is looked up once, unless it
changes that day.
"""

from datetime import timedelta
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import EPOCH, FIRST_US, LAST_US

__all__ = ["utc_of"]

_DAY_US = 86_400_000_000
_LOCAL_EPOCH = EPOCH.replace(tzinfo=None)


def utc_of(local: NDArray[np.int64], zone: ZoneInfo) -> NDArray[np.int64]:
    """Return the UTC times of local times, both in microseconds since 1970.

    A time outside the years 1 to 9999 comes back as it is.
    """
    utc = local.copy()
    known = np.flatnonzero((local >= FIRST_US) & (local <= LAST_US))
    days, day_of = np.unique(local[known] // _DAY_US, return_inverse=True)
    offsets = np.zeros(len(days), np.int64)
    for at, day in enumerate(days.tolist()):
        first = _offset_us(day * _DAY_US, zone)
        if first == _offset_us((day + 1) * _DAY_US - 1, zone):
            offsets[at] = first
        else:
            rows = known[day_of == at]
            utc[rows] -= np.array([_offset_us(us, zone) for us in local[rows].tolist()], np.int64)
    utc[known] -= offsets[day_of]
    return utc


def _offset_us(local_us: int, zone: ZoneInfo) -> int:
    moment = (_LOCAL_EPOCH + timedelta(microseconds=local_us)).replace(tzinfo=zone)
    offset = moment.utcoffset() or timedelta()
    return offset // timedelta(microseconds=1)
