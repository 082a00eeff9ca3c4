"""`kingpost mlflow`: models from an MLflow server, and to one."""

import tempfile
from pathlib import Path
from typing import cast

import click
from click.core import ParameterSource

from kingpost.cli.declared import chosen_decision
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.registered import (
    conversion_options,
    given_rows,
    plan_of,
    register_and_print,
    rows_options,
)
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    NotExported,
    check_fetched,
    load_application,
    mlflow_draft,
    mlflow_source,
)
from kingpost.integrations import Flavour, MlflowServer, fetch_model, publish_model
from kingpost.models import Gives, import_model

__all__ = ["mlflow"]

_FLAVOURS: tuple[Flavour, ...] = ("onnx", "lightgbm", "xgboost", "sklearn")


@click.group()
def mlflow() -> None:
    """Import a model from an MLflow server, or export one to it."""


_server = click.option(
    "--server",
    required=True,
    envvar="MLFLOW_TRACKING_URI",
    help="Address of the MLflow server; MLFLOW_TRACKING_URI by default.",
)


@mlflow.command("import")
@click.argument("uri")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@_server
@click.option(
    "--flavour",
    type=click.Choice(_FLAVOURS),
    help="Which flavour to take; the first of these that it has by default.",
)
@click.option(
    "--digest", default="", metavar="SHA256", help="Take the model only if its files have this one."
)
@click.option(
    "--by-position", is_flag=True, help="Take features in their order, whatever MLflow calls them."
)
@conversion_options
@rows_options
@click.pass_context
def import_command(
    context: click.Context,
    uri: str,
    app: Path,
    decision: str | None,
    server: str,
    flavour: str | None,
    digest: str,
    by_position: bool,
    gives: str,
    output: str,
    tolerance: float,
    trusted: bool,
    rows: Path | None,
    label: str | None,
    time: str | None,
    threshold: float,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Import URI as a version of the model of APP's DECISION, with its lineage, and bundle it.

    URI is models:/name/version, models:/name@alias or runs:/run/path. Files are known by their
    digest: a version that was imported before and has other files now is refused. Nothing runs
    before `kingpost approve`.
    """
    settings = cast("Settings", context.obj)
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    sample = given_rows(chosen, rows, label, time)
    control = data_directory(settings).control_log(disk=SystemDisk(), clock=SystemClock())
    with tempfile.TemporaryDirectory() as temporary:
        fetched = fetch_model(MlflowServer(server), uri, Path(temporary), flavour=flavour or "")
        check_fetched(chosen, fetched, control, digest=digest, by_position=by_position)
        imported = import_model(
            fetched.file,
            rows=sample,
            features=len(chosen.features),
            gives=cast("Gives", gives),
            output=output,
            tolerance=tolerance,
            trusted=trusted,
        )
        source = mlflow_source(chosen, imported, fetched)
    if context.get_parameter_source("threshold") is ParameterSource.DEFAULT:
        threshold = threshold if fetched.threshold is None else fetched.threshold
    facts: dict[str, object] = {
        "mlflow": fetched.lineage.uri,
        "digest": fetched.lineage.digest,
        "run": fetched.lineage.run,
        "flavour": fetched.flavour,
        "library": imported.library,
        "difference": imported.difference,
        "checked_rows": imported.checked,
        "drawn_rows": imported.drawn,
    }
    plan = plan_of(settings, sample, threshold, by, tenant)
    register_and_print(settings, application, chosen, source, plan, facts, app=app, as_json=as_json)


@mlflow.command("export")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@_server
@click.option("--version", "number", type=int, help="Which version; the newest by default.")
@click.option("--name", help="What it is called there; as here by default.")
@click.option("--experiment", default="kingpost", help="Where its run belongs; kingpost.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def export_command(
    settings: Settings,
    app: Path,
    decision: str | None,
    server: str,
    number: int | None,
    name: str | None,
    experiment: str,
    as_json: bool,
) -> None:
    """Write a version of the model of APP's DECISION to MLflow: a run, and a registered version.

    MLflow gets the model that is served as ONNX, LightGBM's own file beside it where it was
    trained so, the card, parameters, figures, and the digests of data, code and bundle as tags.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    where = data_directory(settings)
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    versions = control.models(chosen.model.name)
    found = [one for one in versions if number in (None, one.number)]
    if not found:
        raise NotExported(
            chosen.name,
            f"its model has {len(versions)} versions" + (f" and no {number}" if number else ""),
            "give one that `kingpost models list` shows",
        )
    draft = mlflow_draft(
        chosen,
        found[-1],
        control,
        where.artefacts(disk=SystemDisk()),
        name=name or chosen.model.name,
        experiment=experiment,
        application=application.path.as_posix(),
    )
    published = publish_model(MlflowServer(server), draft)
    print_result(
        {
            "decision": chosen.name,
            "model": found[-1].name,
            "version": found[-1].number,
            "mlflow": published.uri,
            "run": published.run,
            "onnx": found[-1].artefacts.onnx,
            "bundle": draft.tags["kingpost.bundle"],
        },
        as_json=as_json,
    )
