"""What the twin takes and refuses, as `_kernel.c` does: outputs, numbers and buffers.

The rule: everything is checked before anything is changed, and an error names what is wrong.
"""

from array import array
from collections.abc import Iterable, Sequence
from operator import index
from typing import TYPE_CHECKING, Literal

from kingpost.features._twin_key import INT64, TIME_LIMIT, Output, Window

if TYPE_CHECKING:  # declared for type checkers only
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = [
    "VALUE_LIMIT",
    "Spec",
    "bounded_column",
    "codes_of",
    "column_of",
    "events_of",
    "integer",
    "limits_of",
    "plan_of",
    "target_of",
]

_OPS = (
    "count", "sum", "mean", "min", "max", "var", "std", "first", "last", "distinct", "top",
    "quantile", "decayed_sum", "decayed_count", "since", "sequence",
)  # fmt: skip
_WITHOUT_COLUMN = ("count", "decayed_count", "since", "sequence")
_OF_OPAQUE = ("first", "last", "distinct", "top")
VALUE_LIMIT = 2**53
_ALIGN_LIMIT = 2**53
_ARGUMENTS = {
    "distinct": (1, 2**20),
    "top": (1, 1000),
    "quantile": (0, 1_000_000),
    "decayed_sum": (1, _ALIGN_LIMIT),
    "decayed_count": (1, _ALIGN_LIMIT),
    "since": (1, _ALIGN_LIMIT),
}

Spec = tuple[str, int, int, int, float, int, int]


def integer(value: int, name: str, low: int, high: int) -> int:
    exact = index(value)
    if not low <= exact <= high:
        raise ValueError(f"{name} is {value!r}, expected {low} to {high}")
    return exact


def plan_of(scales: tuple[int, ...], outputs: tuple[Spec, ...]) -> list[Window]:
    """Group the outputs by window."""
    if len(scales) > 1000 or not 1 <= len(outputs) <= 10000:
        raise ValueError(
            f"{len(scales)} scales and {len(outputs)} outputs, expected at most 1000 and 1 to 10000"
        )
    units = [float(integer(scale, "a scale", 0, VALUE_LIMIT)) for scale in scales]
    windows: dict[tuple[int, int, int], Window] = {}
    for place, output in enumerate(outputs):
        if not isinstance(output, tuple) or len(output) != 7:  # pyright: ignore[reportUnnecessaryIsInstance, reportUnnecessaryComparison] untyped callers
            raise TypeError(
                f"outputs[{place}] is {output!r}, expected "
                "(op, column, far_us, near_us, default, argument, align_us)"
            )
        op, column, far, near, empty, argument, align = output
        if not isinstance(op, str):  # pyright: ignore[reportUnnecessaryIsInstance] untyped callers
            raise TypeError(f"outputs[{place}] has the op {op!r}, expected a str")
        if op not in _OPS:
            raise ValueError(
                f"outputs[{place}] has the op {op!r}, expected {', '.join(_OPS[:-1])} or {_OPS[-1]}"
            )
        least, most = (-1, -1) if op in _WITHOUT_COLUMN else (0, len(scales) - 1)
        column = integer(column, "the column of an output", least, most)
        far = integer(far, "far_us", 1, TIME_LIMIT)
        near = integer(near, "near_us", 0, far - 1)
        argument = integer(argument, "the argument of an output", *_ARGUMENTS.get(op, (0, 0)))
        align = integer(align, "align_us", 0, _ALIGN_LIMIT)
        scale = 1.0 if column < 0 else units[column]
        if scale == 0 and op not in _OF_OPAQUE:
            raise ValueError(
                f"outputs[{place}] has the op {op!r} over column {column}, which is opaque"
            )
        window = windows.setdefault((far, near, align), Window(far, near, align, []))
        window.outputs.append(Output(op, column, place, scale, _double(empty), argument))
    return list(windows.values())


def limits_of(scales: Iterable[int]) -> list[int]:
    """Return how large a value of each column may be."""
    return [VALUE_LIMIT if scale else INT64 for scale in scales]


def _double(value: float) -> float:
    try:
        return array("d", [value])[0]  # float() would also parse a str
    except OverflowError:
        raise ValueError(f"the default of an output is {value!r}, too large for a float") from None


def _check(buffer: "ReadableBuffer", name: str, wanted: str, formats: str, size: int) -> memoryview:
    view = memoryview(buffer)
    if not view.c_contiguous:
        raise ValueError(f"{name} must be a contiguous buffer of {wanted}")
    format_ = view.format.removeprefix("@")
    if len(format_) != 1 or format_ not in formats or view.itemsize != size:
        raise ValueError(f"{name} holds items of format {view.format!r}, expected {wanted}")
    return view


def _whole(buffer: "ReadableBuffer", name: str, kind: Literal["i", "q"]) -> list[int]:
    wanted, formats, size = ("int32", "il", 4) if kind == "i" else ("int64", "ql", 8)
    view = _check(buffer, name, wanted, formats, size)
    if view.ndim != 1:
        raise ValueError(f"{name} has {view.ndim} dimensions, expected 1")
    return view.cast("B").cast(kind).tolist() if view.nbytes else []


def target_of(out: "WriteableBuffer") -> "memoryview[float]":
    view = _check(out, "out", "float64", "d", 8)
    if view.readonly:
        raise ValueError("out must be writable")
    return view.cast("B").cast("d") if view.nbytes else memoryview(array("d"))


def column_of(buffer: "ReadableBuffer", name: str, rows: int) -> list[int]:
    values = _whole(buffer, name, "q")
    if len(values) != rows:
        raise ValueError(f"{name} has {len(values)} rows, but the codes have {rows}")
    return values


def codes_of(buffer: "ReadableBuffer", name: str, least: int) -> list[int]:
    codes = _whole(buffer, name, "i")
    if codes and min(codes) < least:
        row = next(row for row, code in enumerate(codes) if code < least)
        raise ValueError(f"{name}[{row}] is {codes[row]}, expected at least {least}")
    return codes


def bounded_column(buffer: "ReadableBuffer", name: str, rows: int, limit: int) -> list[int]:
    values = column_of(buffer, name, rows)
    if values and (min(values) < -limit or max(values) > limit):
        row = next(row for row, value in enumerate(values) if abs(value) > limit)
        raise ValueError(f"{name}[{row}] is {values[row]}, expected {-limit} to {limit}")
    return values


def events_of(
    codes: "ReadableBuffer",
    t: "ReadableBuffer",
    s: "ReadableBuffer",
    values: Sequence["ReadableBuffer"],
    limits: Sequence[int],
) -> list[tuple[int, ...]]:
    """Check the columns of events and turn them into rows (code, t, s, *values)."""
    value_columns = tuple(values)
    if len(value_columns) != len(limits):
        raise ValueError(
            f"values has {len(value_columns)} columns, but there are {len(limits)} scales"
        )
    exact = codes_of(codes, "codes", 0)
    rows = len(exact)
    return list(
        zip(
            exact,
            bounded_column(t, "t", rows, TIME_LIMIT),
            column_of(s, "s", rows),
            *(
                column_of(column, "values", rows)
                if limit == INT64
                else bounded_column(column, "values", rows, limit)
                for column, limit in zip(value_columns, limits, strict=True)
            ),
            strict=True,
        )
    )
