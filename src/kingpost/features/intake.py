"""How an event object comes into the kernel's state: every event goes through this.

The rule: the compiled `Intake` and the plain way add the same code, time and values, so which
one runs changes only how long it takes.
"""

from collections.abc import Callable, Sequence
from operator import attrgetter
from sys import intern

from kingpost.contracts import Event
from kingpost.features.kernel import KERNEL, Intake, State
from kingpost.features.kernel_columns import KernelColumn, row_encoder
from kingpost.features.spill import BoundedState

__all__ = ["intake"]


def intake(
    state: State | BoundedState,
    codes: dict[object, int],
    new_code: Callable[[object], int],
    keys: Sequence[str],
    time: str,
    columns: Sequence[KernelColumn],
) -> Callable[[Event, int], None]:
    """Return what adds an event, given its position.

    Args:
        codes: The number of each key in the state.
        new_code: Gives one to a key that has none.
        keys: The fields that name the key.
        time: The field that says when it happened.
        columns: Of the state, in its order.
    """
    is_packed = any(column.encoding == "pair" for column in columns)  # several of one value
    if KERNEL != "c" or is_packed or not isinstance(state, State):
        return plain_intake(state, codes, new_code, keys, time, columns)
    fields = [(intern(column.field.name), *_taken_by_kernel(column)) for column in columns]
    return Intake(state, codes, new_code, [*map(intern, keys)], intern(time), fields).take


def _taken_by_kernel(column: KernelColumn) -> tuple[float, Callable[[object], int] | None]:
    """Return the scale by which the kernel takes numbers, 0 for whole ones, else the encoder."""
    if column.encoding != "multiple":
        return 0.0, column.encoder()
    return (0.0 if column.is_whole else float(column.field.scale)), None


def plain_intake(
    state: State | BoundedState,
    codes: dict[object, int],
    new_code: Callable[[object], int],
    keys: Sequence[str],
    time: str,
    columns: Sequence[KernelColumn],
) -> Callable[[Event, int], None]:
    """Return the same in Python."""
    get, add, values_of = codes.get, state.insert, row_encoder(columns)
    key_of, time_of = attrgetter(*keys), attrgetter(f"{time}.us")

    def take(event: Event, position: int) -> None:
        at, values, key = time_of(event), values_of(event), key_of(event)
        code = get(key)
        add(new_code(key) if code is None else code, at, position, values)

    return take
