"""Why an inference is not answered as asked; the statuses are in `problems`."""

from kingpost.core import KingpostError

__all__ = ["BadInference", "BadTensor", "ModelFailed", "ModelNotFound", "ModelVersionNotFound"]


class ModelNotFound(KingpostError):
    """A model that is not served here."""

    code = "model_not_found"

    def __str__(self) -> str:
        return (
            "no model of this name is served here: a decision has its own name, the model "
            "behind it that name and `.model`; GET /v1/decisions lists the decisions"
        )


class ModelVersionNotFound(KingpostError):
    """A version of a model that does not run here."""

    code = "model_version_not_found"

    def __init__(self, runs: str) -> None:
        super().__init__(runs)
        self.runs = runs

    def __str__(self) -> str:
        return f"this version does not run here; the one that runs is {self.runs}"


class BadInference(KingpostError):
    """A request for an inference that is not what the protocol or the model asks for."""

    code = "bad_inference"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.problem}; the model's metadata says what it takes and gives"


class BadTensor(KingpostError):
    """A tensor whose shape, datatype or data do not fit each other, or the model.

    Attributes:
        tensor: Its name, cut to what is worth reading.
    """

    code = "bad_tensor"

    def __init__(self, tensor: str, problem: str) -> None:
        super().__init__(tensor, problem)
        self.tensor, self.problem = tensor, problem

    def __str__(self) -> str:
        return f"tensor {self.tensor[:100]!r}: {self.problem}"


class ModelFailed(KingpostError):
    """A model that broke on the rows of this request; nothing was answered or recorded."""

    code = "model_failed"

    def __init__(self, model: str) -> None:
        super().__init__(model)
        self.model = model

    def __str__(self) -> str:
        return f"model {self.model!r} failed on these rows; the server's log says why"
