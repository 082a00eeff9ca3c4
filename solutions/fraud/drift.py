"""A fault to be found: from one noon on, every amount arrives in cents.

The payment itself is what it was, so verdicts do not change; only what the request says
of the amount is a hundred times too much, as when a payment gateway is updated and
nobody tells the people whose model lives on its numbers. It stays so: the model has to
learn the new amounts.
"""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from kingpost.contracts import ColumnBatch

__all__ = ["DRIFT_DAYS", "amounts_in_cents", "drift_start"]

CENTS = 100
DRIFT_DAYS = 65
"""The fault lies in so many last days."""


def drift_start(last_day: date) -> datetime:
    """Return the noon, UTC, from which on amounts are in cents."""
    return datetime.combine(last_day - timedelta(days=DRIFT_DAYS - 1), time(12), UTC)


def amounts_in_cents(transactions: ColumnBatch, since: datetime) -> ColumnBatch:
    """Return the transactions with every amount from a moment on a hundred times as high."""
    at = transactions.numbers("at").astype(np.int64)
    amount = transactions.numbers("amount").astype(np.float64)
    wrong = at >= int(since.timestamp()) * 1_000_000
    columns = {**transactions.columns, "amount": np.where(wrong, np.round(amount * CENTS), amount)}
    return replace(transactions, columns=columns)
