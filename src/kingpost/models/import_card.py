"""The card of a model that was not trained here: where it comes from, and what was checked.

The rule: it claims nothing of the training, which nobody here has seen.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kingpost.models.card import render_sections
from kingpost.models.card_facts import Block, Bullets, Paragraph, Section, Table
from kingpost.models.measured import Evaluation

__all__ = ["ImportCard", "render_import_card"]


@dataclass(frozen=True)
class ImportCard:
    """All that such a card tells.

    Attributes:
        purpose: What the model is for.
        positive: What a positive row is, such as "fraud".
        origin: What was imported and how it was checked, in sentences.
        features: Their names, in the order in which the model takes them.
        rows: Rows that were given with it; 0 for none.
        rows_digest: SHA-256 over them.
        evaluation: On those rows; None without labels of both classes.
        environment: Name to version of what the model was imported with.
        lineage: What its maker's registry says of it: what, and the value.
    """

    name: str
    purpose: str
    positive: str
    origin: tuple[str, ...]
    features: tuple[str, ...]
    threshold: float
    rows: int
    rows_digest: str
    evaluation: Evaluation | None
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    lineage: tuple[tuple[str, str], ...] = ()


def render_import_card(card: ImportCard) -> str:
    """Write the card in Markdown."""
    sections = (
        Section("Where it comes from", (*map(Paragraph, card.origin), *_lineage(card))),
        Section("Features", (Bullets(tuple(f"`{name}`" for name in card.features)),)),
        Section("Quality", tuple(_quality(card))),
        Section(
            "Environment",
            (Bullets(tuple(f"{name} {version}" for name, version in card.environment.items())),),
        ),
    )
    return render_sections(f"Model card: {card.name}", card.purpose, sections)


def _lineage(card: ImportCard) -> Iterator[Block]:
    if card.lineage:
        yield Table(("as its registry says", "value"), card.lineage)


def _quality(card: ImportCard) -> Iterator[Block]:
    if card.evaluation is None:
        given = f"{card.rows:,} rows without labels were given" if card.rows else "No rows came"
        yield Paragraph(f"Not measured: {given} with the model.")
        return
    yield Paragraph(
        f"On the {card.rows:,} rows that came with it (sha256 `{card.rows_digest}`). Whether the "
        "model had learned from them is not known here."
    )
    found = card.evaluation
    yield Table(
        ("measure", "value"),
        (
            ("rows", f"{found.rows:,}"),
            (card.positive, f"{found.positives:,}"),
            ("ROC AUC", f"{found.roc_auc:.4f}"),
            ("average precision", f"{found.average_precision:.4f}"),
            ("Brier score", f"{found.calibration.brier:.5f}"),
            ("threshold", f"{card.threshold:.6g}"),
        ),
    )
