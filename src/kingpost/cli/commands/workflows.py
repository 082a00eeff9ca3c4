"""`kingpost workflows`: see them, start them, end them, go on with them, let go of them."""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

import click
import msgspec

from kingpost import workflows as durable
from kingpost.cli.output import print_result
from kingpost.cli.workflow_place import every_workflow, workflow_database
from kingpost.contracts import Instant
from kingpost.core import Settings, SystemClock
from kingpost.decisions import load_application
from kingpost.serving import read_input
from kingpost.workflows import BadWorkflow, Run, RunQuery, RunState, Unreadable

__all__ = ["workflows"]

_STATES = (
    "queued", "delayed", "running", "waits_for_code", "done", "failed", "cancelled", "given_up",
)  # fmt: skip
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_APP = click.option(
    "--app",
    type=click.Path(path_type=Path),
    help="The application's file: tells which workflows' code is gone, and what is hidden.",
)
_TENANT = click.option("--tenant", help="Only those of a tenant.")


@click.group()
def workflows() -> None:
    """List, show, start, cancel, resume, fork and prune workflows, and send to them."""


@workflows.command("list")
@_APP
@_TENANT
@click.option("--workflow", help="Only those of a name.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in a state.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True)
@_JSON
@click.pass_obj
def list_workflows(
    settings: Settings,
    app: Path | None,
    tenant: str | None,
    workflow: str | None,
    state: RunState | None,
    limit: int,
    as_json: bool,
) -> None:
    """List workflows that were started, the newest first."""
    with _opened(settings, app, tenant) as known:
        found = known.find(RunQuery(workflow=workflow, state=state, limit=limit))
    print_result({"workflows": [_brief(run) for run in found]}, as_json=as_json)


@workflows.command("show")
@click.argument("identifier")
@_APP
@_TENANT
@_JSON
@click.pass_obj
def show(
    settings: Settings, identifier: str, app: Path | None, tenant: str | None, as_json: bool
) -> None:
    """Show a workflow and its steps."""
    with _opened(settings, app, tenant) as known:
        run, steps = known.get(identifier), known.steps(identifier)
    shown = _brief(run) | {
        "tenant": run.tenant,
        "queue": run.queue,
        "priority": run.priority,
        "attempts": run.attempts,
        "parent": run.parent,
        "forked_from": run.forked_from,
        "input": _plain(run.input) if run.is_open else "hidden",
        "output": _plain(run.output) if run.is_open else "hidden",
        "steps": [
            {
                "place": step.place,
                "name": step.name,
                "started": _moment(step.started_ms),
                "ended": _moment(step.ended_ms),
                "failed": step.failed,
                "failures": step.failures,
                "child": step.child,
                "output": _plain(step.output) if run.is_open else "hidden",
            }
            for step in steps
        ],
    }
    print_result(shown, as_json=as_json)


@workflows.command("start")
@click.argument("app", type=click.Path(path_type=Path))
@click.argument("name")
@click.option("--input", "text", default="{}", help="A JSON object of its arguments by name.")
@click.option("--key", help="Its id: a second start of the same key starts nothing.")
@click.option("--priority", type=click.IntRange(0), default=0, help="A lower number goes first.")
@click.option("--after", help="When it is due, as 15m.")
@click.option("--at", "at", type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]), help="When it is due.")
@_TENANT
@_JSON
@click.pass_obj
def start(
    settings: Settings,
    app: Path,
    name: str,
    text: str,
    key: str | None,
    priority: int,
    after: str | None,
    at: datetime | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Start APP's workflow of a NAME; a worker runs it."""
    with _opened(settings, app, tenant or settings.tenant) as known:
        chosen = known.declared.get(name)
        if chosen is None:
            there = ", ".join(sorted(known.declared)) or "none"
            raise BadWorkflow(f"workflow {name!r}", f"{app} declares {there}", "name one of them")
        args, named = read_input(chosen, _object(text, "--input"))
        identifier = known.start_with(
            chosen, args, named, key=key, priority=priority, after=after, at=at
        )
    print_result({"id": identifier}, as_json=as_json)


@workflows.command("send")
@click.argument("identifier")
@click.argument("topic")
@click.argument("value", default="null")
@click.option("--key", help="A second event of the same key is dropped.")
@_TENANT
@_JSON
@click.pass_obj
def send(
    settings: Settings,
    identifier: str,
    topic: str,
    value: str,
    key: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Send an event, a VALUE of JSON, to a workflow that waits for its TOPIC."""
    with _opened(settings, None, tenant) as known:
        known.send(identifier, topic, _json(value, "VALUE"), key=key)
    print_result({"id": identifier, "topic": topic}, as_json=as_json)


@workflows.command("cancel")
@click.argument("identifier")
@_TENANT
@_JSON
@click.pass_obj
def cancel(settings: Settings, identifier: str, tenant: str | None, as_json: bool) -> None:
    """End a workflow at its next step; what is done stays done."""
    with _opened(settings, None, tenant) as known:
        print_result(_brief(known.cancel(identifier)), as_json=as_json)


@workflows.command("resume")
@click.argument("identifier")
@_TENANT
@_JSON
@click.pass_obj
def resume(settings: Settings, identifier: str, tenant: str | None, as_json: bool) -> None:
    """Let a cancelled workflow go on behind its last step, or start a delayed one now."""
    with _opened(settings, None, tenant) as known:
        print_result(_brief(known.resume(identifier)), as_json=as_json)


@workflows.command("fork")
@click.argument("identifier")
@click.option("--step", type=click.IntRange(1), required=True, help="The first that is done again.")
@_TENANT
@_JSON
@click.pass_obj
def fork(settings: Settings, identifier: str, step: int, tenant: str | None, as_json: bool) -> None:
    """Do a workflow again from a step on, as another one."""
    with _opened(settings, None, tenant) as known:
        print_result(_brief(known.fork(identifier, step)), as_json=as_json)


@workflows.command("prune")
@click.option("--older-than", required=True, help="How long ago they ended, as 90d.")
@_TENANT
@_JSON
@click.pass_obj
def prune(settings: Settings, older_than: str, tenant: str | None, as_json: bool) -> None:
    """Delete workflows that ended long ago, with their steps."""
    with _opened(settings, None, tenant) as known:
        print_result({"deleted": known.prune(older_than)}, as_json=as_json)


@contextmanager
def _opened(
    settings: Settings, app: Path | None, tenant: str | None
) -> Generator["durable.Workflows", None, None]:
    declared = None if app is None else every_workflow(settings, load_application(app))
    with durable.Workflows(
        workflow_database(settings), clock=SystemClock(), declared=declared, tenant=tenant
    ) as known:
        yield known


def _json(text: str, what: str) -> object:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise click.BadParameter(f"{what} is no JSON: {error}") from error


def _object(text: str, what: str) -> Mapping[str, object]:
    value = _json(text, what)
    if not isinstance(value, dict):
        raise click.BadParameter(f"{what} is no JSON object, such as '{{\"order\": 7}}'")
    return cast("dict[str, object]", value)


def _brief(run: Run) -> dict[str, object]:
    return {
        "id": run.id,
        "workflow": run.workflow,
        "state": run.state,
        "created": _moment(run.created_ms),
        "started": _moment(run.started_ms),
        "ended": _moment(run.ended_ms),
        "due": _moment(run.due_ms),
        "reason": run.reason,
    }


def _moment(at_ms: int | None) -> str | None:
    return None if at_ms is None else Instant(at_ms * 1000).isoformat()


def _plain(value: object) -> object:
    """Turn any value into one of JSON; what has no form there is its type's name."""
    if isinstance(value, Unreadable):
        return f"{value}; name the application with --app"
    try:
        return msgspec.to_builtins(value, enc_hook=lambda one: f"<{type(one).__name__}>")
    except (TypeError, ValueError):
        return f"<{type(value).__name__}>"
