"""`kingpost models register`: a model that is a function of the application."""

from pathlib import Path

import click

from kingpost.cli.declared import chosen_decision
from kingpost.cli.registered import given_rows, plan_of, register_and_print, rows_options
from kingpost.core import Settings
from kingpost.decisions import function_source, load_application

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
    source = function_source(application, chosen)
    plan = plan_of(settings, given_rows(chosen, rows, label, time), threshold, by, tenant)
    register_and_print(settings, application, chosen, source, plan, {}, app=app, as_json=as_json)
