"""Rows to check a model on: from a file, or drawn where there is none.

The rule: features are found by name, in the decision's own order, and rounded as everywhere
by `model_input`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.models.dataset import model_input
from kingpost.models.errors import BadRows
from kingpost.models.formats.original import said_by

__all__ = ["MOST_ROWS", "SampleRows", "random_rows", "read_rows"]

MOST_ROWS = 2_000_000
_READERS = {".csv": "read_csv", ".parquet": "read_parquet"}


@dataclass(frozen=True, eq=False)
class SampleRows:
    """Rows of features, with their labels and times where these are known.

    Attributes:
        x: float32, shape (rows, features).
        y: 1 or 0, float64, shape (rows,); None without labels.
        event_time_us: int64, shape (rows,); None where no column was named.
    """

    x: NDArray[np.float32]
    y: NDArray[np.float64] | None = None
    event_time_us: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x)


def random_rows(features: int, *, rows: int = 512, seed: int = 7) -> SampleRows:
    """Draw rows for a model that comes without any: usual numbers, and every fourth of any size."""
    rng = np.random.default_rng(seed)
    scales = np.where(np.arange(rows) % 4, 1.0, 10.0 ** rng.integers(-2, 4, size=rows))[:, None]
    return SampleRows(model_input(rng.normal(size=(rows, features)) * scales))


def read_rows(
    path: Path, features: Sequence[str], *, label: str = "", time: str = ""
) -> SampleRows:
    """Read rows from CSV or Parquet by the names of their columns, or from .npy by position.

    Args:
        features: In the order in which the model takes them.
        label: The column of the label, 0 or 1 or a truth value; empty reads none.
        time: The column of the event time; empty reads none.

    Raises:
        BadRows: There is no such file, a column is missing, or a value is no number.
    """
    if not path.is_file():
        raise BadRows(str(path), "there is no such file", "expected .csv, .parquet or .npy")
    suffix = path.suffix.lower()
    if suffix == ".npy":
        return _from_npy(path, len(features), named=label or time)
    if suffix not in _READERS:
        raise BadRows(str(path), f"its name ends in {suffix!r}", "expected .csv, .parquet or .npy")
    return _from_table(path, _READERS[suffix], features, label, time)


def _from_npy(path: Path, features: int, *, named: str) -> SampleRows:
    if named:
        raise BadRows(str(path), f"it has no column {named!r}", "give labels in CSV or Parquet")
    try:
        read = cast("NDArray[np.float64]", np.load(path, allow_pickle=False))
    except (ValueError, OSError, EOFError) as error:
        raise BadRows(str(path), said_by(error), "write it with numpy.save") from error
    if read.ndim != 2 or read.shape[1] != features or read.dtype.kind not in "fiub":
        problem = f"it holds {read.dtype} of shape {read.shape}"
        raise BadRows(str(path), problem, f"expected numbers of shape (rows, {features})")
    _check_count(path, len(read))
    return SampleRows(model_input(read.astype(np.float64)))


def _from_table(
    path: Path, reader: str, features: Sequence[str], label: str, time: str
) -> SampleRows:
    import duckdb  # 0.1 s to import: not for a command that reads no rows

    with duckdb.connect(config={"threads": 1}) as database:
        try:
            table = database.sql(f"SELECT * FROM {reader}(?)", params=[str(path)])
            missing = [one for one in (*features, label, time) if one and one not in table.columns]
            if missing:
                raise BadRows(
                    str(path),
                    f"it has no column {missing[0]!r}",
                    f"expected one per feature: {', '.join(features)}",
                )
            asked = [
                f"CAST({_quoted(one)} AS DOUBLE)" for one in (*features, *filter(None, [label]))
            ]
            asked += [f"epoch_us(CAST({_quoted(time)} AS TIMESTAMPTZ))"] if time else []
            named = [f"{one} AS c{at}" for at, one in enumerate(asked)]
            read = table.select(", ".join(named)).limit(MOST_ROWS + 1).fetchnumpy()
        except duckdb.Error as error:
            raise BadRows(str(path), said_by(error), "give numbers, and mend the file") from error
    columns = [_numbers(read[f"c{at}"]) for at in range(len(asked))]
    _check_count(path, len(columns[0]))
    times = columns.pop().astype(np.int64) if time else None
    y = columns.pop() if label else None
    if y is not None and not np.all((y == 0) | (y == 1)):
        raise BadRows(str(path), f"a value of {label!r} is neither 0 nor 1", "leave such rows out")
    return SampleRows(model_input(np.column_stack(columns)), y, times)


def _numbers(column: Any) -> NDArray[np.float64]:
    """Return a column of DuckDB's with NaN where it has no value."""
    filled = np.ma.filled(np.ma.asarray(column, np.float64), np.nan)
    return np.asarray(filled, np.float64)


def _check_count(path: Path, rows: int) -> None:
    if not 0 < rows <= MOST_ROWS:
        raise BadRows(str(path), f"it has {rows:,} rows", f"expected 1 to {MOST_ROWS:,}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
