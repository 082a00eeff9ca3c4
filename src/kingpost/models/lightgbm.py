"""The LightGBM trainer, as a model declares it.

    model=kp.model("fraud", trainer=LightGbmTrainer(LightGbmParameters(num_leaves=15)), ...)

The rule: the same rows give the same model, byte for byte; what leaves is an ONNX model that
was checked against the native one.
"""

from dataclasses import dataclass, field
from importlib import metadata

import numpy as np

from kingpost.models.dataset import TrainingSet
from kingpost.models.errors import BadSearch, OneClassOnly
from kingpost.models.fitted import FittedModel, Progress, quiet
from kingpost.models.onnx import check_export
from kingpost.models.search import LightGbmGrid, PastWeeks, Searched, search_parameters
from kingpost.models.trees import (
    LightGbmParameters,
    Trees,
    bin_rows,
    export_trees,
    fit_trees,
    lightgbm_scores,
    native_model,
)
from kingpost.models.tuning import LightGbmSearch, tune_parameters

__all__ = ["LightGbmTrainer", "train_lightgbm"]

_CHECKED_ROWS = 20_000


@dataclass(frozen=True)
class LightGbmTrainer:
    """Trains LightGBM on a `TrainingSet`; give it as the `trainer` of a model.

    Attributes:
        grid: Parameters to search first, on past weeks; None takes `parameters` as they are.
        weeks: Past weeks to search on and to hold out: `FittedModel.held_out` has the scores
            of models that had not seen them. None holds nothing out, unless there is a grid or
            a search.
        search: Bounds to search parameters between, with Optuna (the extra `tune`), instead
            of a grid.

    Raises:
        BadSearch: There are a grid and a search.
    """

    parameters: LightGbmParameters = field(default_factory=LightGbmParameters)
    grid: LightGbmGrid | None = None
    weeks: PastWeeks | None = None
    search: LightGbmSearch | None = None

    def __post_init__(self) -> None:
        if self.grid is not None and self.search is not None:
            raise BadSearch("there are a grid and a search", "give one of them")

    def __call__(self, data: TrainingSet, *, progress: Progress = quiet) -> FittedModel:
        """Search, if asked to, then train on all rows, export to ONNX and check the export.

        Raises:
            OneClassOnly: All rows are positive, or none.
            HistoryTooShort: The rows do not reach back to the first of the past weeks.
            ExportDiffers: The export does not score as the native model does.
            ExtraMissing: A library of the extra `train`, or for a search `tune`, is not installed.
        """
        if not 0 < data.positives < len(data):
            raise OneClassOnly("training", len(data), data.positives)
        searched = self._searched(data, progress)
        chosen = self.parameters if searched is None else searched.parameters

        def tell(trees: int) -> None:
            progress("train", trees, chosen.rounds)

        trees = fit_trees(chosen, bin_rows(chosen, data.x, data.y), tell)
        native = native_model(trees)
        onnx = export_trees(native, len(data.feature_names))
        sample = data.x[
            np.linspace(0, len(data) - 1, min(len(data), _CHECKED_ROWS), dtype=np.int64)
        ]
        return FittedModel(
            feature_names=data.feature_names,
            onnx=onnx,
            native=native,
            library=f"lightgbm {metadata.version('lightgbm')}",
            parameters=chosen.settings(),
            seed=chosen.seed,
            rows=len(data),
            positives=data.positives,
            importance=_importance(trees, data.feature_names),
            export_difference=check_export(onnx, sample, lightgbm_scores(native, sample)),
            held_out=searched.held_out if searched else None,
            choice=searched.choice if searched and (self.grid or self.search) else None,
        )

    def _searched(self, data: TrainingSet, progress: Progress) -> Searched | None:
        weeks = self.weeks or PastWeeks()
        if self.search is not None:
            return tune_parameters(data, self.parameters, self.search, weeks, progress)
        if self.grid is not None or self.weeks is not None:
            return search_parameters(data, self.parameters, self.grid, weeks, progress)
        return None


def train_lightgbm(data: TrainingSet, *, progress: Progress = quiet) -> FittedModel:
    """Train with the default parameters; `LightGbmTrainer` takes others."""
    return LightGbmTrainer()(data, progress=progress)


def _importance(trees: Trees, names: tuple[str, ...]) -> tuple[tuple[str, float], ...]:
    """Return each feature's share of the gain, the largest first."""
    gain = trees.feature_importance("gain")
    share = gain / (gain.sum() or 1.0)
    ranked = sorted(zip(names, share.tolist(), strict=True), key=lambda one: -one[1])
    return tuple(ranked)
