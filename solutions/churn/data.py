"""Files of the telco churn columns as the three streams of `app.py`.

The file is one picture of all customers and says no times. So every account is of one
moment, and each customer is asked about at a moment of its own in the hundred days after
it, drawn from a digest of the identifier: a split by time is then one at random, the same
each time. Whether the customer left is known a day later.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

import kingpost as kp
from kingpost.contracts import contract_of
from kingpost.features import History
from kingpost.integrations import Chunk
from solutions.churn.app import Account, Departure, Question
from solutions.ground.tables import BadFiles, TableFiles

__all__ = ["ASKED", "DAYS", "START", "CustomerFiles"]

START = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 100
ASKED = START + timedelta(days=DAYS + 1)
"""When a campaign asks about all of them, and it is known what became of each."""

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


@dataclass(frozen=True)
class CustomerFiles:
    """Some files of customers, found and checked by `find`."""

    files: TableFiles
    rows: int

    @staticmethod
    def find(path: Path) -> "CustomerFiles":
        """Look for customers in a CSV or Parquet file or in a folder of such files.

        Raises:
            BadFiles: There are none, they lack a column, or hold a customer twice.
        """
        # as text: one file may say of all its customers what reads as a number or a truth
        files = TableFiles.find(path, COLUMNS, as_text=True)
        [(rows, customers)] = files.ask(
            f"SELECT count(*), count(DISTINCT customerID) FROM {files.source}"
        )
        if not rows or rows != customers:
            raise BadFiles(
                str(path), f"has {rows} rows of {customers} customers", "give each customer once"
            )
        return CustomerFiles(files, rows)

    def accounts(self) -> Iterator[Chunk]:
        """Read what is known of the customers, as of `START`."""
        fields = ", ".join(f"{value} AS {name}" for name, value in _FIELDS.items())
        return self.files.chunks(
            Account,
            f'SELECT customerID AS id, {_sql(START)} AS "at", customerID AS customer, '
            f"{fields} FROM {self.files.source} ORDER BY customerID",
        )

    def questions(self) -> Iterator[Chunk]:
        """Read a question about each customer, in the order of time."""
        return self._placed(Question, 'id, "at", customer')

    def departures(self) -> Iterator[Chunk]:
        """Read what became of each customer."""
        return self._placed(
            Departure, 'id AS question, "at", "at" + INTERVAL 1 DAY AS known_at, "left"'
        )

    def campaign(self) -> Iterator[Chunk]:
        """Read a question about each customer as of `ASKED`, in the order of their names."""
        return self.files.chunks(
            Question,
            f"SELECT 'c' || customerID AS id, {_sql(ASKED)} AS \"at\", "
            f"customerID AS customer FROM {self.files.source} ORDER BY customer",
        )

    def streams(self) -> Mapping[type[kp.Event], Iterator[Chunk]]:
        """Read all three streams."""
        return {
            Account: self.accounts(),
            Question: self.questions(),
            Departure: self.departures(),
        }

    def histories(self) -> Mapping[str, History]:
        """Read all three streams into memory, as they would lie in a journal.

        Raises:
            BadFiles: A row breaks its contract.
        """
        found: dict[str, History] = {}
        for event, chunks in self.streams().items():
            events = self.files.events(event, chunks)
            positions = np.arange(events.rows, dtype=np.int64)
            found[contract_of(event).name] = History(events, positions)
        return found

    def _placed(self, event: type[kp.Event], selected: str) -> Iterator[Chunk]:
        moments = (
            "SELECT 'q' || customerID AS id, customerID AS customer, "
            "CASE Churn WHEN 'Yes' THEN true WHEN 'No' THEN false END AS \"left\", "
            f"{_sql(START)} + to_seconds(3600 + ('0x' || sha256(customerID)[:8])::BIGINT "
            f'% {DAYS * 86_400 - 3600}) AS "at" FROM {self.files.source}'
        )
        return self.files.chunks(event, f'SELECT {selected} FROM ({moments}) ORDER BY "at", id')


def _sql(moment: datetime) -> str:
    return f"TIMESTAMP '{moment:%Y-%m-%d %H:%M:%S}'"
