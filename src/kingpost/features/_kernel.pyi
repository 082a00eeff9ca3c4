from collections.abc import Sequence
from typing import final

from _typeshed import ReadableBuffer, WriteableBuffer

@final
class State:
    def __new__(
        cls, scales: Sequence[int], outputs: Sequence[tuple[str, int, int, int, float]]
    ) -> State: ...
    def insert(self, code: int, t: int, s: int, values: tuple[int, ...], /) -> None: ...
    def load(
        self,
        codes: ReadableBuffer,
        t: ReadableBuffer,
        s: ReadableBuffer,
        values: Sequence[ReadableBuffer],
    ) -> None: ...
    def read(self, code: int, q: int, tie: int, out: WriteableBuffer, start: int, /) -> None: ...
    def events(self) -> int: ...

def backfill(
    scales: Sequence[int],
    outputs: Sequence[tuple[str, int, int, int, float]],
    codes: ReadableBuffer,
    t: ReadableBuffer,
    s: ReadableBuffer,
    a: ReadableBuffer | None,
    values: Sequence[ReadableBuffer],
    read_codes: ReadableBuffer,
    q: ReadableBuffer,
    tie: ReadableBuffer,
    read_a: ReadableBuffer | None,
    out: WriteableBuffer,
    stride: int,
    start: int,
    threads: int,
) -> None: ...
