"""Files of the Fraud Detection Handbook's columns as the two streams of `app.py`.

A transaction is taken as it is. Its verdict becomes known seven days later, one per
transaction, whether it was fraud or not. Times in the files have no zone and mean UTC.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import numpy as np

import kingpost as kp
from kingpost.contracts import ColumnBatch, Contract, contract_of, join_batches
from kingpost.features import History
from kingpost.integrations import Chunk, Reading, read_query
from solutions.fraud.app import Transaction, Verdict

__all__ = ["BadTransactionFiles", "TransactionFiles"]

COLUMNS = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
VERDICT_DAYS = 7
_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_READING = Reading(zone="UTC")


class BadTransactionFiles(kp.KingpostError):
    """Files that are not there or do not hold card transactions."""

    code = "bad_transaction_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


@dataclass(frozen=True)
class TransactionFiles:
    """Some files of card transactions, found and checked by `find`.

    Attributes:
        first_day: The day of the first transaction (UTC).
        last_day: The day of the last one.
    """

    path: Path
    files: tuple[Path, ...]
    rows: int
    first_day: date
    last_day: date

    @staticmethod
    def find(path: Path) -> "TransactionFiles":
        """Look for transactions in a Parquet or CSV file or in a folder of such files.

        Raises:
            BadTransactionFiles: There are none, or they lack a column or any row.
        """
        files = _files(path)
        source = _source(files)
        with duckdb.connect() as connection:
            try:
                columns = [row[0] for row in connection.execute(f"DESCRIBE {source}").fetchall()]
                missing = set(COLUMNS) - {name.upper() for name in columns}
                if missing:
                    raise BadTransactionFiles(
                        str(path),
                        f"column {', '.join(sorted(missing))} is missing; "
                        f"it has {', '.join(columns)}",
                        f"the columns are {', '.join(COLUMNS)}",
                    )
                rows, first, last = connection.execute(
                    "SELECT count(*), min(TX_DATETIME)::TIMESTAMP::DATE, "
                    f"max(TX_DATETIME)::TIMESTAMP::DATE FROM {source}"
                ).fetchall()[0]
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise BadTransactionFiles(
                    str(path), f"cannot be read: {problem}", "give Parquet or CSV files"
                ) from error
        if not rows:
            raise BadTransactionFiles(str(path), "holds no transactions", "give some")
        return TransactionFiles(path, files, rows, first, last)

    def transactions(
        self, *, start: date | None = None, end: date | None = None
    ) -> Iterator[Chunk]:
        """Read the transactions of the days from `start` until before `end`, in their order."""
        return self._read(
            Transaction,
            'SELECT TRANSACTION_ID::BIGINT AS id, TX_DATETIME::TIMESTAMP AS "at", '
            "CUSTOMER_ID::BIGINT AS customer, TERMINAL_ID::BIGINT AS terminal, "
            f"TX_AMOUNT::DOUBLE AS amount FROM {_source(self.files)} "
            f'WHERE {_between("TX_DATETIME::TIMESTAMP", start, end)} ORDER BY "at", id',
        )

    def verdicts(self, *, start: date | None = None, end: date | None = None) -> Iterator[Chunk]:
        """Read the verdicts known from `start` until before `end`, in that order."""
        known_at = f"(TX_DATETIME::TIMESTAMP + INTERVAL {VERDICT_DAYS} DAY)"
        return self._read(
            Verdict,
            'SELECT TRANSACTION_ID::BIGINT AS transaction, TX_DATETIME::TIMESTAMP AS "at", '
            f"{known_at} AS known_at, TERMINAL_ID::BIGINT AS terminal, "
            "TX_FRAUD::INTEGER = 1 AS fraud, "
            "CASE WHEN TX_FRAUD::INTEGER = 1 THEN TX_AMOUNT::DOUBLE ELSE 0 END AS loss "
            f"FROM {_source(self.files)} "
            f"WHERE {_between(known_at, start, end)} ORDER BY known_at, transaction",
        )

    def histories(self) -> Mapping[str, History]:
        """Read both streams into memory, as they would lie in a journal.

        Raises:
            BadTransactionFiles: A row breaks its contract, or a transaction is there twice.
        """
        both = (
            (contract_of(Transaction), self.transactions()),
            (contract_of(Verdict), self.verdicts()),
        )
        histories: dict[str, History] = {}
        for contract, chunks in both:
            events = self._whole(contract, chunks)
            histories[contract.name] = History(events, np.arange(events.rows, dtype=np.int64))
        return histories

    def _read(self, event: type[kp.Event], query: str) -> Iterator[Chunk]:
        return read_query(query, contract_of(event), _READING, source=str(self.path))

    def _whole(self, contract: Contract[kp.Event], chunks: Iterable[Chunk]) -> ColumnBatch:
        batches: list[ColumnBatch] = []
        for chunk in chunks:
            if chunk.refused:
                raise BadTransactionFiles(
                    str(self.path),
                    f"row {chunk.refused[0].row} ({chunk.refused[0].raw}) breaks its contract: "
                    f"{chunk.refused[0].violation}",
                    "mend it, or ingest the files, which keeps such rows apart",
                )
            batches.append(chunk.batch)
        events = join_batches(contract, batches)
        repeated = events.rows - len(np.unique(events.numbers(contract.key.name)))
        if repeated:
            raise BadTransactionFiles(
                str(self.path), f"{repeated} transactions are there twice", "give each file once"
            )
        return events


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if _is_table(file))
        if not found:
            raise BadTransactionFiles(str(path), "holds no .parquet or .csv file", "check the path")
        return tuple(found)
    if not path.is_file():
        raise BadTransactionFiles(str(path), "does not exist", "check the path")
    if not _is_table(path):
        raise BadTransactionFiles(
            str(path), "is neither .parquet nor .csv", "give a Parquet or CSV file or a folder"
        )
    return (path,)


def _is_table(file: Path) -> bool:
    return file.name.endswith((".parquet", ".csv", ".csv.gz"))


def _source(files: tuple[Path, ...]) -> str:
    """Name the files in SQL; those of both formats are put under one another."""
    parts: list[str] = []
    for reader in ("read_parquet", "read_csv"):
        names = [str(f).replace("'", "''") for f in files if _READERS[f.suffix] == reader]
        if names:
            listed = ", ".join(f"'{name}'" for name in names)
            parts.append(f"SELECT * FROM {reader}([{listed}], union_by_name = true)")
    return f"({' UNION ALL BY NAME '.join(parts)})"


def _between(column: str, start: date | None, end: date | None) -> str:
    bounds = [f"{column} >= TIMESTAMP '{start}'"] if start else []
    bounds += [f"{column} < TIMESTAMP '{end}'"] if end else []
    return " AND ".join(bounds) or "true"
