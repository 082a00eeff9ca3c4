"""Files of measurements and the windows in which something was wrong.

Measurements are Parquet or CSV files with the columns of the Numenta Anomaly Benchmark:
`series`, `timestamp` (UTC where it names no zone) and `value`. The windows lie beside them in
`anomaly_windows.json`: for each series, first and last moment of each.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, microseconds
from solutions.anomaly.app import Measurement
from solutions.anomaly.nab import Labelled
from solutions.ground.tables import BadFiles, TableFiles

__all__ = ["MeasurementFiles", "Series"]

COLUMNS = ("series", "timestamp", "value")
WINDOWS = "anomaly_windows.json"
_windows = msgspec.json.Decoder(dict[str, list[tuple[str, str]]])

Windows = Mapping[str, Sequence[tuple[str, str]]]


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

    files: TableFiles
    windows: Windows

    @staticmethod
    def find(path: Path, windows: Path | None = None) -> "MeasurementFiles":
        """Look for measurements in a file or a folder of files, and for their windows.

        Args:
            windows: The file of windows; without, `anomaly_windows.json` beside them.

        Raises:
            BadFiles: There are none, or they lack a column or the windows.
        """
        files = TableFiles.find(path, COLUMNS)
        known = windows or (path if path.is_dir() else path.parent) / WINDOWS
        return MeasurementFiles(files, _read_windows(known))

    @property
    def path(self) -> Path:
        """Where they were looked for."""
        return self.files.path

    def measurements(self) -> ColumnBatch:
        """Read all measurements, in the order of time, as they would come in a stream.

        Raises:
            BadFiles: A row breaks the contract, or there is none.
        """
        query = (
            "SELECT series::VARCHAR || '#' || row_number() OVER (PARTITION BY series "
            'ORDER BY timestamp) AS id, timestamp::TIMESTAMP AS "at", '
            "series::VARCHAR AS series, value::DOUBLE AS value "
            f'FROM {self.files.source} ORDER BY "at", series, id'
        )
        events = self.files.events(Measurement, self.files.chunks(Measurement, query))
        if not events.rows:
            raise BadFiles(str(self.path), "holds no measurements", "give some")
        return events

    def series(self, events: ColumnBatch) -> Sequence[Series]:
        """Take the measurements apart by series, each with its windows.

        Raises:
            BadFiles: A window holds no row of its series, or overlaps another.
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
                raise BadFiles(
                    str(self.path),
                    f"a window of {name} holds none of its rows or overlaps another",
                    f"check the windows of the series in {WINDOWS}",
                )
        return Series(name, rows, event_time, Labelled.of(len(rows), places), moments)


def _read_windows(path: Path) -> Windows:
    try:
        return _windows.decode(path.read_bytes())
    except (OSError, msgspec.MsgspecError) as error:
        raise BadFiles(
            str(path),
            f"the windows cannot be read: {error}",
            "give an object with a list of first and last moments for each series",
        ) from error


def _microseconds(moment: str) -> int:
    try:
        found = datetime.fromisoformat(moment)
    except ValueError as error:
        raise BadFiles(
            WINDOWS, f"{moment!r} is no time", "write it as 2014-02-26 13:45:00"
        ) from error
    return microseconds(found if found.tzinfo else found.replace(tzinfo=UTC))
