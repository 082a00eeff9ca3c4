"""`kingpost pipelines`: sources read into streams, on a schedule."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import click

from kingpost.cli.api_client import API_KEY, ApiClient
from kingpost.cli.declared import NothingDeclared
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result, progress
from kingpost.cli.pipeline_runner import (
    PipelineRunner,
    Standing,
    open_runs,
    pipelines_of,
    runner_of,
)
from kingpost.contracts import Instant
from kingpost.core import Settings, duration_text
from kingpost.decisions import load_application
from kingpost.integrations import Pipeline, PipelineRun, Taken

__all__ = ["pipelines"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_TENANT = click.option("--tenant", help="Whose events; the configured tenant by default.")
_URL = click.option(
    "--url",
    envvar="KINGPOST_URL",
    help="Hand the rows to a running server; KINGPOST_URL. The API key is read from "
    "KINGPOST_API_KEY and needs the scope ingest.",
)
_APP = click.argument("app", type=click.Path(path_type=Path))


@click.group()
def pipelines() -> None:
    """List, run and follow the pipelines of an application."""


@pipelines.command("list")
@_APP
@_TENANT
@click.option("--check", is_flag=True, help="End with code 1 when one is stale.")
@_JSON
@click.pass_obj
def list_pipelines(
    settings: Settings, app: Path, tenant: str | None, check: bool, as_json: bool
) -> None:
    """Say of APP's pipelines when they ran, what they brought, and whether it is stale."""
    with _runner(settings, app, tenant, None) as runner:
        standings = runner.standings()
    print_result({"pipelines": [_shown(one) for one in standings]}, as_json=as_json)
    if check and any(one.is_stale for one in standings):
        raise SystemExit(1)


@pipelines.command("refresh")
@_APP
@click.argument("names", nargs=-1)
@click.option("--due", is_flag=True, help="Only those that are due.")
@_URL
@_TENANT
@_JSON
@click.pass_obj
def refresh(
    settings: Settings,
    app: Path,
    names: tuple[str, ...],
    due: bool,
    url: str | None,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Run APP's pipelines once, all or those of some names.

    Ends with code 1 when one failed.
    """
    with _runner(settings, app, tenant, url) as runner, progress("refresh", "rows") as show:
        declared = pipelines_of(load_application(app))
        for name in names:
            if name not in declared:
                raise NothingDeclared("pipeline", name, tuple(declared))
        chosen = [one for name, one in declared.items() if not names or name in names]
        if due:
            chosen = [one for one in runner.due() if one in chosen]

        def told(pipeline: Pipeline, taken: Taken) -> None:
            show(taken.rows, None, pipeline.name)

        runs = runner.run(chosen, told)
    print_result({"runs": [_run(one) for one in runs]}, as_json=as_json)
    if any(run.is_failed for run in runs):
        raise SystemExit(1)


@pipelines.command("follow")
@_APP
@_URL
@_TENANT
@_JSON
@click.pass_obj
def follow(
    settings: Settings, app: Path, url: str | None, tenant: str | None, as_json: bool
) -> None:
    """Run APP's pipelines when they are due, until SIGTERM or Ctrl-C.

    A failed run is tried again after a minute, then after two, four and so on. One that is
    stale is logged as an error.
    """
    log_to_stderr(settings.log_format)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    with _runner(settings, app, tenant, url) as runner:
        count = runner.follow(stop)
    if as_json:
        print_result({"runs": count}, as_json=True)


@contextmanager
def _runner(
    settings: Settings, app: Path, tenant: str | None, url: str | None
) -> Generator[PipelineRunner]:
    application = load_application(app)
    if not pipelines_of(application):
        raise NothingDeclared("pipeline", "(any)", ())
    who = tenant or settings.tenant
    with open_runs(settings) as runs:
        if url is None:
            yield runner_of(settings, application, runs, who, None)
            return
        with ApiClient(url, os.environ.get(API_KEY, "")) as client:
            yield runner_of(settings, application, runs, who, client)


def _shown(one: Standing) -> dict[str, object]:
    latest = one.latest
    return {
        "pipeline": one.pipeline.name,
        "stream": one.pipeline.contract.name,
        "source": one.pipeline.source.name,
        "every": duration_text(one.pipeline.every_us),
        "stale": one.is_stale,
        "fresh_until": _moment(one.fresh_until_us),
        "newest_event": _moment(one.newest_us),
        "last_run": None if latest is None else _moment(latest.started_us),
        "accepted": None if latest is None else latest.accepted,
        "problem": "" if latest is None else latest.problem,
        "failures": one.failures,
        "due": _moment(one.due_us) if one.due_us else "now",
    }


def _run(run: PipelineRun) -> dict[str, object]:
    return {
        "pipeline": run.pipeline,
        "rows": run.rows,
        "accepted": run.accepted,
        "duplicates": run.duplicates,
        "refused": run.refused,
        "newest_event": _moment(run.newest_us),
        "seconds": round((run.finished_us - run.started_us) / 1e6, 3),
        "problem": run.problem,
    }


def _moment(us: int | None) -> str | None:
    try:
        return None if us is None else Instant(us).isoformat()
    except OverflowError:
        return None  # after the year 9999: a length of time that means never
