"""`kingpost watch`."""

import threading
from pathlib import Path

import click

from kingpost.cli.beside import map_large_blocks, own_command, told_to_stop
from kingpost.cli.logs import log_to_stderr
from kingpost.cli.observe import AlreadyObserved, open_observer
from kingpost.cli.output import print_result, progress
from kingpost.cli.place import data_directory
from kingpost.cli.sealing import keep_sealed
from kingpost.cli.tree import open_tree, trees_kept_up
from kingpost.contracts import Instant
from kingpost.core import Settings
from kingpost.decisions import LOGS
from kingpost.serving import Observed, Observer

__all__ = ["watch"]

_NICENESS = 10
_WAIT_S = 60.0


@click.command()
@click.argument("app", type=click.Path(path_type=Path))
@click.option("--once", is_flag=True, help="Observe what is there, print what it was, and end.")
@click.option(
    "--follow-parent",
    is_flag=True,
    hidden=True,
    help="End when standard input ends; wait politely.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end.")
@click.pass_obj
def watch(settings: Settings, app: Path, once: bool, follow_parent: bool, as_json: bool) -> None:
    """Observe APP's decisions behind the server: search, monitors, alerts, inbox; prove them.

    `kingpost run` starts this by itself. It may be stopped, killed and started again at any
    time: it goes on where it was.
    """
    log_to_stderr(settings.log_format)
    map_large_blocks()
    stop = told_to_stop(with_parent=follow_parent, niceness=_NICENESS)
    try:
        with open_observer(settings, app, wait=stop if follow_parent else None) as observer:
            if once:
                _catch_up(observer, stop)
                for log in LOGS:
                    with open_tree(settings, log) as tree:
                        tree.update(wait_s=_WAIT_S)
            else:
                seal = own_command(settings, "seal", "--follow-parent")
                where = data_directory(settings)
                with trees_kept_up(settings), keep_sealed(settings, where, seal):
                    observer.run(stop)
            result = _shown(observer.observed)
    except AlreadyObserved:
        if stop.is_set():
            return
        raise
    if once or as_json:
        print_result(result, as_json=as_json)


def _shown(done: Observed) -> dict[str, object]:
    return {
        "commits": done.commits,
        "records": done.records,
        "labels": done.labels,
        "reviews": done.reviews,
        "incidents": [
            {
                "id": incident.id,
                "tenant": incident.tenant,
                "decision": incident.decision,
                "kind": incident.kind,
                "opened": Instant(incident.opened_us).isoformat(),
                "title": incident.title,
            }
            for incident in done.incidents
        ],
    }


def _catch_up(observer: Observer, stop: threading.Event) -> None:
    with progress("watch", "records") as show:
        while not stop.is_set() and observer.step():
            show(observer.observed.records)
