"""How much a principal may ask: by requests, by rows and by cost.

    Limits(requests=rate_of("100/s"), rows=rate_of("10000/h"))

A request of one decision is one row and costs what its decision says, 1 by default.
"""

from typing import NamedTuple

from kingpost.core import Rate, rate_of

__all__ = ["NO_LIMITS", "Limits"]


class Limits(NamedTuple):
    """Rates that hold together; None is no limit."""

    requests: Rate | None = None
    rows: Rate | None = None
    cost: Rate | None = None

    def __bool__(self) -> bool:
        return any(rate is not None for rate in self)

    def over(self, others: "Limits") -> "Limits":
        """Take the place of others, where this says something."""
        return Limits(
            self.requests or others.requests, self.rows or others.rows, self.cost or others.cost
        )

    def to_text(self) -> str:
        """Write them as they are stored; empty for none."""
        named = self._asdict().items()
        return " ".join(f"{name}={rate}" for name, rate in named if rate is not None)

    @classmethod
    def from_text(cls, text: str) -> "Limits":
        """Read what `to_text` wrote."""
        pairs = (part.partition("=") for part in text.split())
        return cls(**{name: rate_of(rate) for name, _, rate in pairs})


NO_LIMITS = Limits()
