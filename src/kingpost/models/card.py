"""The model card: how a model decides, what made it and how good it is, in Markdown.

The rule: the same facts give the same text, so that a card can be an artefact by digest.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from kingpost.models.dataset import Provenance, TrainingSet
from kingpost.models.evaluation import Evaluation
from kingpost.models.fitted import Choice, FittedModel

__all__ = ["CardTable", "DataSummary", "ModelCard", "render_card"]


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


def render_card(card: ModelCard) -> str:
    """Write a card in Markdown."""
    sections = [
        (f"# Model card: {card.name}", [card.purpose]),
        ("## How it decides", _how(card)),
        ("## Data", _data(card)),
        ("## Parameters", _parameters(card)),
        ("## Quality", _quality(card)),
        ("## Calibration", _calibration(card.evaluation)),
        ("## Threshold", _threshold(card)),
        ("## Slices", _slices(card.evaluation)),
        *((f"## {table.title}", _table_section(table)) for table in card.tables),
        ("## Environment", _bullets(f"{k} {v}" for k, v in sorted(card.environment.items()))),
        ("## Limits", _bullets(card.limits)),
    ]
    parts = (part for title, body in sections if body for part in (title, *body))
    return "\n\n".join(parts) + "\n"


def _how(card: ModelCard) -> list[str]:
    model = card.model
    shares = ((name, f"{share:.1%}") for name, share in model.importance)
    text = (
        f"{model.library} gives the probability of {card.positive} from "
        f"{len(model.feature_names)} features. It is served as ONNX; on rows of the training "
        f"the two differ by {model.export_difference:.1e} at the most."
    )
    return [text, _table(("feature", "share of the gain"), shares)]


def _data(card: ModelCard) -> list[str]:
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
    return [
        f"Split: {card.split}.",
        _table(("part", "period (UTC)", "rows", card.positive), rows),
        *_bullets(f"{name}: sha256 `{digest}`" for name, digest in digests if digest),
    ]


def _parameters(card: ModelCard) -> list[str]:
    model = card.model
    given = ", ".join(f"{name} {value}" for name, value in model.parameters.items())
    if model.choice is None:
        return [f"{given}. Given by the declaration, not searched."]
    return [f"{given}.", *_choice(model.choice)]


def _choice(choice: Choice) -> list[str]:
    first = choice.trials[0].parameters
    searched = [
        name
        for name in first
        if any(trial.parameters[name] != first[name] for trial in choice.trials)
    ]
    rows = (
        (
            *(str(trial.parameters[name]) for name in searched),
            f"{trial.average_precision:.4f}" + (" (chosen)" if at == choice.chosen else ""),
            f"{trial.roc_auc:.4f}",
            " ".join(f"{value:.3f}" for value in trial.per_fold),
        )
        for at, trial in enumerate(choice.trials)
    )
    return [
        f"Chosen by {choice.protocol}. Folds:",
        *_bullets(choice.folds),
        _table((*searched, "average precision", "ROC AUC", "precision by fold"), rows),
    ]


def _quality(card: ModelCard) -> list[str]:
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
    return ["On the test period.", _table(("measure", "value"), lines)]


def _calibration(found: Evaluation) -> list[str]:
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
    return [text, _table(("score", "rows", "positive", "mean score", "observed share"), rows)]


def _threshold(card: ModelCard) -> list[str]:
    found = card.evaluation.at_threshold
    if found is None:
        return []
    lines = (
        ("threshold", f"{found.threshold:.6g}"),
        ("caught", f"{found.caught:,}"),
        ("missed", f"{found.missed:,}"),
        ("false alarms", f"{found.false_alarms:,}"),
        ("cost", f"{found.cost:,.2f}"),
        ("cost without a model", f"{found.without_model:,.2f}"),
    )
    return [*([card.costs] if card.costs else []), _table(("on the test period", ""), lines)]


def _slices(found: Evaluation) -> list[str]:
    rows = [
        (
            one.name,
            f"{one.rows:,}",
            f"{one.positives:,}",
            _number(one.mean_score),
            _number(one.roc_auc),
            _number(one.average_precision),
        )
        for one in found.slices
    ]
    header = ("slice", "rows", "positive", "mean score", "ROC AUC", "average precision")
    return [_table(header, rows)] if rows else []


def _table_section(table: CardTable) -> list[str]:
    return [*([table.note] if table.note else []), _table(table.header, table.rows)]


def _number(value: float | None) -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.4f}"


def _bullets(lines: Iterable[str]) -> list[str]:
    listed = "\n".join(f"- {line}" for line in lines)
    return [listed] if listed else []


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def lines() -> Iterator[Sequence[str]]:
        yield header
        yield ["---"] * len(header)
        yield from rows

    return "\n".join(f"| {' | '.join(line)} |" for line in lines())
