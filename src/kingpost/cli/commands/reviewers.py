"""`kingpost reviewers`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from kingpost.cli.costs import costs_of
from kingpost.cli.output import print_result, printable
from kingpost.cli.periods import from_option, period, to_option
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock
from kingpost.monitoring import Agreement, agreements

__all__ = ["reviewers"]


@click.command()
@click.option("--decision", help="Only of one decision.")
@from_option
@to_option
@click.option("--tenant", help="Only of one tenant; of all by default.")
@click.option(
    "--also",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Add what another server's data directory has; may be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def reviewers(
    settings: Settings,
    decision: str | None,
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
    also: Sequence[Path],
    as_json: bool,
) -> None:
    """Say how often reviewers accept and override, and how far two of them agree.

    Of each two people who judged a record in common: on how many they said the same, and
    Cohen's kappa, which is 1 for perfect agreement and 0 for that of chance.
    """
    asked = period(since, until, SystemClock().now_us())
    with costs_of(data_directory(settings), also) as store:
        found = [
            one
            for one in agreements(store.reviews(*asked.us, tenant=tenant))
            if decision in (None, one.decision)
        ]
    if as_json:
        print_result(
            {
                "from": asked.since.isoformat(),
                "to": asked.until.isoformat(),
                "decisions": [_facts(one) for one in found],
            },
            as_json=True,
        )
        return
    for one in found:
        click.echo(printable(_line(one)))
        for pair in one.pairs:
            kappa = "-" if pair.kappa is None else f"{pair.kappa:.3f}"
            told = f"{pair.first} and {pair.second}: {pair.agreed:,} of {pair.records:,}"
            click.echo(printable(f"  {told} the same, kappa {kappa}"))
    if not found:
        click.echo("no reviews")


def _line(one: Agreement) -> str:
    asked = one.approved + one.overridden
    accepted = "-" if one.acceptance is None else f"{one.acceptance:.1%}"
    return (
        f"{one.decision}  {asked:,} asked, {accepted} accepted, {one.overridden:,} overridden; "
        f"{one.corrected:,} corrected unasked; {one.judged_twice:,} of {one.records:,} records "
        "judged twice"
    )


def _facts(one: Agreement) -> Mapping[str, object]:
    return {
        "decision": one.decision,
        "approved": one.approved,
        "overridden": one.overridden,
        "corrected": one.corrected,
        "acceptance": one.acceptance,
        "records": one.records,
        "judged_twice": one.judged_twice,
        "agreement": one.agreement,
        "pairs": [
            {
                "reviewers": [pair.first, pair.second],
                "records": pair.records,
                "agreed": pair.agreed,
                "kappa": pair.kappa,
            }
            for pair in one.pairs
        ],
    }
