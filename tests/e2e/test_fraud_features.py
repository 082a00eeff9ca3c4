"""The features are those of the Fraud Detection Handbook, recomputed here with pandas.

On the real file where it lies beside the repository, else on a simulated one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pandas as pd  # pyright: ignore[reportMissingTypeStubs]: _Series says what is used
import pytest
from numpy.typing import NDArray

from kingpost.features import History, Requests, feature_matrix
from solutions.fraud.app import fraud
from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, simulate, write_parquet

REAL = Path(__file__).parents[3] / "shared/data/card-fraud"
WINDOW_DAYS = (1, 7, 30)
DELAY_DAYS = 7
DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000
SAMPLED = 60
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class _Series(Protocol):
    def rolling(self, window: str) -> "_Window": ...
    def to_numpy(self) -> Floats: ...


class _Window(Protocol):
    def sum(self) -> _Series: ...


@dataclass(frozen=True)
class Sample:
    """All transactions of some customers or of some terminals, with Kingpost's values."""

    at: Integers
    key: Integers
    amount: Floats
    fraud: Floats
    found: Mapping[str, Floats]

    def rolled(self, values: Floats, days: int) -> Floats:
        """Return the sum over each key's window (t - days, t], per row, as pandas has it."""
        sums = np.empty(len(values))
        for key in np.unique(self.key):
            rows = np.flatnonzero(self.key == key)
            times = pd.DatetimeIndex(self.at[rows].astype("datetime64[us]"))
            series = cast("_Series", pd.Series(values[rows], index=times))
            sums[rows] = series.rolling(f"{days}D").sum().to_numpy()
        return sums


@pytest.fixture(scope="module")
def histories(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, History]:
    if REAL.is_dir():
        return TransactionFiles.find(REAL).histories()
    file = tmp_path_factory.mktemp("simulated") / "transactions.parquet"
    write_parquet(simulate(Simulation(days=60, customers=800, terminals=1_000)), file)
    return TransactionFiles.find(file).histories()


def sample(histories: Mapping[str, History], key: str) -> Sample:
    """Take some customers or terminals, half of them with fraud, and compute features."""
    history = histories["transaction"]
    of_verdict = histories["verdict"].events.numbers("fraud").astype(np.float64)
    keys = history.events.numbers(key).astype(np.int64)
    rng = np.random.default_rng(3)
    some = rng.choice(np.unique(keys), SAMPLED // 2, replace=False)
    attacked = rng.choice(np.unique(keys[of_verdict > 0]), SAMPLED // 2, replace=False)
    rows = np.flatnonzero(np.isin(keys, np.concatenate([some, attacked])))
    events = history.events.take(rows)
    values = feature_matrix(fraud.features, Requests(events, history.positions[rows]), histories)
    return Sample(
        at=events.numbers("at").astype(np.int64),
        key=keys[rows],
        amount=events.numbers("amount").astype(np.float64),
        fraud=of_verdict[rows],
        found=dict(zip(fraud.features.names, values.T, strict=True)),
    )


def test_there_is_one_verdict_per_transaction(histories: Mapping[str, History]) -> None:
    transactions, verdicts = histories["transaction"].events, histories["verdict"].events

    assert np.array_equal(transactions.numbers("id"), verdicts.numbers("transaction"))
    known_at = transactions.numbers("at").astype(np.int64) + DELAY_DAYS * DAY_US
    assert np.array_equal(verdicts.numbers("known_at"), known_at)


def test_amount_night_and_weekend(histories: Mapping[str, History]) -> None:
    rows = sample(histories, "customer")
    hour = rows.at % DAY_US // HOUR_US
    weekday = (rows.at // DAY_US + 3) % 7  # 1970-01-01 was a Thursday, Monday is 0

    assert np.array_equal(rows.found["amount"], rows.amount)
    assert np.array_equal(rows.found["night"], hour <= 6)
    assert np.array_equal(rows.found["weekend"], weekday >= 5)


def test_what_a_customer_usually_spends(histories: Mapping[str, History]) -> None:
    rows = sample(histories, "customer")

    for days in WINDOW_DAYS:
        count = rows.rolled(np.ones_like(rows.amount), days)
        mean = rows.rolled(rows.amount, days) / count
        assert np.array_equal(rows.found[f"customer_count_{days}d"], count)
        np.testing.assert_allclose(rows.found[f"customer_mean_{days}d"], mean, rtol=1e-9)


def test_how_often_a_terminal_was_compromised_as_known_a_week_ago(
    histories: Mapping[str, History],
) -> None:
    rows = sample(histories, "terminal")
    one = np.ones_like(rows.amount)

    for days in WINDOW_DAYS:
        reach = DELAY_DAYS + days
        count = rows.rolled(one, reach) - rows.rolled(one, DELAY_DAYS)
        frauds = rows.rolled(rows.fraud, reach) - rows.rolled(rows.fraud, DELAY_DAYS)
        risk = np.divide(frauds, count, out=np.zeros_like(frauds), where=count > 0)
        assert np.array_equal(rows.found[f"terminal_count_{days}d"], count)
        np.testing.assert_allclose(
            rows.found[f"terminal_risk_{days}d"], risk, rtol=1e-9, atol=1e-12
        )
    assert rows.found["terminal_risk_7d"].max() > 0.5
