"""Models from MLflow into the registry, and from the registry to MLflow."""

from kingpost.decisions.mlflow.exporting import mlflow_draft
from kingpost.decisions.mlflow.importing import check_fetched, mlflow_source

__all__ = ["check_fetched", "mlflow_draft", "mlflow_source"]
