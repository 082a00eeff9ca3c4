"""Models read from an MLflow server with their lineage, and written to one."""

from kingpost.integrations.mlflow.errors import (
    BadMlflowModel,
    MlflowModelChanged,
    MlflowRefused,
    MlflowUnreachable,
    NoMlflowModel,
)
from kingpost.integrations.mlflow.fetch import FetchedModel, fetch_model
from kingpost.integrations.mlflow.lineage import Lineage, MlflowDataset, encode_lineage
from kingpost.integrations.mlflow.mlmodel import MLMODEL, Flavour, OursInMlModel, write_mlmodel
from kingpost.integrations.mlflow.publish import MlflowDraft, Published, publish_model
from kingpost.integrations.mlflow.server import MlflowServer

__all__ = [
    "MLMODEL",
    "BadMlflowModel",
    "FetchedModel",
    "Flavour",
    "Lineage",
    "MlflowDataset",
    "MlflowDraft",
    "MlflowModelChanged",
    "MlflowRefused",
    "MlflowServer",
    "MlflowUnreachable",
    "NoMlflowModel",
    "OursInMlModel",
    "Published",
    "encode_lineage",
    "fetch_model",
    "publish_model",
    "write_mlmodel",
]
