"""`kingpost models optimise`: a smaller version of a network, behind a gate."""

from pathlib import Path

import click
import numpy as np

from kingpost.cli.declared import NothingDeclared, chosen_decision
from kingpost.cli.place import data_directory
from kingpost.cli.registered import given_rows, plan_of, register_and_print, rows_options
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import load_application, optimised_source
from kingpost.models import TrainingSet, optimise

__all__ = ["optimise_command"]


@click.command("optimise")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--version", "number", type=int, help="Of which version; the newest by default.")
@click.option("--int8/--no-int8", default=True, help="Write weights in int8; it does by default.")
@click.option(
    "--prune",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.0,
    help="The share of each hidden layer's units to leave out; 0.",
)
@click.option(
    "--most-loss",
    type=click.FloatRange(0, 1),
    default=0.005,
    help="By how much average precision may fall; 0.005.",
)
@click.option("--alone", is_flag=True, help="Judge the speed of single rows, not of batches.")
@rows_options
@click.pass_obj
def optimise_command(
    settings: Settings,
    app: Path,
    decision: str | None,
    number: int | None,
    int8: bool,
    prune: float,
    most_loss: float,
    alone: bool,
    rows: Path | None,
    label: str | None,
    time: str | None,
    threshold: float,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Make a smaller version of the model of APP's DECISION, if it is as good and as fast.

    It must be a network. Quality and speed of both are measured on --rows with --label, which it
    has not learned from; what is worse is refused, with the numbers. Nothing runs before
    `kingpost approve`.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    sample = given_rows(chosen, rows, label, time)
    if sample is None or sample.y is None:
        raise click.UsageError("quality is measured on --rows with --label")
    where = data_directory(settings)
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    versions = {version.number: version for version in control.models(chosen.model.name)}
    wanted = max(versions, default=0) if number is None else number
    if wanted not in versions:
        raise NothingDeclared("version", str(wanted), tuple(map(str, versions)))
    times = np.zeros(len(sample), np.int64)
    made = optimise(
        where.artefacts(disk=SystemDisk()).get(versions[wanted].artefacts.onnx),
        TrainingSet(chosen.features.names, sample.x, sample.y, times),
        int8=int8,
        prune=prune,
        most_loss=most_loss,
        alone=alone,
    )
    facts: dict[str, object] = {
        "optimised_from": wanted,
        "units_left_out": made.units,
        "greatest_difference": made.difference,
        "before": made.before._asdict(),
        "after": made.after._asdict(),
    }
    source, plan = optimised_source(made, wanted), plan_of(settings, sample, threshold, by, tenant)
    register_and_print(settings, application, chosen, source, plan, facts, app=app, as_json=as_json)
