"""`kingpost review`: the inbox of a running server."""

import json
from typing import cast
from urllib.parse import quote

import click

from kingpost.cli.api_client import URL_OPTION, ApiClient, client_of
from kingpost.cli.output import print_lines, print_result
from kingpost.core import Settings, parse_id

__all__ = ["review"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_REASON = "Why, for whoever reads the record."
_SHOWN = ("id", "queue", "state", "due", "claimed_by", "title")


@click.group()
@URL_OPTION
@click.pass_context
def review(context: click.Context, url: str | None) -> None:
    """List, claim and answer what waits for people at a running server.

    The API key is read from KINGPOST_API_KEY; it needs the scope review, or
    review:<queue>.
    """
    settings = cast("Settings", context.obj)
    context.obj = context.with_resource(client_of(settings, url))


@review.command("list")
@click.option("--queue", help="Only those of a queue.")
@click.option(
    "--kind", type=click.Choice(["review", "incident", "approval"]), help="Only those of a kind."
)
@click.option(
    "--state", type=click.Choice(["open", "claimed", "closed"]), help="Only those in a state."
)
@click.option("--mine", is_flag=True, help="Only those that this key has claimed.")
@click.option("--overdue", is_flag=True, help="Only those that are late.")
@click.option("--limit", type=click.IntRange(1, 200), default=50, show_default=True)
@click.option("--after", default="", help="`next` of the page before.")
@_JSON
@click.pass_obj
def list_tasks(
    client: ApiClient,
    queue: str | None,
    kind: str | None,
    state: str | None,
    mine: bool,
    overdue: bool,
    limit: int,
    after: str,
    as_json: bool,
) -> None:
    """List tasks, the most urgent first."""
    chosen = {"queue": queue, "kind": kind, "state": state, "after": after}
    parameters = {name: value for name, value in chosen.items() if value}
    parameters |= {name: "true" for name, asked in (("mine", mine), ("overdue", overdue)) if asked}
    found = client.get("/v1/tasks", parameters | {"limit": str(limit)})
    if as_json:
        print_result(found, as_json=True)
        return
    tasks = cast("list[dict[str, object]]", found["tasks"])
    print_lines(([task[name] for name in _SHOWN] for task in tasks), nothing="nothing waits")
    if found["next"]:
        click.echo(f"more with --after {found['next']}", err=True)


@review.command("show")
@click.argument("identifier")
@_JSON
@click.pass_obj
def show(client: ApiClient, identifier: str, as_json: bool) -> None:
    """Show a task, and what it is about: a record, an incident, or a workflow's question."""
    task = client.get(_task(identifier))
    if task["kind"] == "approval":
        print_result({"task": task} if as_json else task, as_json=as_json)
        return
    home = "incidents" if task["kind"] == "incident" else "records"
    subject = client.get(f"/v1/{home}/{task['subject']}")
    if as_json:
        print_result({"task": task, home.removesuffix("s"): subject}, as_json=True)
        return
    print_result(task, as_json=False)
    click.echo()
    print_result(subject, as_json=False)


@review.command("claim")
@click.argument("identifier")
@_JSON
@click.pass_obj
def claim(client: ApiClient, identifier: str, as_json: bool) -> None:
    """Take a task for 30 minutes, so that nobody else works on it."""
    _act(client, f"{_task(identifier)}/claim", {}, as_json=as_json)


@review.command("release")
@click.argument("identifier")
@_JSON
@click.pass_obj
def release(client: ApiClient, identifier: str, as_json: bool) -> None:
    """Give a task back."""
    _act(client, f"{_task(identifier)}/release", {}, as_json=as_json)


@review.command("approve")
@click.argument("identifier")
@click.option("--reason", default="", help=_REASON)
@_JSON
@click.pass_obj
def approve(client: ApiClient, identifier: str, reason: str, as_json: bool) -> None:
    """Let a proposed answer stand, or a workflow go on."""
    path = f"{_task(identifier)}/approve"
    _act(client, path, {"reason": reason}, as_json=as_json)


@review.command("reject")
@click.argument("identifier")
@click.option("--reason", required=True, help="Why, for whoever reads the workflow.")
@_JSON
@click.pass_obj
def reject(client: ApiClient, identifier: str, reason: str, as_json: bool) -> None:
    """Say no to what a workflow asks."""
    _act(client, f"{_task(identifier)}/reject", {"reason": reason}, as_json=as_json)


@review.command("modify")
@click.argument("identifier")
@click.option(
    "--value", required=True, help="A JSON object that takes the place of what was asked about."
)
@click.option("--reason", default="", help="Why, for whoever reads the workflow.")
@_JSON
@click.pass_obj
def modify(client: ApiClient, identifier: str, value: str, reason: str, as_json: bool) -> None:
    """Let a workflow go on with another value than it asked about."""
    body: dict[str, object] = {"value": _value(value), "reason": reason}
    _act(client, f"{_task(identifier)}/modify", body, as_json=as_json)


@review.command("override")
@click.argument("identifier")
@click.option("--positive/--negative", required=True, help="The answer that stands from now on.")
@click.option("--reason", required=True, help=_REASON)
@_JSON
@click.pass_obj
def override(
    client: ApiClient, identifier: str, positive: bool, reason: str, as_json: bool
) -> None:
    """Override the answer of any record, whether or not it was up for review."""
    path = f"/v1/records/{_identifier(identifier)}/override"
    _act(client, path, {"positive": positive, "reason": reason}, as_json=as_json)


@review.command("acknowledge")
@click.argument("identifier")
@click.option("--reason", default="", help="What was done about it.")
@_JSON
@click.pass_obj
def acknowledge(client: ApiClient, identifier: str, reason: str, as_json: bool) -> None:
    """Say that an incident was seen."""
    path = f"{_task(identifier)}/acknowledge"
    _act(client, path, {"reason": reason}, as_json=as_json)


def _act(client: ApiClient, path: str, body: dict[str, object], *, as_json: bool) -> None:
    print_result(client.post(path, body), as_json=as_json)


def _task(identifier: str) -> str:
    """Return where a task is; an approval's id holds that of its workflow, which may be any."""
    return f"/v1/tasks/{quote(identifier, safe='')}"


def _value(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise click.BadParameter(f"it is no JSON: {error}", param_hint="--value") from error
    if not isinstance(found, dict):
        raise click.BadParameter("it is no JSON object", param_hint="--value")
    return cast("dict[str, object]", found)


def _identifier(text: str) -> str:
    if parse_id(text) is None:
        raise click.BadParameter(f"{text!r} is no id, 36 characters", param_hint="IDENTIFIER")
    return text
