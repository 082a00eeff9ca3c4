"""`kingpost explain`."""

import click
import msgspec

from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk, id_text
from kingpost.decisions import Explainer, ExplanationLine, find_record

__all__ = ["explain"]

_BAR = 24
_SHOWN = 12


@click.command()
@click.argument("identifier")
@click.option(
    "--all", "show_all", is_flag=True, help=f"Show every feature, not the first {_SHOWN}."
)
@click.option("--tenant", help="Only a record of this tenant.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def explain(
    settings: Settings, identifier: str, show_all: bool, tenant: str | None, as_json: bool
) -> None:
    """Say what each feature added to the score of a record, beside rows of the training.

    The contributions add up from the usual score, the mean of those rows, to the record's.
    """
    where = data_directory(settings)
    record = find_record(identifier, where, tenant=tenant).record
    control = where.control_log(disk=SystemDisk(), clock=SystemClock())
    explainer = Explainer(control, where.artefacts(disk=SystemDisk()))
    found = explainer.explain(record)
    if as_json:
        facts = {"record": id_text(record.id), "decision": record.decision}
        print_result(facts | msgspec.to_builtins(found), as_json=True)
        return
    click.echo(f"{record.decision} {id_text(record.id)} at {Instant(record.at_us).isoformat()}")
    click.echo(f"score {found.score:.4f}; {found.base:.4f} is usual\n")
    shown = found.lines if show_all else found.lines[:_SHOWN]
    for text in _table(shown):
        click.echo(text)
    if rest := found.lines[len(shown) :]:
        others = sum(line.contribution for line in rest)
        click.echo(f"\n{len(rest)} other features add {others:+.4f} together; --all shows them")


def _table(lines: tuple[ExplanationLine, ...]) -> list[str]:
    width = max((len(line.feature) for line in lines), default=0)
    most = max((abs(line.contribution) for line in lines), default=0.0) or 1.0
    written = [f"{'feature':{width}}  {'value':>12}  {'percentile':>10}  {'adds':>8}"]
    for line in lines:
        value = "missing" if line.value is None else f"{line.value:,.6g}"
        place = "" if line.percentile is None else f"{line.percentile:.0%}"
        bar = "█" * round(abs(line.contribution) / most * _BAR)
        written.append(
            f"{line.feature:{width}}  {value:>12}  {place:>10}  {line.contribution:>+8.4f}  "
            f"{bar if line.contribution >= 0 else bar.replace('█', '░')}".rstrip()
        )
    return written
