"""How far imported models lie from their originals, and what trying them takes.

`make bench B=model_formats`; needs the extras `train` and `xgboost`. 20,000 made rows of 30
features, one thread.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import xgboost
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kingpost.models import OnnxScorer, SampleRows, import_model, probe_batches

FEATURES, ROWS, TREES, PROBED = 30, 20_000, 200, 100


def models(directory: Path, x: Any, y: Any) -> dict[str, Any]:
    """Fit one of each kind; those of trees as files."""
    rows = lightgbm.Dataset(x, y, params={"verbosity": -1})
    told = {"objective": "binary", "num_leaves": 31, "verbosity": -1, "num_threads": 1}
    lightgbm.train(told, rows, TREES).save_model(str(directory / "model.txt"))
    matrix = xgboost.DMatrix(x, label=y, nthread=1)
    told = {"objective": "binary:logistic", "max_depth": 6, "nthread": 1}
    xgboost.train(told, matrix, TREES).save_model(str(directory / "model.ubj"))
    return {
        "lightgbm": directory / "model.txt",
        "xgboost": directory / "model.ubj",
        "random_forest": RandomForestClassifier(50, max_depth=8, random_state=1).fit(x, y),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y),
        "network": MLPClassifier((64, 32), max_iter=5, random_state=1).fit(x, y),
    }


def main() -> int:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + 0.5 * rng.normal(size=ROWS) > 1).astype(float)
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as directory:
        for name, model in models(Path(directory), x, y).items():
            started = time.perf_counter()
            imported = import_model(model, rows=SampleRows(x))
            import_s = time.perf_counter() - started
            started = time.perf_counter()
            finding = probe_batches(OnnxScorer(imported.onnx).score, x[:PROBED])
            figures[name] = {
                "difference": imported.difference,
                "import_s": round(import_s, 2),
                "load_and_probe_ms": round(1e3 * (time.perf_counter() - started), 1),
                "batching": finding.batching,
                "batch_difference": finding.difference,
            }
    print(json.dumps(figures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
