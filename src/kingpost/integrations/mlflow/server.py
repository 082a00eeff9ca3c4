"""An MLflow server, spoken to by MLflow's own client: errors are told apart here.

The rule: the client is imported when a server is spoken to, and not before: it takes seconds.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from kingpost.core import ExtraMissing
from kingpost.integrations.mlflow.errors import MlflowRefused, MlflowUnreachable, NoMlflowModel
from kingpost.integrations.mlflow.lineage import without_password

__all__ = ["MlflowServer"]

# an alias that nobody gave is an invalid value
_UNKNOWN = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
_MOST_SAID = 400
_SET = {
    # reports its use to its makers otherwise
    "MLFLOW_DISABLE_TELEMETRY": "true",
    # a server that is away is told of in seconds, not minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # standard output is the command's
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "GIT_PYTHON_REFRESH": "quiet",
}


class MlflowServer:
    """A tracking server with its registry.

    Args:
        uri: Its address, as `http://mlflow.example.org:5000`.

    Raises:
        ExtraMissing: The extra `mlflow` is not installed.
    """

    def __init__(self, uri: str) -> None:
        for name, value in _SET.items():
            os.environ.setdefault(name, value)
        self._mlflow = self.library("mlflow")
        self._mlflow.set_tracking_uri(uri)
        self._mlflow.set_registry_uri(uri)
        self.uri = without_password(uri)

    # MLflow's client has too few types to say them
    def library(self, name: str) -> Any:
        """Import a module of MLflow's.

        Raises:
            ExtraMissing: The extra `mlflow` is not installed.
        """
        try:
            return import_module(name)
        except ImportError as error:
            raise ExtraMissing("mlflow-skinny", "mlflow") from error

    def client(self, what: str) -> Any:
        """Return MLflow's client.

        Args:
            what: What it is needed for, for errors.

        Raises:
            MlflowRefused: The address is none that MLflow's client takes.
        """
        with self.telling(what):
            return self._mlflow.MlflowClient()

    @contextmanager
    def telling(self, what: str, uri: str = "") -> Generator[None]:
        """Tell errors of MLflow's client as ours.

        Args:
            what: What is being done, as in "refused to …".
            uri: The model or run that it is about.

        Raises:
            MlflowUnreachable: The server does not answer.
            NoMlflowModel: It does not know what was asked for.
            MlflowRefused: It says no, for another reason.
        """
        exceptions = self.library("mlflow.exceptions")
        try:
            yield
        except exceptions.MlflowException as error:
            said = _short(str(error))
            if _is_unreachable(error):
                raise MlflowUnreachable(self.uri, said) from error
            if uri and error.error_code in _UNKNOWN:
                raise NoMlflowModel(self.uri, uri, said) from error
            raise MlflowRefused(self.uri, what, said) from error
        except OSError as error:
            if not _is_unreachable(error):
                raise  # the disk's
            raise MlflowUnreachable(self.uri, _short(str(error))) from error


def _is_unreachable(error: BaseException | None) -> bool:
    """Say whether a failed request lies at the bottom of an error."""
    while error is not None:
        if any(one.__name__ == "RequestException" for one in type(error).__mro__):
            return True
        error = error.__cause__ or error.__context__
    return False


def _short(text: str) -> str:
    told = without_password(" ".join(text.split()))
    return told if len(told) <= _MOST_SAID else f"{told[:_MOST_SAID]}…"
