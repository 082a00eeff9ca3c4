"""A part of a batch on the disk: its scored rows, and beside them those that were refused.

    part-00000.parquet      a row per request: the contract's fields, the answer, by what
    refused-00000.parquet   rows that broke the contract, with the reason; when there are any

The refused rows are written first: a part that is there says that both are whole.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import ColumnBatch, Contract, Event, Field, decode_batch
from kingpost.decisions.batch.inputs import Refused, Unit
from kingpost.decisions.batch.past import BatchPast
from kingpost.decisions.batch.scoring import Scored, score_rows
from kingpost.decisions.served import ServedDecision
from kingpost.decisions.whole_files import WholeFiles

__all__ = ["ANSWER_COLUMNS", "PART", "answer_column", "part_name", "write_part"]

PART = re.compile(r"part-(\d{5,})\.parquet")
ANSWER_COLUMNS = ("score", "confidence", "answer", "outcome", "reason", "bundle", "model")

_TYPES = {
    "text": "VARCHAR",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE",
}
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "TimeZone": "UTC",
    "threads": 1,
    "autoinstall_known_extensions": False,
}
# one thread, and so the same bytes each time


def part_name(part: int) -> str:
    """Return the file name of a part."""
    return f"part-{part:05}.parquet"


def answer_column(contract: Contract[Event], name: str) -> str:
    """Return the column of a fact of the answer; a field of the request keeps its name."""
    return f"decision_{name}" if name in contract.by_name else name


def write_part(
    served: ServedDecision, past: BatchPast, unit: Unit, files: WholeFiles, *, threads: int
) -> None:
    """Score the rows of a unit and place its files."""
    contract = served.decision.request
    if unit.refused:
        files.place(
            f"refused-{unit.part:05}.parquet", lambda path: _write_refused(unit.refused, path)
        )
    rows = decode_batch(unit.batch, contract)
    scored = score_rows(served, past, rows, threads=threads)
    files.place(part_name(unit.part), lambda path: _write_scored(served, rows, scored, path))


def _write_scored(served: ServedDecision, rows: ColumnBatch, scored: Scored, path: Path) -> None:
    contract = served.decision.request
    columns = {one.name: _column(rows, one) for one in contract.fields if not one.personal}
    types = {one.name: _type(one) for one in contract.fields if not one.personal}
    answers: dict[str, tuple[Sequence[object], str]] = {
        "score": (scored.scores, "DOUBLE"),
        "confidence": ([one.confidence for one in scored.verdicts], "DOUBLE"),
        "answer": ([one.answer.decode() for one in scored.verdicts], "VARCHAR"),
        "outcome": ([one.outcome.value for one in scored.verdicts], "VARCHAR"),
        "reason": ([one.reason for one in scored.verdicts], "VARCHAR"),
        "bundle": ([served.bundle.hex()] * rows.rows, "VARCHAR"),
        "model": ([served.model.hex()] * rows.rows, "VARCHAR"),
    }
    for name in ANSWER_COLUMNS:
        values, types[answer_column(contract, name)] = answers[name]
        columns[answer_column(contract, name)] = _objects(values)
    _write(columns, types, path)


def _write_refused(refused: Sequence[Refused], path: Path) -> None:
    names = Refused.__struct_fields__
    columns = {name: _objects([getattr(one, name) for one in refused]) for name in names}
    _write(columns, {name: "BIGINT" if name == "row" else "VARCHAR" for name in names}, path)


def _write(
    columns: Mapping[str, NDArray[np.generic]], types: Mapping[str, str], path: Path
) -> None:
    selected = ", ".join(
        f"CAST({_name(name)} AS {types[name]}) AS {_name(name)}" for name in columns
    )
    with duckdb.connect(config=_SETTINGS) as database:
        database.register("columns", dict(columns))
        database.sql(f"SELECT {selected} FROM columns").write_parquet(str(path), compression="zstd")


def _column(rows: ColumnBatch, field: Field) -> NDArray[np.generic]:
    if field.kind == "vector":
        return _objects([None if one is None else list(one) for one in rows.vectors(field.name)])
    if field.kind == "text" or field.name in rows.present:
        values = _objects(rows.values(field.name))
    else:
        values = rows.numbers(field.name)
    if field.kind != "time":
        return values
    if field.name not in rows.present:
        return values.astype(np.int64).astype("datetime64[us]")
    return np.where(
        rows.present[field.name],
        rows.numbers(field.name).astype(np.int64).astype("datetime64[us]"),
        np.datetime64("NaT", "us"),
    )


def _objects(values: Sequence[object]) -> NDArray[np.generic]:
    column = np.empty(len(values), np.object_)
    column[:] = values
    return column


def _type(field: Field) -> str:
    return f"FLOAT[{field.dimension}]" if field.kind == "vector" else _TYPES[field.kind]


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
