"""The rows of a batch: files, folders and patterns in, units of checked rows out.

The rule: the same files give the same units, in the same order. A row that breaks the
contract goes with the unit that is made next, with its reason.
"""

import glob
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np

from kingpost.contracts import ColumnBatch, Contract, Event, batch_of, join_batches
from kingpost.decisions.batch.plan import BatchPlan, InputFile
from kingpost.integrations import RefusedRow, UnreadableSource, read_file, without_content

__all__ = ["Refused", "Unit", "input_files", "units_of"]

_FORMATS = ("*.csv", "*.jsonl", "*.ndjson", "*.json", "*.parquet", "*.csv.gz", "*.jsonl.gz")
_PATTERN = frozenset("*?[")
_MOST_FILES = 100_000
_RAW_CHARACTERS = 16_384
_READ_BYTES = 1 << 20


class Refused(msgspec.Struct, array_like=True, frozen=True):
    """A row that broke the contract.

    Attributes:
        row: Its number in the file, as a person counts.
        raw: What it held; cut after 16,384 characters.
    """

    file: str
    row: int
    code: str
    field: str
    expected: str
    found: str
    raw: str


class Unit(msgspec.Struct, array_like=True, frozen=True):
    """The rows of one part, on their way to whoever scores them.

    Attributes:
        batch: The rows that keep the contract, as `ColumnBatch.encode` writes them.
    """

    part: int
    rows: int
    batch: bytes
    refused: tuple[Refused, ...]


def input_files(inputs: Sequence[str]) -> tuple[InputFile, ...]:
    """Find the files that are meant, and take their digests.

    Args:
        inputs: Files, folders (with the folders in them) and patterns as `in/*.parquet`;
            files of a folder or a pattern come in the order of their names.

    Raises:
        UnreadableSource: One is not there, or matches no file; or they are too many.
    """
    names: dict[str, None] = {}
    for one in inputs:
        names.update(dict.fromkeys(_named(one)))
    if len(names) > _MOST_FILES:
        raise UnreadableSource(
            f"{len(names):,} files", f"are more than {_MOST_FILES:,}", "score them in several goes"
        )
    return tuple(map(_described, names))


def _named(one: str) -> Sequence[str]:
    path = Path(one)
    if path.is_dir():
        found = {str(file) for form in _FORMATS for file in path.rglob(form) if file.is_file()}
        mend = "put CSV, JSON lines or Parquet into it"
    elif path.exists() or not _PATTERN & set(one):
        return [one]
    else:
        found = {file for file in glob.glob(one, recursive=True) if Path(file).is_file()}
        mend = "check the pattern"
    if not found:
        raise UnreadableSource(one, "holds no file of requests", mend)
    return sorted(found)


def _described(name: str) -> InputFile:
    state, size = hashlib.sha256(), 0
    try:
        with Path(name).open("rb") as file:
            while piece := file.read(_READ_BYTES):
                state.update(piece)
                size += len(piece)
    except OSError as error:
        raise UnreadableSource(
            name, f"cannot be read: {error.strerror or error}", "check the path"
        ) from error
    return InputFile(name, size, state.hexdigest())


def units_of(plan: BatchPlan, contract: Contract[Event]) -> Iterator[tuple[Unit, float]]:
    """Read the files of a plan; yield each unit with the share of the input behind it, 0 to 1.

    Raises:
        UnreadableSource, SchemaMismatch, UnknownZone: See `read_file`.
    """
    whole = sum(one.size_bytes for one in plan.inputs) or 1
    size, part, behind = plan.rows_per_part, 0, 0
    held: list[ColumnBatch] = []
    refused: list[Refused] = []
    for file in plan.inputs:
        for chunk in read_file(Path(file.name), contract, plan.reading):
            refused += [_refused(file.name, one, contract) for one in chunk.refused]
            held.append(chunk.batch)
            share = (behind + chunk.share * file.size_bytes) / whole
            while len(refused) >= size or sum(one.rows for one in held) >= size:
                rows = join_batches(contract, held)
                yield _unit(part, rows.take(_first(rows, size)), refused[:size]), share
                part, refused = part + 1, refused[size:]
                held = [rows.take(np.arange(min(size, rows.rows), rows.rows))]
        behind += file.size_bytes
    rows = join_batches(contract, held) if held else batch_of(contract, [])
    if rows.rows or refused or not part:
        yield _unit(part, rows, refused), 1.0


def _first(batch: ColumnBatch, size: int) -> "np.ndarray[tuple[int], np.dtype[np.int64]]":
    return np.arange(min(size, batch.rows))


def _unit(part: int, batch: ColumnBatch, refused: Sequence[Refused]) -> Unit:
    return Unit(part, batch.rows, batch.encode(), tuple(refused))


def _refused(file: str, one: RefusedRow, contract: Contract[Event]) -> Refused:
    why = one.violation
    if contract.subject is not None:
        one = without_content(one)
    raw = one.raw[:_RAW_CHARACTERS]
    return Refused(file, one.row, why.code, why.field, why.expected, why.found, raw)
