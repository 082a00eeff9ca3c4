"""Train the one model that every server serves.

usage: train_shared.py FOLDER     (writes model.joblib, model.txt, model.onnx and rows.npy there)
"""

import sys
from pathlib import Path

import joblib
import numpy as np
from lightgbm import LGBMClassifier
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType

FEATURES, ROWS, REQUESTS = 30, 100_000, 4096


def main() -> None:
    out = Path(sys.argv[1])
    rng = np.random.default_rng(7)
    x = rng.normal(size=(ROWS, FEATURES)).astype(np.float32)
    score = x[:, :8] @ rng.normal(size=8) + 0.7 * x[:, 8] * x[:, 9] + np.sin(2 * x[:, 10])
    y = (score + rng.normal(size=len(x)) > 1.0).astype(int)
    model = LGBMClassifier(n_estimators=200, num_leaves=31, n_jobs=1, random_state=7, verbose=-1)
    model.fit(x, y)
    names = [f"f{number}" for number in range(FEATURES)]
    joblib.dump({"model": model, "names": names}, out / "model.joblib")
    model.booster_.save_model(out / "model.txt")
    onnx = convert_lightgbm(
        model,
        initial_types=[("x", FloatTensorType([None, FEATURES]))],
        zipmap=False,
        target_opset=15,
    )
    (out / "model.onnx").write_bytes(onnx.SerializeToString())
    np.save(out / "rows.npy", np.round(x[:REQUESTS].astype(np.float64), 6))
    np.savez(out / "labelled.npz", x=x[-2000:], y=y[-2000:])


if __name__ == "__main__":
    main()
