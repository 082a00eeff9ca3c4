"""scikit-learn's estimators, in memory or as joblib, pickle or skops files.

The rule: a pickle runs its maker's code when it is loaded, so one is only loaded for a user
who said that it may be.
"""

import pickle
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from kingpost.models.errors import BadModelFile, UntrustedModel
from kingpost.models.formats.original import (
    Original,
    heavy_library,
    library_of_extra,
    said_by,
    version_of,
)

__all__ = ["convert_sklearn", "load_sklearn"]


def load_sklearn(path: Path, *, trusted: bool) -> object:
    """Load an estimator from a file.

    Raises:
        UntrustedModel: It can run code, and nobody said that it may.
        BadModelFile: It cannot be read.
        ExtraMissing, LibraryMissing: scikit-learn or skops is not installed.
    """
    library_of_extra("sklearn", "train")
    if path.suffix.lower() == ".skops":
        return _load_skops(path, trusted=trusted)
    if not trusted:
        raise UntrustedModel(str(path), "a pickle")
    try:
        return library_of_extra("joblib", "train").load(path)
    except (pickle.UnpicklingError, ValueError, EOFError, KeyError, ImportError) as error:
        raise BadModelFile(
            str(path), f"it cannot be loaded: {said_by(error)}", "write it with joblib.dump"
        ) from error
    except AttributeError as error:
        raise BadModelFile(
            str(path),
            f"it needs code that is not here: {said_by(error)}",
            "install the package it was made with",
        ) from error


def _load_skops(path: Path, *, trusted: bool) -> object:
    skops = heavy_library("skops.io", "skops")
    try:
        unknown: list[str] = skops.get_untrusted_types(file=path)
        if unknown and not trusted:
            raise UntrustedModel(str(path), f"of types unknown to skops ({', '.join(unknown)})")
        return skops.load(path, trusted=unknown)
    except (ValueError, KeyError, OSError, BadZipFile) as error:
        raise BadModelFile(
            str(path), f"it cannot be loaded: {said_by(error)}", "write it again"
        ) from error


def convert_sklearn(estimator: Any, name: str, features: int | None) -> Original:
    """Write an estimator of two classes as ONNX.

    Args:
        name: What it is called in errors.
        features: How many features it takes, where it does not know.

    Raises:
        BadModelFile: It has no probabilities of two classes, or has no converter.
        ExtraMissing: skl2onnx is not installed.
    """
    classes = getattr(estimator, "classes_", ())
    if not hasattr(estimator, "predict_proba") or len(classes) != 2:
        raise BadModelFile(
            name,
            f"{type(estimator).__name__} has no predict_proba of two classes (classes: "
            f"{list(classes)})",
            "fit a classifier of two classes, such as a Pipeline that ends in one",
        )
    width = getattr(estimator, "n_features_in_", features)
    if width is None:
        raise BadModelFile(name, "it does not know its features", "give rows or features=…")
    convert = library_of_extra("skl2onnx", "train")
    types = library_of_extra("skl2onnx.common.data_types", "train")
    try:
        message = convert.to_onnx(
            estimator,
            initial_types=[("features", types.FloatTensorType([None, int(width)]))],
            options={id(estimator): {"zipmap": False}},
        )
    except Exception as error:  # skl2onnx raises what its converters do
        raise BadModelFile(
            name,
            f"skl2onnx cannot convert it: {said_by(error)}",
            "its list of supported models says which it can; a model of your own code can be "
            "served with kp.model(…, predict=…)",
        ) from error

    def outputs(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(estimator.predict_proba(rows), np.float64)

    return Original(message.SerializeToString(), outputs, version_of("scikit-learn"))
