"""An answer as it came, whoever reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CallAnswer"]


@dataclass(frozen=True)
class CallAnswer:
    """What a service answered.

    Attributes:
        headers: By name in lower case.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300
