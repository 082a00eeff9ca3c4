"""Files of the Fraud Detection Handbook's columns as the two streams of `app.py`.

A transaction is taken as it is. Its verdict becomes known seven days later, one per
transaction, whether it was fraud or not. Times in the files have no zone and mean UTC.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from kingpost.contracts import contract_of
from kingpost.features import History
from kingpost.integrations import Chunk
from solutions.fraud.app import Transaction, Verdict
from solutions.ground.tables import BadFiles, TableFiles

__all__ = ["TransactionFiles"]

COLUMNS = ("TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD")
VERDICT_DAYS = 7


@dataclass(frozen=True)
class TransactionFiles:
    """Some files of card transactions, found and checked by `find`.

    Attributes:
        first_day: The day of the first transaction (UTC).
        last_day: The day of the last one.
    """

    files: TableFiles
    rows: int
    first_day: date
    last_day: date

    @staticmethod
    def find(path: Path) -> "TransactionFiles":
        """Look for transactions in a Parquet or CSV file or in a folder of such files.

        Raises:
            BadFiles: There are none, or they lack a column or any row.
        """
        files = TableFiles.find(path, COLUMNS)
        [(rows, first, last)] = files.ask(
            "SELECT count(*), min(TX_DATETIME)::TIMESTAMP::DATE, "
            f"max(TX_DATETIME)::TIMESTAMP::DATE FROM {files.source}"
        )
        if not rows:
            raise BadFiles(str(path), "holds no transactions", "give some")
        return TransactionFiles(files, rows, first, last)

    @property
    def path(self) -> Path:
        """Where they were looked for."""
        return self.files.path

    def transactions(
        self, *, start: date | None = None, end: date | None = None
    ) -> Iterator[Chunk]:
        """Read the transactions of the days from `start` until before `end`, in their order."""
        return self.files.chunks(
            Transaction,
            'SELECT TRANSACTION_ID::BIGINT AS id, TX_DATETIME::TIMESTAMP AS "at", '
            "CUSTOMER_ID::BIGINT AS customer, TERMINAL_ID::BIGINT AS terminal, "
            f"TX_AMOUNT::DOUBLE AS amount FROM {self.files.source} "
            f'WHERE {_between("TX_DATETIME::TIMESTAMP", start, end)} ORDER BY "at", id',
        )

    def verdicts(self, *, start: date | None = None, end: date | None = None) -> Iterator[Chunk]:
        """Read the verdicts known from `start` until before `end`, in that order."""
        known_at = f"(TX_DATETIME::TIMESTAMP + INTERVAL {VERDICT_DAYS} DAY)"
        return self.files.chunks(
            Verdict,
            'SELECT TRANSACTION_ID::BIGINT AS transaction, TX_DATETIME::TIMESTAMP AS "at", '
            f"{known_at} AS known_at, TERMINAL_ID::BIGINT AS terminal, "
            "TX_FRAUD::INTEGER = 1 AS fraud, "
            "CASE WHEN TX_FRAUD::INTEGER = 1 THEN TX_AMOUNT::DOUBLE ELSE 0 END AS loss "
            f"FROM {self.files.source} "
            f"WHERE {_between(known_at, start, end)} ORDER BY known_at, transaction",
        )

    def histories(self) -> Mapping[str, History]:
        """Read both streams into memory, as they would lie in a journal.

        Raises:
            BadFiles: A row breaks its contract, or a transaction is there twice.
        """
        both = ((Transaction, self.transactions()), (Verdict, self.verdicts()))
        histories: dict[str, History] = {}
        for event, chunks in both:
            contract, events = contract_of(event), self.files.events(event, chunks)
            repeated = events.rows - len(np.unique(events.numbers(contract.key.name)))
            if repeated:
                raise BadFiles(
                    str(self.path),
                    f"{repeated} transactions are there twice",
                    "give each file once",
                )
            histories[contract.name] = History(events, np.arange(events.rows, dtype=np.int64))
        return histories


def _between(column: str, start: date | None, end: date | None) -> str:
    bounds = [f"{column} >= TIMESTAMP '{start}'"] if start else []
    bounds += [f"{column} < TIMESTAMP '{end}'"] if end else []
    return " AND ".join(bounds) or "true"
