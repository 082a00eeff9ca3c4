"""`kingpost models import`: a model of another library, into the registry."""

from pathlib import Path
from typing import cast

import click

from kingpost.cli.declared import chosen_decision
from kingpost.cli.registered import (
    conversion_options,
    given_rows,
    plan_of,
    register_and_print,
    rows_options,
)
from kingpost.core import Settings
from kingpost.decisions import imported_source, load_application
from kingpost.models import Gives, import_model

__all__ = ["import_command"]


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@conversion_options
@rows_options
@click.pass_obj
def import_command(
    settings: Settings,
    file: Path,
    app: Path,
    decision: str | None,
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
    """Import FILE as a version of the model of APP's DECISION, and bundle it.

    FILE is ONNX, LightGBM text, XGBoost .json or .ubj, scikit-learn .joblib, .pkl or .skops,
    PyTorch .pt2, a SavedModel directory, .keras, .h5 or .tflite. It becomes ONNX, and both are
    scored on the same rows; one that differs is refused. Nothing runs before `kingpost approve`.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    sample = given_rows(chosen, rows, label, time)
    imported = import_model(
        file,
        rows=sample,
        features=len(chosen.features),
        gives=cast("Gives", gives),
        output=output,
        tolerance=tolerance,
        trusted=trusted,
    )
    source = imported_source(chosen, imported, file.read_bytes() if file.is_file() else b"")
    facts: dict[str, object] = {
        "format": imported.format,
        "library": imported.library,
        "difference": imported.difference,
        "checked_rows": imported.checked,
        "drawn_rows": imported.drawn,
    }
    plan = plan_of(settings, sample, threshold, by, tenant)
    register_and_print(settings, application, chosen, source, plan, facts, app=app, as_json=as_json)
