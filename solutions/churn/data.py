"""Files of the telco churn columns as the three streams of `app.py`.

The file is one picture of all customers and says no times. So every account is of one
moment, and each customer is asked about at a moment of its own in the hundred days after
it, drawn from a digest of the identifier: a split by time is then one at random, the same
each time. Whether the customer left is known a day later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np

import kingpost as kp
from kingpost.contracts import contract_of, join_batches
from kingpost.features import History
from kingpost.integrations import Chunk, Reading, read_query
from solutions.churn.app import Account, Departure, Question

__all__ = ["DAYS", "START", "BadCustomerFiles", "CustomerFiles"]

START = np.datetime64("2020-01-01T00:00:00", "us")
DAYS = 100
_FIELDS = {
    "senior": "SeniorCitizen::INTEGER = 1",
    "partner": "Partner",
    "dependents": "Dependents",
    "tenure": "tenure::BIGINT",
    "phone": "PhoneService",
    "lines": "MultipleLines",
    "internet": "InternetService",
    "security": "OnlineSecurity",
    "backup": "OnlineBackup",
    "protection": "DeviceProtection",
    "support": "TechSupport",
    "tv": "StreamingTV",
    "movies": "StreamingMovies",
    "contract": "Contract",
    "paperless": "PaperlessBilling",
    "payment": "PaymentMethod",
    "monthly": "MonthlyCharges::DOUBLE",
    "total": "TRY_CAST(trim(TotalCharges) AS DOUBLE)",
}
COLUMNS = (
    *("customerID", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService"),
    *("MultipleLines", "InternetService", "OnlineSecurity", "OnlineBackup"),
    *("DeviceProtection", "TechSupport", "StreamingTV", "StreamingMovies", "Contract"),
    *("PaperlessBilling", "PaymentMethod", "MonthlyCharges", "TotalCharges", "Churn"),
)
_READING = Reading(zone="UTC")


class BadCustomerFiles(kp.KingpostError):
    """Files that are not there or do not hold customers of a telephone company."""

    code = "bad_customer_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


@dataclass(frozen=True)
class CustomerFiles:
    """Some files of customers, found and checked by `find`."""

    path: Path
    source: str
    rows: int

    @staticmethod
    def find(path: Path) -> "CustomerFiles":
        """Look for customers in a CSV or Parquet file or in a folder of such files.

        Raises:
            BadCustomerFiles: There are none, they lack a column, or a customer is there twice.
        """
        source = _source(path)
        with duckdb.connect() as database:
            try:
                described = database.execute(f"DESCRIBE {source}").fetchall()
                missing = set(COLUMNS) - {str(row[0]) for row in described}
                if missing:
                    told = ", ".join(sorted(missing))
                    raise BadCustomerFiles(
                        str(path), f"column {told} is missing", f"give {', '.join(COLUMNS)}"
                    )
                rows, customers = database.execute(
                    f"SELECT count(*), count(DISTINCT customerID) FROM {source}"
                ).fetchall()[0]
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise BadCustomerFiles(
                    str(path), f"cannot be read: {problem}", "give CSV or Parquet files"
                ) from error
        if not rows or rows != customers:
            raise BadCustomerFiles(
                str(path), f"has {rows} rows of {customers} customers", "give each customer once"
            )
        return CustomerFiles(path, source, rows)

    def accounts(self) -> Iterator[Chunk]:
        """Read what is known of the customers, as of `START`."""
        fields = ", ".join(f"{value} AS {name}" for name, value in _FIELDS.items())
        return read_query(
            f"SELECT customerID AS id, TIMESTAMP '{START}' AS \"at\", customerID AS customer, "
            f"{fields} FROM {self.source} ORDER BY customerID",
            contract_of(Account),
            _READING,
            source=str(self.path),
        )

    def questions(self) -> Iterator[Chunk]:
        """Read a question about each customer, in the order of time."""
        return self._placed('SELECT id, "at", customer', Question)

    def departures(self) -> Iterator[Chunk]:
        """Read what became of each customer."""
        selected = 'SELECT id AS question, "at", "at" + INTERVAL 1 DAY AS known_at, "left"'
        return self._placed(selected, Departure)

    def histories(self) -> Mapping[str, History]:
        """Read all three streams into memory, as they would lie in a journal.

        Raises:
            BadCustomerFiles: A row breaks its contract.
        """
        streams = (
            (Account, self.accounts()),
            (Question, self.questions()),
            (Departure, self.departures()),
        )
        found: dict[str, History] = {}
        for event, chunks in streams:
            contract = contract_of(event)
            read = list(chunks)
            for chunk in read:
                if chunk.refused:
                    first = chunk.refused[0]
                    raise BadCustomerFiles(
                        str(self.path),
                        f"row {first.row} ({first.raw}) breaks its contract: {first.violation}",
                        "mend it, or ingest the files, which keeps such rows apart",
                    )
            events = join_batches(contract, [chunk.batch for chunk in read])
            found[contract.name] = History(events, np.arange(events.rows, dtype=np.int64))
        return found

    def _placed(self, selected: str, event: type[kp.Event]) -> Iterator[Chunk]:
        moments = (
            "SELECT 'q' || customerID AS id, customerID AS customer, Churn = 'Yes' AS \"left\", "
            f"TIMESTAMP '{START}' + to_seconds(3600 + ('0x' || sha256(customerID)[:8])::BIGINT "
            f'% {DAYS * 86_400 - 3600}) AS "at" FROM {self.source}'
        )
        return read_query(
            f'{selected} FROM ({moments}) ORDER BY "at", id',
            contract_of(event),
            _READING,
            source=str(self.path),
        )


def _source(path: Path) -> str:
    """Name the files in SQL, all columns as text."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    parts: list[str] = []
    for file in files:
        name = str(file).replace("'", "''")
        if file.name.endswith((".csv", ".csv.gz")) and file.is_file():
            parts.append(f"SELECT * FROM read_csv('{name}', all_varchar = true)")
        elif file.name.endswith(".parquet") and file.is_file():
            parts.append(f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet('{name}')")
    if not parts:
        raise BadCustomerFiles(
            str(path), "is no .csv or .parquet file, nor holds one", "check the path"
        )
    return f"({' UNION ALL BY NAME '.join(parts)})"
