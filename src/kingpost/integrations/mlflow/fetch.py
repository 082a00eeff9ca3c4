"""A model brought from an MLflow server: its files, their digest, where it comes from.

The rule: an alias is resolved once, files are digested as they came, and nothing of them is
loaded here.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kingpost.integrations.mlflow.errors import BadMlflowModel, NoMlflowModel
from kingpost.integrations.mlflow.lineage import Lineage, MlflowDataset, without_password
from kingpost.integrations.mlflow.mlmodel import Flavour, MlModel, read_mlmodel
from kingpost.integrations.mlflow.server import MlflowServer

__all__ = ["FetchedModel", "fetch_model", "files_digest"]

_ADDED_BY_DOWNLOAD = "registered_model_meta"
_US_PER_MS = 1_000
_READ = "read {}"


@dataclass(frozen=True)
class FetchedModel:
    """A model whose files lie here.

    Attributes:
        file: Of the flavour that was chosen.
        feature_names: Of its signature; none where it names no columns.
        threshold: What an export of Kingpost's says; None otherwise.
        onnx: SHA-256 of the served model that an export's tags and `MLmodel` promise.
    """

    lineage: Lineage
    flavour: Flavour
    file: Path
    feature_names: tuple[str, ...]
    threshold: float | None
    onnx: tuple[str, ...]


def fetch_model(server: MlflowServer, uri: str, into: Path, *, flavour: str = "") -> FetchedModel:
    """Bring a registered version, or the model of a run, into a directory.

    Args:
        uri: `models:/name/version`, `models:/name@alias` or `runs:/run/path`.
        into: An empty directory.
        flavour: Which one to take; the first of `Flavour` that it has by default.

    Raises:
        NoMlflowModel: The server does not know it.
        BadMlflowModel: It has no flavour that can be imported, or its files are unsound.
        MlflowUnreachable, MlflowRefused: See `MlflowServer.telling`.
    """
    client = server.client(_READ.format(uri))
    version, exact = _resolved(server, client, uri)
    with server.telling(_READ.format(uri), uri):
        run_id = version.run_id if version is not None else exact.split("/")[1]
        run = client.get_run(run_id) if run_id else None
        name = client.get_experiment(run.info.experiment_id).name if run is not None else ""
        brought = server.library("mlflow.artifacts").download_artifacts(
            artifact_uri=exact, dst_path=str(into)
        )
    directory = Path(brought)
    if not directory.is_dir():
        raise BadMlflowModel(exact, "it is a file, not a model's directory", "name the directory")
    digest = files_digest(directory, exact)
    described = read_mlmodel(directory, exact)
    chosen, file = described.file_of(directory, exact, flavour)
    lineage = _lineage(server.uri, exact, digest, version, run, name, described)
    tagged = lineage.model_tags.get("kingpost.onnx", "")
    promised = described.ours.onnx if described.ours is not None else ""
    return FetchedModel(
        lineage=lineage,
        flavour=chosen,
        file=file,
        feature_names=described.feature_names,
        threshold=None if described.ours is None else described.ours.threshold,
        onnx=tuple(one for one in (tagged, promised) if one),
    )


def files_digest(directory: Path, uri: str) -> str:
    """Return the SHA-256 over names and contents of a model's files, in hex.

    Raises:
        BadMlflowModel: One is no plain file within the directory.
    """
    state = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            raise BadMlflowModel(uri, f"{path.name!r} is a link", "log it again")
        if not path.is_file() or path == directory / _ADDED_BY_DOWNLOAD:
            continue
        name = path.relative_to(directory).as_posix()
        state.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            state.update(hashlib.file_digest(file, "sha256").digest())
    return state.hexdigest()


# a ModelVersion of MLflow's and its client, which have no types
def _resolved(server: MlflowServer, client: Any, uri: str) -> tuple[Any, str]:
    """Return the registered version, or None, and the address that will not move."""
    kind, _, rest = uri.partition(":/")
    parts = rest.strip("/").split("/")
    if kind == "runs" and len(parts) > 1 and all(parts):
        return None, f"runs:/{'/'.join(parts)}"
    name, at, alias = rest.strip("/").rpartition("@")
    if kind != "models" or not ((at and name and alias) or (len(parts) == 2 and all(parts))):
        raise NoMlflowModel(server.uri, uri, "that is no address of a model")
    with server.telling(_READ.format(uri), uri):
        found = (
            client.get_model_version_by_alias(name, alias)
            if at
            else client.get_model_version(parts[0], parts[1])
        )
    return found, f"models:/{found.name}/{found.version}"


def _lineage(
    server: str,
    uri: str,
    digest: str,
    version: Any,
    run: Any,
    experiment: str,
    described: MlModel,
) -> Lineage:
    tags: Mapping[str, str] = {} if run is None else _texts(run.data.tags)
    by = (version is not None and version.user_id) or tags.get("mlflow.user", "")
    if version is not None:
        made_ms = version.creation_timestamp
    else:
        made_ms = None if run is None else run.info.start_time
    return Lineage(
        server=server,
        uri=uri,
        digest=digest,
        run="" if run is None else run.info.run_id,
        run_name="" if run is None else run.info.run_name or "",
        experiment=experiment,
        by=by,
        created_at_us=None if made_ms is None else int(made_ms) * _US_PER_MS,
        source=tags.get("mlflow.source.name", ""),
        commit=tags.get("mlflow.source.git.commit", ""),
        description=(version is not None and version.description) or "",
        aliases=() if version is None else tuple(map(str, version.aliases or ())),
        model_tags={} if version is None else _texts(version.tags),
        tags=tags,
        parameters={} if run is None else _texts(run.data.params),
        metrics={} if run is None else {k: float(v) for k, v in run.data.metrics.items()},
        datasets=()
        if run is None or run.inputs is None
        else tuple(map(_dataset, run.inputs.dataset_inputs)),
        flavours=tuple(sorted(described.flavors)),
        mlflow=described.mlflow_version,
        inputs=described.inputs,
        outputs=described.outputs,
    )


def _dataset(named: Any) -> MlflowDataset:
    said, tags = named.dataset, {tag.key: tag.value for tag in named.tags}
    return MlflowDataset(
        name=said.name,
        digest=said.digest,
        context=tags.get("mlflow.data.context", ""),
        source_type=said.source_type,
        source=without_password(said.source),
        schema=said.schema or "",
        profile=said.profile or "",
    )


def _texts(given: Mapping[str, object]) -> dict[str, str]:
    return {str(key): without_password(str(value)) for key, value in given.items()}
