"""XGBoost's JSON and UBJSON files."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModelFile
from kingpost.models.formats.original import Original, library_of_extra, said_by, version_of

__all__ = ["read_xgboost"]


def read_xgboost(path: Path) -> Original:
    """Load an XGBoost model of two classes.

    Raises:
        BadModelFile: It is no such model.
        ExtraMissing: XGBoost or onnxmltools is not installed.
    """
    xgboost = library_of_extra("xgboost", "xgboost")
    convert = library_of_extra("onnxmltools", "xgboost").convert_xgboost
    types = library_of_extra("onnxmltools.convert.common.data_types", "xgboost")
    trees: Any = xgboost.Booster({"nthread": 1})
    try:
        trees.load_model(str(path))
    except xgboost.core.XGBoostError as error:
        raise BadModelFile(str(path), said_by(error), "write it with Booster.save_model") from error
    trees.feature_names = None  # the converter takes f0, f1, … only
    features = int(trees.num_features())
    try:
        message = convert(
            trees,
            name="model",
            initial_types=[("features", types.FloatTensorType([None, features]))],
        )
    except Exception as error:  # the converter's errors have no common class
        raise BadModelFile(
            str(path),
            f"onnxmltools cannot convert it: {said_by(error)}",
            "train it as binary:logistic",
        ) from error

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(trees.predict(xgboost.DMatrix(rows, nthread=1)), np.float64)

    return Original(message.SerializeToString(), outputs, version_of("xgboost-cpu", "xgboost"))
