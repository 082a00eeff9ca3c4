"""The model card: how a model decides, what made it and how good it is.

The rule: what a card tells is settled here, section by section, and every form of it tells
the same, so that people who read different forms know the same.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from kingpost.models.dataset import Provenance, TrainingSet
from kingpost.models.fitted import Choice, FittedModel
from kingpost.models.measured import Evaluation

__all__ = [
    "Block",
    "Bullets",
    "CardTable",
    "DataSummary",
    "ModelCard",
    "Paragraph",
    "Plotted",
    "Section",
    "Table",
    "card_sections",
]


@dataclass(frozen=True)
class DataSummary:
    """Which rows were used."""

    period: str
    rows: int
    positives: int
    digest: str
    provenance: Provenance

    @staticmethod
    def of(data: TrainingSet) -> "DataSummary":
        """Sum up a training set."""
        return DataSummary(data.period, len(data), data.positives, data.digest, data.provenance)


@dataclass(frozen=True)
class CardTable:
    """A further table, such as published results to compare with.

    Attributes:
        note: What to know when reading it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True)
class ModelCard:
    """All that a card tells.

    Attributes:
        purpose: What the model is for, and what not.
        positive: What a positive row is, such as "fraud".
        split: How training and test were parted.
        costs: What mistakes cost, in words; empty without a threshold.
        environment: Name to version of what the model was made with.
        limits: What a reader should not expect of it.
    """

    name: str
    purpose: str
    positive: str
    model: FittedModel
    training: DataSummary
    test: DataSummary
    split: str
    evaluation: Evaluation
    costs: str = ""
    tables: tuple[CardTable, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: tuple[str, ...] = ()


Plotted = Literal["", "importance", "calibration", "slices"]


class Paragraph(NamedTuple):
    """A few sentences."""

    text: str


class Bullets(NamedTuple):
    """A list; words between backticks are written as code."""

    lines: tuple[str, ...]


class Table(NamedTuple):
    """Rows under a header.

    Attributes:
        plotted: Of which plot it has the numbers; empty where there is none.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    plotted: Plotted = ""


Block = Paragraph | Bullets | Table


class Section(NamedTuple):
    """A part of a card under its title."""

    title: str
    blocks: tuple[Block, ...]


def card_sections(card: ModelCard) -> tuple[Section, ...]:
    """Return what a card tells, after its name and purpose; empty sections are left out."""
    found = card.evaluation
    sections = (
        Section("How it decides", _how(card)),
        Section("Data", _data(card)),
        Section("Parameters", tuple(_parameters(card))),
        Section("Quality", _quality(card)),
        Section("Calibration", _calibration(found)),
        Section("Threshold", tuple(_threshold(card))),
        Section("Slices", _slices(found)),
        *(Section(table.title, tuple(_further(table))) for table in card.tables),
        Section("Environment", _bullets(f"{k} {v}" for k, v in sorted(card.environment.items()))),
        Section("Limits", _bullets(card.limits)),
    )
    return tuple(section for section in sections if section.blocks)


def _how(card: ModelCard) -> tuple[Block, ...]:
    model = card.model
    text = (
        f"{model.library} gives the probability of {card.positive} from "
        f"{len(model.feature_names)} features. It is served as ONNX; on rows of the training "
        f"the two differ by {model.export_difference:.1e} at the most."
    )
    shares = tuple((name, f"{share:.1%}") for name, share in model.importance)
    return Paragraph(text), Table(("feature", "share of the gain"), shares, "importance")


def _data(card: ModelCard) -> tuple[Block, ...]:
    of = (("training", card.training), ("test", card.test))
    rows = ((name, one.period, f"{one.rows:,}", f"{one.positives:,}") for name, one in of)
    source = card.training.provenance
    digests = (
        ("rows of the training", card.training.digest),
        ("rows of the test", card.test.digest),
        ("events and labels", source.data),
        ("features", source.features),
        ("code", source.code),
    )
    return (
        Paragraph(f"Split: {card.split}."),
        Table(("part", "period (UTC)", "rows", card.positive), tuple(rows)),
        *_bullets(f"{name}: sha256 `{digest}`" for name, digest in digests if digest),
    )


def _parameters(card: ModelCard) -> Iterator[Block]:
    model = card.model
    given = ", ".join(f"{name} {value}" for name, value in model.parameters.items())
    if model.choice is None:
        yield Paragraph(f"{given}. Given by the declaration, not searched.")
        return
    yield Paragraph(f"{given}.")
    yield from _choice(model.choice)


def _choice(choice: Choice) -> Iterator[Block]:
    first = choice.trials[0].parameters
    searched = tuple(
        name
        for name in first
        if any(trial.parameters[name] != first[name] for trial in choice.trials)
    )
    rows = (
        (
            *(str(trial.parameters[name]) for name in searched),
            f"{trial.average_precision:.4f}" + (" (chosen)" if at == choice.chosen else ""),
            f"{trial.roc_auc:.4f}",
            " ".join(f"{value:.3f}" for value in trial.per_fold),
        )
        for at, trial in enumerate(choice.trials)
    )
    yield Paragraph(f"Chosen by {choice.protocol}. Folds:")
    yield from _bullets(choice.folds)
    yield Table((*searched, "average precision", "ROC AUC", "precision by fold"), tuple(rows))


def _quality(card: ModelCard) -> tuple[Block, ...]:
    found = card.evaluation
    lines = [
        ("rows", f"{found.rows:,}"),
        (card.positive, f"{found.positives:,}"),
        ("ROC AUC", f"{found.roc_auc:.4f}"),
        ("average precision", f"{found.average_precision:.4f}"),
    ]
    if found.entity_precision is not None:
        entity = found.entity_precision
        days = " ".join(f"{value:.2f}" for value in entity.per_day)
        lines.append((f"entity precision@{entity.k}", f"{entity.mean:.4f}"))
        lines.append(("day by day", days))
        lines.append(("entities found", f"{entity.found:,}"))
    return Paragraph("On the test period."), Table(("measure", "value"), tuple(lines))


def _calibration(found: Evaluation) -> tuple[Block, ...]:
    known = found.calibration
    rows = (
        (
            f"{one.low:g} to {one.high:g}",
            f"{one.rows:,}",
            f"{one.positives:,}",
            _number(one.mean_score),
            _number(one.observed),
        )
        for one in known.bins
    )
    text = (
        f"Brier score {known.brier:.5f} ({known.brier_of_base_rate:.5f} for the base rate), "
        f"expected calibration error {known.expected_error:.5f}."
    )
    header = ("score", "rows", "positive", "mean score", "observed share")
    return Paragraph(text), Table(header, tuple(rows), "calibration")


def _threshold(card: ModelCard) -> Iterator[Block]:
    found = card.evaluation.at_threshold
    if found is None:
        return
    if card.costs:
        yield Paragraph(card.costs)
    lines = (
        ("threshold", f"{found.threshold:.6g}"),
        ("caught", f"{found.caught:,}"),
        ("missed", f"{found.missed:,}"),
        ("false alarms", f"{found.false_alarms:,}"),
        ("cost", f"{found.cost:,.2f}"),
        ("cost without a model", f"{found.without_model:,.2f}"),
    )
    yield Table(("on the test period", ""), lines)


def _slices(found: Evaluation) -> tuple[Block, ...]:
    rows = tuple(
        (
            one.name,
            f"{one.rows:,}",
            f"{one.positives:,}",
            _number(one.mean_score),
            _number(one.roc_auc),
            _number(one.average_precision),
        )
        for one in found.slices
    )
    header = ("slice", "rows", "positive", "mean score", "ROC AUC", "average precision")
    return (Table(header, rows, "slices"),) if rows else ()


def _further(table: CardTable) -> Iterator[Block]:
    if table.note:
        yield Paragraph(table.note)
    yield Table(table.header, table.rows)


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _bullets(lines: Iterable[str]) -> tuple[Bullets, ...]:
    listed = tuple(lines)
    return (Bullets(listed),) if listed else ()
