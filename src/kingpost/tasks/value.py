"""What a person sees of an approval and may change: a JSON object of some size.

The rule: it is kept as the text it was checked as, so that every store gives back the same;
what JSON has no word for is refused, not replaced.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from kingpost.tasks.errors import BadTaskId, BadTaskValue
from kingpost.tasks.task import Task

__all__ = [
    "EMPTY",
    "LARGEST_VALUE",
    "LONGEST_ID",
    "check_id",
    "check_value",
    "decoded",
    "encoded",
    "kept",
]

LARGEST_VALUE = 64 * 1024
"""The most bytes that a value takes as JSON."""

LONGEST_ID = 200
"""The most characters of a task's id."""

DEEPEST = 64
"""The most levels of objects and arrays in a value."""

EMPTY = "{}"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encoded(value: Mapping[str, object]) -> str:
    """Return a value as it is kept.

    Raises:
        BadTaskValue: It is no JSON object, or too large.
    """
    if not value:
        return EMPTY
    if _is_deeper(value, DEEPEST):
        raise BadTaskValue(f"it has more than {DEEPEST} levels")
    try:
        text = _encode(dict(value))
        size_bytes = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise BadTaskValue("it is no JSON object") from error
    if size_bytes > LARGEST_VALUE:
        raise BadTaskValue(f"it has {size_bytes:,} bytes as JSON, of {LARGEST_VALUE:,} at most")
    return text


def decoded(text: str) -> Mapping[str, object]:
    """Return a value that was kept."""
    return {} if text == EMPTY else json.loads(text)


def check_value(value: Mapping[str, object]) -> None:
    """Refuse a value that cannot be kept.

    Raises:
        BadTaskValue
    """
    encoded(value)


def kept(value: Mapping[str, object]) -> Mapping[str, object]:
    """Return a value as it comes back from where it is kept; see `encoded`."""
    return decoded(encoded(value))


def check_id(task: Task) -> None:
    """Refuse an id that a URL or a page of a list cannot hold.

    Raises:
        BadTaskId
    """
    text = task.id
    if not 0 < len(text) <= LONGEST_ID:
        raise BadTaskId(text[:LONGEST_ID], f"it has {len(text):,} characters of {LONGEST_ID}")
    if "/" in text or not text.isprintable():
        raise BadTaskId(text, "it has a slash or characters that cannot be shown")


def _is_deeper(value: object, levels: int) -> bool:
    if isinstance(value, Mapping):
        inner: Iterable[object] = cast("Mapping[object, object]", value).values()
    elif isinstance(value, list | tuple):
        inner = cast("Sequence[object]", value)
    else:
        return False
    return not levels or any(_is_deeper(one, levels - 1) for one in inner)
