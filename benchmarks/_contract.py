"""One contract, two ways: a request of one row, and a million rows by the column.

`contract_row_us`: from the bytes of a JSON object to a checked event, mean of each round, the
median of the rounds. `contract_rows_per_s`: as many rows of arrays as a file gives them, all
sound, to a checked batch; the median of the rounds. One core each. Then rows of which a part
is broken get the verdict of both ways; all must agree, and what passes must be equal.
"""

import json
import statistics
import time
from collections.abc import Mapping
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from benchmarks._figures import figure_at, say
from kingpost.contracts import ContractViolation, check_columns, contract_of, events_of

__all__ = ["run_contract"]

ROWS, SINGLE, COMPARED, ROUNDS = 1_000_000, 100_000, 20_000, 5
ROW_BAR_US, ROWS_BAR = 5.0, 5_000_000.0
BROKEN_SHARE = 0.05

Columns = Mapping[str, NDArray[np.generic]]


class Payment(kp.Event):
    id: kp.Key[int]
    at: kp.EventTime
    customer: Annotated[int, kp.Range(ge=0)]
    terminal: Annotated[int, kp.Range(ge=0, lt=100_000)]
    amount: Annotated[float, kp.Range(gt=0, le=10_000), kp.Resolution("0.01")]
    online: bool = False


CONTRACT = contract_of(Payment)


def run_contract() -> bool:
    """Print both figures; say whether all verdicts agree."""
    columns = _columns(ROWS)
    bodies = _bodies({name: column[:SINGLE] for name, column in columns.items()})
    singles = [_row_us(bodies) for _ in range(ROUNDS)]
    say("one row: " + ", ".join(f"{one:.2f}" for one in singles) + " µs")
    figure_at("contract_row_us", statistics.median(singles), "us", ROW_BAR_US, more_is_better=False)
    rates = [_rows_per_s(columns) for _ in range(ROUNDS)]
    say("by the column: " + ", ".join(f"{rate:,.0f}" for rate in rates) + " rows/s")
    figure_at("contract_rows_per_s", statistics.median(rates), "1/s", ROWS_BAR, more_is_better=True)
    broken = _broken({name: column[:COMPARED] for name, column in columns.items()})
    different, refused = _different_verdicts(broken)
    say(f"{COMPARED} rows, {refused} refused: {different} verdicts differ")
    return different == 0


def _columns(rows: int) -> Columns:
    random = np.random.default_rng(5)
    start = np.datetime64("2026-01-01T00:00", "us")
    return {
        "id": np.arange(rows),
        "at": start + np.sort(random.integers(0, 10**13, rows)).astype("timedelta64[us]"),
        "customer": random.integers(0, 5_000, rows),
        "terminal": random.integers(0, 10_000, rows),
        "amount": np.maximum(random.gamma(2.0, 30.0, rows).round(2), 0.01),
        "online": random.random(rows) < 0.3,
    }


def _broken(columns: Columns) -> Columns:
    """Break a value in a part of the rows."""
    random = np.random.default_rng(6)
    broken = {name: column.copy() for name, column in columns.items()}
    for name, value in (("customer", -1), ("terminal", 100_000), ("amount", 0.0), ("amount", 1e5)):
        broken[name][random.random(len(broken[name])) < BROKEN_SHARE / 4] = value
    return broken


def _bodies(columns: Columns) -> list[bytes]:
    texts = {name: column.tolist() for name, column in columns.items()}
    texts["at"] = [f"{moment.isoformat()}Z" for moment in texts["at"]]
    return [
        json.dumps(dict(zip(texts, row, strict=True))).encode()
        for row in zip(*texts.values(), strict=True)
    ]


def _row_us(bodies: list[bytes]) -> float:
    decode = CONTRACT.decode
    start = time.perf_counter()
    for body in bodies:
        decode(body)
    return (time.perf_counter() - start) * 1e6 / len(bodies)


def _rows_per_s(columns: Columns) -> float:
    start = time.perf_counter()
    batch, refused = check_columns(CONTRACT, columns)
    seconds = time.perf_counter() - start
    assert batch.rows == ROWS and not refused
    return ROWS / seconds


def _different_verdicts(columns: Columns) -> tuple[int, int]:
    """Count rows whose verdicts differ, and those that are refused by the column."""
    batch, bad = check_columns(CONTRACT, columns)
    refused = {row.row: row.violation.field for row in bad}
    sound = events_of(CONTRACT, batch)
    different = 0
    for row, body in enumerate(_bodies(columns)):
        expected = refused[row] if row in refused else next(sound)
        try:
            verdict = CONTRACT.decode(body)
        except ContractViolation as violation:
            verdict = violation.field
        different += verdict != expected
    return different, len(refused)
