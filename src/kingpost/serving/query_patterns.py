"""Ways of asking that serve to rebuild a model, found in a caller's latest requests.

The rule: each is a share of the latest requests that ordinary traffic does not come near.
A finding is a signal: it lowers a budget and opens an incident, and refuses nothing itself.

- `sweep`: requests that differ from a late one in one field alone.
- `enumeration`: values of a number that lie on a grid, evenly spaced or by a constant factor,
  and evenly visited.
  So are requests of which many name somebody whom nobody knew: names are being guessed.
- `boundary`: answers just beside the threshold.

Pure: no clock, no I/O.
"""

from collections import Counter, deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from operator import attrgetter
from typing import NamedTuple

from kingpost.contracts import Contract, Event, Field
from kingpost.decisions import Pattern

__all__ = ["Found", "QueryPatterns"]

REQUESTS = 256
"""How many of a caller's latest requests are looked at."""

LEAST_REQUESTS = 64
SWEEP_SHARE = 0.4
GRID_SHARE = 0.8
GUESSED_SHARE = 0.3
BOUNDARY_SHARE = 0.5
BOUNDARY = 0.05
"""How near the threshold a score lies beside it."""

_LEAST_FIELDS = 3
_LEAST_POINTS = 8
_LOOK_EVERY = 32
_NEAR = 0.05
_EVEN = 2.5


class Found(NamedTuple):
    """A pattern, and how it shows: for people, without a value of anybody's."""

    pattern: Pattern
    fact: str


class _Number(NamedTuple):
    at: int
    name: str
    unit: float


class _Seen:
    """A request but for one field: that field's value last, and in how many late requests."""

    __slots__ = ("times", "value")

    def __init__(self, value: object) -> None:
        self.value, self.times = value, 1


