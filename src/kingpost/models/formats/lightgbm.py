"""LightGBM's text file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModelFile
from kingpost.models.formats.original import Original, library_of_extra, said_by, version_of
from kingpost.models.trees import export_trees, lower_splits

__all__ = ["read_lightgbm"]

_BINARY = "binary"


def read_lightgbm(path: Path) -> Original:
    """Load a LightGBM model of two classes.

    Raises:
        BadModelFile: It is no such model.
        ExtraMissing: LightGBM or onnxmltools is not installed.
    """
    lightgbm = library_of_extra("lightgbm", "train")
    text = path.read_text(encoding="utf-8", errors="replace")
    objective = next(
        (line for line in text.splitlines() if line.startswith("objective=")), "objective=none"
    )
    try:
        trees: Any = lightgbm.Booster(model_str=text)
    except lightgbm.basic.LightGBMError as error:
        raise BadModelFile(str(path), said_by(error), "write it with Booster.save_model") from error
    if not objective.removeprefix("objective=").startswith(_BINARY):
        raise BadModelFile(
            str(path), f"it was trained with {objective}", "train it with objective=binary"
        )

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(trees.predict(rows, num_threads=1), np.float64)

    lowered = lower_splits(text)
    return Original(
        export_trees(lowered, int(trees.num_feature())), outputs, version_of("lightgbm")
    )
