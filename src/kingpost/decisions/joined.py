"""The events of several partitions as one history, each in its place among all of them."""

from collections.abc import Iterable, Mapping, Sequence

from kingpost.contracts import Contract, Event
from kingpost.features import Erasure, Histories, History, Partitions, join_histories

__all__ = ["JoinedHistories"]


class JoinedHistories:
    """Histories of every partition, put together per tenant and stream.

    Positions are sequences: partition first, then offset (`Partitions.sequence`).

    Args:
        parts: By partition, in the order that numbers them.

    Attributes:
        parts: As given.
    """

    def __init__(
        self, parts: Mapping[str, Histories], contracts: Iterable[Contract[Event]]
    ) -> None:
        self.partitions = Partitions(tuple(parts))
        self.parts = parts
        self._contracts = {contract.name: contract for contract in contracts}

    def erasures(self, tenant: str) -> Sequence[Erasure]:
        """Return the entities of a tenant that were erased, partition by partition."""
        return [one for part in self.parts.values() for one in part.erasures(tenant)]

    def of(self, tenant: str) -> Mapping[str, History]:
        """Return a tenant's history per stream; empty where it has no events."""
        found = {name: histories.of(tenant) for name, histories in self.parts.items()}
        return {
            stream: join_histories(
                contract, self.partitions, {name: held[stream] for name, held in found.items()}
            )
            for stream, contract in self._contracts.items()
        }
