"""`kingpost models import`: a model of another library, into the registry."""

import getpass
from pathlib import Path
from typing import cast

import click

from kingpost.cli.declared import chosen_decision
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import Decision, Registered, load_application, register_import
from kingpost.models import BadRows, Gives, SampleRows, import_model, read_rows

__all__ = ["given_rows", "import_command", "print_registered", "rows_options"]


def rows_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add the options that name rows, and who registers what from when a model is positive."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
        click.option("--tenant", help="Whose rows; the configured tenant by default."),
        click.option("--by", help="Who does it; the name of this account by default."),
        click.option(
            "--threshold",
            type=click.FloatRange(0, 1),
            default=0.5,
            help="The score from which an answer is positive; 0.5.",
        ),
        click.option("--time", metavar="COLUMN", help="Its column of event times."),
        click.option(
            "--label", metavar="COLUMN", help="Its column of labels, 0 and 1: measures the quality."
        ),
        click.option(
            "--rows",
            type=click.Path(path_type=Path),
            help="Rows of features, .csv or .parquet by name, .npy by position: checks scores on "
            "them, and keeps what monitors and explanations compare with.",
        ),
    ):
        command = option(command)
    return command


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option(
    "--gives",
    type=click.Choice(["probability", "logit"]),
    default="probability",
    help="What its output holds: logit is a number before the sigmoid or the softmax.",
)
@click.option("--output", default="", metavar="NAME", help="Which output of an ONNX file to take.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=1e-5,
    help="The greatest difference of a score between FILE and its ONNX; 1e-5.",
)
@click.option(
    "--trusted",
    is_flag=True,
    help="Load FILE though it can run its maker's code: a pickle, .pt2, .h5 or SavedModel.",
)
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
    registered = register_import(
        application,
        chosen,
        data_directory(settings),
        imported,
        rows=sample,
        native=file.read_bytes() if file.is_file() else b"",
        threshold=threshold,
        tenant=tenant or settings.tenant,
        by=by or getpass.getuser(),
        disk=SystemDisk(),
        clock=SystemClock(),
    )
    facts: dict[str, object] = {
        "format": imported.format,
        "library": imported.library,
        "difference": imported.difference,
        "checked_rows": imported.checked,
        "drawn_rows": imported.drawn,
    }
    print_registered(app, registered, facts, as_json=as_json)


def given_rows(
    decision: Decision, rows: Path | None, label: str | None, time: str | None
) -> SampleRows | None:
    """Read the rows that options name."""
    if rows is None:
        if label or time:
            raise click.UsageError("--label and --time go with --rows")
        return None
    found = read_rows(rows, decision.features.names, label=label or "", time=time or "")
    if found.y is not None and not 0 < found.y.sum() < len(found.y):
        raise BadRows(str(rows), f"all labels in {label!r} are equal", "give rows of both classes")
    return found


def print_registered(
    app: Path, registered: Registered, facts: dict[str, object], *, as_json: bool
) -> None:
    """Print a registered version, and how to approve its bundle."""
    version, bundle = registered.version, registered.bundle
    result: dict[str, object] = {
        "decision": bundle.decision,
        "model": version.name,
        "version": version.number,
        "bundle": bundle.digest,
        "threshold": version.threshold,
        **facts,
        **version.metrics,
    }
    print_result(result, as_json=as_json)
    if not as_json:
        click.echo(
            f"approve it with: kingpost approve {app} {bundle.decision} "
            f"--bundle {bundle.digest[:12]} --reason …",
            err=True,
        )
