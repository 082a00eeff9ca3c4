"""Statistics that can be merged: divergences, histograms, intervals; numpy only."""

from kingpost.stats.divergence import (
    SMOOTHING,
    Counts,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability_index,
)
from kingpost.stats.errors import BadShare, BinMismatch, EmptyWindow
from kingpost.stats.intervals import standard_error, wilson_interval
from kingpost.stats.log_histogram import HISTOGRAM_BINS, LogHistogram, duration_bins

__all__ = [
    "HISTOGRAM_BINS",
    "SMOOTHING",
    "BadShare",
    "BinMismatch",
    "Counts",
    "EmptyWindow",
    "LogHistogram",
    "duration_bins",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "kullback_leibler",
    "population_stability_index",
    "standard_error",
    "wilson_interval",
]
