"""`kingpost cost`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import click

from kingpost.cli.costs import cost_plan_of, costs_of, record_lines, stored_bytes
from kingpost.cli.output import print_lines, print_result
from kingpost.cli.periods import from_option, period, to_option
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock
from kingpost.decisions import load_application
from kingpost.monitoring import (
    GROUPINGS,
    OUTCOMES,
    BudgetStanding,
    CostGroup,
    CostLine,
    CostReport,
    Grouping,
    amount_text,
    cost_month,
    cost_report,
    shown_amount,
)

__all__ = ["cost"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--by", type=click.Choice(GROUPINGS), default="decision", show_default=True)
@from_option
@to_option
@click.option("--tenant", help="Only of one tenant; of all by default.")
@click.option(
    "--also",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    multiple=True,
    help="Add what another server's data directory has; may be given several times.",
)
@click.option("--record", help="Only the lines of one record, by its id.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def cost(
    settings: Settings,
    app: Path,
    by: Grouping,
    since: datetime | None,
    until: datetime | None,
    tenant: str | None,
    also: Sequence[Path],
    record: str | None,
    as_json: bool,
) -> None:
    """Say what APP's decisions used and cost, and how its cost budgets stand.

    The observer counts, beside a server: what it has not observed yet is not in it. Prices,
    budgets, teams and product features are those that APP declares now.
    """
    plan = cost_plan_of(load_application(app))
    where = data_directory(settings)
    if record is not None:
        lines = record_lines(where, plan, record, tenant)
        _print_record(plan.currency, lines, as_json=as_json)
        return
    now_us = SystemClock().now_us()
    asked = period(since, until, now_us)
    with costs_of(where, also) as store:
        report = cost_report(plan, store.usage(*asked.days, tenant=tenant), by)
        standings = cost_month(plan, store, now_us).budgets
    if not as_json:
        _print(report, standings, plan.currency, by)
        return
    print_result(
        {
            "from": asked.since.isoformat(),
            "to": asked.until.isoformat(),
            "currency": plan.currency,
            "by": by,
            "lines": [{by: group.name, **_facts(group, by)} for group in report.groups],
            "total": _facts(report.total, "decision"),
            "unpriced": report.unpriced,
            "budgets": [_standing(one) for one in standings],
            "stored_bytes": stored_bytes(where),
        },
        as_json=True,
    )


def _facts(group: CostGroup, by: Grouping) -> dict[str, object]:
    if by == "resource":
        return {"amount": amount_text(group.amount)}
    usage, each = group.usage, group.per_decision
    asked = usage.approved + usage.overridden
    return {
        "decisions": usage.decisions,
        "outcomes": {
            outcome.value: number for outcome, number in zip(OUTCOMES, usage.outcomes, strict=True)
        },
        "shadows": usage.shadows,
        "compute_us": usage.compute_us,
        "size_bytes": usage.size_bytes,
        "tokens": {
            model: {"input": tokens.input_tokens, "output": tokens.output_tokens}
            for model, tokens in sorted(usage.tokens.items())
        },
        "approved": usage.approved,
        "overridden": usage.overridden,
        "corrected": usage.corrected,
        "acceptance": usage.approved / asked if asked else None,
        "amounts": {name: amount_text(one) for name, one in sorted(group.amounts.items())},
        "amount": amount_text(group.amount),
        "amount_per_decision": None if each is None else amount_text(each),
    }


def _standing(one: BudgetStanding) -> Mapping[str, object]:
    return {
        "budget": one.budget.name,
        "month": f"{one.month:%Y-%m}",
        "spent": amount_text(one.spent),
        "monthly": amount_text(one.budget.monthly),
        "share": round(one.share, 6),
    }


def _print(
    report: CostReport, standings: Sequence[BudgetStanding], currency: str, by: Grouping
) -> None:
    if by == "resource":
        rows = [(group.name, shown_amount(group.amount), currency) for group in report.groups]
        print_lines(rows, nothing="nothing was used")
    else:
        groups = [*report.groups, report.total] if report.groups else []
        _print_table(
            (by, "decisions", "compute s", "MB", "tokens", "accepted", "each", "amount"),
            [_row(group, currency) for group in groups],
        )
    for resource in report.unpriced:
        click.echo(f"{resource} was used and has no price", err=True)
    for one in standings:
        spent, monthly = shown_amount(one.spent), shown_amount(one.budget.monthly)
        click.echo(
            f"budget of {one.budget.name}, {one.month:%B %Y}: {spent} of {monthly} {currency}, "
            f"{one.share:.1%}"
        )


def _row(group: CostGroup, currency: str) -> Sequence[str]:
    usage, each = group.usage, group.per_decision
    asked = usage.approved + usage.overridden
    tokens = sum(map(sum, usage.tokens.values()))
    return (
        group.name or "-",
        f"{usage.decisions:,}",
        f"{usage.compute_us / 1e6:,.3f}",
        f"{usage.size_bytes / 1e6:,.3f}",
        f"{tokens:,}" if tokens else "-",
        f"{usage.approved / asked:.1%}" if asked else "-",
        "-" if each is None else shown_amount(each),
        f"{shown_amount(group.amount)} {currency}".rstrip(),
    )


def _print_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    aligned = [
        [row[0].ljust(widths[0])]
        + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        for row in ([head, *rows] if rows else [])
    ]
    print_lines(aligned, nothing="nothing was used")


def _print_record(currency: str, lines: Sequence[CostLine], *, as_json: bool) -> None:
    total = sum(line.amount for line in lines)
    if as_json:
        facts = [
            {
                "resource": line.resource,
                "quantity": line.quantity,
                "unit": line.unit,
                "amount": amount_text(line.amount),
            }
            for line in lines
        ]
        print_result(
            {"currency": currency, "lines": facts, "amount": amount_text(total)}, as_json=True
        )
        return
    for line in lines:
        amount = f"{shown_amount(line.amount)} {currency}" if line.is_priced else "no price"
        click.echo(f"{line.resource}  {line.quantity:,} {line.unit}  {amount}")
    click.echo(f"total  {shown_amount(total)} {currency}")
