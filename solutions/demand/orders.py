"""Past hours of the bikes as events of `app.py`, with plans that were or were not enough.

    python -m solutions.demand.orders --data bikes/ --out events/

Nobody wrote down what had been planned, so plans are drawn: the value a week before, times
a factor around one. At the end of every day each hour of the next is asked about; whether
its plan fell short is known when the hour is over. Four Parquet files are written, for
`kingpost ingest` and `kingpost score`: `sale`, `order`, `outcome`, and `tomorrow`, which
holds the orders of the day after the last.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import ColumnBatch
from solutions.demand.data import Collection, Origins
from solutions.demand.errors import BadDemandFiles
from solutions.demand.files import read_collections
from solutions.demand.kinds import BIKES

__all__ = ["events_of", "main", "tomorrow", "write_events"]

SPREAD = 0.3
"""Of the factors' logarithms: two plans in three are within a third of the week before."""

TIMES = ("at", "known_at")
Events = Mapping[str, ColumnBatch]
Floats = NDArray[np.float64]


def events_of(collection: Collection, *, seed: int = 7) -> Events:
    """Return the streams `sale`, `order` and `outcome`, each in the order of time."""
    asked, planned = _planned(collection, _days(collection), seed)
    actual = collection.actual(asked)
    there = ~np.isnan(actual)
    asked, planned, actual = asked.at(np.flatnonzero(there)), planned[there], actual[there]
    orders = collection.orders(asked, planned)
    return {
        "sale": collection.history()["sale"].events,
        "order": orders,
        "outcome": collection.outcomes(orders, asked, actual > planned),
    }


def tomorrow(collection: Collection, *, seed: int = 7) -> ColumnBatch:
    """Return the orders of the steps after the last value, as they would be asked now."""
    [series] = collection.series
    return collection.orders(*_planned(collection, [series.last], seed))


def _days(collection: Collection) -> Sequence[int]:
    """Return the origins, a horizon apart up to the last whose steps are known."""
    [series] = collection.series
    steps = collection.kind.horizon
    return range(series.last - steps, series.first + collection.kind.places, -steps)[::-1]


def _planned(collection: Collection, origins: Sequence[int], seed: int) -> tuple[Origins, Floats]:
    """Draw a plan for each step after some origins, where the week before is known."""
    [series] = collection.series
    asked = Origins.of([0] * len(origins), origins, collection.kind.horizon)
    random = np.random.default_rng([seed, int(origins[0])])
    factor = np.exp(random.normal(0, SPREAD, len(asked)))
    before = series.at(asked.target - collection.kind.places)
    planned = np.maximum(before * factor, 1.0).round(4)
    there = np.flatnonzero(~np.isnan(planned))
    return asked.at(there), planned[there]


def write_events(events: Events, folder: Path) -> None:
    """Write a Parquet file for each stream."""
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect() as database:
        for name, batch in events.items():
            table = {column: _plain(batch, column) for column in batch.columns}
            database.register("made", table)
            times = ", ".join(
                f"""("{time}"::TEXT || '+00')::TIMESTAMPTZ AS "{time}\""""
                for time in TIMES
                if time in table
            )
            database.execute(
                f"COPY (SELECT * REPLACE ({times}) FROM made) TO ? "
                "(FORMAT parquet, COMPRESSION zstd)",
                [str(folder / f"{name}.parquet")],
            )
            database.unregister("made")


def _plain(batch: ColumnBatch, column: str) -> NDArray[np.generic]:
    if column in TIMES:
        return batch.numbers(column).astype("datetime64[us]")
    return np.array(batch.values(column))


def main(arguments: list[str] | None = None) -> int:
    """Read, draw plans and write; return 0, or 1 after an error that was told."""
    parser = argparse.ArgumentParser(prog="solutions.demand.orders", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="a file, or a folder of such")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write into")
    parser.add_argument("--seed", type=int, default=7, help="of the plans")
    chosen = parser.parse_args(arguments)
    try:
        bikes = [one for one in read_collections(chosen.data) if one.kind is BIKES]
        if not bikes:
            raise BadDemandFiles(
                str(chosen.data), "holds no bikes", "give dteday, hr, workingday, cnt"
            )
        events = dict(events_of(bikes[0], seed=chosen.seed))
    except kp.KingpostError as error:
        print(f"error [{error.code}]: {error}", file=sys.stderr)
        return 1
    events["tomorrow"] = tomorrow(bikes[0], seed=chosen.seed)
    write_events(events, chosen.out)
    told = ", ".join(f"{batch.rows:,} {name}" for name, batch in events.items())
    print(f"{chosen.out}: {told}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
