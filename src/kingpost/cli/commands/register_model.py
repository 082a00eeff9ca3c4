"""`kingpost models register`: a model that is a function of the application."""

import getpass
from pathlib import Path

import click

from kingpost.cli.commands.import_model import given_rows, print_registered, rows_options
from kingpost.cli.declared import chosen_decision
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import load_application, register_function

__all__ = ["register"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@rows_options
@click.pass_obj
def register(
    settings: Settings,
    app: Path,
    decision: str | None,
    rows: Path | None,
    label: str | None,
    time: str | None,
    threshold: float,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Register the function that is the model of APP's DECISION, and bundle it.

    It is the one that `kp.model(…, predict=…)` declares; the bundle covers its source. Nothing
    runs before `kingpost approve`.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    registered = register_function(
        application,
        chosen,
        data_directory(settings),
        rows=given_rows(chosen, rows, label, time),
        threshold=threshold,
        tenant=tenant or settings.tenant,
        by=by or getpass.getuser(),
        disk=SystemDisk(),
        clock=SystemClock(),
    )
    print_registered(app, registered, {}, as_json=as_json)
