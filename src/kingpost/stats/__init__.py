"""Statistics that can be merged: divergences, histograms, intervals, tails, a sequential test."""

from kingpost.stats.bootstrap import RESAMPLES, drawn_weights, percentile_interval
from kingpost.stats.divergence import (
    SMOOTHING,
    Counts,
    chi_square,
    jensen_shannon,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability_index,
    total_variation,
    wasserstein,
)
from kingpost.stats.errors import BadShare, BadTest, BinMismatch, EmptyWindow
from kingpost.stats.excess import Excess, ExcessTest, Sample
from kingpost.stats.intervals import (
    difference_interval,
    normal_quantile,
    quantile_interval,
    standard_error,
    wilson_interval,
)
from kingpost.stats.log_histogram import HISTOGRAM_BINS, LogHistogram, duration_bins
from kingpost.stats.roc import roc_interval
from kingpost.stats.tails import (
    chi_square_limit,
    chi_square_tail,
    common_rows,
    kolmogorov_limit,
    kolmogorov_tail,
    shares_tail,
    step_down_rate,
)

__all__ = [
    "HISTOGRAM_BINS",
    "RESAMPLES",
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
    "chi_square",
    "chi_square_limit",
    "chi_square_tail",
    "common_rows",
    "difference_interval",
    "drawn_weights",
    "duration_bins",
    "jensen_shannon",
    "kolmogorov_limit",
    "kolmogorov_smirnov",
    "kolmogorov_tail",
    "kullback_leibler",
    "normal_quantile",
    "percentile_interval",
    "population_stability_index",
    "quantile_interval",
    "roc_interval",
    "shares_tail",
    "standard_error",
    "step_down_rate",
    "total_variation",
    "wasserstein",
    "wilson_interval",
]
