"""The decision that benchmarks/serving.py serves: thirty numbers, the shared model, nothing else.

`MODELS` names the folder of the model when it is trained, that is, taken from there.
"""

import os
from pathlib import Path
from typing import Annotated

import kingpost as kp
from kingpost.models import FittedModel, TrainingSet

FEATURES = 30
NAMES = tuple(f"f{number}" for number in range(FEATURES))
Number = Annotated[float, kp.Range(ge=-1e6, le=1e6)]


def _row() -> type[kp.Event]:
    fields = {"id": kp.Key[str], "at": kp.EventTime} | dict.fromkeys(NAMES, Number)
    return type(kp.Event)("Row", (kp.Event,), {"__module__": __name__, "__annotations__": fields})


Row = _row()


class Outcome(kp.Event):
    """What a row turned out to be."""

    row: kp.Key[str]
    at: kp.EventTime
    known_at: kp.KnownTime
    positive: bool


rows, outcomes = kp.stream(Row), kp.stream(Outcome)


def shared_model(data: TrainingSet) -> FittedModel:
    """Take the model that every server serves."""
    folder = Path(os.environ["MODELS"])
    return FittedModel(
        feature_names=data.feature_names,
        onnx=(folder / "model.onnx").read_bytes(),
        native=(folder / "model.txt").read_bytes(),
        library="lightgbm",
        parameters={},
        seed=7,
        rows=len(data),
        positives=data.positives,
        importance=(),
        export_difference=0.0,
    )


classify = kp.decision(
    "classify",
    request=Row,
    features=[kp.field(name) for name in NAMES],
    model=kp.model("shared", trainer=shared_model, label=outcomes.label("positive")),
)
