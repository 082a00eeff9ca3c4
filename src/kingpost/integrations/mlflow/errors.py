"""What keeps a model from being read from MLflow, or written to it."""

from kingpost.core import KingpostError

__all__ = [
    "BadMlflowModel",
    "MlflowModelChanged",
    "MlflowRefused",
    "MlflowUnreachable",
    "NoMlflowModel",
]


class MlflowUnreachable(KingpostError):
    """An MLflow server that does not answer.

    Safe to retry: an import changed nothing, and a run that was begun holds no version.
    """

    code = "mlflow_unreachable"
    retry_safe = True

    def __init__(self, server: str, reason: str) -> None:
        super().__init__(server, reason)
        self.server, self.reason = server, reason

    def __str__(self) -> str:
        return (
            f"MLflow at {self.server} does not answer: {self.reason}; check the address "
            "(--server, or MLFLOW_TRACKING_URI) and try again"
        )


class MlflowRefused(KingpostError):
    """An MLflow server that answers, and does not do what was asked."""

    code = "mlflow_refused"

    def __init__(self, server: str, what: str, reason: str) -> None:
        super().__init__(server, what, reason)
        self.server, self.what, self.reason = server, what, reason

    def __str__(self) -> str:
        return (
            f"MLflow at {self.server} refused to {self.what}: {self.reason}; it reads its "
            "credentials from MLFLOW_TRACKING_USERNAME, _PASSWORD or _TOKEN"
        )


class NoMlflowModel(KingpostError):
    """A name, version, alias or run that an MLflow server does not know."""

    code = "no_mlflow_model"

    def __init__(self, server: str, uri: str, reason: str) -> None:
        super().__init__(server, uri, reason)
        self.server, self.uri, self.reason = server, uri, reason

    def __str__(self) -> str:
        return (
            f"MLflow at {self.server} has no {self.uri}: {self.reason}; expected "
            "models:/name/version, models:/name@alias or runs:/run/path"
        )


class BadMlflowModel(KingpostError):
    """A model of MLflow's that cannot be read, or has no flavour that can be imported."""

    code = "bad_mlflow_model"

    def __init__(self, uri: str, problem: str, mend: str) -> None:
        super().__init__(uri, problem, mend)
        self.uri, self.problem, self.mend = uri, problem, mend

    def __str__(self) -> str:
        return f"MLflow model {self.uri}: {self.problem}; {self.mend}"


class MlflowModelChanged(KingpostError):
    """A model whose files are not those that were named, tagged or imported before."""

    code = "mlflow_model_changed"

    def __init__(self, uri: str, expected: str, found: str, said_by: str) -> None:
        super().__init__(uri, expected, found, said_by)
        self.uri, self.expected, self.found, self.said_by = uri, expected, found, said_by

    def __str__(self) -> str:
        return (
            f"MLflow model {self.uri} was changed: its digest is {self.found}, and {self.said_by} "
            f"says {self.expected}; find out who changed it. If these files are meant, say so with "
            f"--digest {self.found}, or register them in MLflow as a version of their own"
        )
