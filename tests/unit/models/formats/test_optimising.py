"""A smaller network is served only when it is as good and as fast, and trees never are."""

from pathlib import Path

import numpy as np
import pytest

from kingpost.models import (
    CannotOptimise,
    OnnxScorer,
    OptimisedWorse,
    TrainingSet,
    import_model,
    optimise,
)
from kingpost.models.formats.networks import prune_units, quantise
from tests.made_models import FEATURES, classifier, lightgbm_file, made_rows
from tests.onnx_models import logistic_onnx, network_onnx

WIDE = 40


def judged_by(model: bytes, features: int) -> TrainingSet:
    """Rows whose labels follow the model's own scores, but for some noise."""
    rng = np.random.default_rng(4)
    x = rng.normal(size=(2000, features)).astype(np.float32)
    scores = OnnxScorer(model).scores(x)
    y = (scores + rng.normal(size=2000) * 0.1 > np.quantile(scores, 0.8)).astype(np.float64)
    return TrainingSet(tuple(f"f{at}" for at in range(features)), x, y, np.arange(2000))


def test_pruning_leaves_out_units_that_carry_nothing_and_changes_no_score() -> None:
    wide = network_onnx(WIDE, 256)
    pruned, dropped = prune_units(wide, 0.5)

    assert dropped == 256
    assert len(pruned) < len(wide) / 2
    again, none = prune_units(wide, 0.0)
    x = judged_by(wide, WIDE).x
    assert none == 0
    assert OnnxScorer(again).scores(x).tolist() == OnnxScorer(wide).scores(x).tolist()


def test_int8_is_smaller_and_close() -> None:
    wide = network_onnx(WIDE, 256)
    x = judged_by(wide, WIDE).x

    small = quantise(wide)

    assert len(small) < len(wide) / 3
    differences = np.abs(OnnxScorer(small).scores(x) - OnnxScorer(wide).scores(x))
    assert 0 < differences.max() < 0.1


def test_a_network_of_scikit_learn_is_quantised() -> None:
    network = import_model(
        classifier("neural_network", "MLPClassifier", max_iter=300, tol=0.01, random_state=1)
    ).onnx
    data = made_rows(1500, seed=5)

    small = OnnxScorer(quantise(network))

    assert np.abs(small.scores(data.x) - OnnxScorer(network).scores(data.x)).max() < 0.1


def test_a_large_network_is_pruned_and_passes_the_gate() -> None:
    wide = network_onnx(WIDE, 1024)

    found = optimise(wide, judged_by(wide, WIDE), int8=False, prune=0.4, most_loss=0.5)

    assert found.after.size_bytes < found.before.size_bytes / 2
    assert (found.units, found.after.batching) == (2 * 409, "any")
    assert found.after.row_us < found.before.row_us
    assert 0 < found.difference < 1


def test_a_large_network_in_int8_passes_where_single_rows_are_what_counts() -> None:
    wide = network_onnx(WIDE, 1024)

    found = optimise(wide, judged_by(wide, WIDE), most_loss=0.05, alone=True)

    assert found.after.size_bytes < found.before.size_bytes / 3
    assert found.after.row_us < found.before.row_us
    assert (found.before.batching, found.after.batching) == ("any", "one_by_one")


def test_what_loses_too_much_is_refused_with_the_numbers() -> None:
    wide = network_onnx(WIDE, 128)

    with pytest.raises(OptimisedWorse, match=r"average precision falls by 0\.\d+ \(from"):
        optimise(wide, judged_by(wide, WIDE), int8=False, prune=0.9)


def test_int8_that_is_slower_in_batches_is_refused() -> None:
    network = network_onnx(WIDE, 64)

    with pytest.raises(OptimisedWorse, match=r"in batches of 64 takes \d+\.\d us instead of"):
        optimise(network, judged_by(network, WIDE), most_loss=1.0)


def test_trees_and_what_has_no_hidden_layer_cannot_be_optimised(tmp_path: Path) -> None:
    trees = import_model(lightgbm_file(tmp_path / "fraud.txt")).onnx
    flat = logistic_onnx([1.0] * FEATURES)
    data = judged_by(flat, FEATURES)

    with pytest.raises(CannotOptimise, match="ensemble of trees"):
        optimise(trees, data)
    with pytest.raises(CannotOptimise, match="no hidden layer"):
        optimise(flat, data, int8=False, prune=0.5)
    with pytest.raises(CannotOptimise, match="nothing was asked for"):
        optimise(flat, data, int8=False)