class QueryPatterns:
    """The latest requests of one caller for one decision.

    Args:
        request: The contract of the requests; its key and its time are no part of a pattern.
        wanted: What is looked for.
        apart: Fields that name somebody: whole numbers in them lie on no grid.
    """

    def __init__(
        self, request: Contract[Event], wanted: frozenset[Pattern], apart: frozenset[str]
    ) -> None:
        fields = [one for one in request.fields if _is_asked(one, request)]
        names = [one.name for one in fields]
        self._row = attrgetter(*names) if len(names) > 1 else None
        self._numbers = [
            _Number(at, one.name, _unit(one))
            for at, one in enumerate(fields)
            if one.kind in ("integer", "number") and one.name not in apart
        ]
        self._finds_sweeps = "sweep" in wanted and len(names) >= _LEAST_FIELDS
        self._finds_grids = "enumeration" in wanted and self._row is not None
        self._finds_guesses = "enumeration" in wanted
        self._finds_boundary = "boundary" in wanted
        self._guessed: deque[bool] = deque(maxlen=REQUESTS)
        self._rows: deque[tuple[object, ...]] = deque(maxlen=REQUESTS)
        self._rests: deque[list[int]] = deque()
        self._seen: dict[int, _Seen] = {}
        self._hits: deque[bool] = deque(maxlen=REQUESTS)
        self._near: deque[bool] = deque(maxlen=REQUESTS // 2)
        self._asked = 0

    def ask(self, event: Event) -> Found | None:
        """Take a request; return what it makes of those before it."""
        if self._row is None:
            return None
        row: tuple[object, ...] = self._row(event)
        self._rows.append(row)
        self._asked += 1
        if self._finds_sweeps:
            self._hits.append(self._differs_in_one(row))
            share = sum(self._hits) / len(self._hits) if self._asked % 8 == 0 else 0.0
            if len(self._hits) >= LEAST_REQUESTS and share >= SWEEP_SHARE:
                return Found(
                    "sweep", f"{share:.0%} of requests differ in one field from a late one"
                )
        if self._finds_grids and self._asked % _LOOK_EVERY == 0 and self._asked >= LEAST_REQUESTS:
            return self._grid()
        return None

    def named(self, *, is_known: bool) -> Found | None:
        """Take whether a request named somebody who was known before."""
        if not self._finds_guesses:
            return None
        self._guessed.append(not is_known)
        if is_known or len(self._guessed) < LEAST_REQUESTS:
            return None
        share = sum(self._guessed) / len(self._guessed)
        if share < GUESSED_SHARE:
            return None
        return Found("enumeration", f"{share:.0%} of requests name somebody whom nobody knew")

    def answered(self, distance: float) -> Found | None:
        """Take how far from the threshold the score of an answer was."""
        if not self._finds_boundary:
            return None
        self._near.append(distance <= BOUNDARY)
        if len(self._near) < LEAST_REQUESTS:
            return None
        share = sum(self._near) / len(self._near)
        if share < BOUNDARY_SHARE:
            return None
        return Found("boundary", f"{share:.0%} of answers lie within {BOUNDARY} of the threshold")

    def clear(self) -> None:
        """Forget the requests so far, once a finding was acted on."""
        for each in (self._rows, self._rests, self._seen, self._hits, self._near, self._guessed):
            each.clear()
        self._asked = 0

    def _differs_in_one(self, row: tuple[object, ...]) -> bool:
        """Say whether a late request is the same but for one field."""
        parts = [hash((at, value)) for at, value in enumerate(row)]
        whole = 0
        for part in parts:
            whole ^= part
        rests = [whole ^ part ^ at for at, part in enumerate(parts)]
        seen, is_hit = self._seen, False
        for at, rest in enumerate(rests):
            known = seen.get(rest)
            if known is None:
                seen[rest] = _Seen(row[at])
            else:
                is_hit = is_hit or known.value != row[at]
                known.value = row[at]
                known.times += 1
        self._rests.append(rests)
        if len(self._rests) > REQUESTS:
            self._leave(self._rests.popleft())
        return is_hit

    def _leave(self, rests: Sequence[int]) -> None:
        for rest in rests:
            known = self._seen[rest]
            known.times -= 1
            if not known.times:
                del self._seen[rest]

    def _grid(self) -> Found | None:
        for at, name, unit in self._numbers:
            counts: Counter[float] = Counter(
                float(value) for row in self._rows if isinstance(value := row[at], int | float)
            )
            if is_grid(counts, unit):
                return Found("enumeration", f"values of {name} lie on a grid")
        return None


def is_grid(counts: Mapping[float, int], unit: float) -> bool:
    """Tell whether values lie on a grid that somebody laid.

    Args:
        counts: How often each value was asked.
        unit: What the field's values are whole numbers of anyhow; 0 for any number.
    """
    points = sorted(counts)
    if len(points) < _LEAST_POINTS:
        return False
    if max(counts.values()) > _EVEN * sum(counts.values()) / len(points):
        return False  # prices, or tens: visited as people do, some often
    gaps = [after - before for before, after in pairwise(points)]
    middle = sorted(gaps)[len(gaps) // 2]
    if middle > 1.5 * unit and _share_near(gaps, middle) >= GRID_SHARE:
        return True
    above = [point for point in points if point > 0]
    if len(above) < _LEAST_POINTS:
        return False
    factors = [after / before - 1 for before, after in pairwise(above)]
    middle = sorted(factors)[len(factors) // 2]
    return middle > _NEAR and _share_near(factors, middle) >= GRID_SHARE


def _share_near(values: Sequence[float], middle: float) -> float:
    return sum(abs(value - middle) <= _NEAR * middle for value in values) / len(values)


def _is_asked(field: Field, request: Contract[Event]) -> bool:
    known = request.known_time.name if request.known_time else ""
    is_apart = field.name in (request.key.name, request.event_time.name, known)
    return not is_apart and field.kind in ("text", "integer", "number", "boolean")


def _unit(field: Field) -> float:
    if field.kind == "integer":
        return 1.0
    return 0.0 if field.digits is None else 10.0**-field.digits
