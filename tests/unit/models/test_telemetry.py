"""Running a model tells nobody: the runtime's own reports are switched off before it loads."""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import numpy as np
from kingpost.models import OnnxScorer
from tests.onnx_models import logistic_onnx

OnnxScorer(logistic_onnx([1.0])).score(np.zeros((1, 1), np.float32))
"""


def test_a_model_leaves_no_device_id_and_no_events_to_send(tmp_path: Path) -> None:
    environment = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)

    subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=Path(__file__).parents[3], env=environment, check=True
    )

    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
