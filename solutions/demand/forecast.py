"""The next horizon of every series, with intervals, as one Parquet file.

    python -m solutions.demand.forecast --data m4/ --out forecasts.parquet

One model per kind of series, trained on all that the files hold. A row is one step of one
series: `kind`, `series`, `origin` and `at` (moments, UTC), `step` (from 1), `expected`,
`low` and `high`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb
import numpy as np

import kingpost as kp
from kingpost.models import Progress, quiet
from solutions.demand.data import Collection, Origins
from solutions.demand.files import read_collections
from solutions.demand.forecaster import reader
from solutions.demand.training import CANDIDATES, Forecasts, train
from solutions.ground.progress import Stages

__all__ = ["forecast_next", "main", "write_forecasts"]


def forecast_next(collection: Collection, *, progress: Progress = quiet) -> Forecasts:
    """Train on everything and forecast the horizon after the last value of each series.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    read = reader(collection)
    ends = [one.last for one in collection.series]
    trained = train(collection, ends, read, candidates=CANDIDATES[:1], progress=progress)
    return trained.forecast(read(Origins.of(range(len(ends)), ends, collection.kind.horizon)))


def write_forecasts(made: Sequence[tuple[Collection, Forecasts]], path: Path) -> int:
    """Write forecasts; return how many rows they are."""
    rows = 0
    with duckdb.connect() as database:
        database.execute(
            "CREATE TABLE forecasts (kind TEXT, series TEXT, origin TIMESTAMP, "
            '"at" TIMESTAMP, step BIGINT, expected DOUBLE, low DOUBLE, high DOUBLE)'
        )
        for collection, said in made:
            names = np.array([one.name for one in collection.series])
            asked = said.rows.asked
            table = {
                "series": names[asked.series],
                "origin": collection.time(asked.origin),
                "at": collection.time(asked.target),
                "step": asked.horizon,
                "expected": said.expected,
                "low": said.low,
                "high": said.high,
            }
            database.register("made", table)
            database.execute("INSERT INTO forecasts SELECT ?, * FROM made", [collection.kind.name])
            database.unregister("made")
            rows += len(asked)
        database.execute(
            "COPY (SELECT * FROM forecasts ORDER BY kind, series, step) TO ? "
            "(FORMAT parquet, COMPRESSION zstd)",
            [str(path)],
        )
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Forecast and write; return 0, or 1 after an error that was told."""
    parser = argparse.ArgumentParser(prog="solutions.demand.forecast", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a file, or a folder of such")
    parser.add_argument("--out", type=Path, required=True, help="the Parquet file to write")
    chosen = parser.parse_args(arguments)
    try:
        made = [
            (one, forecast_next(one, progress=Stages())) for one in read_collections(chosen.data)
        ]
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {write_forecasts(made, chosen.out):,} rows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
