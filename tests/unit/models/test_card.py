"""A card tells what made a model and how good it is, in the same words every time."""

from dataclasses import replace

import numpy as np

from kingpost.models import (
    CardTable,
    Choice,
    Costs,
    DataSummary,
    ModelCard,
    Provenance,
    TrainingSet,
    Trial,
    evaluate,
    render_card,
)
from tests.onnx_models import fitted, logistic_onnx

DAY = 86_400_000_000

data = TrainingSet(
    ("amount", "count"),
    np.array([[10, 1], [20, 2], [30, 3], [40, 4]], np.float32),
    np.array([0.0, 1.0, 0.0, 1.0]),
    np.array([0, 1, DAY, DAY + 1]),
    np.array([1, 2, 3, 4]),
    Provenance(data="d" * 64, features="f" * 64, code="c" * 64),
)
model = fitted(data, logistic_onnx([0.1, 0.1]))
choice = Choice(
    "the highest precision of 2 trials",
    ("rows before 2018-07-01 judged on 2018-07-08 to 2018-07-14",),
    (
        Trial({"leaves": 8, "seed": 7}, 0.7, (0.7,), 0.8),
        Trial({"leaves": 15, "seed": 7}, 0.75, (0.75,), 0.85),
    ),
    1,
)
card = ModelCard(
    name="fraud",
    purpose="Says how likely fraud is.",
    positive="fraud",
    model=model,
    training=DataSummary.of(data),
    test=DataSummary.of(data.between(DAY, None)),
    split="learned before, judged after",
    evaluation=evaluate(
        data,
        np.array([0.1, 0.4, 0.2, 0.9]),
        threshold=0.5,
        costs=Costs(10.0, 1.0),
        slices={"large": data.x[:, 0] > 15, "none": data.x[:, 0] > 99},
    ),
    costs="A missed fraud costs 10, a false alarm 1.",
    tables=(CardTable("Compared", ("model", "AUC"), (("other", "0.871"),), "As published."),),
    environment={"numpy": "2.4", "lightgbm": "4.7"},
    limits=("Not for loans.",),
)


def test_a_card_names_data_features_code_and_environment() -> None:
    text = render_card(card)

    assert text.startswith(
        "# Model card: fraud\n\nSays how likely fraud is.\n\n## How it decides\n"
    )
    assert f"- rows of the training: sha256 `{data.digest}`\n" in text
    for digest in ("d" * 64, "f" * 64, "c" * 64):
        assert f"`{digest}`" in text
    assert "| training | 1970-01-01T00:00:00Z to 1970-01-02T00:00:00.000001Z | 4 | 2 |\n" in text
    assert "- lightgbm 4.7\n- numpy 2.4\n" in text


def test_a_card_tells_quality_with_counts_cost_slices_and_limits() -> None:
    text = render_card(card)

    assert "| ROC AUC | 1.0000 |\n" in text
    assert "| entity precision@100 | 0.0100 |\n" in text
    assert "A missed fraud costs 10, a false alarm 1.\n" in text
    assert "| missed | 1 |\n" in text
    assert "| large | 3 | 2 | 0.5000 | 1.0000 | 1.0000 |\n" in text
    assert "| none | 0 | 0 | – | – | – |\n" in text
    assert (
        "## Compared\n\nAs published.\n\n| model | AUC |\n| --- | --- |\n| other | 0.871 |\n"
        in text
    )
    assert text.endswith("## Limits\n\n- Not for loans.\n")


def test_a_card_writes_out_how_parameters_were_chosen() -> None:
    text = render_card(replace(card, model=replace(model, choice=choice)))

    assert "Chosen by the highest precision of 2 trials. Folds:\n" in text
    assert "- rows before 2018-07-01 judged on 2018-07-08 to 2018-07-14\n" in text
    assert "| 8 | 0.7000 | 0.8000 | 0.700 |\n" in text
    assert "| 15 | 0.7500 (chosen) | 0.8500 | 0.750 |\n" in text
    assert "Given by the declaration, not searched." in render_card(card)


def test_the_same_facts_give_the_same_text() -> None:
    other = replace(card, environment={"lightgbm": "4.7", "numpy": "2.4"})

    assert render_card(other) == render_card(card)


def test_a_section_with_nothing_to_tell_is_left_out() -> None:
    bare = replace(
        card,
        evaluation=evaluate(replace(data, entities=None), np.array([0.1, 0.4, 0.2, 0.9])),
        tables=(),
        environment={},
        limits=(),
    )

    headings = [line for line in render_card(bare).splitlines() if line.startswith("#")]

    assert headings == [
        "# Model card: fraud",
        "## How it decides",
        "## Data",
        "## Parameters",
        "## Quality",
        "## Calibration",
    ]
