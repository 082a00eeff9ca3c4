from collections.abc import Callable, Sequence
from typing import TypeAlias, final

import numpy as np
from _typeshed import ReadableBuffer, WriteableBuffer
from numpy.typing import NDArray

# numpy's arrays are buffers, which its stubs say only from Python 3.12 on
_In: TypeAlias = ReadableBuffer | NDArray[np.generic]
_Out: TypeAlias = WriteableBuffer | NDArray[np.float64]

@final
class State:
    def __new__(
        cls, scales: Sequence[int], outputs: Sequence[tuple[str, int, int, int, float, int, int]]
    ) -> State: ...
    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None: ...
    def load(
        self,
        codes: _In,
        t: _In,
        s: _In,
        values: Sequence[_In],
    ) -> None: ...
    def read(self, code: int, q: int, tie: int, out: _Out, start: int, /) -> None: ...
    def retract(self, code: int, t: int, s: int, /) -> bool: ...
    def dump(self) -> tuple[bytes, bytes, bytes, list[bytes]]: ...
    def take(self, code: int, /) -> tuple[bytes, bytes, list[bytes]]: ...
    def drop(self, t: int, first: int, end: int, /) -> bytes: ...
    def memory(self) -> int: ...
    def events(self) -> int: ...

@final
class Intake:
    def __new__(
        cls,
        state: State,
        codes: dict[object, int],
        new_code: Callable[[object], int],
        keys: Sequence[str],
        time: str,
        fields: Sequence[tuple[str, float, Callable[[object], int] | None]],
    ) -> Intake: ...
    def take(self, event: object, s: int, /) -> None: ...

def backfill(
    scales: Sequence[int],
    outputs: Sequence[tuple[str, int, int, int, float, int, int]],
    codes: _In,
    t: _In,
    s: _In,
    a: _In | None,
    ends: _In | None,
    values: Sequence[_In],
    read_codes: _In,
    q: _In,
    tie: _In,
    read_a: _In | None,
    out: _Out,
    stride: int,
    start: int,
    threads: int,
) -> None: ...
