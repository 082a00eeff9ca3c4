"""Parquet and CSV files of one kind of rows: found, checked, and read as events."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

import kingpost as kp
from kingpost.contracts import ColumnBatch, contract_of, join_batches
from kingpost.integrations import Chunk, Reading, read_query

__all__ = ["BadFiles", "TableFiles"]

_READING = Reading(zone="UTC")
_READERS = {".parquet": "read_parquet", ".csv": "read_csv", ".gz": "read_csv"}


class BadFiles(kp.KingpostError):
    """Files that are not there, or do not hold what they should."""

    code = "bad_files"

    def __init__(self, path: str, problem: str, mend: str) -> None:
        super().__init__(path, problem, mend)
        self.path, self.problem, self.mend = path, problem, mend

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}; {self.mend}"


@dataclass(frozen=True)
class TableFiles:
    """Files with the same columns, put under one another. Times without a zone mean UTC.

    Attributes:
        path: Where they were looked for.
        columns: Those that are read; a file may have more.
        as_text: Whether all columns are read as text, whatever a file makes of them.
    """

    path: Path
    files: tuple[Path, ...]
    columns: tuple[str, ...]
    as_text: bool = False

    @staticmethod
    def find(
        path: Path, columns: Sequence[str], *, as_text: bool = False, names: str = "*"
    ) -> "TableFiles":
        """Look for rows in a Parquet or CSV file, or in a folder of such files.

        Args:
            names: A pattern for the names of the files in a folder, as `part-*`.

        Raises:
            BadFiles: There are none, they cannot be read, or lack a column.
        """
        found = TableFiles(path, _files(path, names), tuple(columns), as_text)
        there = [str(row[0]) for row in found.ask(f"DESCRIBE SELECT * FROM {found._under('*')}")]
        missing = set(map(str.lower, columns)) - set(map(str.lower, there))
        if missing:
            raise BadFiles(
                str(path),
                f"column {', '.join(one for one in columns if one.lower() in missing)} is "
                f"missing; it has {', '.join(there)}",
                f"the columns are {', '.join(columns)}",
            )
        return found

    @property
    def source(self) -> str:
        """All rows, as SQL to select from."""
        kind = "::VARCHAR" if self.as_text else ""
        return self._under(", ".join(f'"{one}"{kind} AS "{one}"' for one in self.columns))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query over `source`.

        Raises:
            BadFiles: A file cannot be read so.
        """
        with duckdb.connect() as connection:
            try:
                return connection.execute(query).fetchall()
            except duckdb.Error as error:
                problem = str(error).strip().partition("\n")[0]
                raise BadFiles(
                    str(self.path),
                    f"cannot be read: {problem}",
                    f"give Parquet or CSV files with the columns {', '.join(self.columns)}",
                ) from error

    def chunks(self, event: type[kp.Event], query: str) -> Iterator[Chunk]:
        """Read the rows of a query over `source` as events, for an intake."""
        return read_query(query, contract_of(event), _READING, source=str(self.path))

    def events(self, event: type[kp.Event], chunks: Iterator[Chunk]) -> ColumnBatch:
        """Take all events of some chunks into memory.

        Raises:
            BadFiles: A row breaks the contract.
        """
        batches: list[ColumnBatch] = []
        for chunk in chunks:
            if chunk.refused:
                first = chunk.refused[0]
                raise BadFiles(
                    str(self.path),
                    f"row {first.row} ({first.raw}) breaks its contract: {first.violation}",
                    "mend it, or ingest the files, which keeps such rows apart",
                )
            batches.append(chunk.batch)
        return join_batches(contract_of(event), batches)

    def _under(self, selected: str) -> str:
        """Put all files under one another; each format has its reader."""
        parts: list[str] = []
        for reader, options in (
            ("read_parquet", ""),
            ("read_csv", f", all_varchar = {self.as_text}"),
        ):
            names = [str(f).replace("'", "''") for f in self.files if _READERS[f.suffix] == reader]
            if names:
                listed = ", ".join(f"'{name}'" for name in names)
                parts.append(
                    f"SELECT {selected} FROM {reader}([{listed}], union_by_name = true{options})"
                )
        return f"({' UNION ALL BY NAME '.join(parts)})"


def _files(path: Path, names: str) -> tuple[Path, ...]:
    if path.is_dir():
        found = sorted(file for file in path.glob(names) if _is_table(file))
        if not found:
            raise BadFiles(str(path), "holds no .parquet or .csv file", "check the path")
        return tuple(found)
    if not path.is_file():
        raise BadFiles(str(path), "does not exist", "check the path")
    if not _is_table(path):
        raise BadFiles(
            str(path), "is neither .parquet nor .csv", "give a Parquet or CSV file or a folder"
        )
    return (path,)


def _is_table(file: Path) -> bool:
    return file.name.endswith((".parquet", ".csv", ".csv.gz"))
