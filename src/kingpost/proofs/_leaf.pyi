from collections.abc import Callable

def commitments(
    buffer: bytes, at: int, end: int, offset: int, nonces_of: Callable[[int], bytes], /
) -> tuple[bytes, int] | None: ...
