"""Models of other libraries, small and fitted on the same made rows."""

from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEATURES", "MadeRows", "classifier", "lightgbm_file", "made_rows", "xgboost_file"]

FEATURES = 6


class MadeRows(NamedTuple):
    """Rows of features with their labels."""

    x: NDArray[np.float32]
    y: NDArray[np.float64]


def made_rows(rows: int = 600, seed: int = 1) -> MadeRows:
    """Draw rows whose label depends on three of the features."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, FEATURES)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=rows) * 0.3 > 0).astype(np.float64)
    return MadeRows(x, y)


def classifier(module: str, name: str, **parameters: object) -> Any:
    """Fit a scikit-learn classifier."""
    data = made_rows()
    return getattr(import_module(f"sklearn.{module}"), name)(**parameters).fit(data.x, data.y)


def lightgbm_file(path: Path, objective: str = "binary") -> Path:
    """Write a LightGBM model."""
    library: Any = import_module("lightgbm")
    data = made_rows()
    rows = library.Dataset(data.x, data.y, params={"verbosity": -1, "num_threads": 1})
    told = {"objective": objective, "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    library.train(told, rows, 20).save_model(str(path))
    return path


def xgboost_file(path: Path, names: list[str] | None = None) -> Path:
    """Write an XGBoost model, in the format that the file's name says."""
    library: Any = import_module("xgboost")
    data = made_rows()
    rows = library.DMatrix(data.x, label=data.y, feature_names=names, nthread=1)
    told = {"objective": "binary:logistic", "max_depth": 4, "nthread": 1}
    library.train(told, rows, 20).save_model(str(path))
    return path
