"""A model whose bits depend on who else is in the batch is scored row by row."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kingpost.models import BATCH_SIZES, OneByOne, OnnxScorer, probe_batches
from tests.onnx_models import network_onnx

FEATURES = 20


@pytest.fixture(scope="module")
def rows() -> NDArray[np.float32]:
    return np.random.default_rng(2).normal(size=(64, FEATURES)).astype(np.float32)


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> OnnxScorer:
    """A network in int8, whose scales are taken from the whole batch."""
    from onnxruntime.quantization import (  # pyright: ignore[reportMissingTypeStubs]
        quantize_dynamic,  # pyright: ignore[reportUnknownVariableType]
    )

    directory: Path = tmp_path_factory.mktemp("int8")
    (directory / "float.onnx").write_bytes(network_onnx(FEATURES, 64))
    quantize_dynamic(directory / "float.onnx", directory / "int8.onnx")
    return OnnxScorer((directory / "int8.onnx").read_bytes())


def test_a_network_in_single_precision_may_be_batched(rows: NDArray[np.float32]) -> None:
    scorer = OnnxScorer(network_onnx(FEATURES, 64))

    found = probe_batches(scorer.score, rows)

    assert (found.batching, found.rows, found.size, found.difference) == ("any", 64, 0, 0)
    assert len(set(scorer.score(rows))) == 64  # scores that differ, or nothing would be found


def test_a_network_in_int8_differs_in_batches_and_not_one_by_one(
    quantised: OnnxScorer, rows: NDArray[np.float32]
) -> None:
    found = probe_batches(quantised.score, rows)

    assert (found.batching, found.rows) == ("one_by_one", 64)
    assert found.size in BATCH_SIZES
    assert 0 < found.difference < 0.1
    assert "batches of" in str(found)
    alone = [quantised.score(rows[at : at + 1])[0] for at in range(64)]
    assert quantised.score(rows) != alone
    assert OneByOne(quantised.score).score(rows) == alone
    assert OneByOne(quantised.score).scores(rows).tolist() == alone
    assert probe_batches(OneByOne(quantised.score).score, rows).batching == "any"


def test_a_function_that_sums_over_its_batch_is_found_at_the_size_where_it_shows(
    rows: NDArray[np.float32],
) -> None:
    def of_seven(batch: NDArray[np.float32]) -> list[float]:
        shift = 1e-3 * float(len(batch) % 7 == 0)
        return [0.5 + shift] * len(batch)

    found = probe_batches(of_seven, rows)

    assert (found.batching, found.size) == ("one_by_one", 7)
    assert found.difference == pytest.approx(1e-3)


def test_what_a_model_fails_on_alone_is_not_held_against_its_batches(
    rows: NDArray[np.float32],
) -> None:
    def choosy(batch: NDArray[np.float32]) -> list[float]:
        if (batch[:, 0] > 1).any():
            raise ValueError("too large")
        return [0.5] * len(batch)

    found = probe_batches(choosy, rows)

    assert (found.batching, found.rows) == ("any", int((rows[:, 0] <= 1).sum()))


def test_a_model_that_fails_on_batches_or_on_everything_is_asked_for_one_row(
    rows: NDArray[np.float32],
) -> None:
    def single(batch: NDArray[np.float32]) -> list[float]:
        return [0.5] if len(batch) == 1 else []

    def broken(_: NDArray[np.float32]) -> list[float]:
        raise ArithmeticError

    assert str(probe_batches(single, rows)).startswith("scored one by one: it fails on batches")
    assert "every row" in str(probe_batches(broken, rows))


def test_scores_that_are_no_number_are_compared_by_their_bits(rows: NDArray[np.float32]) -> None:
    found = probe_batches(lambda batch: [float("nan")] * len(batch), rows)

    assert found.batching == "any"
