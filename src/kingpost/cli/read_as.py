"""How a command is told to read a file: which column is which field."""

from collections.abc import Sequence

import click

__all__ = ["mapping_of"]


def mapping_of(pairs: Sequence[str]) -> dict[str, str]:
    """Read `FIELD=COLUMN` as often as it was given."""
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise click.BadParameter(f"{pair!r} is not FIELD=COLUMN", param_hint="--map")
        mapping[field] = column
    return mapping
