"""A model written to an MLflow server: a run with what is known of it, and a registered version.

The rule: the version comes last, so that one that is there has all its files; a run that
could not be finished is marked as failed.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from kingpost.integrations.mlflow.lineage import MlflowDataset
from kingpost.integrations.mlflow.server import MlflowServer

__all__ = ["MlflowDraft", "Published", "publish_model"]

_WRITE = "write the model {!r}"
_MODEL = "model"
_AT_ONCE = 100
_MOST_PARAMETER, _MOST_TAG, _MOST_DIGEST = 6_000, 5_000, 36


@dataclass(frozen=True)
class MlflowDraft:
    """A model as it is to be written.

    Attributes:
        name: The registered model; made when it is not there.
        files: What lies in the model's directory, `MLmodel` among it, by path.
        documents: What lies beside it in the run, such as its card, by path.
        tags: Of the version and of the run.
        at_ms: When it was trained.
    """

    name: str
    experiment: str
    run_name: str
    description: str
    files: Mapping[str, bytes]
    documents: Mapping[str, bytes]
    parameters: Mapping[str, str]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    dataset: MlflowDataset
    at_ms: int


class Published(NamedTuple):
    """Where a model was written to."""

    uri: str
    run: str


def publish_model(server: MlflowServer, draft: MlflowDraft) -> Published:
    """Write a model, and register it as the next version of its name.

    Raises:
        MlflowUnreachable, MlflowRefused: See `MlflowServer.telling`.
    """
    what = _WRITE.format(draft.name)
    client = server.client(what)
    with server.telling(what):
        run = client.create_run(
            _experiment(client, draft.experiment), run_name=draft.run_name, tags=_shortened(draft)
        )
        run_id: str = run.info.run_id
        try:
            _log(server, client, run_id, draft)
        except BaseException:
            client.set_terminated(run_id, "FAILED")
            raise
        client.set_terminated(run_id, "FINISHED")
        _registered(server, client, draft.name)
        version = client.create_model_version(
            draft.name,
            f"{run.info.artifact_uri}/{_MODEL}",
            run_id,
            tags=dict(draft.tags),
            description=draft.description,
        )
    return Published(f"models:/{draft.name}/{version.version}", run_id)


# MLflow's client, which has no types
def _log(server: MlflowServer, client: Any, run_id: str, draft: MlflowDraft) -> None:
    entities = server.library("mlflow.entities")
    parameters = [
        entities.Param(key, value[:_MOST_PARAMETER]) for key, value in draft.parameters.items()
    ]
    metrics = [entities.Metric(key, value, draft.at_ms, 0) for key, value in draft.metrics.items()]
    for at in range(0, max(len(parameters), len(metrics)), _AT_ONCE):
        client.log_batch(
            run_id, metrics=metrics[at : at + _AT_ONCE], params=parameters[at : at + _AT_ONCE]
        )
    data = draft.dataset
    named = entities.Dataset(
        data.name, data.digest[:_MOST_DIGEST], data.source_type, data.source, None, data.profile
    )
    context = entities.InputTag("mlflow.data.context", data.context)
    client.log_inputs(run_id, [entities.DatasetInput(named, [context])])
    with tempfile.TemporaryDirectory() as temporary:
        for name, content in draft.files.items():
            _written(Path(temporary) / _MODEL / name, content)
        for name, content in draft.documents.items():
            _written(Path(temporary) / name, content)
        client.log_artifacts(run_id, temporary)


def _experiment(client: Any, name: str) -> str:
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id


def _registered(server: MlflowServer, client: Any, name: str) -> None:
    """Make a registered model, where there is none of the name."""
    try:
        client.create_registered_model(name)
    except server.library("mlflow.exceptions").MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise


def _shortened(draft: MlflowDraft) -> dict[str, str]:
    return {key: value[:_MOST_TAG] for key, value in draft.tags.items()}


def _written(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
