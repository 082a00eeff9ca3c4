"""`kingpost slo`."""

from pathlib import Path

import click

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.stores import open_review_sources
from kingpost.core import Settings, SystemClock
from kingpost.decisions import load_application
from kingpost.monitoring import SloStatus, slo_statuses

__all__ = ["slo"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def slo(settings: Settings, app: Path, as_json: bool) -> None:
    """Say how much of each error budget is left, and how fast it burns.

    It knows what the observer has read: `kingpost run` starts one, `kingpost watch` is one.
    """
    decisions = load_application(app).decisions
    sources = open_review_sources(data_directory(settings), decisions)
    found = slo_statuses(
        sources.monitors(),
        lambda name: decisions[name].slos if name in decisions else (),
        SystemClock().now_us(),
    )
    if as_json:
        print_result({"slos": [_document(one) for one in found]}, as_json=True)
        return
    for one in found:
        rates = ", ".join(f"{burn.rule.name} {burn.long:.3g}x" for burn in one.burns)
        click.echo(
            f"{one.tenant} {one.decision} {one.objective.name}: {one.budget.left:.1%} left, "
            f"{one.budget.bad:,} of {one.budget.total:,} bad; burns {rates}"
        )
    if not found:
        click.echo("no decision that was observed has objectives; declare slos=[kp.slo(…)]")


def _document(status: SloStatus) -> dict[str, object]:
    return {
        "tenant": status.tenant,
        "decision": status.decision,
        "objective": status.objective.name,
        "share": status.objective.share,
        "over_days": status.objective.over_us / 86_400e6,
        "total": status.budget.total,
        "bad": status.budget.bad,
        "budget_left": status.budget.left,
        "burns": [
            {
                "rule": burn.rule.name,
                "long": burn.long,
                "short": burn.short,
                "factor": burn.rule.factor,
                "is_alert": burn.is_alert,
            }
            for burn in status.burns
        ],
    }
