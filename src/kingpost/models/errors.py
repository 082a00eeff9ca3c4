"""Errors of training, evaluation and model formats."""

from kingpost.core import KingpostError, Place

__all__ = [
    "BadEmbeddings",
    "BadGroups",
    "BadModel",
    "BadModelFile",
    "BadResults",
    "BadRows",
    "BadSearch",
    "BadSplit",
    "BadTrainingSet",
    "CannotOptimise",
    "ExportDiffers",
    "HistoryTooShort",
    "LibraryMissing",
    "NothingToCompare",
    "OneClassOnly",
    "OptimisedWorse",
    "UntrustedModel",
    "WrongGate",
]


class BadEmbeddings(KingpostError):
    """Vectors that are no embeddings of what was asked."""

    code = "bad_embeddings"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"{self.problem}; expected float32 of shape (contents, dimension), the same dimension "
            "for one digest of a model"
        )


class BadTrainingSet(KingpostError):
    """Columns that do not fit together, or values that training cannot take."""

    code = "bad_training_set"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"training set: {self.problem}; {self.mend}"


class BadSplit(KingpostError):
    """A split whose periods are empty or out of order."""

    code = "bad_split"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"out-of-time split: {self.problem}; {self.mend}"


class HistoryTooShort(KingpostError):
    """Folds that would begin before the first row, or find no positive or negative row."""

    code = "history_too_short"

    def __init__(self, folds: str, fold: str, problem: str) -> None:
        super().__init__(folds, fold, problem)
        self.folds, self.fold, self.problem = folds, fold, problem

    def __str__(self) -> str:
        return (
            f"the history is too short for {self.folds}: {self.fold} {self.problem}; "
            "give more history, or ask for fewer or shorter folds"
        )


class OneClassOnly(KingpostError):
    """Rows that are all positive or all negative where both are needed."""

    code = "one_class_only"

    def __init__(self, what: str, rows: int, positives: int) -> None:
        super().__init__(what, rows, positives)
        self.what, self.rows, self.positives = what, rows, positives

    def __str__(self) -> str:
        return (
            f"{self.what} needs rows of both classes, and {self.positives} of {self.rows} rows "
            "are positive; take a longer period"
        )


class NothingToCompare(KingpostError):
    """Reference rows that a score cannot be explained against."""

    code = "nothing_to_compare"

    def __init__(self, shape: tuple[int, ...], features: int) -> None:
        super().__init__(shape, features)
        self.shape, self.features = shape, features

    def __str__(self) -> str:
        return (
            f"reference rows of shape {self.shape} cannot explain a row of {self.features} "
            f"features; expected (rows, {self.features}) with one row at least"
        )


class ExportDiffers(KingpostError):
    """An exported model whose scores are not those of the model it was made from."""

    code = "export_differs"

    def __init__(self, difference: float, tolerance: float, row: int, rows: int) -> None:
        super().__init__(difference, tolerance, row, rows)
        self.difference, self.tolerance, self.row, self.rows = difference, tolerance, row, rows

    def __str__(self) -> str:
        return (
            f"the exported model differs from its original by {self.difference:.3g} on row "
            f"{self.row} of {self.rows}, more than {self.tolerance:.3g}; do not serve it: report "
            "the versions of its library, of the converter and of onnxruntime with the model"
        )


class BadModel(KingpostError):
    """Bytes that are no ONNX model, or one that does not score rows of features."""

    code = "bad_model"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"not a model that can be served: {self.problem}; expected an ONNX classifier with one "
            "float32 input (rows, features) and an output 'probabilities' (rows, 2)"
        )


class BadModelFile(KingpostError):
    """A file that is no model of a known format, or one that cannot be made into ONNX."""

    code = "bad_model_file"

    def __init__(self, model: str, problem: str, mend: str) -> None:
        super().__init__(model, problem, mend)
        self.model, self.problem, self.mend = model, problem, mend

    def __str__(self) -> str:
        return f"model {self.model}: {self.problem}; {self.mend}"


class UntrustedModel(KingpostError):
    """A file that can run code of its maker when it is loaded, and that nobody vouched for."""

    code = "untrusted_model"

    def __init__(self, model: str, what: str) -> None:
        super().__init__(model, what)
        self.model, self.what = model, what

    def __str__(self) -> str:
        return (
            f"model {self.model} is {self.what}, and loading one runs whatever code its maker put "
            "in; say --trusted (trusted=True) if you know who made it, or bring it as ONNX"
        )


class LibraryMissing(KingpostError):
    """A library that no extra brings, because it is too heavy, and that a format needs."""

    code = "library_missing"

    def __init__(self, library: str, install: str) -> None:
        super().__init__(library, install)
        self.library, self.install = library, install

    def __str__(self) -> str:
        return (
            f"{self.library} is not installed, and is needed to import this model but not to serve "
            f"it; run: pip install {self.install}"
        )


class BadRows(KingpostError):
    """A file of rows that cannot be read, or rows that do not fit the model."""

    code = "bad_rows"

    def __init__(self, rows: str, problem: str, mend: str) -> None:
        super().__init__(rows, problem, mend)
        self.rows, self.problem, self.mend = rows, problem, mend

    def __str__(self) -> str:
        return f"rows {self.rows}: {self.problem}; {self.mend}"


class CannotOptimise(KingpostError):
    """A model that cannot be made smaller in this way."""

    code = "cannot_optimise"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"the model cannot be optimised: {self.problem}; serve it as it is"


class OptimisedWorse(KingpostError):
    """A smaller model that did not pass the gate on quality and speed."""

    code = "optimised_worse"

    def __init__(self, reasons: tuple[str, ...], difference: float) -> None:
        super().__init__(reasons, difference)
        self.reasons, self.difference = reasons, difference

    def __str__(self) -> str:
        return (
            f"the smaller model is refused: {'; '.join(self.reasons)}; the greatest difference of "
            f"a score is {self.difference:.3g}. Prune less, leave out int8, or serve the model as "
            "it is"
        )


class WrongGate(KingpostError):
    """A declaration of an evaluation gate that cannot work; it names the line and the mend."""

    code = "wrong_gate"

    def __init__(self, problem: str, mend: str, place: Place) -> None:
        super().__init__(problem, mend, place)
        self.problem, self.mend, self.place = problem, mend, place

    def __str__(self) -> str:
        return f"{self.place}\n  {self.problem}; {self.mend}"


class BadGroups(KingpostError):
    """Rows that cannot be parted, or measured, as an evaluation gate asks."""

    code = "bad_groups"

    def __init__(self, by: str, problem: str, mend: str) -> None:
        super().__init__(by, problem, mend)
        self.by, self.problem, self.mend = by, problem, mend

    def __str__(self) -> str:
        return f"an evaluation gate: {self.by!r} {self.problem}; {self.mend}"


class BadResults(KingpostError):
    """Bytes that are no results of evaluation gates, or those of a later version."""

    code = "bad_results"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return (
            f"results of evaluation gates cannot be read: {self.problem}; install the version "
            "that wrote them, or judge the bundle again with `kingpost evaluate`"
        )


class BadSearch(KingpostError):
    """A search of parameters that cannot be made."""

    code = "bad_search"

    def __init__(self, problem: str, mend: str) -> None:
        super().__init__(problem, mend)
        self.problem, self.mend = problem, mend

    def __str__(self) -> str:
        return f"search of parameters: {self.problem}; {self.mend}"
