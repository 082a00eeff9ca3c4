"""How fast files become durable, checked, deduplicated events: Parquet, CSV, JSON lines.

From the file to the last sync, in one process; then the same file again, which adds
nothing, and how long the partition takes to open with all those keys. The best of three
rounds, since other work on the machine only ever adds time.

    make bench B=ingest [DATA=path] [FULL=1]
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path
from typing import Annotated

import duckdb

from kingpost.contracts import Event, EventTime, Key, Range, Resolution, contract_of
from kingpost.core import SystemClock, SystemDisk
from kingpost.integrations import Intake, ingest_file
from solutions.fraud.data import TransactionFiles
from solutions.fraud.simulator import Simulation, simulate, write_parquet

ROUNDS = 3
TEXT_ROWS = 400_000


class Transaction(Event):
    """A card is used at a terminal."""

    id: Key[int]
    at: EventTime
    customer: int
    terminal: int
    amount: Annotated[float, Range(ge=0), Resolution("0.01")]


CONTRACT = contract_of(Transaction)
SELECT = """
    SELECT TRANSACTION_ID::BIGINT AS id, timezone('UTC', TX_DATETIME::TIMESTAMP) AS "at",
        CUSTOMER_ID::BIGINT AS customer, TERMINAL_ID::BIGINT AS terminal,
        TX_AMOUNT::DOUBLE AS amount
"""


def write_files(directory: Path, data: Path | None, *, full: bool) -> list[Path]:
    """Write the same transactions in each format; texts of fewer rows unless `full`."""
    if data is None:
        data = directory / "simulated.parquet"
        write_parquet(simulate(Simulation()), data)
    files = TransactionFiles.find(data).files
    names = ", ".join(f"'{file}'" for file in files)
    parquet, csv, lines = (directory / f"rows.{name}" for name in ("parquet", "csv", "jsonl"))
    iso = "strftime(\"at\", '%Y-%m-%dT%H:%M:%S.%fZ')"
    limit = "" if full else f"LIMIT {TEXT_ROWS}"
    with duckdb.connect() as database:
        database.execute("SET TimeZone = 'UTC'")
        database.execute(f"COPY ({SELECT} FROM read_parquet([{names}])) TO '{parquet}'")
        texts = f"SELECT * REPLACE ({iso} AS \"at\") FROM '{parquet}' {limit}"
        database.execute(f"COPY ({texts}) TO '{csv}' (HEADER)")
        database.execute(f"COPY ({texts}) TO '{lines}' (FORMAT json)")
    return [parquet, csv, lines]


def measure(directory: Path, file: Path) -> dict[str, object]:
    """Take a file in, open the partition again and take it in once more."""
    partition = directory / "data"
    shutil.rmtree(partition, ignore_errors=True)

    def open_intake() -> Intake:
        return Intake.open(partition, [CONTRACT], disk=SystemDisk(), clock=SystemClock())

    with open_intake() as intake:
        first = ingest_file(intake, CONTRACT, file, tenant="bench")
    started = time.perf_counter()
    with open_intake() as intake:
        reopen_s = time.perf_counter() - started
        again = ingest_file(intake, CONTRACT, file, tenant="bench")
    assert (first.accepted, again.duplicates) == (first.rows, first.rows)
    stored = sum(part.stat().st_size for part in partition.glob("*.log"))
    return {
        "name": f"ingest_{file.suffix[1:]}",
        "rows": first.rows,
        "rows_per_s": round(first.rows_per_s),
        "again_rows_per_s": round(again.rows_per_s),
        "reopen_s": round(reopen_s, 3),
        "bytes_per_row": round(stored / first.rows, 1),
    }


def main() -> None:
    """Print one JSON line a format."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for file in write_files(directory, options.data, full=options.full):
            rounds = [measure(directory, file) for _ in range(ROUNDS)]
            best = max(rounds, key=lambda found: float(str(found["rows_per_s"])))
            print(json.dumps(best), flush=True)


if __name__ == "__main__":
    main()
