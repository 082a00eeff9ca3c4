"""LightGBM's own calls, and nothing else: bin, fit, score, export.

The rules: the same rows give the same model, byte for byte, with the same parameters,
versions and kind of machine; an export splits as its original does. A split is a double and
a value a float32: `_float32_splits` lowers each split to a float32, which moves no float32
value to its other side, so that both formats split alike.
"""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from kingpost.core import ExtraMissing
from kingpost.models.fitted import Setting

if TYPE_CHECKING:
    import lightgbm

__all__ = [
    "LightGbmParameters",
    "Trees",
    "bin_rows",
    "export_trees",
    "fit_trees",
    "lightgbm_scores",
    "lower_splits",
    "native_model",
]

_SPLITS = re.compile(r"^threshold=(.*)$", re.MULTILINE)
_SIZES = re.compile(r"^tree_sizes=.*\n", re.MULTILINE)


@dataclass(frozen=True)
class LightGbmParameters:
    """What LightGBM is told; everything else stays at its defaults.

    Attributes:
        rounds: How many trees.
        threads: Part of the result: LightGBM promises equal models for equal threads. More
            than one pays only on idle cores: they wait for each other after every split.
    """

    num_leaves: int = 15
    lambda_l2: float = 50.0
    rounds: int = 200
    learning_rate: float = 0.05
    min_data_in_leaf: int = 100
    seed: int = 7
    threads: int = 1

    def settings(self) -> dict[str, Setting]:
        """Return them by name, as a model version records them."""
        return asdict(self)


class Trees(Protocol):
    """What is used of a `lightgbm.Booster`."""

    def predict(
        self, data: NDArray[np.float32], *, num_iteration: int = ..., num_threads: int = ...
    ) -> NDArray[np.float64]:
        """Return probabilities of the positive class, by the first so many trees."""
        ...

    def model_to_string(self) -> str:
        """Write the model as text."""
        ...

    def feature_importance(self, importance_type: str) -> NDArray[np.float64]:
        """Return one number per feature."""
        ...


def bin_rows(
    parameters: LightGbmParameters,
    x: NDArray[np.float32],
    y: NDArray[np.float64],
    weight: NDArray[np.float64] | None = None,
) -> "lightgbm.Dataset":
    """Put feature values into bins, once for all trainings on them.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    return _library().Dataset(x, y, weight=weight, params=_always(parameters))


def fit_trees(
    parameters: LightGbmParameters,
    bins: "lightgbm.Dataset",
    tell: Callable[[int], None],
) -> Trees:
    """Grow the trees; `tell` hears how many there are after each."""
    told = {
        **_always(parameters),
        "objective": "binary",
        "num_leaves": parameters.num_leaves,
        "lambda_l2": parameters.lambda_l2,
        "learning_rate": parameters.learning_rate,
        "min_data_in_leaf": parameters.min_data_in_leaf,
    }

    def grown(state: "lightgbm.callback.CallbackEnv") -> None:
        tell(state.iteration + 1)

    trees = _library().train(told, bins, parameters.rounds, callbacks=[grown])
    return cast("Trees", trees)


def native_model(trees: Trees) -> bytes:
    """Return LightGBM's own text of a model, its splits lowered to float32."""
    return lower_splits(trees.model_to_string())


def lower_splits(text: str) -> bytes:
    """Lower the splits of a model's text to float32.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    lowered = _SPLITS.sub(lambda found: f"threshold={_lowered(found[1])}", text)
    # the sizes no longer fit; without them the text is read tree after tree
    return _load(_SIZES.sub("", lowered)).model_to_string().encode()


def lightgbm_scores(native: bytes, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Score rows with LightGBM itself.

    Args:
        native: As in `FittedModel.native`.

    Raises:
        ExtraMissing: LightGBM is not installed.
    """
    return _load(native.decode()).predict(x)


def export_trees(native: bytes, features: int) -> bytes:
    """Write a model as ONNX, with one float32 input of that many features.

    Raises:
        ExtraMissing: onnxmltools is not installed.
    """
    try:
        from onnxmltools import (  # pyright: ignore[reportMissingTypeStubs]
            convert_lightgbm,  # pyright: ignore[reportUnknownVariableType]
        )
        from onnxmltools.convert.common.data_types import (  # pyright: ignore[reportMissingTypeStubs]
            FloatTensorType,
        )
    except ImportError as error:
        raise ExtraMissing(error.name or "onnxmltools", "train") from error
    convert = cast("Callable[..., _Message]", convert_lightgbm)
    message = convert(
        _load(native.decode()),
        name="model",
        initial_types=[("features", FloatTensorType([None, features]))],
        zipmap=False,
    )
    # the converter keeps them in a set, whose order is another in each process
    message.opset_import.sort(key=attrgetter("domain"))
    return message.SerializeToString()


class _Domains(Protocol):
    def sort(self, *, key: Callable[[object], str]) -> None: ...


class _Message(Protocol):
    opset_import: _Domains

    def SerializeToString(self) -> bytes: ...


class _Library(Protocol):
    """What is used of the module `lightgbm`, whose own types are incomplete."""

    Booster: Callable[..., Trees]
    Dataset: "Callable[..., lightgbm.Dataset]"
    train: Callable[..., object]


def _library() -> _Library:
    try:
        import lightgbm
    except ImportError as error:
        raise ExtraMissing("lightgbm", "train") from error
    return cast("_Library", lightgbm)


def _load(text: str) -> Trees:
    return _library().Booster(model_str=text)


def _always(parameters: LightGbmParameters) -> dict[str, Setting]:
    return {
        "verbosity": -1,
        "deterministic": True,
        "force_row_wise": True,
        "feature_pre_filter": False,  # one set of bins serves any `min_data_in_leaf`
        "num_threads": parameters.threads,
        "seed": parameters.seed,
    }


def _lowered(splits: str) -> str:
    exact = np.array(splits.split(), np.float64)
    with np.errstate(over="ignore"):
        near = exact.astype(np.float32)
    low = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return " ".join(repr(float(split)) for split in low)
