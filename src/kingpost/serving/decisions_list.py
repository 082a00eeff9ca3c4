"""`GET /v1/decisions`: what runs here."""

from collections.abc import Mapping

import msgspec

from kingpost.decisions import ServedDecision

__all__ = ["DecisionDocument", "DecisionsDocument", "render_decisions"]


class DecisionDocument(msgspec.Struct):
    """A decision and the bundle that answers it."""

    name: str
    request: str
    features: tuple[str, ...]
    bundle: str
    model: str
    threshold: float
    min_confidence: float


class DecisionsDocument(msgspec.Struct):
    """Everything that is decided here."""

    decisions: list[DecisionDocument]


def render_decisions(served: Mapping[str, ServedDecision]) -> bytes:
    """Render the list."""
    return msgspec.json.encode(
        DecisionsDocument(
            [
                DecisionDocument(
                    name,
                    one.decision.request.name,
                    one.decision.features.names,
                    one.bundle.hex(),
                    one.model.hex(),
                    one.threshold,
                    one.decision.gate.min_confidence,
                )
                for name, one in served.items()
            ]
        )
    )
