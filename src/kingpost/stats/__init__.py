"""Statistics that can be merged: divergences, histograms, intervals, a sequential test."""

from kingpost.stats.divergence import (
    SMOOTHING,
    Counts,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability_index,
)
from kingpost.stats.errors import BadShare, BadTest, BinMismatch, EmptyWindow
from kingpost.stats.excess import Excess, ExcessTest, Sample
from kingpost.stats.intervals import standard_error, wilson_interval
from kingpost.stats.log_histogram import HISTOGRAM_BINS, LogHistogram, duration_bins

__all__ = [
    "HISTOGRAM_BINS",
    "SMOOTHING",
    "BadShare",
    "BadTest",
    "BinMismatch",
    "Counts",
    "EmptyWindow",
    "Excess",
    "ExcessTest",
    "LogHistogram",
    "Sample",
    "duration_bins",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "kullback_leibler",
    "population_stability_index",
    "standard_error",
    "wilson_interval",
]
