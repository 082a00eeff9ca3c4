"""How sure a share is that was counted on some rows."""

import math

from kingpost.stats.errors import BadShare

__all__ = ["standard_error", "wilson_interval"]

_Z_95 = 1.959963984540054


def wilson_interval(hits: int, rows: int, *, z: float = _Z_95) -> tuple[float, float]:
    """Return bounds of a share, each between 0 and 1; 95% by default.

    Raises:
        BadShare: There are no rows, or more hits than rows, or fewer than none.

    Source: Wilson (1927), without continuity correction.
    """
    if not 0 <= hits <= rows or rows == 0:
        raise BadShare(f"{hits} of {rows} rows")
    share = hits / rows
    spread = z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / rows + spread / rows / 4)
    # the share lies between, and at 0 and 1 is the bound itself, but for rounding
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == rows else min(1.0, middle + half)
    return min(low, share), max(high, share)


def standard_error(share: float, rows: int) -> float:
    """Return the standard error of a share among some rows.

    Raises:
        BadShare: There are no rows, or the share lies outside 0 to 1.
    """
    if rows <= 0 or not 0 <= share <= 1:
        raise BadShare(f"{share:g} of {rows} rows")
    return math.sqrt(share * (1 - share) / rows)
