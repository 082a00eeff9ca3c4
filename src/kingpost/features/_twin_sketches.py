"""What the twin approximates, by the very steps of `_kernel.c`: sketches and decay.

The rule: each is a function of its events as a set, in integers up to the last division, so
that their order changes no bit. Logarithms and powers come from tables computed here and
there alike, as no two mathematical libraries agree on their last bits.
"""

import math
from array import array
from collections.abc import Iterable

__all__ = ["decayed", "distinct", "quantile"]

_HLL_BITS = 12
_HLL_SIZE = 2**_HLL_BITS
_EXACT_RANKS = 4096
_SMALL = 256
_HALF_LIVES = 64
_WORD = 2**64 - 1


def _logarithms() -> list[float]:
    """Return ln(_HLL_SIZE / v) for v from 0 (unused) to _HLL_SIZE, by a series of its own."""
    table = [0.0] * (_HLL_SIZE + 1)
    for v in range(_HLL_SIZE, 1, -1):
        z = 1.0 / (2.0 * v - 1.0)
        square, total = z * z, 0.0
        for k in range(20, -1, -1):
            total = total * square + 1.0 / (2.0 * k + 1.0)
        table[v - 1] = table[v] + 2.0 * z * total
    return table


def _powers() -> tuple[list[int], list[int]]:
    """Return 2**(i / 2**8) and 2**(i / 2**16), times 2**60, for i from 0 to 255."""
    one = 2**60
    roots = [math.isqrt(one << 61)]
    for _ in range(15):
        roots.append(math.isqrt(roots[-1] << 60))
    tables: tuple[list[int], list[int]] = ([], [])
    for table, first in zip(tables, (0, 8), strict=True):
        for i in range(256):
            product = one
            for bit in range(8):
                if i >> (7 - bit) & 1:
                    product = product * roots[first + bit] >> 60
            table.append(product)
    return tables


_LOGARITHMS = _logarithms()
_COARSE, _FINE = _powers()


def _mixed(x: int) -> int:
    """Scatter 64 bits; splitmix64."""
    x = (x + 0x9E3779B97F4A7C15) & _WORD
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    x = (x ^ x >> 27) * 0x94D049BB133111EB & _WORD
    return x ^ x >> 31


def distinct(values: Iterable[int], most: int) -> float:
    """Count distinct values, above `most` by HyperLogLog (Flajolet et al. 2007)."""
    found = set(values)
    if len(found) <= most:
        return float(len(found))
    registers = [0] * _HLL_SIZE
    for value in found:
        hashed = _mixed(value & _WORD)
        at = hashed >> (64 - _HLL_BITS)
        rest = (hashed << _HLL_BITS & _WORD) | 1 << (_HLL_BITS - 1)
        registers[at] = max(registers[at], 65 - rest.bit_length())
    size = float(_HLL_SIZE)
    alpha = 0.7213 / (1.0 + 1.079 / size)
    estimate = math.ldexp(alpha * size * size, 60) / float(
        sum(1 << (60 - register) for register in registers)
    )
    unused = registers.count(0)
    if estimate <= 2.5 * size and unused:
        estimate = size * _LOGARITHMS[unused]
    return max(float(round(estimate)), float(most + 1))


def quantile(values: "array[int]", millionths: int) -> int:
    """Return the value of a rank; of many events, the middle of its bucket."""
    rank = max(-(-millionths * len(values) // 1_000_000), 1) - 1
    if len(values) <= _EXACT_RANKS:
        return sorted(values)[rank]
    return _middle(sorted(map(_bucket, values))[rank])


def _bucket(x: int) -> int:
    """Number the bucket of a value: below _SMALL one each, above 128 to each power of two."""
    at = size = abs(x)
    if size >= _SMALL:
        power = size.bit_length() - 1
        at = _SMALL + (power - 8) * 128 + (size >> (power - 7) & 127)
    return -at if x < 0 else at


def _middle(bucket: int) -> int:
    value = at = abs(bucket)
    if at >= _SMALL:
        power = (at - _SMALL) // 128 + 8
        value = ((128 + (at - _SMALL) % 128) << (power - 7)) + (1 << (power - 8))
    return -value if bucket < 0 else value


def _half_life(t: int, length: int) -> tuple[int, int]:
    """Return in which half-life a time lies, and its weight there: 2**fraction * 2**30."""
    whole, rest = divmod(t, length)
    part = rest * 65536 // length
    return whole, _COARSE[part >> 8] * _FINE[part & 255] >> 90


def decayed(
    times: Iterable[int], values: Iterable[int], q: int, length: int, scale: float
) -> float:
    """Sum x * 2**((t - q) / length): exact integers, weights within 2**-15 of the true ones."""
    current, now = _half_life(q, length)
    total = 0
    for t, x in zip(times, values, strict=True):
        whole, weight = _half_life(t, length)
        if whole > current - _HALF_LIVES:
            total += weight * x << (whole - current + _HALF_LIVES - 1)
    return math.ldexp(float(total), 1 - _HALF_LIVES) / (float(now) * scale)
