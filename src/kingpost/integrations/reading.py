"""How a source is read, whatever its format: which column is which field, in which zone.

The rule for columns: every one of them is a field, or the source is refused, unless it is
read with `ignore_extra`. A column that was renamed upstream would otherwise be dropped,
and its field would silently take its default.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from kingpost.contracts import ColumnBatch, Contract, Event, zone_named
from kingpost.integrations.errors import SchemaMismatch
from kingpost.integrations.quarantine import RefusedRow

__all__ = ["Chunk", "Reading", "columns_of"]


@dataclass(frozen=True)
class Reading:
    """How to read a source.

    Attributes:
        mapping: Field -> column, where the names differ.
        zone: What times without an offset mean, such as "UTC" or "Europe/Rome"; None
            refuses them.
        ignore_extra: Pass over columns that are no field.
    """

    mapping: Mapping[str, str] = field(default_factory=dict[str, str])
    zone: str | None = None
    ignore_extra: bool = False

    def column(self, name: str) -> str:
        """Return the column of a field."""
        return self.mapping.get(name, name)

    def check(self, contract: Contract[Event], source: str) -> None:
        """Check what can be checked without the source.

        Raises:
            SchemaMismatch: The mapping names no field, or one column twice.
            UnknownZone: There is no such time zone.
        """
        if self.zone is not None:
            zone_named(self.zone)
        for name in self.mapping:
            if name not in contract.by_name:
                raise SchemaMismatch(
                    source,
                    name,
                    f"a field of {contract.name}: {', '.join(contract.by_name)}",
                    "another name in the mapping",
                    "map field=column",
                )
        columns: dict[str, str] = {}
        for name in contract.by_name:
            other = columns.setdefault(self.column(name), name)
            if other != name:
                raise SchemaMismatch(
                    source,
                    name,
                    "a column of its own",
                    f"column {self.column(name)!r}, which is also {other}",
                    "map it to another one",
                )


class Chunk(NamedTuple):
    """Some rows of a source, checked.

    Attributes:
        batch: The rows that keep the contract, in their order.
        refused: The rows that do not.
        rows: How many rows of the source were seen so far.
        share: How much of the source was read so far, 0 to 1.
    """

    batch: ColumnBatch
    refused: Sequence[RefusedRow]
    rows: int
    share: float


def columns_of(
    contract: Contract[Event], reading: Reading, found: Sequence[str], source: str
) -> Mapping[str, str]:
    """Match the columns of a source to the fields; return field -> column.

    Raises:
        SchemaMismatch: A column is missing, is there twice or is no field.
        UnknownZone: There is no such time zone.
    """
    reading.check(contract, source)
    shown = ", ".join(found) or "none"
    matched: dict[str, str] = {}
    for one in contract.fields:
        column = reading.column(one.name)
        if found.count(column) > 1:
            raise SchemaMismatch(source, one.name, f"one column {column!r}", "two", "rename one")
        if column in found:
            matched[one.name] = column
        elif one.required or one.name in reading.mapping:
            raise SchemaMismatch(
                source,
                one.name,
                f"a column {column!r}",
                f"columns {shown}",
                "map the field to its column, or mend the source",
            )
    names = sorted(set(found) - set(matched.values()))
    if names and not reading.ignore_extra:
        raise SchemaMismatch(
            source,
            names[0],
            f"only columns that are fields of {contract.name}",
            f"also {', '.join(map(repr, names))}",
            "map them, or have extra columns ignored",
        )
    return matched
