"""Training is reproducible, looks only back, and gives a model that serves as it was trained."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from math import inf

import numpy as np
import pytest

from kingpost.core import ExtraMissing
from kingpost.models import (
    Folds,
    HistoryTooShort,
    LightGbmGrid,
    LightGbmParameters,
    LightGbmTrainer,
    OneClassOnly,
    OnnxScorer,
    PastWeeks,
    TrainingSet,
    average_precision,
    lightgbm_scores,
)

DAY = 86_400_000_000
WEEKS = PastWeeks(Folds(count=2, length="1d", gap="1d"), negatives=2)


def payments(rows: int = 1500, *, days: int = 6) -> TrainingSet:
    rng = np.random.default_rng(11)
    x = rng.normal(size=(rows, 3)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] + rng.normal(size=rows) > 2).astype(np.float64)
    return TrainingSet(("amount", "count", "noise"), x, y, np.arange(rows) * (days * DAY // rows))


small = LightGbmParameters(num_leaves=4, rounds=12, min_data_in_leaf=10, learning_rate=0.2)
data = payments()


def test_the_same_rows_give_the_same_model_byte_for_byte() -> None:
    trainer = LightGbmTrainer(small)

    first, second = trainer(data), trainer(payments())

    assert (first.onnx, first.native) == (second.onnx, second.native)
    assert first.onnx != LightGbmTrainer(replace(small, rounds=13))(data).onnx


EXPORT = """
import hashlib, sys
from kingpost.models.trees import export_trees
print(hashlib.sha256(export_trees(sys.stdin.buffer.read(), 3)).hexdigest())
"""


def test_every_process_writes_the_same_onnx() -> None:
    model = LightGbmTrainer(small)(data)

    digests = [
        subprocess.run(
            [sys.executable, "-c", EXPORT],
            input=model.native,
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout.decode()
        for seed in ("0", "20", "22")  # the last two turn a set of the converter round
    ]

    assert set(digests) == {hashlib.sha256(model.onnx).hexdigest() + "\n"}


def test_a_trained_model_says_what_it_is() -> None:
    model = LightGbmTrainer(small)(data)

    assert model.parameters["num_leaves"] == 4
    assert (model.rows, model.positives, model.seed) == (1500, data.positives, 7)
    assert model.library.startswith("lightgbm 4")
    assert {name for name, _ in model.importance[:2]} == {"amount", "count"}
    assert sum(share for _, share in model.importance) == pytest.approx(1)
    assert (model.choice, model.held_out) == (None, None)


def test_what_is_served_scores_as_what_was_trained() -> None:
    model = LightGbmTrainer(small)(data)

    served, native = OnnxScorer(model.onnx).scores(data.x), lightgbm_scores(model.native, data.x)

    assert np.abs(served - native).max() <= 1e-6
    assert model.export_difference <= 1e-6
    assert average_precision(data.y, served) > 0.5


def test_a_split_between_neighbouring_float32_values_parts_them_when_served_too() -> None:
    # the double half way between them rounds to the upper one, which would then go left
    low = np.nextafter(np.float32(1), np.float32(2))
    high = np.nextafter(low, np.float32(2))
    x = np.tile(np.array([[low], [high]], np.float32), (200, 1))
    y = np.tile([0.0, 1.0], 200)
    y[:8] = 1 - y[:8]
    rows = TrainingSet(("value",), x, y, np.arange(400))

    model = LightGbmTrainer(replace(small, lambda_l2=0.0))(rows)

    served = OnnxScorer(model.onnx).scores(np.array([[low], [high]], np.float32))
    assert served[0] < 0.2
    assert served[1] > 0.8


def test_a_search_tries_everything_and_takes_the_best() -> None:
    grid = LightGbmGrid(num_leaves=(3, 5), lambda_l2=(0.0, 10.0), rounds=(4, 8))

    model = LightGbmTrainer(small, grid, WEEKS)(data)

    assert model.choice is not None
    trials = model.choice.trials
    tried = [
        tuple(one.parameters[n] for n in ("num_leaves", "lambda_l2", "rounds")) for one in trials
    ]
    assert tried == [(n, l2, r) for n in (3, 5) for l2 in (0.0, 10.0) for r in (4, 8)]
    best = trials[model.choice.chosen]
    assert best.average_precision == max(one.average_precision for one in trials)
    assert model.parameters == best.parameters
    assert all(np.mean(one.per_fold) == one.average_precision for one in trials)


def test_fewer_trees_are_the_first_ones_of_more() -> None:
    both = LightGbmTrainer(small, LightGbmGrid((4,), (0.0,), (4, 12)), WEEKS)(data)
    few = LightGbmTrainer(small, LightGbmGrid((4,), (0.0,), (4,)), WEEKS)(data)

    assert both.choice is not None
    assert few.choice is not None
    assert both.choice.trials[0] == few.choice.trials[0]


def test_a_fold_never_sees_its_own_period_or_what_comes_after() -> None:
    trainer = LightGbmTrainer(small, weeks=WEEKS)
    folds = WEEKS.folds.of(data)
    spoiled = replace(data, y=data.y.copy())
    later = data.event_time_us >= folds[0].train_until_us
    spoiled.y[later & (data.event_time_us < folds[1].train_until_us)] = 0.0
    spoiled.y[data.event_time_us >= folds[1].train_until_us] = 1.0
    spoiled.y[np.flatnonzero(later)[:5]] = 1.0
    spoiled.y[-5:] = 0.0
    spoiled.y[data.rows_between(folds[0].from_us, folds[0].until_us)[-5:]] = 0.0

    clean, other = trainer(data).held_out, trainer(spoiled).held_out

    assert clean is not None
    assert other is not None
    first = data.event_time_us[clean.rows] < folds[0].until_us
    assert np.array_equal(clean.rows, other.rows)
    assert np.array_equal(clean.scores[first], other.scores[first])
    assert not np.array_equal(clean.scores[~first], other.scores[~first])


def test_held_out_rows_are_those_of_the_folds() -> None:
    model = LightGbmTrainer(small, weeks=WEEKS)(data)

    assert model.held_out is not None
    assert np.array_equal(model.held_out.rows, data.rows_between(4 * DAY, 6 * DAY))
    assert average_precision(data.y[model.held_out.rows], model.held_out.scores) > 0.3
    assert model.choice is None
    assert model.onnx == LightGbmTrainer(small)(data).onnx


def test_progress_tells_how_far_search_and_training_are() -> None:
    told: list[tuple[str, int, int]] = []

    def tell(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))

    LightGbmTrainer(small, weeks=WEEKS)(data, progress=tell)

    assert told == [("search", 1, 2), ("search", 2, 2), *(("train", n, 12) for n in range(1, 13))]


def test_rows_of_one_class_cannot_be_learned_from() -> None:
    with pytest.raises(OneClassOnly, match="0 of 1500 rows"):
        LightGbmTrainer(small)(replace(data, y=np.zeros(1500)))


def test_past_weeks_that_are_not_there_are_refused() -> None:
    with pytest.raises(HistoryTooShort):
        LightGbmTrainer(small, weeks=PastWeeks())(data)


@pytest.mark.parametrize("absent", ["lightgbm", "onnxmltools"])
def test_a_missing_library_says_what_to_install(
    absent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, absent, None)

    with pytest.raises(ExtraMissing, match=r"pip install 'kingpost\[train\]'"):
        LightGbmTrainer(small)(data)


def test_values_that_are_no_numbers_or_infinite_are_learned_from_and_served() -> None:
    x = data.x.copy()
    x[::5, 0], x[1::5, 1] = np.nan, inf
    rows = replace(data, x=x)

    model = LightGbmTrainer(small)(rows)

    served = OnnxScorer(model.onnx).scores(x)
    assert np.abs(served - lightgbm_scores(model.native, x)).max() <= 1e-6
