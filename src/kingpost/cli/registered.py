"""What the commands share that register a model which was not trained here."""

import getpass
from pathlib import Path

import click

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Decision,
    ModelSource,
    Registered,
    RegistrationPlan,
    register_source,
)
from kingpost.models import BadRows, SampleRows, read_rows

__all__ = ["conversion_options", "given_rows", "plan_of", "register_and_print", "rows_options"]


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


def conversion_options(command: "click.decorators.FC") -> "click.decorators.FC":
    """Add the options that say how a model of another library becomes ONNX."""
    for option in (
        click.option(
            "--trusted",
            is_flag=True,
            help="Load it though it can run its maker's code: a pickle, .pt2, .h5 or SavedModel.",
        ),
        click.option(
            "--tolerance",
            type=click.FloatRange(0, 1),
            default=1e-5,
            help="The greatest difference of a score between the model and its ONNX; 1e-5.",
        ),
        click.option(
            "--output", default="", metavar="NAME", help="Which output of an ONNX file to take."
        ),
        click.option(
            "--gives",
            type=click.Choice(["probability", "logit"]),
            default="probability",
            help="What its output holds: logit is a number before the sigmoid or the softmax.",
        ),
    ):
        command = option(command)
    return command


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


def plan_of(
    settings: Settings,
    rows: SampleRows | None,
    threshold: float,
    by: str | None,
    tenant: str | None,
) -> RegistrationPlan:
    """Say how a model is registered, with what the options leave out."""
    return RegistrationPlan(rows, threshold, tenant or settings.tenant, by or getpass.getuser())


def register_and_print(
    settings: Settings,
    application: Application,
    decision: Decision,
    source: ModelSource,
    plan: RegistrationPlan,
    facts: dict[str, object],
    *,
    app: Path,
    as_json: bool,
) -> None:
    """Register a version and its bundle, and print both."""
    where = data_directory(settings)
    registered = register_source(
        application, decision, where, source, plan, disk=SystemDisk(), clock=SystemClock()
    )
    _print_registered(app, registered, facts, as_json=as_json)


def _print_registered(
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
