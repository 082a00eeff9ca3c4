"""A model brought from MLflow: checked to be the one that is meant, and told where it is from.

The rules: what was imported once is known by the digest of its files, and another digest under
the same version is refused; features are matched by name where the model names them.
"""

from collections.abc import Iterator
from dataclasses import replace

from kingpost.contracts import Instant
from kingpost.decisions.declare import Decision
from kingpost.decisions.errors import NotImported
from kingpost.decisions.registering import ModelSource, imported_source
from kingpost.integrations import FetchedModel, Lineage, MlflowModelChanged, encode_lineage
from kingpost.models import Imported
from kingpost.registry import ControlLog, digest_of

__all__ = ["check_fetched", "mlflow_source"]

_MOST_TOLD, _MOST_LETTERS = 60, 200


def check_fetched(
    decision: Decision,
    fetched: FetchedModel,
    control: ControlLog,
    *,
    digest: str = "",
    by_position: bool = False,
) -> None:
    """Check that a model brought from MLflow is the one that is meant.

    Args:
        digest: The only one of its files that is taken, in hex; empty takes that of the last
            import of the same version, where there is one.
        by_position: Its features are the decision's, whatever they are called.

    Raises:
        MlflowModelChanged: Its files are others than were named or imported before, or an
            export of Kingpost's was changed.
        NotImported: It names other features, or the same in another order.
    """
    found = fetched.lineage
    if digest:
        if found.digest != digest.lower():
            raise MlflowModelChanged(found.uri, digest, found.digest, "--digest")
    else:
        _check_pin(decision, found, control)
        if fetched.onnx and fetched.flavour == "onnx":
            served = digest_of(fetched.file.read_bytes())
            for promised in fetched.onnx:
                if promised != served:
                    raise MlflowModelChanged(found.uri, promised, served, "its export")
    _check_features(decision, fetched, by_position=by_position)


def mlflow_source(decision: Decision, imported: Imported, fetched: FetchedModel) -> ModelSource:
    """Describe a model of MLflow's that is to be a version of the decision's.

    Raises:
        NotImported: See `imported_source`.
    """
    lineage = fetched.lineage
    source = imported_source(decision, imported, fetched.file.read_bytes())
    return replace(
        source,
        origin=(
            *source.origin,
            (
                f"It was brought from MLflow as `{_plain(lineage.uri)}`, sha256 of its files "
                f"`{lineage.digest}`. What stands below is what MLflow says, which nobody here has seen."
            ),
        ),
        parameters={
            **source.parameters,
            "mlflow": lineage.uri,
            "mlflow_server": lineage.server,
            "mlflow_digest": lineage.digest,
            "mlflow_run": lineage.run,
            "commit": lineage.commit,
        },
        lineage=encode_lineage(lineage),
        lineage_told=_told(lineage),
    )


def _check_pin(decision: Decision, found: Lineage, control: ControlLog) -> None:
    for version in reversed(control.models(decision.model.name)):
        pinned = version.parameters
        if (pinned.get("mlflow"), pinned.get("mlflow_server")) != (found.uri, found.server):
            continue
        expected = str(pinned.get("mlflow_digest"))
        if expected != found.digest:
            said_by = f"its import as version {version.number} of {version.name!r}"
            raise MlflowModelChanged(found.uri, expected, found.digest, said_by)
        return


def _check_features(decision: Decision, fetched: FetchedModel, *, by_position: bool) -> None:
    named, ours = fetched.feature_names, decision.features.names
    if by_position or not named or named == ours:
        return
    at = next((i for i, pair in enumerate(zip(named, ours, strict=False)) if len({*pair}) > 1), 0)
    problem = (
        f"{fetched.lineage.uri} takes {len(named)} features and the decision has {len(ours)}"
        if len(named) != len(ours)
        else f"feature {at + 1} of {fetched.lineage.uri} is {named[at]!r}, and {ours[at]!r} here"
    )
    raise NotImported(
        decision.name,
        problem,
        f"expected {', '.join(ours)}, in this order; with --by-position names are left aside",
    )


def _told(lineage: Lineage) -> tuple[tuple[str, str], ...]:
    """Return the most of a lineage as a card tells it."""
    rows = [(_plain(what), _plain(value)) for what, value in _facts(lineage) if value]
    more = len(rows) - _MOST_TOLD
    if more > 0:
        return (*rows[:_MOST_TOLD], ("more", f"{more}, in the version's lineage"))
    return tuple(rows)


def _facts(lineage: Lineage) -> Iterator[tuple[str, str]]:
    at_us = lineage.created_at_us
    yield "server", lineage.server
    yield "run", f"{lineage.run_name} {lineage.run}".strip()
    yield "experiment", lineage.experiment
    yield "by", lineage.by
    yield "at", "" if at_us is None else Instant(at_us).isoformat()
    yield "source", lineage.source
    yield "commit", lineage.commit
    yield "description", lineage.description
    yield "aliases", ", ".join(lineage.aliases)
    yield "inputs", lineage.inputs
    for data in lineage.datasets:
        yield f"data: {data.context or 'input'}", f"{data.name} {data.digest} {data.source}"
    for key, value in lineage.metrics.items():
        yield f"metric: {key}", f"{value:.6g}"
    for key, value in lineage.parameters.items():
        yield f"parameter: {key}", value
    for key, value in {**lineage.tags, **lineage.model_tags}.items():
        if not key.startswith("mlflow."):
            yield f"tag: {key}", value


def _plain(text: str) -> str:
    """Return a text of somebody else's as a cell of a table holds it."""
    one_line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    short = one_line if len(one_line) <= _MOST_LETTERS else f"{one_line[:_MOST_LETTERS]}…"
    return short.replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
