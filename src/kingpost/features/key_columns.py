"""Keys of one or several fields by the column, numbered for the kernel.

The rule: rows have equal codes when their keys are equal, field by field.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from kingpost.contracts import Column, ColumnBatch, Texts
from kingpost.features.keys import factorise

__all__ = ["NumberedKeys", "numbered_keys", "shared_codes"]

NumberedKeys = tuple[NDArray[np.int32], Sequence[object]]
"""A code per row, and the key that each code stands for."""


def numbered_keys(batch: ColumnBatch, keys: Sequence[str]) -> NumberedKeys:
    """Number the keys of a batch; a key of several fields is a tuple, as events give it."""
    parts = [_numbered(batch.columns[name]) for name in keys]
    if len(parts) == 1:
        return parts[0]
    codes = _combined([part for part, _ in parts])
    found, rows = np.unique(codes, return_index=True)
    if not len(found):
        return codes, []
    values = [
        [part_values[code] for code in part_codes[rows].tolist()]
        for part_codes, part_values in parts
    ]
    return np.searchsorted(found, codes).astype(np.int32), list(zip(*values, strict=True))


def _numbered(column: Column) -> NumberedKeys:
    if isinstance(column, Texts):
        return column.codes, column.values
    codes, values = factorise(column)
    return codes, cast("list[object]", values.tolist())


def shared_codes(
    events: ColumnBatch, requests: ColumnBatch, keys: Sequence[str]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Number the keys of events and of requests alike.

    Returns:
        Codes, int32, per event and per request; −1 for a request whose key no event has,
        or may have.
    """
    parts = [_shared(events, requests, name) for name in keys]
    if len(parts) == 1:
        return parts[0]
    rows = len(parts[0][0])
    unknown = np.any([asked < 0 for _, asked in parts], axis=0)
    both = [np.concatenate([codes, np.maximum(asked, 0)]) for codes, asked in parts]
    codes = _combined(both)
    asked = codes[rows:].copy()
    asked[unknown] = -1
    return codes[:rows], asked


def _shared(
    events: ColumnBatch, requests: ColumnBatch, name: str
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    codes, asked = _shared_columns(events.columns[name], requests.columns[name])
    present = requests.present.get(name)
    if present is not None:
        asked = np.where(present, asked, np.int32(-1))
    return codes, asked


def _shared_columns(
    events: Column, requests: Column
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    if isinstance(events, Texts) and isinstance(requests, Texts):
        if events.values is requests.values:
            return events.codes, requests.codes
        known = {value: code for code, value in enumerate(events.values)}
        mapped = np.array([known.get(value, -1) for value in requests.values], np.int32)
        return events.codes, mapped[requests.codes] if len(mapped) else requests.codes
    events = cast("NDArray[np.generic]", events)
    requests = cast("NDArray[np.generic]", requests)
    if events is requests:
        codes, _ = factorise(events)
        return codes, codes
    codes, _ = factorise(np.concatenate([events, requests]))
    return codes[: len(events)], codes[len(events) :]


def _combined(parts: Sequence[NDArray[np.int32]]) -> NDArray[np.int32]:
    """Number the combinations of codes; after each part anew, so that none overflows."""
    codes = parts[0]
    for part in parts[1:]:
        width = int(part.max(initial=0)) + 1
        codes, _ = factorise(codes.astype(np.int64) * width + part)
    return codes
