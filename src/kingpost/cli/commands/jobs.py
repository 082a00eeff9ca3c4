"""`kingpost jobs` and `kingpost job-worker`."""

import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

import click

from kingpost.cli.api_client import API_KEY, NoApiKey
from kingpost.cli.beside import told_to_stop
from kingpost.cli.kept_process import KeptProcess
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result, printable
from kingpost.cli.place import data_directory
from kingpost.core import Settings, SystemClock, duration_us
from kingpost.jobs import (
    HttpDecider,
    Job,
    JobNotFound,
    JobPolicy,
    JobQuery,
    JobState,
    JobStore,
    JobWorker,
    open_job_queue,
    open_job_store,
)

__all__ = ["job_worker", "jobs"]

_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
_TENANT = click.option("--tenant", help="Whose; the configured tenant when left out.")
_SHOWN = ("id", "decision", "state", "priority", "attempts", "lost", "submitted_at", "reason")
_NICENESS = 5


@click.group()
def jobs() -> None:
    """List, show, cancel and replay jobs."""


@jobs.command("list")
@click.option("--state", type=click.Choice([one.value for one in JobState]), help="Only these.")
@click.option("--decision", help="Only those of a decision.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@_TENANT
@_JSON
@click.pass_obj
def list_jobs(
    settings: Settings,
    state: str | None,
    decision: str | None,
    limit: int,
    tenant: str | None,
    as_json: bool,
) -> None:
    """List jobs, the newest first."""
    query = JobQuery(
        JobState(state) if state else None, (decision,) if decision else None, None, limit
    )
    with _opened(settings) as store:
        facts = [_facts(one) for one in store.find(tenant or settings.tenant, query)]
    if as_json:
        print_result({"jobs": facts}, as_json=True)
        return
    for one in facts:
        click.echo(printable("  ".join(str(one[name]) for name in _SHOWN)))
    if not facts:
        click.echo("no jobs")


@jobs.command("show")
@click.argument("identifier")
@_TENANT
@_JSON
@click.pass_obj
def show(settings: Settings, identifier: str, tenant: str | None, as_json: bool) -> None:
    """Show a job, and what came of it."""
    with _opened(settings) as store:
        found = store.get(tenant or settings.tenant, identifier)
    if found is None:
        raise JobNotFound(identifier)
    answer = {"answer": found.answer.decode()} if found.answer else {}
    print_result({**_facts(found), **answer}, as_json=as_json)


@jobs.command("cancel")
@click.argument("identifiers", nargs=-1, required=True, metavar="IDENTIFIER...")
@_TENANT
@_JSON
@click.pass_obj
def cancel(
    settings: Settings, identifiers: tuple[str, ...], tenant: str | None, as_json: bool
) -> None:
    """Cancel jobs that wait; those that run get no further attempt."""
    now_us = SystemClock().now_us()
    with _opened(settings) as store:
        found = [store.cancel(tenant or settings.tenant, one, now_us=now_us) for one in identifiers]
    print_result({"jobs": [_facts(one) for one in found]}, as_json=as_json)


@jobs.command("replay")
@click.argument("identifiers", nargs=-1, metavar="[IDENTIFIER...]")
@click.option("--all", "is_all", is_flag=True, help="Every dead job of the tenant.")
@_TENANT
@_JSON
@click.pass_obj
def replay(
    settings: Settings,
    identifiers: tuple[str, ...],
    is_all: bool,
    tenant: str | None,
    as_json: bool,
) -> None:
    """Let dead jobs wait again, as if they had never been tried."""
    if is_all == bool(identifiers):
        raise click.UsageError("name jobs, or give --all")
    whose, now_us = tenant or settings.tenant, SystemClock().now_us()
    replayed: list[str] = []
    with _opened(settings) as store:
        while is_all and (dead := store.find(whose, JobQuery(JobState.DEAD, limit=1000))):
            replayed += [store.replay(whose, one.id, now_us=now_us).id for one in dead]
        replayed += [store.replay(whose, one, now_us=now_us).id for one in identifiers]
    print_result({"replayed": replayed}, as_json=as_json)


@click.command("job-worker")
@click.option("--url", envvar="KINGPOST_URL", help="The server; one on this machine by default.")
@click.option(
    "--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes."
)
@click.option("--at-once", type=click.IntRange(1, 256), default=8, show_default=True,
              help="Jobs of a process that are decided at a time.")  # fmt: skip
@click.option("--lease", default="30s", show_default=True,
              help="How long a worker has a job without a sign of life.")  # fmt: skip
@click.option("--follow-parent", is_flag=True, hidden=True, help="End when standard input ends.")
@_JSON
@click.pass_obj
def job_worker(
    settings: Settings,
    url: str | None,
    workers: int,
    at_once: int,
    lease: str,
    follow_parent: bool,
    as_json: bool,
) -> None:
    """Work on jobs until SIGTERM or Ctrl-C, at a running server.

    It takes jobs from the store that the settings name and has the server decide them, with an
    API key of scope `jobs` in the environment variable KINGPOST_API_KEY. It may be stopped,
    killed and started again at any time; what it has in hand when it is stopped is finished.
    """
    log_to_stderr()
    key = os.environ.get(API_KEY, "")
    if not key:
        raise NoApiKey
    server = url or f"http://{settings.host}:{settings.port}"
    policy = JobPolicy(lease_s=duration_us(lease) / 1e6, batch=2 * at_once)
    stop = told_to_stop(with_parent=follow_parent, niceness=_NICENESS if follow_parent else 0)
    if workers == 1:
        _work(settings, server, key, policy, at_once, stop)
    else:
        _keep(_command(settings, server, at_once, lease), workers, stop)
    if as_json:
        print_result({"stopped": True}, as_json=True)


def _work(
    settings: Settings,
    server: str,
    key: str,
    policy: JobPolicy,
    at_once: int,
    stop: threading.Event,
) -> None:
    with _opened(settings) as store:
        queue = open_job_queue(settings.job_queue)
        decider = HttpDecider(server, key, at_once=at_once)
        try:
            JobWorker(store, queue, decider, policy).run(stop)
        finally:
            queue.close()
            decider.close()


def _keep(command: Sequence[str], workers: int, stop: threading.Event) -> None:
    """Keep processes that work; one that dies is started again."""
    kept = [KeptProcess(command, name=f"job-worker-{at + 1}") for at in range(workers)]
    stop.wait()
    closing = [threading.Thread(target=one.close) for one in kept]
    for thread in closing:
        thread.start()
    for thread in closing:
        thread.join()


def _command(settings: Settings, server: str, at_once: int, lease: str) -> Sequence[str]:
    config = click.get_current_context().find_root().params["config"]
    chosen = () if config is None else ("--config", str(config))
    return (
        sys.executable, "-m", "kingpost.cli", *chosen, "--data-dir", str(settings.data_dir),
        "job-worker", "--url", server, "--at-once", str(at_once), "--lease", lease,
        "--follow-parent",
    )  # fmt: skip


@contextmanager
def _opened(settings: Settings) -> Generator[JobStore]:
    store = open_job_store(settings.job_store, data_directory(settings).jobs)
    try:
        yield store
    finally:
        store.close()


def _facts(job: Job) -> dict[str, object]:
    return {
        "id": job.id,
        "decision": job.decision,
        "state": job.state.value,
        "priority": job.priority,
        "attempts": job.attempts,
        "lost": job.lost,
        "cancelling": job.is_cancelled and not job.state.is_end,
        "submitted_at": _time(job.created_us),
        "started_at": _time(job.started_us),
        "ended_at": _time(job.ended_us),
        "record": job.record or None,
        "webhook": job.webhook or None,
        "reason": job.reason,
    }


def _time(at_us: int) -> str | None:
    if not at_us:
        return None
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat(timespec="milliseconds")
