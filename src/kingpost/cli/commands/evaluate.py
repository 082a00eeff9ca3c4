"""`kingpost evaluate`: judge a bundle by its evaluation gates."""

import getpass
from pathlib import Path

import click
import msgspec

from kingpost.cli.declared import chosen_decision
from kingpost.cli.evaluated import moment, told_evaluation
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import EvaluationPlan, NoModel, evaluate_bundle, load_application
from kingpost.models import read_results

__all__ = ["evaluate"]


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("decision", required=False)
@click.option("--bundle", help="The beginning of its digest; the newest bundle by default.")
@click.option("--test-from", help="Judge on requests from this time.")
@click.option("--test-to", help="Judge on requests before this time.")
@click.option("--by", help="Who judges; the name of this account by default.")
@click.option("--tenant", help="Whose events; the configured tenant by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def evaluate(
    settings: Settings,
    app: Path,
    decision: str | None,
    bundle: str | None,
    test_from: str | None,
    test_to: str | None,
    by: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Judge a bundle of APP's DECISION by its evaluation gates, on rows it has not learned from.

    Without times it is judged on what training held out; training has done so already. The
    result is written to the control journal, with a model card; the newest one counts. Ends with
    code 0 also where a gate is not passed: the approval is what is refused.
    """
    application = load_application(app)
    chosen = chosen_decision(application, decision)
    where, disk, clock = data_directory(settings), SystemDisk(), SystemClock()
    known = where.control_log(disk=disk, clock=clock).bundles(chosen.name)
    if not known:
        raise NoModel(chosen.name)
    plan = EvaluationPlan(
        test_from=None if test_from is None else moment(test_from),
        test_to=None if test_to is None else moment(test_to),
        threads=settings.threads,
    )
    with progress("evaluate", "steps") as show:
        noted = evaluate_bundle(
            application,
            chosen,
            where,
            bundle or known[-1].digest,
            plan,
            tenant=tenant or settings.tenant,
            by=by or getpass.getuser(),
            disk=disk,
            clock=clock,
            progress=lambda stage, done, total: show(done, total, stage),
        )
    result: dict[str, object] = {"decision": chosen.name, **told_evaluation(noted)}
    results = read_results(where.artefacts(disk=disk).get(noted.results))
    if as_json:
        numbers: list[object] = [msgspec.to_builtins(one) for one in results.gates]
        print_result(result | {"numbers": numbers}, as_json=True)
        return
    print_result(result | {"numbers": [str(one) for one in results.gates]}, as_json=False)
