"""Reading events from text files: CSV and JSON lines, plain or gzip-compressed.

A row that breaks the contract is handed over with the reason and reading goes on. What
makes the rest of the file doubtful (an encoding that is not UTF-8, a quote that is never
closed, a truncated archive) is an error that names the line. Lines are counted as an
editor counts them, the CSV header included.
"""

import csv
import gzip
import io
import zlib
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from kingpost.contracts import BadRow, Contract, ContractViolation, Event, batch_of
from kingpost.integrations.errors import SchemaMismatch, UnreadableSource
from kingpost.integrations.quarantine import (
    RefusedRow,
    refused_cells,
    refused_line,
    refused_row,
)
from kingpost.integrations.reading import Chunk, Reading, columns_of

__all__ = ["read_csv", "read_json_lines"]

ROWS_PER_CHUNK = 65_536
LONGEST_LINE = 16 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff")
_GZIP_MAGIC = b"\x1f\x8b"
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])


class _Rows:
    """Rows gathered for the next chunk, and where in the file they come from."""

    def __init__(self, contract: Contract[Event], raw: BinaryIO, size: int) -> None:
        self.events: list[Event] = []
        self.refused: list[RefusedRow] = []
        self._contract, self._raw, self._size = contract, raw, size
        self._before = 0

    def are_many(self) -> bool:
        return len(self.events) + len(self.refused) >= ROWS_PER_CHUNK

    def finish(self) -> Chunk:
        self._before += len(self.events) + len(self.refused)
        batch = batch_of(self._contract, self.events)
        share = min(1.0, self._raw.tell() / self._size)
        chunk = Chunk(batch, self.refused, self._before, share)
        self.events, self.refused = [], []
        return chunk


@contextmanager
def _opened(path: Path) -> Generator[tuple[BinaryIO, BinaryIO, int]]:
    """Open a file for reading; yield its text as bytes, the file itself and its size."""
    source = str(path)
    try:
        with path.open("rb") as raw:
            size = path.stat().st_size
            start = raw.read(2)
            raw.seek(0)
            if not start:
                raise UnreadableSource(source, "is empty", "has its export failed?")
            if start in _WIDE_BOMS:
                raise UnreadableSource(source, "is UTF-16 text", "save it as UTF-8")
            if start != _GZIP_MAGIC:
                yield raw, raw, size
                return
            with gzip.open(raw) as unpacked:
                yield cast("BinaryIO", io.BufferedReader(cast("io.RawIOBase", unpacked))), raw, size
    except FileNotFoundError as error:
        raise UnreadableSource(source, "does not exist", "check the path") from error
    except UnicodeDecodeError as error:
        raise UnreadableSource(
            source, "is not UTF-8 text", "convert it, as with `iconv -f latin1 -t utf-8`"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableSource(
            source, f"is a damaged gzip file ({error})", "transfer it again"
        ) from error
    except OSError as error:
        raise UnreadableSource(
            source, f"cannot be read: {error.strerror or error}", "check the path"
        ) from error


def read_csv(path: Path, contract: Contract[Event], reading: Reading) -> Iterator[Chunk]:
    """Read a CSV file: UTF-8, commas, a header with the names of the columns.

    An empty cell is None where the field may be None, else no value: the default counts.

    Raises:
        UnreadableSource: The file is missing, empty, damaged or no such CSV.
        SchemaMismatch: The header does not fit the contract.
        UnknownZone: There is no such time zone.
    """
    source = str(path)
    with _opened(path) as (stream, raw, size):
        lines = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
        reader = csv.reader(lines, strict=True)
        line = 1
        try:
            header = next(reader, None)
            if not header:
                raise UnreadableSource(source, "has no header", "begin it with the column names")
            _check_delimiter(header, contract, reading, source)
            matched = columns_of(contract, reading, header, source)
            field_of = {column: name for name, column in matched.items()}
            names = [field_of.get(column, "") for column in header]
            width, convert, zone = len(header), contract.convert, reading.zone
            rows = _Rows(contract, raw, size)
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) == width:
                    row = dict(zip(names, cells, strict=True))
                    row.pop("", None)
                    try:
                        rows.events.append(convert(row, text=True, zone=zone))
                    except ContractViolation as violation:
                        bad = BadRow(line, row, violation)
                        rows.refused.append(refused_row(bad, text=True, zone=zone))
                elif cells:
                    violation = ContractViolation(
                        contract.name, "", f"{width} cells", f"{len(cells)} cells"
                    )
                    rows.refused.append(refused_cells(line, cells, violation))
                line = reader.line_num + 1
                if rows.are_many():
                    yield rows.finish()
            yield rows.finish()
        except csv.Error as error:
            raise UnreadableSource(
                source, f"is no valid CSV at line {line}: {error}", "mend the quotes of that row"
            ) from error


def _check_delimiter(
    header: Sequence[str], contract: Contract[Event], reading: Reading, source: str
) -> None:
    """Refuse a header of one cell that holds all columns, with a word that helps."""
    for delimiter, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        parts = header[0].split(delimiter)
        if len(header) == 1 and len(parts) > 1:
            first = contract.fields[0].name
            raise SchemaMismatch(
                source, first, f"columns {reading.column(first)!r} … with commas between them",
                f"{name} between them", "convert it to commas",
            )  # fmt: skip


def read_json_lines(path: Path, contract: Contract[Event], reading: Reading) -> Iterator[Chunk]:
    """Read a file of one JSON object a line; blank lines are passed over.

    Raises:
        UnreadableSource: The file is missing, empty, damaged or of another format.
        SchemaMismatch: The mapping does not fit the contract.
        UnknownZone: There is no such time zone.
    """
    source = str(path)
    reading.check(contract, source)
    zone = reading.zone
    renames = bool(reading.mapping) or reading.ignore_extra
    field_of = {reading.column(name): name for name in contract.by_name}
    with _opened(path) as (stream, raw, size):
        rows = _Rows(contract, raw, size)
        number = 0
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if number == 1:
                line = line.removeprefix(_BOM)
                if line.lstrip().startswith(b"["):
                    raise UnreadableSource(
                        source, "is a JSON array", "write one object a line, without the brackets"
                    )
            if line.isspace():
                continue
            if len(line) == LONGEST_LINE:
                raise UnreadableSource(
                    source,
                    f"line {number} is longer than {LONGEST_LINE:,} bytes",
                    "write one object a line",
                )
            try:
                if renames:
                    line = _renamed(line, contract, reading, field_of)
                rows.events.append(contract.decode(line, zone=zone))
            except ContractViolation as violation:
                rows.refused.append(refused_line(number, line.rstrip(), violation, zone=zone))
            if rows.are_many():
                yield rows.finish()
        yield rows.finish()


def _renamed(
    line: bytes, contract: Contract[Event], reading: Reading, field_of: Mapping[str, str]
) -> bytes:
    """Rename the members of an object to fields; what is no object stays as it is."""
    try:
        found = _OBJECT.decode(line)
    except msgspec.ValidationError:
        return line
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise ContractViolation(contract.name, "", "valid JSON", "something else") from None
    renamed: dict[str, msgspec.Raw] = {}
    for name, value in found.items():
        field = field_of.get(name)
        if field is not None:
            renamed[field] = value
        elif not reading.ignore_extra:
            # a field's own name, when the field is mapped elsewhere, is as foreign as others
            renamed[f"{name} " if name in contract.by_name else name] = value
    return msgspec.json.encode(renamed)
