"""`kingpost work`."""

import logging
import os
import sys
import threading
import time
from pathlib import Path

import click

from kingpost.cli.beside import told_to_stop
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.output import print_result, progress
from kingpost.cli.work import open_worker
from kingpost.core import Settings
from kingpost.workflows import AlreadyWorking, Worker, Workflows

__all__ = ["work"]

_NICENESS = 5
_log = logging.getLogger(__name__)
_LOOK_S = 0.5


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--until-idle", is_flag=True, help="End when every workflow has ended.")
@click.option(
    "--follow-parent",
    is_flag=True,
    hidden=True,
    help="End when standard input ends; wait politely.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def work(
    settings: Settings, app: Path, until_idle: bool, follow_parent: bool, as_json: bool
) -> None:
    """Run APP's workflows until SIGTERM or Ctrl-C.

    `kingpost run` starts this by itself. It may be stopped, killed and started again at any
    time: each workflow goes on behind the last step that was finished. Stopped, it waits
    for steps in flight as long as the setting `drain` says.
    """
    log_to_stderr(settings.log_format)
    stop = told_to_stop(with_parent=follow_parent, niceness=_NICENESS)
    try:
        with open_worker(settings, app, wait=stop if follow_parent else None) as workflows:
            if until_idle:
                _await_idle(workflows, stop)
            else:
                stop.wait()
            left = _left(workflows)
    except AlreadyWorking:
        if stop.is_set():
            return
        raise
    if until_idle or as_json:
        print_result(left, as_json=as_json)
    _leave(settings.drain_s)


def _leave(patience_s: float) -> None:
    """Let steps end that are in flight; then end without them, since they are run again."""
    end = time.monotonic() + patience_s
    while Worker.steps_in_flight() and time.monotonic() < end:
        time.sleep(_LOOK_S / 10)
    if Worker.steps_in_flight():
        _log.warning("steps_left", extra={"steps": Worker.steps_in_flight()})
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _await_idle(workflows: Workflows, stop: threading.Event) -> None:
    with progress("work", "workflows left") as show:
        while not stop.is_set() and not workflows.is_idle():
            show(sum(workflows.counts().values()))
            stop.wait(_LOOK_S)


def _left(workflows: Workflows) -> dict[str, object]:
    counts = workflows.counts()
    states = sorted({state for _, state in counts})
    return {
        "left": sum(counts.values()),
        **{
            state: sum(number for (_, is_), number in counts.items() if is_ == state)
            for state in states
        },
    }
