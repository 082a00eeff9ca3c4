"""Rate limits, held in memory: what a principal has left, and when there is more.

The rule: a limit of n in a time is a bucket of n that fills evenly; what does not fit is
refused whole and takes nothing, from none of the limits. Each process counts for itself and
begins anew with a full bucket.

Sources: the generic cell rate algorithm (ITU-T I.371, annex A), written as the time at
which a bucket is full again; the fields of draft-ietf-httpapi-ratelimit-headers.
"""

from typing import NamedTuple

from kingpost.access.errors import RateLimited
from kingpost.access.limits import Limits
from kingpost.access.principal import Principal
from kingpost.core import Clock, Rate

__all__ = ["Fields", "RateLimiter"]

Fields = tuple[tuple[bytes, bytes], ...]
"""Header fields: pairs of a name and a value."""

PRINCIPALS_HELD = 50_000
_ROUNDING = 0.5
_ALMOST_ONE = 1 - 1e-9


class _Bucket(NamedTuple):
    """One limit; times are nanoseconds.

    Attributes:
        kind: Its place among the limits.
        span: How long it takes to fill an empty one.
        step: How long one of what is taken takes to come back.
    """

    kind: int
    span: float
    step: float


class _Buckets:
    """The buckets of one principal, one per limit; `full_at` is when each is full again."""

    __slots__ = ("buckets", "full_at", "limits", "policy", "template")

    def __init__(self, limits: Limits) -> None:
        named = limits._asdict().items()
        found: list[tuple[str, Rate]] = [(name, rate) for name, rate in named if rate is not None]
        self.limits = limits
        self.buckets = [
            _Bucket(
                Limits._fields.index(name), rate.per_us * 1000.0, rate.per_us * 1000 / rate.number
            )
            for name, rate in found
        ]
        self.full_at = [0.0] * len(found)
        policies = [f'"{name}";q={rate.number};w={_seconds(rate)}' for name, rate in found]
        self.policy = (b"ratelimit-policy", ", ".join(policies).encode())
        self.template = ", ".join(f'"{name}";r=%d;t=%d' for name, _ in found).encode()

    def take(self, now: int, amounts: tuple[float, float, float]) -> Fields:
        full_at: list[float] = []
        told: list[int] = []
        for (kind, span, step), full in zip(self.buckets, self.full_at, strict=True):
            used = amounts[kind] * step + (full - now if full > now else 0.0)
            if used > span + _ROUNDING:
                raise self._refused(now, amounts)
            full_at.append(now + used)
            told.append(int((span - used) / step + 1e-6))
            told.append(int(used * 1e-9 + _ALMOST_ONE))
        self.full_at = full_at
        return ((b"ratelimit", self.template % tuple(told)), self.policy)

    def _refused(self, now: int, amounts: tuple[float, float, float]) -> RateLimited:
        """Say which limit has to be waited for longest."""
        waits = [
            amounts[kind] * step + max(full - now, 0.0) - span
            for (kind, span, step), full in zip(self.buckets, self.full_at, strict=True)
        ]
        kind, span, step = self.buckets[waits.index(max(waits))]
        is_too_large = amounts[kind] * step > span + _ROUNDING
        retry_after_s = 0 if is_too_large else max(1, int(max(waits) * 1e-9 + _ALMOST_ONE))
        told = self.take(now, (0, 0, 0))
        return RateLimited(Limits._fields[kind], str(self.limits[kind]), retry_after_s, told)


class RateLimiter:
    """What each principal has left; for one thread."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic_ns
        self._held: dict[tuple[str, str], _Buckets] = {}

    def take(
        self, principal: Principal, *, requests: int = 1, rows: int = 1, cost: float = 1.0
    ) -> Fields:
        """Take from what a principal has left.

        Returns:
            The header fields that tell what is left; none where nothing is limited.

        Raises:
            RateLimited: It does not fit; nothing was taken.
        """
        limits = principal.limits
        if limits is None:
            return ()
        who = (principal.tenant, principal.id)
        buckets = self._held.get(who)
        if buckets is None or buckets.limits is not limits:
            buckets = self._buckets(who, limits)
        return buckets.take(self._now(), (requests, rows, cost))

    def _buckets(self, who: tuple[str, str], limits: Limits) -> _Buckets:
        before = self._held.get(who)
        if before is not None and before.limits == limits:
            before.limits = limits
            return before
        if before is None and len(self._held) >= PRINCIPALS_HELD:
            self._forget()
        made = self._held[who] = _Buckets(limits)
        if before is not None:  # a limit that stays keeps what was taken
            kinds = [bucket.kind for bucket in before.buckets]
            kept = dict(zip(kinds, before.full_at, strict=True))
            made.full_at = [kept.get(bucket.kind, 0.0) for bucket in made.buckets]
        return made

    def _forget(self) -> None:
        """Forget the half whose buckets are full first; as a rule they are full already."""
        order = sorted(self._held, key=lambda who: max(self._held[who].full_at))
        for who in order[: len(order) // 2]:
            del self._held[who]


def _seconds(rate: Rate) -> int:
    return max(1, rate.per_us // 1_000_000)
