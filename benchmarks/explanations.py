"""How long an explanation takes, and how far it lies from a long one. `make bench B=explanations`.

A LightGBM model of 200 trees over 27 features that work on each other, served as ONNX on one
thread, and 100 reference rows. Rows of all scores are explained; the error is the largest
distance of a contribution from the one that 80 times as many orders give.
"""

import json
import statistics
import sys
import time

import numpy as np

from kingpost.models import (
    LightGbmParameters,
    LightGbmTrainer,
    OnnxScorer,
    TrainingSet,
    contributions,
    model_input,
)

FEATURES, ROWS, REFERENCE, EXPLAINED, LONG = 27, 100_000, 100, 50, 240


def trained(x: np.ndarray) -> OnnxScorer:
    """Train on labels that products and steps of the first features make likely."""
    random = np.random.default_rng(2)
    odds = x[:, 0] * x[:, 1] + 2 * (x[:, 2] > 1.5) + x[:, 3] - 5
    y = (random.random(len(x)) < 1 / (1 + np.exp(-odds))).astype(np.float64)
    names = tuple(f"feature_{at}" for at in range(FEATURES))
    data = TrainingSet(names, x, y, np.arange(len(x), dtype=np.int64))
    return OnnxScorer(LightGbmTrainer(LightGbmParameters())(data).onnx)


def main() -> int:
    x = model_input(np.random.default_rng(1).normal(size=(ROWS, FEATURES)))
    x[:, 20] = x[:, 20] > 0  # two features are flags, as weekend and night are
    x[:, 21] = x[:, 21] > 1
    scorer = trained(x)
    background, scores = x[:REFERENCE], scorer.scores(x)
    rows = x[np.argsort(scores)[np.linspace(0, ROWS - 1, EXPLAINED, dtype=np.int64)]]
    took: list[float] = []
    errors: list[float] = []
    for at, row in enumerate(rows):
        started = time.perf_counter()
        found = contributions(scorer.scores, row, background)
        took.append((time.perf_counter() - started) * 1e3)
        if at % 5 == 0:
            long = contributions(scorer.scores, row, background, pairs=LONG, seed=1)
            errors.append(float(np.abs(np.subtract(found.values, long.values)).max()))
    took.sort()
    for name, value, unit in (
        ("explanation_p50", statistics.median(took), "ms"),
        ("explanation_max", took[-1], "ms"),
        ("explanation_error_max", max(errors), "probability"),
    ):
        print(json.dumps({"name": name, "value": round(value, 4), "unit": unit}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
