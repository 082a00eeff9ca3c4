"""Files of measurements and the windows in which something was wrong.

Measurements are Parquet or CSV files with the columns of the Numenta Anomaly Benchmark:
`series`, `timestamp` (UTC where it names no zone) and `value`. The windows lie beside them in
`anomaly_windows.json`: for each series, first and last moment of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import msgspec
import numpy as np
from numpy.typing import NDArray

import kingpost as kp
from kingpost.contracts import ColumnBatch, contract_of, join_batches, microseconds
from kingpost.integrations import Reading, read_query
from solutions.anomaly.app import Measurement
from solutions.anomaly.nab import Labelled

__all__ = ["BadMeasurementFiles", "MeasurementFiles", "Series"]

COLUMNS = ("series", "timestamp", "value")
WINDOWS = "anomaly_windows.json"
_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}
_windows = msgspec.json.Decoder(dict[str, list[tuple[str, str]]])

Windows = Mapping[str, Sequence[tuple[str, str]]]


class BadMeasurementFiles(kp.KingpostError):
    """Files that are not there, or do not hold measurements and windows."""

    code = "bad_measurement_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


@dataclass(frozen=True)
class Series:
    """One series among the measurements.

    Attributes:
        rows: Where its measurements lie among all, in the order of time.
        event_time_us: When each was taken.
        labelled: What an alarm at each of them is worth.
        windows_us: First and last moment of each window.
    """

    name: str
    rows: NDArray[np.int64]
    event_time_us: NDArray[np.int64]
    labelled: Labelled
    windows_us: Sequence[tuple[int, int]]

    @property
    def days(self) -> float:
        """How long it is judged, in days."""
        judged = self.event_time_us[self.labelled.probation :]
        return float(judged[-1] - judged[0]) / 86_400e6 if len(judged) else 0.0


@dataclass(frozen=True)
class MeasurementFiles:
    """Some files of measurements, and the windows beside them."""

    path: Path
    files: tuple[Path, ...]
    windows: Windows

    @staticmethod
    def find(path: Path, windows: Path | None = None) -> "MeasurementFiles":
        """Look for measurements in a file or a folder of files, and for their windows.

        Args:
            windows: The file of windows; without, `anomaly_windows.json` beside them.

        Raises:
            BadMeasurementFiles: There are none, or they lack a column or the windows.
        """
        files = _files(path)
        known = windows or (path if path.is_dir() else path.parent) / WINDOWS
        found = MeasurementFiles(path, files, _read_windows(known))
        found._check_columns()
        return found

    def measurements(self) -> ColumnBatch:
        """Read all measurements, in the order of time, as they would come in a stream.

        Raises:
            BadMeasurementFiles: A row breaks the contract, or there is none.
        """
        contract = contract_of(Measurement)
        query = (
            "SELECT series::VARCHAR || '#' || row_number() OVER (PARTITION BY series "
            'ORDER BY timestamp) AS id, timestamp::TIMESTAMP AS "at", '
            "series::VARCHAR AS series, value::DOUBLE AS value "
            f'FROM {self._source()} ORDER BY "at", series, id'
        )
        batches: list[ColumnBatch] = []
        try:
            for chunk in read_query(query, contract, Reading(zone="UTC"), source=str(self.path)):
                if chunk.refused:
                    raise BadMeasurementFiles(
                        str(self.path),
                        f"row {chunk.refused[0].row} ({chunk.refused[0].raw}) breaks its "
                        f"contract: {chunk.refused[0].violation}",
                        "mend it, or leave it out",
                    )
                batches.append(chunk.batch)
        except duckdb.Error as error:
            raise _unreadable(self.path, error) from error
        if not sum(batch.rows for batch in batches):
            raise BadMeasurementFiles(str(self.path), "holds no measurements", "give some")
        return join_batches(contract, batches)

    def series(self, events: ColumnBatch) -> Sequence[Series]:
        """Take the measurements apart by series, each with its windows.

        Raises:
            BadMeasurementFiles: A window holds no row of its series, or overlaps another.
        """
        names = np.array(events.values("series"), np.str_)
        at = events.numbers("at").astype(np.int64)
        return [
            self._one(name, np.flatnonzero(names == name), at) for name in np.unique(names).tolist()
        ]

    def _one(self, name: str, rows: NDArray[np.int64], at: NDArray[np.int64]) -> Series:
        event_time = at[rows]
        moments = sorted(
            (_microseconds(first), _microseconds(last))
            for first, last in self.windows.get(name, ())
        )
        places = [
            (
                int(np.searchsorted(event_time, first)),
                int(np.searchsorted(event_time, last, side="right")) - 1,
            )
            for first, last in moments
        ]
        ends = [-1] + [last for _, last in places]
        for (first, last), end in zip(places, ends, strict=False):
            if first > last or first <= end:
                raise BadMeasurementFiles(
                    str(self.path),
                    f"a window of {name} holds none of its rows or overlaps another",
                    f"check the windows of the series in {WINDOWS}",
                )
        return Series(name, rows, event_time, Labelled.of(len(rows), places), moments)

    def _check_columns(self) -> None:
        with duckdb.connect() as connection:
            try:
                described = connection.execute(f"DESCRIBE SELECT * FROM {self._source()}")
                columns = [str(row[0]) for row in described.fetchall()]
            except duckdb.Error as error:
                raise _unreadable(self.path, error) from error
        missing = sorted(set(COLUMNS) - {name.lower() for name in columns})
        if missing:
            raise BadMeasurementFiles(
                str(self.path),
                f"column {', '.join(missing)} is missing; it has {', '.join(columns)}",
                f"the columns are {', '.join(COLUMNS)}",
            )

    def _source(self) -> str:
        parts: list[str] = []
        for reader in ("read_parquet", "read_csv"):
            names = [str(f).replace("'", "''") for f in self.files if _READERS[f.suffix] == reader]
            if names:
                listed = ", ".join(f"'{name}'" for name in names)
                parts.append(f"SELECT {', '.join(COLUMNS)} FROM {reader}([{listed}])")
        return f"({' UNION ALL '.join(parts)})"


def _files(path: Path) -> tuple[Path, ...]:
    if path.is_dir():
        found = sorted(file for file in path.iterdir() if file.suffix in _READERS)
        if not found:
            raise BadMeasurementFiles(str(path), "holds no .parquet or .csv file", "check the path")
        return tuple(found)
    if not path.is_file():
        raise BadMeasurementFiles(str(path), "does not exist", "check the path")
    if path.suffix not in _READERS:
        raise BadMeasurementFiles(
            str(path), "is neither .parquet nor .csv", "give a Parquet or CSV file or a folder"
        )
    return (path,)


def _read_windows(path: Path) -> Windows:
    try:
        return _windows.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise BadMeasurementFiles(
            str(path),
            f"the windows cannot be read: {error}",
            "give an object with a list of first and last moments for each series",
        ) from error


def _microseconds(moment: str) -> int:
    try:
        found = datetime.fromisoformat(moment)
    except ValueError as error:
        raise BadMeasurementFiles(
            WINDOWS, f"{moment!r} is no time", "write it as 2014-02-26 13:45:00"
        ) from error
    return microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))


def _unreadable(path: Path, error: duckdb.Error) -> BadMeasurementFiles:
    problem = str(error).strip().partition("\n")[0]
    return BadMeasurementFiles(
        str(path), f"cannot be read: {problem}", f"the columns are {', '.join(COLUMNS)}"
    )
