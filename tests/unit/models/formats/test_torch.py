"""PyTorch programs and modules; skipped where torch is not installed, as in our own environment."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kingpost.models import (
    BadModelFile,
    OnnxScorer,
    SampleRows,
    UntrustedModel,
    import_model,
)
from tests.made_models import FEATURES, made_rows

torch: Any = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # torch's own, of its exporter

ROWS = SampleRows(made_rows(300, seed=9).x)


def network(columns: int) -> Any:
    torch.manual_seed(1)
    layers = torch.nn
    return layers.Sequential(
        layers.Linear(FEATURES, 32), layers.ReLU(), layers.Dropout(), layers.Linear(32, columns)
    ).eval()


@pytest.mark.parametrize("columns", [1, 2])
def test_a_module_that_gives_logits_is_imported(columns: int) -> None:
    module = network(columns)

    found = import_model(module, rows=ROWS, gives="logit")

    with torch.no_grad():
        raw = module(torch.from_numpy(ROWS.x))
        expected = torch.sigmoid(raw)[:, 0] if columns == 1 else torch.softmax(raw, 1)[:, 1]
    assert OnnxScorer(found.onnx).scores(ROWS.x) == pytest.approx(expected.numpy(), abs=1e-6)
    assert (found.format, found.features) == ("torch", FEATURES)
    assert found.difference < 1e-6
    assert found.library.startswith("torch ")


def test_an_exported_program_of_any_number_of_rows_is_imported(tmp_path: Path) -> None:
    dynamic = ({0: torch.export.Dim.DYNAMIC},)
    example = (torch.zeros(2, FEATURES),)
    program = torch.export.export(network(1), example, dynamic_shapes=dynamic)
    torch.export.save(program, str(tmp_path / "model.pt2"))

    with pytest.raises(UntrustedModel, match="pickle"):
        import_model(tmp_path / "model.pt2", rows=ROWS)
    found = import_model(tmp_path / "model.pt2", rows=ROWS, gives="logit", trusted=True)

    assert found.difference < 1e-6
    alone = OnnxScorer(found.onnx).score(ROWS.x[:1])
    assert alone == pytest.approx(OnnxScorer(found.onnx).score(ROWS.x)[:1], abs=1e-6)


def test_a_program_of_a_fixed_number_of_rows_is_refused(tmp_path: Path) -> None:
    program = torch.export.export(network(1), (torch.zeros(2, FEATURES),))
    torch.export.save(program, str(tmp_path / "model.pt2"))

    with pytest.raises(BadModelFile, match="takes 2 rows and no other number"):
        import_model(tmp_path / "model.pt2", rows=ROWS, trusted=True)


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pt2").write_bytes(b"PK")

    with pytest.raises(BadModelFile, match="torch cannot load it"):
        import_model(tmp_path / "model.pt2", trusted=True)


def test_a_module_without_a_width_needs_rows() -> None:
    with pytest.raises(BadModelFile, match="features"):
        import_model(torch.nn.Sigmoid(), features=None)
    found = import_model(torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()))

    assert np.isfinite(found.difference)
    assert found.features == 4
