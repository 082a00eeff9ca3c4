"""The kinds of series that are forecast: steps, horizon, features, and what they are scaled by.

The model is one for all series of a kind, so it sees no amounts but amounts in units of a
series' own level as of the origin, and learns how far the target is from a base, a value
that was known. Both are features of `app.py`, by name.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kingpost.contracts import contract_of
from kingpost.core import Place
from kingpost.features import Feature, FeatureSet
from solutions.demand import app

__all__ = ["BIKES", "HOURLY", "WEEKLY", "Kind"]

_HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Kind:
    """How the series of one kind are forecast.

    Attributes:
        step_us: From one value to the next.
        horizon: Steps that are forecast at each origin.
        season: Steps of a season for the measures: 24 for hours, 1 for weeks, as in M4.
        places: Steps of the long season, which `Order.place` counts.
        features: As declared in `app.py`.
        level: The feature that amounts are divided by.
        bases: What the model's answer is added to: the first of them that has a value.
        plain: Features that are no amounts and stay as they are.
        every: Steps between two origins that are learned from.
        origins: How many origins of a series are learned from, the latest ones.
        before: Steps that are known at the first origin, at the least.
        judged: Past origins, a horizon apart, on which parameters are chosen and intervals
            calibrated, by models of what lay before all of them; fewer where little is known.
    """

    name: str
    step_us: int
    horizon: int
    season: int
    places: int
    features: tuple[Feature, ...]
    level: str
    bases: tuple[str, ...]
    plain: tuple[str, ...]
    every: int
    origins: int
    before: int
    judged: int

    @property
    def shortest(self) -> int:
        """The fewest values of a series that is forecast."""
        return 4 * self.horizon

    @property
    def least(self) -> int:
        """The fewest values of the longest series: there must be something to learn from."""
        return self.before + 5 * self.horizon

    @cached_property
    def set(self) -> FeatureSet:
        """The features, resolved against the order."""
        place = Place(__file__, 0)
        return FeatureSet(contract_of(app.Order), self.features, place)

    @cached_property
    def amounts(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Which features are amounts, bool, shape (features,)."""
        return np.array([name not in self.plain for name in self.set.names])


HOURLY = Kind(
    name="hourly",
    step_us=_HOUR_US,
    horizon=48,
    season=24,
    places=168,
    features=tuple(app.hourly),
    level="series_mean_7d",
    bases=("series_hour_newest_1d", "series_hour_mean_7d"),
    plain=("horizon",),
    every=24,
    origins=10,
    before=336,
    judged=5,
)
WEEKLY = Kind(
    name="weekly",
    step_us=168 * _HOUR_US,
    horizon=13,
    season=1,
    places=52,
    features=tuple(app.weekly),
    level="series_newest_7d",
    bases=("series_newest_7d",),
    plain=("horizon",),
    every=6,
    origins=50,
    before=54,
    judged=5,
)
BIKES = Kind(
    name="bikes",
    step_us=_HOUR_US,
    horizon=24,
    season=24,
    places=168,
    features=tuple(app.city),
    level="series_mean_7d",
    bases=("series_hour_mean_7d",),
    plain=("horizon", "hour", "weekday", "free_day"),
    every=24,
    origins=500,
    before=336,
    judged=56,
)
