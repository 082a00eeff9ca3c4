"""`kingpost retraining`: begin runs that train a decision's model anew, see them, stop them."""

import getpass
from collections.abc import Iterator
from pathlib import Path

import click

from kingpost import workflows as durable
from kingpost.cli.declared import NothingDeclared
from kingpost.cli.output import print_result
from kingpost.cli.place import data_directory
from kingpost.cli.retraining import retrainings_of, start_run
from kingpost.cli.workflow_place import every_workflow, workflow_database
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock, SystemDisk
from kingpost.decisions import (
    Application,
    Retraining,
    UnknownRetraining,
    ask_for_run,
    find_run,
    load_application,
    stop_run,
)
from kingpost.registry import STAGES, ControlLog, RetrainingEvent, RetrainingRun

__all__ = ["retraining"]

_APP = click.argument("app", type=click.Path(path_type=Path))
_RUN = click.argument("run")
_REASON = click.option("--reason", required=True, help="Why; whoever asks later reads it.")
_BY = click.option("--by", help="Who does it; the name of this account by default.")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def retraining() -> None:
    """Train a decision's model anew, see how far that is, and stop it."""


@retraining.command("start")
@_APP
@click.argument("decision", required=False)
@click.option(
    "--since", help="Learn from requests since then only, where it says learn_from='breach'."
)
@_REASON
@_BY
@_JSON
@click.pass_obj
def start(
    settings: Settings,
    app: Path,
    decision: str | None,
    since: str | None,
    reason: str,
    by: str | None,
    as_json: bool,
) -> None:
    """Begin a run of APP's DECISION; a worker does it."""
    application = load_application(app)
    declared = _chosen(application, decision)
    control, clock = _control(settings), SystemClock()
    event = ask_for_run(
        declared,
        control,
        tenant=settings.tenant,
        by=by or getpass.getuser(),
        reason=reason,
        clock=clock,
        since_us=None if since is None else _moment(since),
    )
    with durable.Workflows(
        workflow_database(settings), clock=clock, declared=every_workflow(settings, application)
    ) as known:
        start_run(known, event)
    print_result({"run": event.run, "decision": event.decision}, as_json=as_json)


@retraining.command("list")
@_APP
@_JSON
@click.pass_obj
def list_runs(settings: Settings, app: Path, as_json: bool) -> None:
    """List the runs of APP's decisions, the newest first."""
    control = _control(settings)
    found = [run for name in retrainings_of(load_application(app)) for run in _runs(control, name)]
    found.sort(key=lambda run: -run.asked.at_us)
    print_result({"runs": [_brief(run) for run in found]}, as_json=as_json)


@retraining.command("show")
@_APP
@_RUN
@_JSON
@click.pass_obj
def show(settings: Settings, app: Path, run: str, as_json: bool) -> None:
    """Show a RUN of APP: each stage, since when, how long, and what it came to."""
    found = _found(_control(settings), load_application(app), run)
    shown = _brief(found) | {"stages": list(_stages(found))}
    if found.stop is not None:
        shown["stop_asked"] = f"{found.stop.by}: {found.stop.reason}"
    print_result(shown, as_json=as_json)


@retraining.command("stop")
@_APP
@_RUN
@_REASON
@_BY
@_JSON
@click.pass_obj
def stop(
    settings: Settings, app: Path, run: str, reason: str, by: str | None, as_json: bool
) -> None:
    """End a RUN of APP at whatever stage it is; the champion stays as it was."""
    control = _control(settings)
    found = _found(control, load_application(app), run)
    event = stop_run(
        control,
        found.asked.decision,
        found.id,
        by=by or getpass.getuser(),
        reason=reason,
        clock=SystemClock(),
    )
    print_result({"run": event.run, "stop_asked": event.reason, "by": event.by}, as_json=as_json)


def _control(settings: Settings) -> ControlLog:
    return data_directory(settings).control_log(disk=SystemDisk(), clock=SystemClock())


def _chosen(application: Application, decision: str | None) -> Retraining:
    declared = retrainings_of(application)
    if decision is None and len(declared) == 1:
        return next(iter(declared.values()))
    if decision is None or decision not in declared:
        raise NothingDeclared("retraining of", decision or "(say which)", tuple(declared))
    return declared[decision]


def _runs(control: ControlLog, decision: str) -> tuple[RetrainingRun, ...]:
    return control.retrainings(decision)


def _found(control: ControlLog, application: Application, run: str) -> RetrainingRun:
    names = tuple(retrainings_of(application))
    for name in names:
        if any(one.id.startswith(run) for one in _runs(control, name)):
            return find_run(control, name, run)
    raise UnknownRetraining(run, tuple(one.id for name in names for one in _runs(control, name)))


def _brief(run: RetrainingRun) -> dict[str, object]:
    ended = run.ended
    return {
        "run": run.id,
        "decision": run.asked.decision,
        "state": run.state,
        "stage": _latest(run),
        "begun": _text(run.asked.at_us),
        "ended": None if ended is None else _text(ended.at_us),
        "by": run.asked.by,
        "cause": run.asked.reason,
        "incident": run.asked.incident,
        "bundle": run.bundle,
        "reason": "" if ended is None else ended.reason,
    }


def _latest(run: RetrainingRun) -> str:
    return next((event.stage for event in reversed(run.events) if event.stage), "")


def _stages(run: RetrainingRun) -> Iterator[dict[str, object]]:
    for stage in STAGES:
        begun = run.noted(stage, "begun")
        over = next((one for one in run.events if one.stage == stage and one.step != "begun"), None)
        yield {
            "stage": stage,
            "state": _state(begun, over),
            "begun": None if begun is None else _text(begun.at_us),
            "seconds": None
            if begun is None or over is None
            else round((over.at_us - begun.at_us) / 1e6, 1),
            "reason": "" if over is None else over.reason,
            "numbers": {} if over is None else dict(over.numbers),
        }


def _state(begun: RetrainingEvent | None, over: RetrainingEvent | None) -> str:
    if over is not None:
        return over.step
    return "waits" if begun is None else "runs"


def _text(at_us: int) -> str:
    return Instant(at_us).isoformat()


def _moment(text: str) -> int:
    try:
        return Instant.parse(text).us
    except ValueError as error:
        raise click.BadParameter(f"{text!r} is no ISO 8601 time: {error}") from error
