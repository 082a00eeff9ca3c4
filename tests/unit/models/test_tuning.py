"""Searching parameters with Optuna: the same choice each time, never worse than what is declared."""

import subprocess
import sys

import numpy as np
import pytest

from kingpost.models import (
    BadSearch,
    Folds,
    LightGbmGrid,
    LightGbmParameters,
    LightGbmSearch,
    LightGbmTrainer,
    PastWeeks,
    TrainingSet,
)

DAY = 86_400_000_000
SEARCH = LightGbmSearch(trials=5, rounds=(5, 20), min_data_in_leaf=(10, 40), num_leaves=(3, 9))
TRAINER = LightGbmTrainer(
    LightGbmParameters(num_leaves=5, rounds=10, min_data_in_leaf=20),
    search=SEARCH,
    weeks=PastWeeks(Folds(2, "5d", "2d"), negatives=1),
)
IN_ANOTHER_PROCESS = """
from hashlib import sha256
from tests.unit.models.test_tuning import TRAINER, rows
print(sha256(TRAINER(rows()).onnx).hexdigest())
"""


def rows() -> TrainingSet:
    """Draw thirty days of rows whose first column tells most of the label."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    y = (rng.random(3000) < 1 / (1 + np.exp(1.5 - x[:, 0]))).astype(np.float64)
    times = np.sort(rng.integers(0, 30 * DAY, 3000))
    return TrainingSet(("a", "b", "c"), x, y, times)


def test_a_search_gives_the_same_bytes_in_two_processes() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", IN_ANOTHER_PROCESS],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(2)
    ]

    assert printed[0] == printed[1] != ""


def test_the_best_of_the_trials_wins_and_the_declared_parameters_are_the_first() -> None:
    told: list[tuple[str, int, int]] = []

    def progress(stage: str, done: int, total: int) -> None:
        told.append((stage, done, total))

    model = TRAINER(rows(), progress=progress)

    choice = model.choice
    assert choice is not None
    assert len(choice.trials) == 5
    assert choice.trials[0].parameters == TRAINER.parameters.settings()
    best = max(trial.average_precision for trial in choice.trials)
    assert choice.trials[choice.chosen].average_precision == best
    assert choice.trials[choice.chosen].parameters == model.parameters
    assert "TPE sampler chose (optuna" in choice.protocol
    assert ("search", 5, 5) in told
    assert model.held_out is not None
    assert len(model.held_out.scores) == len(model.held_out.rows) > 0


def test_each_trial_keeps_the_bounds() -> None:
    choice = TRAINER(rows()).choice
    assert choice is not None

    for trial in choice.trials:
        assert 3 <= float(str(trial.parameters["num_leaves"])) <= 9
        assert 5 <= float(str(trial.parameters["rounds"])) <= 20


def test_a_search_that_cannot_be_made_is_an_error() -> None:
    for wrong in (
        {"trials": 0},
        {"num_leaves": (9, 3)},
        {"num_leaves": (1, 3)},
        {"lambda_l2": (0.0, 1.0)},
    ):
        with pytest.raises(BadSearch):
            LightGbmSearch(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadSearch, match="a grid and a search"):
        LightGbmTrainer(grid=LightGbmGrid(), search=SEARCH)
