"""When a model counts as drifted, and what cannot be tested."""

import numpy as np
import pytest

from solutions.demand.backtest import backtest, has_drifted
from solutions.demand.data import Collection, Series
from solutions.demand.errors import BadDemandFiles
from solutions.demand.kinds import BIKES

WATCHED = 14 * 24


@pytest.mark.parametrize(
    ("missed", "drifted"), [(0, False), (34, False), (45, False), (70, True), (WATCHED, True)]
)
def test_a_model_has_drifted_when_far_more_than_a_tenth_lies_outside(
    missed: int, drifted: bool
) -> None:
    assert has_drifted(np.arange(WATCHED) < missed) is drifted


@pytest.mark.parametrize("origins", [0, 3])
def test_a_backtest_that_leaves_too_little_to_learn_from_is_refused(origins: int) -> None:
    short = Collection(BIKES, (Series("bikes", 0, np.ones(20 * 24)),))

    with pytest.raises(BadDemandFiles, match="its 480 values allow 2"):
        backtest(short, origins=origins, policy="never")
