"""Who asks, for which tenant, and what they may do."""

from dataclasses import dataclass

from kingpost.access.errors import MissingScope
from kingpost.access.limits import Limits

__all__ = ["Principal"]


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who was let in.

    Attributes:
        id: Id of the API key, the first one of those it was rotated through, or `jwt:` and the
            subject of a token; stands in every record the principal causes.
        tenant: Whose data it reaches, and none other's.
        scopes: What it may do; `decide:fraud` is `decide` for that one decision.
        name: What people call it: the key's name, or a person's address.
        limits: How much it may ask; None is no limit.
    """

    id: str
    tenant: str
    scopes: frozenset[str]
    name: str = ""
    limits: Limits | None = None

    @property
    def by(self) -> str:
        """How it stands under what it did: its name, or its id where it has none."""
        return self.name or self.id

    def may(self, scope: str, name: str = "") -> bool:
        """Tell whether it has a scope, whole or narrowed to a name."""
        return scope in self.scopes or (bool(name) and f"{scope}:{name}" in self.scopes)

    def narrowed(self, scope: str) -> tuple[str, ...]:
        """Return the names that a scope is narrowed to, as the queues of `review:<queue>`."""
        prefix = f"{scope}:"
        found = (one.removeprefix(prefix) for one in self.scopes if one.startswith(prefix))
        return tuple(sorted(found))

    def require(self, scope: str, name: str = "") -> None:
        """Let it pass when it has a scope.

        Raises:
            MissingScope: It has not.
        """
        if not self.may(scope, name):
            raise MissingScope(f"{scope}:{name}" if name else scope)
