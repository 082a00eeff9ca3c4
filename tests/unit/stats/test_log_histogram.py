"""Percentiles from a histogram are near the true ones."""

import numpy as np
import pytest

from kingpost.stats import HISTOGRAM_BINS, BadShare, BinMismatch, LogHistogram


@pytest.mark.parametrize("share", [0.01, 0.5, 0.95, 0.99])
def test_a_percentile_is_within_five_per_cent(share: float) -> None:
    durations = np.random.default_rng(1).lognormal(8.0, 1.0, 20_000).astype(np.int64)

    found = LogHistogram.of(durations).percentile(share)

    assert found == pytest.approx(np.quantile(durations, share), rel=0.05)


def test_what_nobody_measured_has_no_percentile() -> None:
    assert LogHistogram.empty().percentile(0.5) is None


def test_durations_beyond_the_bins_are_counted_at_their_ends() -> None:
    found = LogHistogram.of(np.array([-5, 0, 3, 10**12]))

    assert found.rows == 4
    assert (found.counts[0], found.counts[-1]) == (3, 1)
    assert found.percentile(1.0) == 2.0**25


def test_impossible_shares_and_bins_are_errors() -> None:
    with pytest.raises(BadShare, match="1.5"):
        LogHistogram.empty().percentile(1.5)
    with pytest.raises(BinMismatch):
        LogHistogram(np.zeros(HISTOGRAM_BINS + 1, np.int64))
